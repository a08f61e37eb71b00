"""What turns one function into another: vmap, and what grad, jvp and their kind share."""
