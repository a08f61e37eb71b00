"""The loop language: statements around ../../primitives/expressions.py, and its oracle."""
