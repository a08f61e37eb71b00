"""What is said while files are fetched."""

from __future__ import annotations

import sys

import pytest

from data.fetch import progress
from data.fetch.progress import Bar, Lines, screen


def test_a_log_gets_few_lines(capsys, monkeypatch):
    """Else a slow download fills the log, or says nothing for an hour."""
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    lines = Lines()
    lines.begin("pets/images")
    for second in range(25):
        now[0] = float(second)
        lines.step(1_000_000 * second, 30_000_000)
    lines.close()
    assert capsys.readouterr().err.splitlines() == [
        "fetching pets/images",
        "fetching pets/images: 10.0 of 30.0 MB",
        "fetching pets/images: 20.0 of 30.0 MB",
    ]


def test_a_reader_that_has_gone_does_not_end_the_fetching(monkeypatch):
    with open("/dev/null") as closed:
        monkeypatch.setattr(sys, "stderr", closed)  # to write to it raises
        Lines().say("a")
    monkeypatch.setattr(sys, "stderr", None)
    Lines().say("a")
    assert type(screen()) is Lines


@pytest.mark.parametrize(("term", "kind"), [("xterm", Bar), ("dumb", Lines)])
def test_a_terminal_gets_a_bar(monkeypatch, term, kind):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", term)
    assert type(screen()) is kind


@pytest.mark.parametrize("columns", ["40", "100"])
def test_a_narrow_terminal_cuts_the_name_never_the_figures(monkeypatch, capsys, columns):
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setenv("FORCE_COLOR", "1")
    bar = Bar()
    bar.begin("fashion-mnist/train-images-idx3-ubyte")
    bar.step(3_300_000, 26_421_880)
    bar.progress.refresh()
    bar.say("[bold]a line")
    bar.close()
    said = capsys.readouterr().err
    assert "  3.3 of 26.4 MB" in said and "[bold]a line" in said
    assert ("train-images-idx3-ubyte " in said) == (columns == "100")
