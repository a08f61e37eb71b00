"""What is printed while a model learns, also where it cannot be."""

import errno
import io
import re
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograd.nn import mse
from autograd.optim import SGD
from models import command_line
from models.mlp import MLP
from models.training import Callback, Epoch, Progress, Trainer
from models.training.place import Place
from models.training.progress import MANY, Table, bar
from models.training.screen import Screen
from models.training.text import columns

BOTH = ["train", "validation"]
X = np.random.default_rng(0).normal(size=(100, 3)).astype(np.float32)


def fit(*callbacks, metrics=None, **options):
    model = MLP([3, 4, 1], "tanh")
    trainer = Trainer(model, mse, SGD(model.parameters(), 0.1), callbacks, metrics=metrics)
    return trainer.fit((X, X[:, :1]), **{"epochs": 2, "batch_size": 10, **options})


def test_a_log_has_a_line_for_each_epoch(capsys):
    error = {"absolute error": lambda outputs, y: abs(outputs - y).mean()}
    fit(Progress(), metrics=error, validation=(X, X[:, :1]))
    groups, names, *epochs = capsys.readouterr().out.splitlines()
    assert groups.split() == ["train", "validation"]
    assert names.split() == ["epoch", *2 * ["loss", "absolute", "error"]]
    assert [line.split()[0] for line in epochs] == ["1/2", "2/2"]
    assert all(len(line.split()) == 7 and line.endswith("examples/s") for line in epochs)
    assert all(len(line) >= len(names) for line in epochs)


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.5, "0.5000"), (123.4, "123.4000"), (5e6, "5e+06"), (2e-7, "2e-07"), (float("nan"), "-")],
)
def test_figures_of_any_size_keep_their_columns(value, shown):
    epoch = Epoch(1, 10, 100, {"loss": value}, None, 0.1, 2.0)
    table = Table(BOTH, ["loss"], 3, "images")
    line = table.row(epoch, 1.0)
    assert line.split() == ["1/3", shown, "-", "50", "images/s"]
    assert line.index(shown) + len(shown) == len("epoch   ") + len("     loss")
    assert len(table.header().splitlines()[1]) == len("epoch   ") + 2 * len("     loss")


def test_small_figures_and_many_epochs_do_not_run_into_each_other():
    figures = {"loss": 0.000999, "error": 0.000123}
    table = Table(BOTH, list(figures), 20000000, "images")
    line = table.row(Epoch(1, 10, 100, figures, figures, 0.1, 2.0), 1234567.0)
    assert line.split() == ["1234567/20000000", *2 * ["0.000999", "0.000123"], "50", "images/s"]
    assert table.header().splitlines()[1].index("loss") + len("loss") == line.index("999") + 3


@pytest.mark.parametrize("names", [["loss", "accuracy"], ["loss"], ["loss", "absolute error"]])
@pytest.mark.parametrize("groups", [BOTH, BOTH[:1]])
def test_a_row_is_never_broken_by_a_terminal(names, groups):
    """Else a table is two half columns that nobody reads. Thirty columns show the loss."""
    figures = dict.fromkeys(names, 0.5)
    epoch, before = Epoch(1, 10, 100, figures, figures, 0.1, 2.0), 0
    for width in range(30, 100):
        table = Table.fitting(width, groups, names, 20, "images")
        row, shown = table.row(epoch, 0.75), len(table.groups) * len(table.names)
        assert len(row) == table.width <= width
        assert all(len(line) <= width for line in table.header().splitlines())
        assert table.groups[-1] == groups[-1] and "0.5000" in row
        assert shown >= before  # a wider terminal shows no less
        before = shown
    assert (
        table
        == Table.fitting(None, groups, names, 20, "images")
        == Table(groups, names, 20, "images")
    )


@given(
    st.floats(0, 1),
    st.lists(st.text("aé茶 1", min_size=1, max_size=20), min_size=2, max_size=6),
    st.integers(1, 120),
)
def test_the_bar_takes_the_columns_there_are(share, texts, width):
    """Else it is broken into lines of which all but one stay behind."""
    line = bar(share, texts, width)
    assert columns(line) == width
    assert "…" not in line


@pytest.mark.parametrize(("last", "lines"), [(100, 100), (999, 189), (10**4, 280)])
def test_a_log_of_many_epochs_stays_short(monkeypatch, capsys, last, lines):
    """Of each decade as many lines; and the last epoch."""
    monkeypatch.setattr("models.training.progress.time.perf_counter", lambda: 0.0)
    trainer = Trainer(MLP([3, 1]), mse, SGD(MLP([3, 1]).parameters(), 0.1))
    monkeypatch.setattr(Trainer, "epochs", last)
    monkeypatch.setattr(Trainer, "steps_per_epoch", 1)
    progress = Progress()
    progress.begin(trainer)
    for epoch in range(1, last + 1):
        progress.epoch(trainer, Epoch(epoch, epoch, 10, {"loss": 1.0}, None, 0.1, 1.0))
    shown = capsys.readouterr().out.splitlines()[2:]
    assert len(shown) == lines + (last == 999)
    assert shown[MANY - 1].startswith("100/") and shown[-1].startswith(f"{last}/")


def test_a_slow_epoch_has_a_line_whatever_its_number(monkeypatch, capsys):
    now = [0.0]
    monkeypatch.setattr("models.training.progress.time.perf_counter", lambda: now[0])
    trainer = Trainer(MLP([3, 1]), mse, SGD(MLP([3, 1]).parameters(), 0.1))
    monkeypatch.setattr(Trainer, "epochs", 999)
    monkeypatch.setattr(Trainer, "steps_per_epoch", 1)
    progress = Progress()
    progress.begin(trainer)
    for epoch in range(101, 110):
        now[0] += 4.0
        progress.epoch(trainer, Epoch(epoch, epoch, 10, {"loss": 1.0}, None, 0.1, 1.0))
    shown = [line.split("/")[0] for line in capsys.readouterr().out.splitlines()[2:]]
    assert shown == ["103", "106", "109"]


