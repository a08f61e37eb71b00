"""A module of WebAssembly run by wasmtime, as a page would run it."""

import math

import numpy as np
import wasmtime

from autograd.compiler import wasm


def pow(x, y):
    """JavaScript's: nan for 1 to the power nan, and for 1 and -1 to an infinite power."""
    return np.nan if abs(x) == 1 and not np.isfinite(y) else np.float_power(x, y)


MATH = {
    **{name: getattr(np, name) for name in ("exp", "expm1", "log", "log1p", "sin", "cos", "tanh")},
    "pow": pow,
}
UNARY = wasmtime.FuncType([wasmtime.ValType.f64()], [wasmtime.ValType.f64()])
BINARY = wasmtime.FuncType([wasmtime.ValType.f64()] * 2, [wasmtime.ValType.f64()])


def engine(deterministic=True):
    """An engine whose relaxed multiply-add is fused on every machine, or as the CPU likes it."""
    config = wasmtime.Config()
    config.wasm_relaxed_simd = True
    config.wasm_relaxed_simd_deterministic = deterministic
    return wasmtime.Engine(config)


ENGINE = engine()


def imports(store, compiled, memory):
    """What a module imports: memory, and functions of Math."""
    return [_import(store, each, memory) for each in compiled.imports]


def _import(store, each, memory):
    if each.module == "env":
        return memory
    assert each.module == "Math", each.module
    function = MATH[each.name]

    def called(*args):
        with np.errstate(all="ignore"):
            return float(function(*map(np.float64, args)))

    return wasmtime.Func(store, BINARY if each.name == "pow" else UNARY, called)


class Page:
    """An instance of a module: its memory, and its entries as functions."""

    def __init__(self, module, engine=ENGINE):
        self.module, self.manifest = module, module.manifest
        self.store = wasmtime.Store(engine)
        compiled = wasmtime.Module(engine, module.wasm)
        pages = module.manifest["memory_bytes"] // 65536
        limits = wasmtime.Limits(pages, pages)
        self.memory = wasmtime.Memory(self.store, wasmtime.MemoryType(limits))
        needed = imports(self.store, compiled, self.memory)
        self.instance = wasmtime.Instance(self.store, compiled, needed)
        self.bytes = self.memory.get_buffer_ptr(self.store, pages * 65536)
        self.buffer = np.frombuffer(self.bytes, np.uint8)
        self.arrays = {
            (each["name"], each["entry"]): self.view(each, self.buffer)
            for each in module.manifest["arrays"]
        }
        for name, tensor in module.states.items():
            self.arrays[name, None][...] = tensor.data

    @staticmethod
    def view(each, buffer):
        """An array of the manifest, in a copy of the memory."""
        dtype = np.dtype(each["dtype"])
        strides = [stride * dtype.itemsize for stride in each["strides"]]
        size = math.prod(each["shape"])
        if not size:
            return np.empty(each["shape"], dtype)
        return np.ndarray(each["shape"], dtype, buffer, each["offset"], strides)

    def __call__(self, entry, *inputs):
        """Run an entry on these inputs; gives copies of its results, by name."""
        names = self.manifest["entries"][entry]
        for name, array in zip(names["args"], inputs, strict=True):
            self.arrays[name, entry][...] = array
        done = self.instance.exports(self.store)[entry](self.store)
        if not done:
            return None
        return {name: self.arrays[name, entry].copy() for name in names["results"]}


def page(entries, **more):
    """The page of a module of these entries."""
    return Page(wasm(entries, **more))
