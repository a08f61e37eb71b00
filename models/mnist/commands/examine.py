"""The commands that look at what was learned, on the examples of a dataset: evaluate and show."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data import Examples
from models.command_line import InputError, printable
from models.mlp import MLP
from models.mnist.checkpoint import load, load_temperature
from models.mnist.commands.terminal import render
from models.mnist.datasets import MNIST, Ahead, Source, named
from models.mnist.image import is_picture, pixels
from models.mnist.scoring import (
    confusion_table,
    counts_table,
    probabilities,
    score,
    surest_mistakes,
)
from models.mnist.settings import SHOWN
from models.training.text import cut

SHORT = 12  # columns for the name of a class in a caption
UNIT = 2  # by which the greatest numbers of two datasets of one unit may differ
NUMBERS = 100  # printed of an example that is no picture


def evaluate(checkpoint: str, split: str, source: Source | None) -> int:
    """Print loss, accuracy and confusions of a checkpoint on "train" or "test" of the dataset that
    it learned from, or of another; gives the exit code."""
    model, dataset = _with_dataset(checkpoint, split, source)
    classes, scale = dataset.classes, dataset.scale
    result = score(model, dataset[split], len(classes), scale)
    print(counts_table("evaluate", {split: result}))
    print(f"\n{confusion_table(result, classes)}")
    return 0


def _with_dataset(checkpoint: str, split: str, source: Source | None) -> tuple[MLP, Ahead]:
    """The model of a checkpoint, and the dataset to ask it about: by default its own."""
    model, described = load(checkpoint)
    if source is None:
        try:
            return model, described.load(split)
        except InputError as error:
            raise InputError(
                f"{checkpoint}: {error}; put it back, or name another one of the same shape and "
                "classes by --dataset"
            ) from error
    dataset = Ahead(source, split)
    if difference := described.difference(dataset):
        raise InputError(f"--dataset: {difference}: the network in {checkpoint} learned from those")
    # The largest number of another set of the same measurements is another one; but a network is
    # asked in the unit that it learned. Pictures from 0 to 255 are not in the unit of 0 to 16.
    if 1 / UNIT < dataset.scale / described.scale < UNIT:
        dataset.scale = described.scale
    else:
        print(f"Numbers up to {dataset.scale:g} are read as those up to {described.scale:g} were.")
    return model, dataset


# --- show ----------------------------------------------------------------------------------------


def show(
    index: Sequence[int] | None,
    wrong: str | None,
    chosen: str | None,
    count: int | None,
    split: str,
    source: Source | None,
) -> int:
    """Print examples: the first, of a class, by index, or those that a checkpoint gets wrong; gives
    the exit code."""
    if count is not None and count < 1:
        raise InputError(f"--count: expected at least 1, found {count}")
    if index is not None and (chosen is not None or count is not None):
        raise InputError("--index: expected without --class and --count, found with")
    if wrong is not None:
        model, dataset = _with_dataset(wrong, split, source)
    else:
        dataset = Ahead(source or MNIST, split)
    classes = dataset.classes
    examples = dataset[split]
    among = _of_class(examples, None if chosen is None else named(classes, chosen))
    if wrong is not None:
        chances = probabilities(model, examples.images, dataset.scale, load_temperature(wrong))
        return _show_wrong(chances, dataset, examples, among, count or SHOWN)
    for i in index or []:
        if not 0 <= i < len(examples):
            raise InputError(f"--index: expected 0 to {len(examples) - 1}, found {i}")
    found = np.array(index) if index is not None else among[: count or SHOWN]
    captions = [f"#{i}: {printable(classes[examples.labels[i]])}" for i in found]
    _print(examples, found, captions, dataset.scale)
    return 0


def _show_wrong(
    chances: NDArray[np.float32],
    dataset: Ahead,
    examples: Examples,
    among: NDArray[np.int64],
    count: int,
) -> int:
    """The mistakes, the surest first: those say most about the model, or about the label."""
    classes, scale = dataset.classes, dataset.scale
    labels = examples.labels
    mistakes = surest_mistakes(chances, labels)
    mistakes = mistakes[np.isin(mistakes, among)]
    print(
        f"{len(mistakes):,} of {len(among):,} wrong"
        + (", the surest first:\n" if len(mistakes) else "")
    )
    captions = []
    for i in mistakes[:count]:
        right, answer = int(labels[i]), int(chances[i].argmax())
        captions.append(
            f"#{i}: {cut(classes[right], SHORT)} ({chances[i, right]:.1%})\n"
            f"read as {cut(classes[answer], SHORT)} ({chances[i, answer]:.1%})"
        )
    if captions:
        _print(examples, mistakes[:count], captions, scale)
    return 0


def _print(examples: Examples, index: NDArray[Any], captions: Sequence[str], scale: float) -> None:
    """Print examples as pictures, or as numbers where they are none."""
    drawn = examples.take(index).images
    if is_picture(drawn.shape[1:]):
        print(render(pixels(drawn, scale), captions))
        return
    print(f"Examples of shape {drawn.shape[1:]} are no pictures; these are their numbers.")
    width = shutil.get_terminal_size().columns
    for example, caption in zip(drawn, captions, strict=True):
        entries = example.ravel()
        numbers = [f"{number:.4g}" for number in entries[:NUMBERS].tolist()]
        more = len(entries) - len(numbers)
        numbers += [f"... and {more:,} more"] if more else []
        print(f"\n{' '.join(cut(caption.replace(chr(10), ', '), width).split())}")
        print(textwrap.fill("  ".join(numbers), width, initial_indent="  ", subsequent_indent="  "))


def _of_class(examples: Examples, label: int | None) -> NDArray[np.int64]:
    """The indices of a class; None for all of them."""
    if label is None:
        return np.arange(len(examples))
    return np.flatnonzero(examples.labels == label)
