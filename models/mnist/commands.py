"""The commands that look at what was learned: evaluate, predict and show."""

from __future__ import annotations

import argparse
import sys

import numpy as np
from numpy.typing import NDArray

from autograd.nn import Module
from data import Examples
from models.mnist.checkpoint import load
from models.mnist.digits import Digits
from models.mnist.scoring import confusion_table, counts_table, probabilities, score
from models.mnist.settings import CLASSES, InputError
from models.mnist.terminal import render

COUNT = 10  # digits that `show` prints unless told otherwise
NBSP = "\xa0"
BAR = 24  # columns for a probability of 1


def evaluate(options: argparse.Namespace) -> int:
    """Print loss, accuracy and confusions of a checkpoint."""
    digits = Digits(options.split)
    model = load(options.checkpoint)
    result = score(model, digits[options.split])
    print(counts_table("evaluate", {options.split: result}))
    print(f"\n{confusion_table(result)}")
    return 0


def predict(options: argparse.Namespace) -> int:
    """Print what a checkpoint reads in image files; one that is none does not stop the others."""
    from models.mnist.cli import fail
    from models.mnist.image import ImageError, prepare, read_image

    model = load(options.checkpoint)
    code = 0
    for path in options.images:
        try:
            digit = prepare(read_image(path))
        except ImageError as error:
            sys.stdout.flush()
            text = str(error)
            code = fail(text if text.startswith(path) else f"{path}: {text}")
            continue
        (chances,) = probabilities(model, digit[None])
        answer = int(chances.argmax())
        print(f"{path}: {answer}")
        print(f"{_beside(render(digit, shrink=2), _bars(chances))}\n", flush=True)
    return code


def show(options: argparse.Namespace) -> int:
    """Print digits: the first, of a class, by index, or those that a checkpoint gets wrong."""
    count = COUNT if options.count is None else options.count
    if count < 1:
        raise InputError(f"--count: expected at least 1, found {count}")
    if options.label is not None and not 0 <= options.label < CLASSES:
        raise InputError(f"--class: expected a digit from 0 to 9, found {options.label}")
    if options.index is not None and (options.label is not None or options.count is not None):
        raise InputError("--index: expected without --class and --count, found with")
    digits = Digits(options.split)
    model = load(options.wrong) if options.wrong is not None else None
    examples = digits[options.split]
    if model:
        return _show_wrong(model, examples, options, count)
    if options.index is not None:
        for i in options.index:
            if not 0 <= i < len(examples):
                raise InputError(f"--index: expected 0 to {len(examples) - 1}, found {i}")
        chosen = np.array(options.index)
    else:
        chosen = _of_class(examples, options.label)[:count]
    captions = [f"#{i}: {examples.labels[i]}" for i in chosen]
    print(render(examples.images[chosen], captions))
    return 0


def _show_wrong(model: Module, examples: Examples, options: argparse.Namespace, count: int) -> int:
    """The mistakes, the surest first: those say most about the model, or about the label."""
    chances = probabilities(model, examples.images)
    predicted = chances.argmax(1)
    among = _of_class(examples, options.label)
    wrong = among[predicted[among] != examples.labels[among]]
    surest = wrong[np.argsort(-chances[wrong, predicted[wrong]], kind="stable")][:count]
    print(
        f"{len(wrong):,} of {len(among):,} wrong" + (", the surest first:\n" if len(wrong) else "")
    )
    # Spaces that do not break, but for one: the caption is two lines beneath each picture.
    captions = [
        f"#{i}: {label} ({chances[i, label]:.1%})".replace(" ", NBSP)
        + f" read as {answer} ({chances[i, answer]:.1%})".replace(" ", NBSP).replace(NBSP, " ", 1)
        for i, label, answer in zip(surest, examples.labels[surest], predicted[surest], strict=True)
    ]
    if len(surest):
        print(render(examples.images[surest], captions).replace(NBSP, " "))
    return 0


def _of_class(examples: Examples, label: int | None) -> NDArray[np.int64]:
    """The indices of a class, or of all."""
    if label is None:
        return np.arange(len(examples))
    return np.flatnonzero(examples.labels == label)


def _bars(chances: NDArray[np.float32]) -> list[str]:
    """The ten probabilities, the highest first."""
    full = "█" if "utf" in (sys.stdout.encoding or "").lower() else "#"
    order = np.argsort(-chances, kind="stable")
    return [f"{i}  {chances[i]:8.3%}  {full * round(BAR * float(chances[i]))}" for i in order]


def _beside(picture: str, lines: list[str]) -> str:
    """Lines to the right of a picture of fewer lines, 14 columns wide."""
    left = picture.split("\n")
    left += [" " * 14] * (len(lines) - len(left))
    pad = [row + " " * (14 - len(row)) if "\x1b" not in row else row for row in left]
    return "\n".join(f"{a}  {b}".rstrip() for a, b in zip(pad, lines, strict=True))
