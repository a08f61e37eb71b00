"""The name of a module says what it is of: `28x28-128-10_relu_sgd_128`.

The shape of an image, the widths of the hidden layers and the number of classes; the activation
function; the optimizer; the size of a batch. Then, where they are not as usual: `d0.3`, the share
of units that is dropped; `s16`, what images are divided by, if not by 255; `relaxed`, for browsers
with fused multiply-adds. Every module has one name: another spelling is refused with it.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from itertools import pairwise

from models.mnist.settings import ACTIVATIONS, OPTIMIZERS
from viz.studio.refusal import Refusal

__all__ = ["Architecture"]

EXAMPLE = "28x28-128-10_relu_sgd_128"
WHOLE = r"\d{1,7}"
NAME = re.compile(
    rf"(?P<shape>{WHOLE}(x{WHOLE}){{0,3}})-((?P<hidden>{WHOLE}(-{WHOLE})*)-)?(?P<classes>{WHOLE})"
    rf"_(?P<activation>[a-z_]+?)_(?P<optimizer>[a-z]+)_(?P<batch>{WHOLE})"
    r"(_d(?P<dropout>[\d.e+-]{1,24}))?(_s(?P<scale>[\d.e+-]{1,24}))?(?P<relaxed>_relaxed)?",
    re.ASCII,
)
NUMBERS, LAYERS, WIDTH, CLASSES, BATCH = 65_536, 8, 4096, (2, 1000), 4096
SCALE = 255.0
MEMORY = 2 << 30  # bytes: more a module cannot address
IMAGES = 4096  # that a page has learned from before it brings others, as batches;
BLOCK = 32 << 20  # bytes that they have at most
SCORED = 1000  # images that are scored at once; fewer where a layer is wide
# What a step holds: each weight and the optimizer's numbers of it; each unit's activation and
# cotangent, which the page can read; and, one after the other in the same memory, what the
# activation function needs besides, and two copies of the weights: gradient, and packed.
MOMENTS = {"sgd": 1, "adam": 2, "adamw": 2}
INTERMEDIATES = {"gelu": 6, "softplus": 1}


@dataclass(frozen=True)
class Architecture:
    """What a module is of. Raises Refusal 422, in words, where there is none."""

    shape: tuple[int, ...]
    hidden: tuple[int, ...]
    classes: int
    activation: str = "relu"
    optimizer: str = "sgd"
    batch: int = 128
    dropout: float = 0.0
    scale: float = SCALE
    relaxed: bool = False

    def __post_init__(self) -> None:
        few, many = CLASSES
        numbers = math.prod(self.shape)
        _expect(1 <= numbers <= NUMBERS, f"images of 1 to {NUMBERS:,} numbers", f"{numbers:,}")
        _expect(len(self.hidden) <= LAYERS, f"at most {LAYERS} hidden layers", len(self.hidden))
        for width in self.hidden:
            _expect(1 <= width <= WIDTH, f"hidden layers of 1 to {WIDTH:,}", f"{width:,}")
        _expect(few <= self.classes <= many, f"{few} to {many:,} classes", f"{self.classes:,}")
        names = f"an activation of {', '.join(ACTIVATIONS)}"
        _expect(self.activation in ACTIVATIONS, names, self.activation)
        names = f"an optimizer of {', '.join(OPTIMIZERS)}"
        _expect(self.optimizer in OPTIMIZERS, names, self.optimizer)
        _expect(1 <= self.batch <= BATCH, f"batches of 1 to {BATCH:,}", f"{self.batch:,}")
        _expect(0 <= self.dropout < 1, "a dropout of 0 or more, below 1", self.dropout)
        _expect(1e-30 < self.scale < 1e30, "a scale from 1e-30 to 1e30", self.scale)
        room = f"a module of about {MEMORY:,} bytes of memory or less"
        _expect(self.memory <= MEMORY, room, f"{self.memory:,}")

    @classmethod
    def read(cls, name: str) -> Architecture:
        """What a name says. Raises Refusal 422 for what is none, 404 for another spelling."""
        found = NAME.fullmatch(name)
        if found is None:
            raise Refusal(422, "architecture", f"a name such as {EXAMPLE}", name)
        read = cls(
            tuple(map(int, found["shape"].split("x"))),
            tuple(map(int, (found["hidden"] or "").split("-"))) if found["hidden"] else (),
            int(found["classes"]),
            found["activation"],
            found["optimizer"],
            int(found["batch"]),
            _number("dropout", found["dropout"], 0.0),
            _number("scale", found["scale"], SCALE),
            bool(found["relaxed"]),
        )
        if str(read) != name:
            raise Refusal(404, "architecture", str(read), name)
        return read

    def __str__(self) -> str:
        """Its name.

        >>> str(Architecture((8, 8), (), 10, "tanh", "adam", 1, dropout=0.25, scale=16.0))
        '8x8-10_tanh_adam_1_d0.25_s16'
        """
        shape = "x".join(map(str, self.shape))
        layers = "-".join(map(str, (*self.hidden, self.classes)))
        parts = [f"{shape}-{layers}", self.activation, self.optimizer, str(self.batch)]
        parts += [f"d{_written(self.dropout)}"] if self.dropout else []
        parts += [f"s{_written(self.scale)}"] if self.scale != SCALE else []
        return "_".join([*parts, *["relaxed"] * self.relaxed])

    @property
    def sizes(self) -> tuple[int, ...]:
        """The width of every layer."""
        return (math.prod(self.shape), *self.hidden, self.classes)

    @property
    def weights(self) -> int:
        """How many there are, without biases."""
        return sum(a * b for a, b in pairwise(self.sizes))

    @property
    def held(self) -> int:
        """How many numbers of weights, and of the optimizer beside them, a training holds."""
        return self.weights * (1 + MOMENTS[self.optimizer])

    @property
    def steps(self) -> int:
        """How many batches of images the module's `loop` has memory for."""
        return max(1, min(IMAGES, BLOCK // self.sizes[0]) // self.batch)

    @property
    def scored(self) -> int:
        """How many images its `score` has memory for."""
        return max(1, min(SCORED, BLOCK // 8 // max(self.sizes)))

    @property
    def memory(self) -> int:
        """About the bytes of memory that the module has."""
        units = self.batch * sum(self.sizes[1:])
        inner = self.batch * self.sizes[0] + units * INTERMEDIATES.get(self.activation, 0)
        scratch = max(2 * self.weights, inner)
        images = self.batch * (1 + self.steps) * self.sizes[0]
        return 4 * (self.held + scratch + 2 * units) + images


def _expect(holds: bool, expected: str, found: object) -> None:
    if not holds:
        raise Refusal(422, "architecture", expected, found)


def _number(what: str, text: str | None, usual: float) -> float:
    if text is None:
        return usual
    try:
        return float(text)
    except ValueError:
        raise Refusal(422, "architecture", f"a {what} that is a number", text) from None


def _written(number: float) -> str:
    return repr(number).removesuffix(".0")
