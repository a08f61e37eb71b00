"""What is printed while a model learns, also where it cannot be."""

import errno
import io
import re
import sys

import numpy as np
import pytest

from autograd.nn import mse
from autograd.optim import SGD
from models.mlp import MLP
from models.training import Callback, Epoch, Progress, Trainer
from models.training.place import Place
from models.training.progress import header, row

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
    line = row(epoch, 1.0, 3, "images")
    assert line.split() == ["1/3", shown, "-", "50", "images/s"]
    assert line.index(shown) + len(shown) == len("epoch   ") + len("     loss")
    assert len(header(["loss"]).splitlines()[1]) == len("epoch   ") + 2 * len("     loss")


def test_small_figures_and_many_epochs_do_not_run_into_each_other():
    figures = {"loss": 0.000999, "error": 0.000123}
    line = row(Epoch(1, 10, 100, figures, figures, 0.1, 2.0), 1234567.0, 20000000, "images")
    assert line.split() == ["1234567/20000000", *2 * ["0.000999", "0.000123"], "50", "images/s"]


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
    assert progress.screen.bar is None
