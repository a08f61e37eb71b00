"""The command that reads pictures of one's own: predict."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.command_line import InputError, fail, has_unicode, printable
from models.mlp import MLP
from models.mnist.checkpoint import load, load_temperature
from models.mnist.commands.terminal import render
from models.mnist.datasets import Described
from models.mnist.doubt import Doubt, load_doubt
from models.mnist.image import ImageError, is_picture, pixels
from models.mnist.reading.seen import Seen, seen, white_of
from models.mnist.scoring import chances, logits
from models.training.text import columns, cut, padded

BAR = 24  # columns for a probability of 1, at most,
SHORT = 8  # and at least: where there are fewer, a picture stands above its bars
NAME = 24  # columns for the name of a class beside a bar
LISTED = 10  # probabilities that are printed
BESIDE = 16  # columns that a picture may take beside them
FEW = 3  # digits in a picture that get so much room; of more, each gets a line
ORIGINAL = 16  # columns that the picture in a file has at least, beside what was seen of it
GAP = 2  # columns between what stands side by side
NUMBER = 8  # columns of a probability
FRAME = (255, 64, 64)  # a red that is neither paper nor ink, as a grey too


@dataclass(frozen=True, eq=False)
class Network:
    """A network, and what is known of its answers."""

    model: MLP
    described: Described
    temperature: float
    doubt: Doubt | None

    def answer(self, examples: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """The probabilities of the classes, (n, classes), and which examples are doubted, (n,)."""
        white = white_of(self.described)
        found = logits(self.model, examples, white)
        doubted = np.zeros(len(examples), bool)
        if self.doubt is not None:
            doubted = self.doubt(examples, found, white)
        return chances(found, self.temperature), doubted


def predict(checkpoint: str, images: Sequence[str], one: bool = False, show: bool = False) -> int:
    """Print what a checkpoint reads in image files; gives the exit code. A file that is no image
    does not stop the others.

    one: all ink in a picture is one digit. show: print what was seen, beside the picture.
    """
    network = _network(checkpoint)
    code = 0
    for path in images:
        try:
            found = seen(path, network.described, one)
        except ImageError as error:
            sys.stdout.flush()
            text = str(error)
            code = fail(text if text.startswith(path) else f"{path}: {text}")
            continue
        print("\n".join(_told(path, found, network, show)), end="\n\n", flush=True)
    if network.doubt is None:
        print("Nothing is doubted: beside this network there is no doubt.safetensors.")
    return code


def _network(checkpoint: str) -> Network:
    model, described = load(checkpoint)
    if not is_picture(described.shape):
        raise InputError(
            f"{checkpoint}: expected a network that reads pictures, found one of examples of shape "
            f"{described.shape}; evaluate and show --wrong read its dataset"
        )
    doubt = load_doubt(checkpoint, described)
    return Network(model, described, load_temperature(checkpoint), doubt)


# --- what is printed -----------------------------------------------------------------------------


def _told(path: str, seen: Seen, network: Network, show: bool) -> list[str]:
    """The lines on one picture: the answers, how it was read, and the probabilities."""
    width, classes = shutil.get_terminal_size().columns, network.described.classes
    found, doubted = network.answer(seen.examples)
    answers = [printable(classes[each.argmax()]) for each in found]
    marked = [each + "?" * bool(doubt) for each, doubt in zip(answers, doubted, strict=True)]
    lines = [f"{printable(path)}: {' '.join(marked)}", *textwrap.wrap(seen.how, width)]
    if show:
        lines += ["", *_shown(seen, marked), ""]
    name = cut(network.described.name, NAME)
    words = f"doubtful: this does not look like what the network learned from ({name})"
    doubt = textwrap.wrap(words, width)
    if len(answers) > FEW:
        return lines + _listed(found, doubted, classes, width) + doubt * bool(doubted.any())
    for i, answer in enumerate(answers):
        lines += [f"\n{i + 1} of {len(answers)}: {answer}"] if len(answers) > 1 else []
        lines += doubt * bool(doubted[i])
        drawn = None if show else seen.examples[i]
        lines += _detailed(drawn, found[i], classes, width)
    return lines


def _detailed(
    example: NDArray[np.uint8] | None,
    found: NDArray[np.float32],
    classes: Sequence[str],
    width: int,
) -> list[str]:
    """The likeliest classes with their probabilities, beside a picture, or below it."""
    if example is None:
        return _bars(found, classes, width)
    across = _beside_width(example.shape[1])
    drawn = render(pixels(example[None], 255), widest=across).split("\n")
    longest = max(columns(cut(name, NAME)) for name in classes)
    room = width - across - GAP
    if room - longest - NUMBER - 2 * GAP < SHORT:
        return [*drawn, *_bars(found, classes, width)]
    return _beside(drawn, across, _bars(found, classes, room))


def _bars(found: NDArray[np.float32], classes: Sequence[str], width: int) -> list[str]:
    """The probabilities of the likeliest classes, the highest first, in so many columns."""
    order = np.argsort(-found, kind="stable")[:LISTED]
    names = [cut(classes[i], NAME) for i in order]
    most = max(map(columns, names))
    lines = [_bar(name, float(found[i]), most, width) for i, name in zip(order, names, strict=True)]
    left = len(classes) - len(lines)
    return [*lines, f"and {left:,} less likely"] if left else lines


def _bar(name: str, chance: float, longest: int, width: int) -> str:
    """A name in the columns of the longest one, its probability, and a bar where there is room."""
    longest = max(1, min(longest, width - GAP - NUMBER))
    room = min(BAR, width - longest - 2 * GAP - NUMBER)
    full = "█" if has_unicode() else "#"
    return f"{padded(name, longest)}  {chance:8.3%}  {full * round(max(0, room) * chance)}".rstrip()


def _listed(
    found: NDArray[np.float32], doubted: NDArray[np.bool_], classes: Sequence[str], width: int
) -> list[str]:
    """A line for each of many digits: the answer, its probability, and whether it is doubted."""
    mark = "  doubtful"
    names = [cut(classes[each.argmax()], NAME) for each in found]
    most = max(map(columns, names))
    return [
        _bar(name, float(each.max()), most, width - len(mark)) + mark * bool(doubt)
        for name, each, doubt in zip(names, found, doubted, strict=True)
    ]


def _beside_width(width: int) -> int:
    """The columns of a picture beside the bars: by a whole number smaller, which keeps it sharp."""
    return width // -(-width // BESIDE)


def _beside(left: Sequence[str], width: int, right: Sequence[str]) -> list[str]:
    """Lines to the right of a picture of so many columns, which may be fewer lines high, or more.
    Escape codes have no width: with them, a line is as wide as the picture already."""
    rows = max(len(left), len(right))
    left = [row if "\x1b" in row else row.ljust(width) for row in left]
    left += [" " * width] * (rows - len(left))
    right = [*right, *[""] * (rows - len(right))]
    return [f"{a}{' ' * GAP}{b}".rstrip() for a, b in zip(left, right, strict=True)]


# --- what was seen, beside the picture -----------------------------------------------------------


def _shown(seen: Seen, answers: Sequence[str]) -> list[str]:
    """The picture in the file, with what was found framed, and what the network saw of it: side by
    side where there is room."""
    width, height = shutil.get_terminal_size()
    views = pixels(seen.examples, 255)
    across = min(views.shape[2], width)
    room = width - GAP - across
    fits = room >= ORIGINAL
    original = _framed(seen, room if fits else width, 2 * max(ORIGINAL // 2, height - 8))
    drawn = render(original[None], ["the picture"]).split("\n")
    left = max(original.shape[1], len("the picture"))
    captions = [f"seen: {answer}" for answer in answers]
    if not fits:
        return [*drawn, "", *render(views, captions, width).split("\n")]
    return _beside(drawn, left, render(views, captions, width - GAP - left).split("\n"))


def _framed(seen: Seen, width: int, height: int) -> NDArray[np.uint8]:
    """The picture in a file, (h, w, 3), made to fit into so many pixels, with its boxes drawn."""
    from PIL import Image

    picture = Image.fromarray(seen.picture).convert("RGB")
    factor = min(1.0, width / picture.width, height / picture.height)
    size = max(1, int(picture.width * factor)), max(1, int(picture.height * factor))
    small = np.array(picture.resize(size, Image.Resampling.BOX))
    for box in seen.boxes:
        top, left, bottom, right = (round(edge * factor) for edge in box)
        rows = slice(max(0, top - 1), bottom + 1)
        across = slice(max(0, left - 1), right + 1)
        for row in (rows.start, min(bottom, len(small) - 1)):
            small[row, across] = FRAME
        for column in (across.start, min(right, small.shape[1] - 1)):
            small[rows, column] = FRAME
    return small
