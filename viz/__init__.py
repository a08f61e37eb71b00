"""Pictures of graphs: `draw(node)` shows itself in a notebook and saves as a file.

>>> from autograd import Value
>>> from viz import draw
>>> x = Value(3.0, name="x")
>>> draw(x * x)
<Diagram: a graph of 2 boxes; .save("graph.svg") draws it>
"""

from .diagram import Diagram, draw

__all__ = ["Diagram", "draw"]
