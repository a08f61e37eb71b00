"""Functions of the loop language printed as WebAssembly and run by wasmtime, beside the
interpreter."""

import numpy as np
import wasmtime

from autograd.compiler.language.interpret import interpret
from autograd.compiler.printers.wasm_module import PAGE, Functions, Steps, module
from tests.autograd.compiler.printers.functions import as_run, same
from tests.autograd.compiler.webpage import ENGINE, imports

ALIGNMENT, GAP = 64, 64  # bytes; nobody may write to the gaps between arrays


class Assembled:
    """A module with an entry for each function, and memory with arrays for each, the last of which
    ends with it: what lies beyond cannot be read. relaxed: whether products are added by relaxed
    multiply-add, which ENGINE rounds once."""

    def __init__(self, functions, relaxed):
        self.functions, printed = list(functions), Functions(relaxed)
        runs = [as_run(f"f{i}", one, parts=0) for i, one in enumerate(self.functions)]
        for run in runs:
            printed.add(run, "test")
        texts = dict(zip(printed.names.values(), printed.texts, strict=True))
        self.texts = [texts[printed.names[one]] for one in self.functions]
        pages = self._place(printed.helpers.own)
        steps = [
            Steps(run.name, ((run,),), offsets, None)
            for run, offsets in zip(runs, self.offsets, strict=True)
        ]
        self.wat = module(printed, steps, (), self.own.start, pages * PAGE, ())
        self._instantiate(pages)

    def _place(self, own):
        """Give addresses to all arrays; gives the pages of memory."""
        arrays = [array for one in self.functions for array in one.arrays]
        sizes = [-(-each.size * each.dtype.itemsize // ALIGNMENT) * ALIGNMENT for each in arrays]
        sizes[-1] = arrays[-1].size * arrays[-1].dtype.itemsize
        total = own + sum(GAP + size for size in sizes)
        pages = -(-total // PAGE)
        at = pages * PAGE - total
        self.own = range(at, at + own)
        ends = np.cumsum([GAP + size for size in sizes]) + self.own.stop
        starts = iter((ends - sizes).tolist())
        self.offsets = [[next(starts) for _ in one.arrays] for one in self.functions]
        return pages

    def _instantiate(self, pages):
        self.store = wasmtime.Store(ENGINE)
        compiled = wasmtime.Module(ENGINE, wasmtime.wat2wasm(self.wat))
        limits = wasmtime.MemoryType(wasmtime.Limits(pages, pages))
        memory = wasmtime.Memory(self.store, limits)
        needed = imports(self.store, compiled, memory)
        self.exports = wasmtime.Instance(self.store, compiled, needed).exports(self.store)
        self.memory = np.frombuffer(memory.get_buffer_ptr(self.store, pages * PAGE), np.uint8)
        self.memory[:] = 0xA5

    def view(self, number, array):
        """An array of a function, by its number there."""
        like, start = self.functions[number].arrays[array], self.offsets[number][array]
        return np.ndarray(like.size, like.dtype, self.memory, start)

    def run(self, number, arrays):
        """What a function makes of arrays, by name. Nothing else of the memory may change."""
        one = self.functions[number]
        views = {each.name: self.view(number, i) for i, each in enumerate(one.arrays)}
        for name, array in views.items():
            array[...] = arrays[name]
        before = self.memory.copy()
        assert self.exports[f"f{number}"](self.store) == 1
        found = {name: array.copy() for name, array in views.items()}
        self.memory[self.own.start : self.own.stop] = before[self.own.start : self.own.stop]
        for i, each in enumerate(one.arrays):
            if each.name in one.writes:
                start = self.offsets[number][i]
                size = each.size * each.dtype.itemsize
                self.memory[start : start + size] = before[start : start + size]
        assert (self.memory == before).all(), "memory of others was written"
        return found


def check_all(functions, arrays, relaxed=True, names=None):
    """Each function writes the same bits, assembled, as the interpreter. arrays: by name; a list
    of such, one for each function, if they differ. Gives the module."""
    functions = list(functions)
    assembled = Assembled(functions, relaxed)
    each_its_own = arrays if isinstance(arrays, list) else [arrays] * len(functions)
    for i, (one, given) in enumerate(zip(functions, each_its_own, strict=True)):
        expected = {array.name: given[array.name].copy() for array in one.arrays}
        interpret(one, expected)
        found = assembled.run(i, given)
        for name in one.writes:
            same(found[name], expected[name], (names[i] if names else one, name))
    return assembled
