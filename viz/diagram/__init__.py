"""A graph as a picture: `draw` reads it, folds it where it is large, colours it, and prints DOT."""

from __future__ import annotations

from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from autograd import Node, jit
from autograd.compiler.frontend.program import Program
from autograd.nn import Module
from data.files import write
from viz.backprop import cotangents, plain
from viz.diagram import layout
from viz.diagram.dot import ROOT_FILLS, Picture, dot
from viz.diagram.folding import fold as folded
from viz.diagram.folding import span, unfolded
from viz.diagram.health import health, shares
from viz.diagram.items import (
    Item,
    Lowered,
    items_of_lowered,
    items_of_module,
    items_of_nodes,
    items_of_program,
)
from viz.text import norm, short

__all__ = ["Diagram", "draw", "outline"]

# What dot can lay out in a few seconds: 1,000 boxes of an MLP on Values take 1 s, a chain of 240
# that all read one weight, with arrows across 15,000 columns, 1.5 s. Beyond, the time grows faster
# than the square, and nobody could read the picture.
MAX_BOXES = 1000
MAX_SPAN = 15_000

PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
  :root {{ color-scheme: light dark; background: light-dark(#fff, #16191d) }}
  body {{ margin: 2rem; overflow: auto }}
</style>
<body>
<main aria-label="{title}">
{svg}</main>
</html>
"""


@dataclass(frozen=True)
class Diagram:
    """A graph as DOT text (`source`), as it was when `draw` was called; a notebook shows it.

    boxes: how many the picture has. items: how many leaves, constants and operations they stand
    for; more than boxes where it is folded. span: how many columns its arrows cross, in all.
    """

    source: str
    boxes: int
    items: int
    span: int

    @property
    def too_large(self) -> bool:
        """Whether a layout would take too long."""
        return self.boxes > MAX_BOXES or self.span > MAX_SPAN

    def _repr_svg_(self) -> str:
        if self.too_large:
            raise ValueError(
                f"draw: {self.boxes:,} boxes whose arrows cross {self.span:,} columns are too many "
                f"for a picture (at most {MAX_BOXES:,} and {MAX_SPAN:,}); leave out fold=False, "
                'or save the DOT text with .save("graph.dot")'
            )
        return layout.svg(self.source)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        svg = self._repr_svg_()
        html = layout.notebook(svg, self.describe())
        return {"text/html": html, "image/svg+xml": svg, "text/plain": repr(self)}

    def save(self, path: str | Path) -> None:
        """Write an .svg, .html or .dot file, with an installed `dot` a .png or .pdf; a file of that
        name is replaced in one step.

        Raises ValueError for another suffix or a graph too large for a picture, RuntimeError
        where Graphviz is missing, OSError where the file cannot be written.
        """
        path = Path(path)
        write(path, self._as(path.suffix.lower(), path))

    def _as(self, suffix: str, path: Path) -> bytes:
        if suffix == ".dot":
            return self.source.encode()
        if suffix == ".svg":
            return self._repr_svg_().encode()
        if suffix == ".html":
            title = escape(f"{path.stem}: {self.describe()}")
            return PAGE.format(title=title, svg=self._repr_svg_()).encode()
        if suffix in (".png", ".pdf"):
            return layout.image(self.source, suffix[1:])
        raise ValueError(f"save: {path.name!r} does not end in .svg, .html, .dot, .png or .pdf")

    def describe(self) -> str:
        """How much it shows, in words."""
        if self.items == self.boxes:
            return f"a graph of {self.boxes:,} boxes"
        return f"a graph of {self.items:,} nodes folded into {self.boxes:,} boxes"

    def __repr__(self) -> str:
        return f'<Diagram: {self.describe()}; .save("graph.svg") draws it>'


def draw(what: Any, fold: bool | None = None) -> Diagram:
    """The graph behind a node (a Value or a Tensor), behind several (a list), a traced step (what
    `jit` made, or one of its programs), behind its kernels (`step.lower(...)`, each of which is
    timed), or the layers of a Module, as a diagram.

    fold: put the operations of one module into one box, and what repeats; None: if there are more
    than a thousand boxes, or their arrows are so long that a layout would take minutes.

    Each box shows a node's name, operation, value and gradient; of a large Tensor its range, and
    the gradient's norm. Arguments enter from top to bottom in their order; ids count the nodes in
    the order in which they were made, and the same graph gives the same text. A leaf's gradient is
    what `backward()` left in it. After a backward pass the other nodes' are computed again: the
    fill says what becomes of them (see health.py), and an arrow is as thick as the share of its
    node's gradient that comes back along it. With several roots the fill says which of them needs a
    box first: draw([y, dy, d2y]) tells a function from its derivatives.
    Raises TypeError for anything else, ValueError for a step that was not traced yet.

    >>> from autograd import Value
    >>> x = Value(3.0, name="x")
    >>> draw(x * x).source.count("->")
    2
    """
    roots = list(what) if isinstance(what, list | tuple) else [what]
    if all(isinstance(root, Node) for root in roots):
        roots = list(dict.fromkeys(roots))
    items = _items(what, roots)
    large = len(items) > MAX_BOXES if fold is None else fold and not isinstance(what, Module)
    boxes = folded(items) if large else unfolded(items)
    width = span(boxes, items)
    if fold is None and width > MAX_SPAN:
        boxes = folded(items)
        width = span(boxes, items)
    picture = Picture(items, boxes)
    if isinstance(what, Module):
        _add_parameter_gradients(picture)
    elif isinstance(roots[0], Node):
        _add_gradients(picture, roots)
    if len(boxes) < len(items):
        picture.notes.append(f"{len(items):,} nodes folded into {len(boxes):,} boxes")
    return Diagram(dot(picture), len(boxes), len(items), width)


def outline(root: Any) -> Diagram:
    """The graph behind a node, without colours and not folded, with the gradients that a backward
    pass gives: a debugger shows each of them when its step comes."""
    items = items_of_nodes([root])
    boxes = unfolded(items)
    gradients, _ = cotangents([root])
    known = {i: gradients[item.node] for i, item in enumerate(items) if item.node in gradients}
    return Diagram(dot(Picture(items, boxes, known)), len(boxes), len(items), span(boxes, items))


def _items(what: Any, roots: list[Any]) -> list[Item]:
    if roots and all(isinstance(root, Node) for root in roots):
        return items_of_nodes(roots)
    if isinstance(what, Module):
        return items_of_module(what)
    if isinstance(what, jit):
        if not what.programs:
            raise ValueError(f"draw: {what.name} was not called yet, and so not traced")
        what = what.programs[-1]
    if isinstance(what, Program):
        return items_of_program(what)
    if isinstance(what, Lowered):
        return items_of_lowered(what)
    raise TypeError(
        "draw: takes a Value, a Tensor or a list of them, a Module, a jitted step or its lower(), "
        f"not {type(what).__name__}"
    )


def _add_gradients(picture: Picture, roots: list[Any]) -> None:
    """The gradients that leaves hold; all gradients, if a backward pass was run from one root."""
    leaves = {i: item.node for i, item in enumerate(picture.items) if item.kind == "leaf"}
    held = {i: plain(leaf.grad) for i, leaf in leaves.items() if leaf.grad is not None}
    picture.gradients = {i: gradient for i, gradient in held.items() if np.any(gradient)}
    if not picture.gradients and any(root.requires_grad for root in roots):
        picture.notes.append("no backward() has run: only values")
    if len(roots) > 1:
        _add_roots(picture, roots)
        return
    try:
        gradients, contributions = cotangents(roots)
    except RuntimeError as stale:
        picture.notes.append(str(stale))
        return
    given = {i: gradients[leaf] for i, leaf in leaves.items() if leaf in gradients}
    if not picture.gradients and any(map(np.any, given.values())):
        return
    picture.notes.clear()  # it may have run all the same: all gradients are zero
    picture.gradients = held
    if not all(_same(held.get(i, 0.0), given.get(i, 0.0)) for i in leaves):
        picture.notes.append("leaves hold gradients other than this root's, or more")
        if np.size(roots[0].data) > 1:  # the seed that it was run with is not known
            return
    for i, item in enumerate(picture.items):
        if item.node in gradients:
            shown = picture.gradients.setdefault(i, gradients[item.node])
            picture.health[i] = health(item, shown)
    picture.shares = shares(picture.items, contributions, _between(picture))


def _between(picture: Picture) -> set[int]:
    """The items that a box other than their own reads: arrows carry the gradients of these."""
    box_of = {member: box for box in picture.boxes for member in box.members}
    return {
        arg
        for member, item in enumerate(picture.items)
        for arg in item.args
        if box_of[arg] is not box_of[member]
    }


def _add_roots(picture: Picture, roots: list[Any]) -> None:
    """Names of several roots, which colour the boxes, where there are colours enough."""
    if len(roots) > len(ROOT_FILLS):
        picture.notes.append(f"{len(roots):,} roots")
    else:
        picture.roots = [str(root.name or f"root {i}") for i, root in enumerate(roots, 1)]


def _add_parameter_gradients(picture: Picture) -> None:
    """For each layer of a module, the gradients of its parameters, taken as one array."""
    for i, item in enumerate(picture.items):
        given = [p for p in item.node.parameters() if p.grad is not None]
        if given:
            data = np.concatenate([p.data.ravel() for p in given])
            gradient = np.concatenate([plain(p.grad).ravel() for p in given])
            picture.health[i] = health(replace(item, data=data), gradient)
            item.lines += (f"grad norm {short(norm(gradient))}",)


def _same(held: Any, given: Any) -> bool:
    """Whether a leaf holds the gradient that this root gives it."""
    return bool(np.allclose(held, given, rtol=1e-6, atol=0.0, equal_nan=True))
