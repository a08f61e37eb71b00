"""A compiled step again and again, in C: what `step.loop` does."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..graph import counter
from .arrays import address, aligned, dense, span
from .replay import replay

if TYPE_CHECKING:
    from .native import Native

SLICE = 0.05  # seconds between two looks at signals


class Loop:
    """Steps of a compiled program on batches gathered from whole arrays, in slices so short that
    Ctrl-C is heard between them."""

    def __init__(self, native: Native, inputs: Sequence[Any], order: Any) -> None:
        self.native, self.inputs, self.rows = native, inputs, order
        self.whole = [dense(array) for array in inputs]
        self.order = np.ascontiguousarray(order, np.int64)
        steps, batch = self.order.shape
        self.results = [np.empty((steps, *shape), dtype) for shape, dtype in native.results]
        self.batches = [aligned(batch * _row(array)) for array in inputs]

    def run(self) -> list[Any]:
        """Do all the steps; the results of each, stacked."""
        done, slice_, steps = 0, 1, len(self.order)
        while done < steps:
            start = time.perf_counter()
            count = min(slice_, steps - done)
            ran = self._slice(done, count) if self._may() else 0
            for tensor in self.native.written if ran else ():
                tensor.index = next(counter)
            done += ran
            if ran < count:  # a position is out of range, as the replay will say
                self.native.wrong()
                self._replay(done)
                done += 1
            seconds = (time.perf_counter() - start) / count
            slice_ = max(1, min(2 * slice_, int(SLICE / seconds)))
        return self.results

    def _may(self) -> bool:
        """Whether the step can run on what the states are now: between two slices Python's other
        threads and signals may have changed that."""
        read = map(span, (*self.inputs, self.rows))
        return self.native.ready() and not self.native.touched(read)

    def _replay(self, step: int) -> None:
        arrays = [array.take(self.rows[step], axis=0) for array in self.inputs]
        for stack, result in zip(self.results, replay(self.native.program, arrays), strict=True):
            stack[step] = result

    def _slice(self, first: int, count: int) -> int:
        native = self.native
        gathered = (_Gathered * len(self.whole))()
        for i, (array, batch) in enumerate(zip(self.whole, self.batches, strict=True)):
            gathered[i] = _Gathered(address(array), address(batch), _row(array))
            native.block[i] = address(batch)
        stacked = (_Stacked * len(self.results))()
        for i, array in enumerate(self.results):
            place = address(array[first:])
            stacked[i] = _Stacked(place, _row(array), native.first_result + i)
        loop = _Loop(
            native.segments[0],
            native.flag,
            ctypes.addressof(native.block),
            address(self.order[first:]),
            count,
            self.order.shape[1],
            len(gathered),
            len(stacked),
            0,
            ctypes.addressof(gathered),
            ctypes.addressof(stacked),
        )
        return int(native.pool.run_loop(ctypes.byref(loop), native.parts))


def _row(array: Any) -> int:
    """The bytes of an entry along the first axis."""
    return int(array.nbytes) // max(1, len(array))


def _structure(name: str, **fields: Any) -> Any:
    """A struct of threads.c."""
    return type(name, (ctypes.Structure,), {"_fields_": list(fields.items())})


_P, _L = ctypes.c_void_p, ctypes.c_long
_Gathered = _structure("gathered", source=_P, into=_P, bytes=_L)
_Stacked = _structure("stacked", into=_P, bytes=_L, slot=_L)
_Loop = _structure(
    "loop", step=_P, wrong=_P, block=_P, order=_P, steps=_L, batch=_L, inputs=_L, results=_L,
    done=_L, gathered=_P, stacked=_P,
)  # fmt: skip
