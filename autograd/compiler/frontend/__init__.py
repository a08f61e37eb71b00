"""From the user's Python to a program: the trace, what it reads outside, its replay by NumPy."""
