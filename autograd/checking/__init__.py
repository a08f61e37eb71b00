"""Is it right? Gradients against differences, and where the first bad number came from."""
