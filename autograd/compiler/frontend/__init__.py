"""From the user's Python to a program: the trace, what it may read, and its replay by NumPy."""
