"""The commands that look at what was learned: evaluate, predict and show."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from autograd.nn import Module
from data import Examples
from models.command_line import InputError, fail, has_unicode
from models.mnist.checkpoint import load
from models.mnist.commands.terminal import render
from models.mnist.digits import Digits
from models.mnist.image import ImageError, prepare, read_image
from models.mnist.scoring import (
    confusion_table,
    counts_table,
    probabilities,
    score,
    surest_mistakes,
)
from models.mnist.settings import CLASSES, SHOWN, SIDE

NBSP = "\xa0"
BAR = 24  # columns for a probability of 1
SHRINK = 2  # what `predict` makes a digit smaller by, in both directions


def evaluate(checkpoint: str, split: str) -> int:
    """Print loss, accuracy and confusions of a checkpoint on "train" or "test"; gives the exit
    code."""
    digits = Digits(split)
    model = load(checkpoint)
    result = score(model, digits[split])
    print(counts_table("evaluate", {split: result}))
    print(f"\n{confusion_table(result)}")
    return 0


def predict(checkpoint: str, images: Sequence[str]) -> int:
    """Print what a checkpoint reads in image files; gives the exit code. A file that is no image
    does not stop the others."""
    model = load(checkpoint)
    code = 0
    for path in images:
        try:
            digit = prepare(read_image(path))
        except ImageError as error:
            sys.stdout.flush()
            text = str(error)
            code = fail(text if text.startswith(path) else f"{path}: {text}")
            continue
        (chances,) = probabilities(model, digit[None])
        print(f"{path}: {chances.argmax()}")
        print(f"{_beside(render(digit, shrink=SHRINK), _bars(chances))}\n", flush=True)
    return code


def show(
    index: Sequence[int] | None, wrong: str | None, label: int | None, count: int | None, split: str
) -> int:
    """Print digits: the first, of a class, by index, or those that a checkpoint gets wrong; gives
    the exit code."""
    if count is not None and count < 1:
        raise InputError(f"--count: expected at least 1, found {count}")
    if label is not None and not 0 <= label < CLASSES:
        raise InputError(f"--class: expected a digit from 0 to {CLASSES - 1}, found {label}")
    if index is not None and (label is not None or count is not None):
        raise InputError("--index: expected without --class and --count, found with")
    digits = Digits(split)
    model = load(wrong) if wrong is not None else None
    examples = digits[split]
    if model:
        return _show_wrong(model, examples, label, count or SHOWN)
    if index is not None:
        for i in index:
            if not 0 <= i < len(examples):
                raise InputError(f"--index: expected 0 to {len(examples) - 1}, found {i}")
        chosen = np.array(index)
    else:
        chosen = _of_class(examples, label)[: count or SHOWN]
    captions = [f"#{i}: {examples.labels[i]}" for i in chosen]
    print(render(examples.images[chosen], captions))
    return 0


def _show_wrong(model: Module, examples: Examples, label: int | None, count: int) -> int:
    """The mistakes, the surest first: those say most about the model, or about the label."""
    chances = probabilities(model, examples.images)
    among = _of_class(examples, label)
    mistakes = surest_mistakes(chances, examples.labels)
    mistakes = mistakes[np.isin(mistakes, among)]
    print(
        f"{len(mistakes):,} of {len(among):,} wrong"
        + (", the surest first:\n" if len(mistakes) else "")
    )
    captions = []
    for i in mistakes[:count]:
        right, answer = examples.labels[i], chances[i].argmax()
        truth = f"#{i}: {right} ({chances[i, right]:.1%})"
        reading = f"read as {answer} ({chances[i, answer]:.1%})"
        # No other space breaks: the caption is two lines below each picture.
        captions.append(f"{truth.replace(' ', NBSP)} {reading.replace(' ', NBSP)}")
    if captions:
        print(render(examples.images[mistakes[:count]], captions).replace(NBSP, " "))
    return 0


def _of_class(examples: Examples, label: int | None) -> NDArray[np.int64]:
    """The indices of a class; None for all of them."""
    if label is None:
        return np.arange(len(examples))
    return np.flatnonzero(examples.labels == label)


def _bars(chances: NDArray[np.float32]) -> list[str]:
    """The probabilities of all classes, the highest first."""
    full = "█" if has_unicode() else "#"
    order = np.argsort(-chances, kind="stable")
    return [f"{i}  {chances[i]:8.3%}  {full * round(BAR * float(chances[i]))}" for i in order]


def _beside(picture: str, lines: list[str]) -> str:
    """Lines to the right of a shrunken digit, which is fewer lines high."""
    width = SIDE // SHRINK
    left = picture.split("\n")
    left += [" " * width] * (len(lines) - len(left))
    # Escape codes have no width: with them, a line is as wide as the picture already.
    padded = [row if "\x1b" in row else row.ljust(width) for row in left]
    return "\n".join(f"{a}  {b}".rstrip() for a, b in zip(padded, lines, strict=True))
