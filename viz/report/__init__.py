"""`python -m viz report`: what trainings (of models.mnist) came to, as one HTML page for a browser.

The page holds everything it shows, plotly's script included, and asks no network. runs.py reads
the folders, charts.py and pictures.py draw, page.py puts it together.
"""

from __future__ import annotations

from collections.abc import Sequence

from models.mnist.digits import Digits
from models.mnist.settings import InputError
from viz.files import write
from viz.report.page import render
from viz.report.runs import read_runs

__all__ = ["report_command"]

OUT = "report.html"


def report_command(run_dirs: Sequence[str], out: str | None = None) -> int:
    """Write the page about the trainings in these folders as `out`; gives the exit code.

    Raises InputError where plotly is missing, a folder holds no run, or `out` cannot be written
    or does not end in .html.
    """
    path = OUT if out is None else out
    if not path.lower().endswith(".html"):
        raise InputError(f"-o: expected a name that ends in .html, found {path!r}")
    script = plotly_script()
    runs = read_runs(run_dirs)
    page = render(runs, Digits("test")["test"], script).encode()
    try:
        write(path, page)
    except (OSError, ValueError) as error:  # ValueError: a null byte in the path
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path}: expected to be able to write it, found: {reason}") from error
    print(f"wrote {path} ({len(page) / 1e6:.1f} MB)")
    return 0


def plotly_script() -> str:
    """The text of plotly.js as the plotly package brings it. Raises InputError without one."""
    try:
        from plotly.offline import get_plotlyjs  # type: ignore[import-untyped]
    except ImportError as error:
        message = "report: its charts need plotly: pip install 'chainrule[report]'"
        raise InputError(message) from error
    return str(get_plotlyjs())
