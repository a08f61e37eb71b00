"""Pictures of graphs, and backpropagation to step through.

`draw(node)` and `debug(node)` show themselves in a notebook and save as files; `python -m viz` does
the same from the command line. `entry(node, index)` is the graph of the numbers behind one entry of
a Tensor, to be drawn or stepped through as any other.

>>> from autograd import Value
>>> from viz import debug, draw
>>> x = Value(3.0, name="x")
>>> draw(x * x)
<Diagram: a graph of 2 boxes; .save("graph.svg") draws it>
>>> debug(x * x).events[-1]["text"]
'the gradient of x is complete: 6.0'
"""

from viz.debugger import Debugger, debug
from viz.debugger.entry import entry
from viz.diagram import Diagram, draw

__all__ = ["Debugger", "Diagram", "debug", "draw", "entry"]
