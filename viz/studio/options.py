"""What can be typed after `python -m viz studio` and `python -m viz export`. Nothing here imports
what the commands need."""

from __future__ import annotations

from typing import Any

from models.command_line import whole

__all__ = ["ARCHITECTURES", "CLAUSES", "add_export", "add_studio"]

ARCHITECTURES = "widths 16,32,64,128,256; depth 0-2"
CLAUSES = "activation relu; optimizer sgd,adam; batch 128; dropout 0"


def add_studio(studio: Any) -> None:
    """The options of `studio`, for its parser."""
    studio.add_argument("--host", default="127.0.0.1",
                        help="the address to listen on (default: %(default)s, which only this "
                        "machine reaches)")  # fmt: skip
    studio.add_argument("--port", type=whole, default=8000,
                        help="the port, 0 for any that is free (default: %(default)s)")  # fmt: skip
    studio.add_argument("--weights", metavar="RUN",
                        help="the folder of a training, whose network to begin with")  # fmt: skip
    studio.add_argument("--read-only", action="store_true", help="refuse what changes anything")
    studio.add_argument("--token", metavar="TEXT",
                        help="what a request that changes anything has to know (default: made at "
                        "each start); other users of this machine see a command line: better set "
                        "CHAINRULE_TOKEN in the environment")  # fmt: skip
    studio.add_argument("--allow-host", metavar="NAME", action="append", default=[],
                        help="answer under this name too, besides localhost")  # fmt: skip
    studio.add_argument("--allow-origin", metavar="ORIGIN", action="append", default=[],
                        help="let pages of this site use the API too, as "
                        "https://example.com")  # fmt: skip
    studio.add_argument("--no-browser", dest="browser", action="store_false",
                        help="do not open the page")  # fmt: skip


def add_export(export: Any) -> None:
    """The options of `export`, for its parser."""
    export.add_argument("path", metavar="DIR",
                        help="the folder to write, or the .html file with --single-file; an export "
                        "there is replaced")  # fmt: skip
    export.add_argument("--architectures", metavar="TEXT", default=ARCHITECTURES,
                        help="the networks that the page can train, by all combinations of widths, "
                        "depth, activation, optimizer, batch and dropout (default: "
                        f'"{ARCHITECTURES}; {CLAUSES}")')  # fmt: skip
    export.add_argument("--weights", metavar="RUN",
                        help="the folder of a training: its weights go with the page, and its "
                        "dataset takes MNIST's place")  # fmt: skip
    export.add_argument("--samples", metavar="N", type=whole,
                        help="so many examples, of training and test set together (default: all; "
                        "14000 in one file)")  # fmt: skip
    export.add_argument("--single-file", action="store_true",
                        help="DIR is one HTML file, which a browser opens from a disk")  # fmt: skip
