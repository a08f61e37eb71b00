"""The commands that look at what was learned: evaluate, predict and show."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data import Examples
from models.command_line import InputError, fail, has_unicode, printable
from models.mlp import MLP
from models.mnist.checkpoint import load
from models.mnist.commands.terminal import render
from models.mnist.datasets import MNIST, Ahead, Described, Source, named
from models.mnist.image import ImageError, is_picture, pixels, read_image, resize
from models.mnist.reading import prepare
from models.mnist.scoring import (
    confusion_table,
    counts_table,
    probabilities,
    score,
    surest_mistakes,
)
from models.mnist.settings import SHOWN
from models.training.text import columns, cut, padded

BAR = 24  # columns for a probability of 1
NAME = 24  # columns for the name of a class beside a bar,
SHORT = 12  # and in a caption
LISTED = 10  # probabilities that `predict` prints
BESIDE = 16  # columns that a picture may take beside them
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


# --- predict -------------------------------------------------------------------------------------


def predict(checkpoint: str, images: Sequence[str]) -> int:
    """Print what a checkpoint reads in image files; gives the exit code. A file that is no image
    does not stop the others."""
    model, described = load(checkpoint)
    if not is_picture(described.shape):
        raise InputError(
            f"{checkpoint}: expected a network that reads pictures, found one of examples of shape "
            f"{described.shape}; evaluate and show --wrong read its dataset"
        )
    code = 0
    for path in images:
        try:
            picture, how = _prepared(path, described)
        except ImageError as error:
            sys.stdout.flush()
            text = str(error)
            code = fail(text if text.startswith(path) else f"{path}: {text}")
            continue
        (chances,) = probabilities(model, picture[None], _white(described))
        drawn = render(pixels(picture[None], 255), widest=_beside_width(picture.shape[1]))
        print(f"{printable(path)}: {printable(described.classes[chances.argmax()])}\n{how}")
        print(f"{_beside(drawn, _bars(chances, described.classes))}\n", flush=True)
    return code


def _prepared(path: str, described: Described) -> tuple[NDArray[np.uint8], str]:
    """The picture in a file as the network reads it, from 0 to 255, and how it became that.

    Only MNIST's own digits, by its name in the registry, were made as `prepare` does: to cut out
    and to centre would spoil a picture of any other dataset, and nobody knows which of its colours
    is the background.
    """
    if described.source["source"] == MNIST["source"]:
        return prepare(read_image(path)), "prepared as MNIST's digits: cut out, sized and centred"
    picture = read_image(path, colour=described.shape[2:] == (3,))
    sizes = [f"{width} x {height}" for height, width in (picture.shape[:2], described.shape[:2])]
    kind = "colours" if picture.ndim == 3 else "greys"
    if sizes[0] == sizes[1]:
        return picture.reshape(described.shape), f"read as it is, {sizes[0]} {kind}"
    return resize(picture, described.shape), f"resized from {sizes[0]} to {sizes[1]} {kind}"


def _white(described: Described) -> float:
    """What pixels of a picture, from 0 to 255, are divided by. The numbers of a table or of arrays
    may be of any unit, as the 8 x 8 digits are from 0 to 16: there white is taken for `scale`."""
    in_any_unit = described.source["source"][0].endswith((".csv", ".npz"))
    return 255.0 if in_any_unit else described.scale


def _bars(chances: NDArray[np.float32], classes: Sequence[str]) -> list[str]:
    """The probabilities of the likeliest classes, the highest first."""
    full = "█" if has_unicode() else "#"
    order = np.argsort(-chances, kind="stable")[:LISTED]
    names = [cut(classes[i], NAME) for i in order]
    width = max(map(columns, names))
    lines = [
        f"{padded(name, width)}  {chances[i]:8.3%}  {full * round(BAR * float(chances[i]))}"
        for i, name in zip(order, names, strict=True)
    ]
    left = len(classes) - len(lines)
    return [*lines, f"and {left:,} less likely"] if left else lines


def _beside_width(width: int) -> int:
    """The columns of a picture beside the bars: by a whole number smaller, which keeps it sharp."""
    return width // -(-width // BESIDE)


def _beside(picture: str, lines: list[str]) -> str:
    """Lines to the right of a picture, which may be fewer lines high, or more."""
    left = picture.split("\n")
    # Escape codes have no width: with them, a line is as wide as the picture already.
    width = max((len(row) for row in left if "\x1b" not in row), default=0)
    width = width or left[0].count("▀")
    rows = max(len(left), len(lines))
    left = [row if "\x1b" in row else row.ljust(width) for row in left]
    left += [" " * width] * (rows - len(left))
    lines = lines + [""] * (rows - len(lines))
    return "\n".join(f"{a}  {b}".rstrip() for a, b in zip(left, lines, strict=True))


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
    model = None
    if wrong is not None:
        model, dataset = _with_dataset(wrong, split, source)
    else:
        dataset = Ahead(source or MNIST, split)
    classes = dataset.classes
    examples = dataset[split]
    among = _of_class(examples, None if chosen is None else named(classes, chosen))
    if model:
        return _show_wrong(model, dataset, examples, among, count or SHOWN)
    for i in index or []:
        if not 0 <= i < len(examples):
            raise InputError(f"--index: expected 0 to {len(examples) - 1}, found {i}")
    found = np.array(index) if index is not None else among[: count or SHOWN]
    captions = [f"#{i}: {printable(classes[examples.labels[i]])}" for i in found]
    _print(examples, found, captions, dataset.scale)
    return 0


def _show_wrong(
    model: MLP, dataset: Ahead, examples: Examples, among: NDArray[np.int64], count: int
) -> int:
    """The mistakes, the surest first: those say most about the model, or about the label."""
    classes, scale = dataset.classes, dataset.scale
    labels = examples.labels
    chances = probabilities(model, examples.images, scale)
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
