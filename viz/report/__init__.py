"""`python -m viz report`: how trainings (of models.mnist) went, as one HTML page for a browser.

The page holds everything it shows, plotly's script included, and loads nothing from a network. From
low to high: runs.py reads the folders; charts.py and pictures.py draw; parts.py holds the pieces of
HTML; sections.py, answers.py and layers.py write the sections; page.py puts them together.
"""

from __future__ import annotations

from collections.abc import Sequence

from data.files import reason, write
from models.command_line import InputError, printable
from viz.report.page import render
from viz.report.runs import read_runs

__all__ = ["report_command"]


def report_command(run_dirs: Sequence[str], out: str) -> int:
    """Write the page about the trainings in these folders as `out`; gives the exit code.

    Raises InputError where plotly is missing, a folder holds no run, or `out` cannot be written
    or does not end in .html.
    """
    if not out.lower().endswith(".html"):
        raise InputError(f"-o: expected a name that ends in .html, found {out!r}")
    script = plotly_script()
    # What a config.json says may be no text in UTF-8: half of a surrogate pair.
    page = render(read_runs(run_dirs), script).encode(errors="backslashreplace")
    try:
        write(out, page)
    except (OSError, ValueError) as error:  # ValueError: a null byte in the path
        raise InputError(
            f"{out}: expected to be able to write it, found: {reason(error)}"
        ) from error
    print(f"wrote {printable(out)} ({len(page) / 1e6:.1f} MB)")
    return 0


def plotly_script() -> str:
    """The text of plotly.js as the plotly package brings it. Raises InputError without one."""
    try:
        from plotly.offline import get_plotlyjs  # type: ignore[import-untyped]
    except ImportError as error:
        wanted = "pip install -e '.[report]' in Chainrule's folder"
        message = f"report: its charts need plotly ({error}): {wanted}"
        raise InputError(message) from error
    return str(get_plotlyjs())
