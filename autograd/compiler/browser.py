"""wasm: steps, written in Python, as a WebAssembly module that any browser runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..state import State

if TYPE_CHECKING:
    from .web.module import WasmModule


def wasm(
    entries: Mapping[str, tuple[Callable[..., Any], Sequence[Any]]],
    simd: str = "v128",
    **owners: State,
) -> WasmModule:
    """A WebAssembly module with an entry for each step, which share the Tensors they hold.

    entries: by name, a step (a function of arrays, jitted or not) and arguments of the shapes and
    dtypes that it is to be called with. For `step.loop`, of a step that is an entry too, the
    arguments are those of the call: whole arrays, and the order, of which only the shape counts.
    simd: "v128", which every browser has had since 2023, or "relaxed": products then use fused
    multiply-adds where the CPU has them. owners: Modules and optimizers, which name the states, as
    `model=model, optimizer=optimizer`.

    The module gives `.wat`, `.wasm` (assembled by wasmtime), `.states` (the Tensors by name, whose
    numbers the page has to be given) and `.manifest`: where each array lies in memory.

    A step is traced as `jit` traces it, and what it reads from outside is what it was then. Raises
    RefusedError for an operation that cannot be printed, with its line, for a result that is not
    computed and for more memory than a module has; TraceError as jit does, and for a step that
    changes what it reads; ValueError for names that are no identifiers, or that two arrays have,
    and for a loop that its step does not fit; TypeError for what is no entry or no owner.

    >>> import numpy as np
    >>> from autograd import Tensor
    >>> from autograd.compiler import wasm
    >>> w = Tensor([1.0, 2.0], name="w")
    >>> def step(x):
    ...     w.assign(w - 0.5 * x)
    ...     return {"norm": (w * w).sum()}
    >>> module = wasm({"step": (step, (np.ones(2),))})
    >>> module
    <WebAssembly module: 1 entry, 1 state, 65,536 bytes of memory>
    >>> module.manifest["entries"]
    {'step': {'args': ['x'], 'results': ['norm'], 'flops': 15}}
    """
    from .web.module import build  # here: `import autograd` stays cheap

    return build(entries, simd, owners)
