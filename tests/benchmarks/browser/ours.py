"""Our modules of the race, as the page is served them: `.wasm`, the manifest and the states."""

from __future__ import annotations

import functools
import gzip
import json
from typing import Any

import numpy as np
from safetensors.numpy import save
from wasmtime import wat2wasm

from autograd import Tensor, jit
from autograd.compiler import wasm
from autograd.nn import cross_entropy
from autograd.optim import SGD
from models import web
from models.mlp import MLP
from tests.benchmarks import eager, harness

PIXELS, HIDDEN, _ = eager.SIZES
# What the module of a page has to stay under: bytes, gzipped bytes, and seconds to make it.
MAX_BYTES, MAX_GZIPPED, MAX_SECONDS = 20_000, 6_000, 0.150
Files = dict[str, bytes]
Entries = dict[str, tuple[Any, tuple[Any, ...]]]


def race(examples: int, order: tuple[int, int], rate: float, simd: str, parts: bool = False) -> Any:
    """A module of a training step, and its loop over an order of batches from so many examples.
    parts: of the step's two large products too, which nothing else is done with."""
    model = MLP(eager.SIZES, activation="relu")
    model.load_state_dict(eager.weights())
    optimizer = SGD(model.parameters(), rate, eager.MOMENTUM)

    @jit
    def step(x: Any, y: Any) -> Any:
        loss = cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return {"loss": loss}

    whole = (batch_of(examples), np.zeros(order, np.int32))
    entries: Entries = {"step": (step, batch_of(order[1])), "loop": (step.loop, whole)}
    if parts:
        entries |= large_products(order[1], model.parameters()[0])
    return wasm(entries, simd, model=model, optimizer=optimizer)


def batch_of(size: int) -> tuple[Any, Any]:
    return np.zeros((size, PIXELS), np.float32), np.zeros(size, np.int32)


def large_products(batch: int, weight: Tensor) -> Entries:
    """The products of a batch and the first layer's weight, and of deltas and the batch."""
    gradient = Tensor(np.zeros_like(weight.data), name="gradient")
    hidden = Tensor(np.zeros((batch, HIDDEN), np.float32), name="hidden")

    def products(x: Any, delta: Any) -> None:
        hidden.assign(x @ weight.T)
        gradient.assign(delta.T @ x)

    return {"products": (products, (batch_of(batch)[0], hidden.data))}


def peak(batch: int) -> bytes:
    """A module that does as many multiply-adds as the large products have, in registers."""
    flops = 4 * batch * PIXELS * HIDDEN
    sums = [f"$sum{i}" for i in range(12)]  # enough for two a cycle, of four cycles each
    turns = flops // (4 * 8 * len(sums))  # each sum four times; 8 flops in each
    adds = " ".join(
        f"(local.set {s} (f32x4.relaxed_madd (local.get $x) (local.get $x) (local.get {s})))"
        for s in sums
    )
    total = functools.reduce(
        lambda a, b: f"(f32x4.add {a} {b})", (f"(local.get {s})" for s in sums)
    )
    return bytes(
        wat2wasm(f"""(module (func (export "peak") (param $steps i32) (result i32)
          (local $x v128) (local $left i32) {" ".join(f"(local {s} v128)" for s in sums)}
          (local.set $left (i32.mul (local.get $steps) (i32.const {turns})))
          (loop $more {adds * 4}
            (br_if $more (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
          (v128.any_true {total})))""")
    )


def of_a_page(simd: str) -> Any:
    """What a page needs to train, and to show what becomes of an image."""
    model = MLP(eager.SIZES, activation="relu")
    optimizer = SGD(model.parameters(), eager.RATE, eager.MOMENTUM)
    entries = web.entries(model, optimizer, (28, 28), eager.BATCH)
    kept = {name: entries[name] for name in ("step", "forward", "image_gradient")}
    return wasm(kept, simd, model=model, optimizer=optimizer)


def cost(simd: str, times: int) -> tuple[list[float], int, int]:
    """Of the module of a page: seconds to trace, print and assemble it, its bytes, and gzipped."""
    binary = of_a_page(simd).wasm  # the first imports, and fills caches
    seconds = [harness.timed(lambda: of_a_page(simd).wasm)[0] for _ in range(times)]
    return seconds, len(binary), len(gzip.compress(binary))


def files(name: str, module: Any) -> Files:
    """What `chainrule.js` fetches of a module."""
    arrays = {each: np.array(state.data, order="C") for each, state in module.states.items()}
    return {
        f"/modules/{name}.wasm": module.wasm,
        f"/modules/{name}.json": json.dumps(module.manifest).encode(),
        f"/modules/{name}.safetensors": save(arrays),
    }
