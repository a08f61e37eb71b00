"""The loop language: its statements (expressions are primitives/expressions.py), its verifier, and
the interpreter that printers are tested against."""
