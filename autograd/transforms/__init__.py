"""What turns a function into another: vmap, and the machinery of grad, jvp and their kind."""
