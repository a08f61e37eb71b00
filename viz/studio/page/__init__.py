"""The studio's page: plain modules of JavaScript, which the server hands out as they
are when it starts (routes.py) and an export writes into a folder.

index.html loads app.js, which shows the view that the address names (state.js); api.js asks the
server, by ask.js and host.js, which an export has others for; loading.js fetches examples in
blocks, and again.js asks anew for what failed. data/ is the view of the examples: grid.js, order.js
and layers.js are numbers alone, filters.js is the form, paint.js draws one, beside.js shows the
chosen one and the classes, marks.js what the wrong ones are taken for, told.js how many there are;
answers.js has what the network answers. Its workers, which supply.js leads, are reader.js, which
fetches them, and painter.js, which draws all of them (atlas.js). network/ is the view of one
example on its way through the layers: layout.js, camera.js and formula.js are numbers alone,
draw.js draws, panel.js says the same in words. train/ is the training; its worker answers the other
views too (asked.js). race/ holds the WebAssembly of it against the server's C, and is fetched when
that part of Train is opened: lap.js is in the worker, race.js has numbers and words alone. draw/ is
the view in which people draw: strokes.js paints, prepare.js makes an example of a drawing by
grey.js and pieces.js, which are numbers alone, as flip.js, nearest.js and pushes.js in the worker;
pad.js hears pointers and keys, answer.js shows what the network makes of it, lesson.js teaches,
search.js finds.
"""

from __future__ import annotations

from pathlib import Path

from viz import page as shared

__all__ = ["CODE", "FOLDER", "KINDS", "files"]

FOLDER = Path(__file__).parent
# What the page's sentences link to besides its own files. Each is at an address that ends in .txt:
# hosts know no type of .py that every browser shows.
CODE = (
    "models/mnist/novelty.py",
    "models/mnist/reading/digits.py",
    "models/web.py",
    "viz/studio/race/lap.py",
)
KINDS = {".html": "text/html", ".js": "text/javascript", ".css": "text/css"}


def files() -> dict[str, Path]:
    """Every file of the page by its address, which is its place below viz/, and those of CODE below
    code/; index.html is at "".

    >>> found = files()
    >>> found[""].name, "page/dom.js" in found, "studio/page/app.js" in found
    ('index.html', True, True)
    """
    root = shared.FOLDER.parent
    found = [
        path
        for folder in (shared.FOLDER, FOLDER)
        for path in folder.rglob("*")
        if path.suffix in KINDS and path.name != "index.html"
    ]
    return {
        "": FOLDER / "index.html",
        **{path.relative_to(root).as_posix(): path for path in found},
        **{f"code/{name}.txt": root.parent / name for name in CODE},
    }