@pytest.mark.parametrize(
    ("columns", "shown"), [(60, 4), (50, 3), (40, 2)], ids=["all", "no speed", "no accuracy"]
)
def test_the_bar_shows_loss_accuracy_speed_and_time_left(monkeypatch, capsys, columns, shown):
    """What does not fit is left out, from the right; nothing is cut into dots."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", str(columns))
    trainer = Trainer(MLP([3, 1]), mse, SGD(MLP([3, 1]).parameters(), 0.1))
    trainer.figures = {"loss": mse, "accuracy": mse}
    monkeypatch.setattr(Trainer, "epochs", 2)
    monkeypatch.setattr(Trainer, "steps_per_epoch", 20)
    seconds = iter([0.0, 2.0, 2.0, 2.01])
    monkeypatch.setattr("models.training.progress.time.perf_counter", lambda: next(seconds))
    trainer.place = Place(2000, 100, 0, started=0.0)
    bar = Progress("images")
    bar.begin(trainer)
    trainer.place = Place(2000, 100, 0, 0, 10, 10, [5.1234, 8.75], started=0.0)
    bar.steps(trainer)
    trainer.place = Place(2000, 100, 0, 0, 11, 11, [4.4, 9.9], started=0.0)
    bar.steps(trainer)  # too soon to be drawn
    bar.screen.show("a line above")
    bar.end(trainer)
    out = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", capsys.readouterr().out)
    line = next(line for line in re.split(r"[\r\n]+", out) if "loss 0.5" in line)
    assert len(line) <= columns - 3  # behind it the terminal writes "^C"
    # 10 of 40 steps of 100 images took 2 seconds.
    parts = ["epoch 1/2", "0:06 left", "loss 0.512", "87.50 %", "500 images/s"]
    assert [part for part in parts if part in line] == parts[: shown + 1]
    assert "…" not in line
    assert "a line above" in out
    assert "loss 0.4" not in line


class Failing(io.StringIO):
    """A standard output that takes some lines, and then none."""

    def __init__(self, error, lines):
        super().__init__()
        self.error, self.lines = error, lines

    def write(self, text):
        if self.lines <= 0:
            raise self.error
        self.lines -= text.count("\n")
        return super().write(text)


@pytest.mark.parametrize("lines", [0, 2, 3])
@pytest.mark.parametrize(
    "error",
    [OSError(errno.ENOSPC, "No space left on device"), OSError(errno.EIO, "Input/output error")],
)
def test_what_cannot_be_printed_ends_no_training(monkeypatch, capsys, error, lines):
    monkeypatch.setattr(sys, "stdout", Failing(error, lines))
    history = fit(Progress())
    assert (history.reason, history.steps) == ("finished", 20)
    said = capsys.readouterr().err
    assert said.count("standard output cannot be written") == 1
    assert error.strerror in said


def test_nor_does_a_closed_standard_output(monkeypatch):
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr(sys, "stdout", closed)
    monkeypatch.setattr(sys, "stderr", closed)
    assert fit(Progress()).reason == "finished"


def test_the_bar_is_removed_when_something_else_fails(monkeypatch, capsys):
    class Fail(Callback):
        def epoch(self, trainer, epoch):
            raise RuntimeError("something else")

    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    progress = Progress()
    with pytest.raises(RuntimeError, match="something else"):
        fit(progress, Fail())
    assert progress.screen.drawn == ""


class Terminal:
    """What a terminal of so many columns shows: a grid, of the codes that a Screen writes. It
    breaks lines where it ends, and again when it is made narrower, as most do."""

    def __init__(self, width):
        self.width, self.lines, self.at = width, [""], (0, 0)  # at: line, column

    def isatty(self):
        return True

    def flush(self):
        pass

    def write(self, text):
        for code, number, character in re.findall(r"(\x1b\[(\d*)[AJ])|(.|\n)", text):
            line, column = self.at
            if code.endswith("A"):
                self.at = line - int(number), column
            elif code:
                self.lines[line:] = [self.lines[line][:column]]
            elif character == "\r":
                self.at = line, 0
            elif character == "\n":
                self.lines.append("")
                self.at = line + 1, 0
            else:
                self.put(character)

    def put(self, character):
        line, column = self.at
        if column == self.width:
            self.lines.append("")
            line, column = line + 1, 0
        self.lines[line] = self.lines[line][:column] + character
        self.at = line, column + 1

    def resize(self, width):
        old, self.width, self.lines, self.at = self.lines, width, [""], (0, 0)
        self.write("\n".join(old))


def test_no_line_stays_behind_on_a_terminal_that_is_resized(monkeypatch):
    """Narrower and wider, between any two lines."""
    terminal = Terminal(100)
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setattr(
        command_line, "get_terminal_size", lambda: SimpleNamespace(columns=terminal.width)
    )
    screen = Screen()
    for i, width in enumerate((100, 60, 31, 30, 200, 7, 90)):
        screen.show(f"line {i}")
        screen.draw("=" * (screen.width - 3))
        terminal.resize(width)
        screen.draw("=" * (screen.width - 3))
    terminal.resize(40)
    screen.show("the last")
    terminal.resize(20)
    screen.draw("")
    assert terminal.lines == [*(f"line {i}" for i in range(7)), "the last", ""]
