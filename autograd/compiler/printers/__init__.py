"""From the loop language to source text that another compiler reads.

A printer takes the segments of a step (`Code.compiled` of passes/lower.py), their functions
(language/statements.py) and a Machine (passes/tiling.py). It needs a text for each kind of
statement and expression, for tile and panel (or it prints their plain loops, language/tiles.py),
for the elementary functions that are called (language/elementary.py defines them), and for the
order of the runs. The interpreter (language/interpret.py) says what the text has to compute:
tests/autograd/compiler/printers/ compares them.
"""
