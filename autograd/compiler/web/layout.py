"""Where the arrays of a module lie in its memory, as the manifest says it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from ...primitives.expressions import DType, Shape, contiguous
from ..frontend.program import RefusedError
from ..passes.memory import ALIGNMENT

MAX_BYTES = 1 << 31  # of memory: addresses are signed 32-bit integers


@dataclass(frozen=True)
class Region:
    """An array of the module. kind: input, state, result, constant or scratch. entry: whose it is;
    None if all share it. offset: in bytes. strides: in entries. below: its integers have to be in
    0 to below - 1, if that is said."""

    name: str
    kind: str
    entry: str | None
    offset: int
    shape: Shape
    strides: Shape
    dtype: DType
    below: int | None = None

    def described(self) -> dict[str, Any]:
        """As the manifest has it."""
        limits = {} if self.below is None else {"below": self.below}
        return {
            "name": self.name,
            "kind": self.kind,
            "entry": self.entry,
            "offset": self.offset,
            "shape": list(self.shape),
            "strides": list(self.strides),
            "dtype": str(self.dtype),
            **limits,
        }


class Layout:
    """The memory of a module, as it grows."""

    def __init__(self) -> None:
        self.regions: dict[tuple[str, str | None], Region] = {}
        self.size = ALIGNMENT  # no array lies at address 0

    def add(
        self,
        name: str,
        kind: str,
        entry: str | None,
        shape: Shape,
        dtype: DType,
        strides: Shape | None = None,
        below: int | None = None,
    ) -> Region:
        """Give memory to an array. ValueError if another has its name; RefusedError if there is no
        room for it."""
        if known := self.regions.get((name, entry)):
            where = f"entry {entry}: " if entry else ""
            cure = "" if entry else "name states by their owner, as model=model, or "
            raise ValueError(
                f"wasm: {where}two arrays are named {name!r}, {known.kind} and {kind}; {cure}"
                "rename one of them"
            )
        strides = contiguous(shape) if strides is None else strides
        region = Region(name, kind, entry, self.size, shape, strides, dtype, below)
        size = math.prod(shape) * dtype.itemsize
        self.size += -(-size // ALIGNMENT) * ALIGNMENT
        if self.size > MAX_BYTES:
            raise RefusedError(
                f"wasm: {kind} {name} of {dtype}{list(shape)} ends at {self.size:,} bytes, and a "
                f"module has at most {MAX_BYTES:,}"
            )
        self.regions[name, entry] = region
        return region
