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
from models.mnist.datasets import MNIST, Described
from models.mnist.doubt import Doubt, load_doubt
from models.mnist.image import ImageError, is_picture, pixels, read_image, resize
from models.mnist.reading import find, prepare
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

Box = tuple[int, int, int, int]  # top, left, bottom, right


@dataclass(frozen=True, eq=False)
class Seen:
    """What a network sees of a picture. picture: (h, w) or (h, w, 3), as it is in the file.
    examples: (n, *shape), from 0 to 255. boxes: where in the picture. how: made of it, in words."""

    picture: NDArray[np.uint8]
    examples: NDArray[np.uint8]
    boxes: Sequence[Box]
    how: str


@dataclass(frozen=True, eq=False)
class Network:
    """A network, and what is known of its answers."""

    model: MLP
    described: Described
    temperature: float
    doubt: Doubt | None

    def answer(self, examples: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """The probabilities of the classes, (n, classes), and which examples are doubted, (n,)."""
        white = _white(self.described)
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
            seen = _seen(path, network.described, one)
        except ImageError as error:
            sys.stdout.flush()
            text = str(error)
            code = fail(text if text.startswith(path) else f"{path}: {text}")
            continue
        print("\n".join(_told(path, seen, network, show)), end="\n\n", flush=True)
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


# --- what the network sees -----------------------------------------------------------------------


def _seen(path: str, described: Described, one: bool) -> Seen:
    """The picture in a file as the network reads it.

    Only MNIST's own digits, by its name in the registry, were made as `prepare` does: to cut out
    and to centre would spoil a picture of any other dataset, and nobody knows which of its colours
    is the background.
    """
    if described.source["source"] == MNIST["source"]:
        return _digits(read_image(path), one)
    if one:
        raise InputError(
            "--one: expected for a network that learned MNIST by its name, found one of "
            f"{described.name}: it reads each picture whole"
        )
    picture = read_image(path, colour=described.shape[2:] == (3,))
    sizes = [f"{width} x {height}" for height, width in (picture.shape[:2], described.shape[:2])]
    kind = "colours" if picture.ndim == 3 else "greys"
    if sizes[0] == sizes[1]:
        example, how = picture.reshape(described.shape), f"read whole as it is, {sizes[0]} {kind}"
    else:
        example = resize(picture, described.shape)
        how = f"read whole, resized from {sizes[0]} to {sizes[1]} {kind}"
    return Seen(picture, example[None], [], how)


def _digits(picture: NDArray[np.uint8], one: bool) -> Seen:
    """The digits in a picture, made as MNIST's are; in `one`, all ink as a single one."""
    found = find(picture)
    how = "prepared as MNIST's digits: cut out, sized and centred"
    if len(found) > 1:
        how = f"{len(found)} digits found, {'read as one,' if one else 'each'} {how}"
    if one:
        return Seen(picture, prepare(picture)[None], [], how)
    boxes = [digit.box for digit in found]
    return Seen(picture, np.stack([digit.pixels for digit in found]), boxes, how)


def _white(described: Described) -> float:
    """What pixels of a picture, from 0 to 255, are divided by. The numbers of a table or of arrays
    may be of any unit, as the 8 x 8 digits are from 0 to 16: there white is taken for `scale`."""
    in_any_unit = described.source["source"][0].endswith((".csv", ".npz"))
    return 255.0 if in_any_unit else described.scale


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
