"""Training steps as WebAssembly, in one page: ours, jax-js's and TensorFlow.js's.

MNIST, 784-128-10, relu, SGD with momentum, 468 steps of 128 float32 images, and of one, in headless
Chromium. Each contestant has a worker of its own; they start from the same weights and take turns
on the same batches.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import data
from tests.benchmarks import eager, harness
from tests.benchmarks.browser import npm, ours, page

STEPS, ROUNDS = 468, 5
SLICES = 3  # of an epoch: what a contestant does in a turn, so that all share the clock's drift
WARM = 2  # epochs that do not count, in which V8 compiles; in one all have to give our losses
RATES = {eager.BATCH: eager.RATE, 1: 0.01}  # by one image at 0.1 the loss grows, and roundings too
RELAXED, V128, ONE, PARTS, PEAK = "relaxed", "v128", "one", "parts", "peak"  # our modules
TFJS = [npm.TFJS, npm.TFJS_WASM]


class Contestant(NamedTuple):
    """script: in this folder. needs: packages of npm. more: what the script wants to know."""

    script: str
    needs: list[str]
    more: dict[str, Any]
    threads: int = 1
    batch: int = eager.BATCH


def chainrule(module: str, kind: str, batch: int = eager.BATCH) -> Contestant:
    return Contestant("chainrule", [], {"module": module, "kind": kind}, batch=batch)


def jax(threads: int = 1, batch: int = eager.BATCH) -> Contestant:
    return Contestant("jax", [npm.JAX_JS], {}, threads, batch)


def tensorflow(threads: int = 1, by_hand: bool = False) -> Contestant:
    return Contestant("tensorflow", TFJS, {"byHand": by_hand}, threads)


OUR_STEP, OUR_ONE = "Chainrule, steps", "Chainrule, by one image"
LARGE, ADDS = "its two large products", "as many multiply-adds in registers"
JAX, JAX_ONE, JAX_TEAM = "jax-js", "jax-js, by one image", "jax-js, threads"
TF, TF_TEAM, TF_BY_HAND = "TensorFlow.js", "TensorFlow.js, threads", "TensorFlow.js, by hand"
CONTESTANTS = {
    OUR_STEP: chainrule(RELAXED, "steps"),
    JAX: jax(),
    "Chainrule, loop": chainrule(RELAXED, "loop"),
    JAX_TEAM: jax(threads=harness.THREADS),
    "Chainrule, steps, v128": chainrule(V128, "steps"),
    LARGE: chainrule(PARTS, "parts"),
    ADDS: chainrule(PEAK, "peak"),
    TF: tensorflow(),
    TF_TEAM: tensorflow(threads=harness.THREADS),
    TF_BY_HAND: tensorflow(by_hand=True),
    OUR_ONE: chainrule(ONE, "steps", batch=1),
    JAX_ONE: jax(batch=1),
}
# Whom ours runs against, and what its time is to be of theirs.
RACES = [
    (OUR_STEP, ADDS, None),
    (OUR_STEP, JAX, 0.35),
    (OUR_STEP, JAX_TEAM, None),
    (OUR_STEP, TF, 1 / 8),
    (OUR_STEP, TF_TEAM, 1 / 4),
    (OUR_STEP, TF_BY_HAND, None),
    (OUR_ONE, JAX_ONE, 0.35),
]
AIM_OUTSIDE = 0.05  # of jax-js's time: ours without that of the two large products
FOLDERS = ("tests/benchmarks/browser", "viz/page")
PAGE = {f"/{folder}": harness.ROOT / folder for folder in FOLDERS}
REST = 0.1  # seconds between turns
SECONDS = {"seconds", "whole", "products"}  # what a turn tells of its time
Turn = dict[str, Any]


def served(steps: int, slices: int) -> dict[str, bytes]:
    """By path, what the page fetches: digits, weights, an order of batches for each turn, and our
    modules."""
    train = data.load("mnist").train
    n = steps * eager.BATCH
    files = {f"/weights/{name}": array.tobytes() for name, array in eager.weights().items()}
    files["/images"] = train.images[:n].tobytes()
    files["/labels"] = train.labels[:n].astype("<i4").tobytes()
    generator = np.random.default_rng(0)
    orders = [harness.epoch(generator, n, eager.BATCH) for _ in range(WARM + ROUNDS)]
    for number, rows in enumerate(np.split(np.concatenate(orders), len(orders) * slices)):
        for batch in RATES:
            files[f"/order/{batch}/{number}"] = rows[:, :batch].astype("<i4").tobytes()
    for name, batch in (
        (RELAXED, eager.BATCH),
        (V128, eager.BATCH),
        (ONE, 1),
        (PARTS, eager.BATCH),
    ):
        simd = V128 if name == V128 else RELAXED
        shape = steps // slices, batch
        files |= ours.files(name, ours.race(n, shape, RATES[batch], simd, name == PARTS))
    return files | {f"/modules/{PEAK}.wasm": ours.peak(eager.BATCH)}


def started(tab: Any, name: str, slices: int) -> Callable[[], Turn]:
    """A contestant in its worker; each call is one turn of it."""
    who = CONTESTANTS[name]
    settings = {
        "script": f"./{who.script}.js", "threads": who.threads, "batch": who.batch,
        "rate": RATES[who.batch], "momentum": eager.MOMENTUM, **who.more,
    }  # fmt: skip
    numbers = itertools.count()

    def ask(message: dict[str, Any]) -> Any:
        return tab.evaluate("([name, message]) => ask(name, message)", [name, message])

    def turn() -> Turn:
        number = next(numbers)
        order = f"/order/{who.batch}/{number}"
        # From the first weights: later, momenta that fade are subnormal numbers, slow for all.
        return ask({"turn": {"order": order, "begin": number % slices == 0}})

    ask({"start": settings})
    return turn


def epochs(turns: Sequence[Turn], slices: int) -> list[Turn]:
    """The turns of each epoch as one: seconds added, losses in a row."""
    whole = []
    for i in range(0, len(turns), slices):
        parts = turns[i : i + slices]
        added = {key: sum(part[key] for part in parts) for key in parts[0].keys() & SECONDS}
        losses = [loss for part in parts for loss in part["losses"]]
        whole.append(parts[-1] | added | {"losses": losses})
    return whole


def check(turns: dict[str, Turn]) -> None:
    """End the program if a contestant does not train the same model on the same batches; see
    `eager.check` for how far roundings may part them."""
    for batch in RATES:
        losses = {
            n: np.array(t["losses"]) for n, t in turns.items() if CONTESTANTS[n].batch == batch
        }
        eager.check({name: found for name, found in losses.items() if len(found)})


def rows(answers: dict[str, list[Turn]]) -> list[dict[str, Any]]:
    """The lines of the table, from each contestant's turns."""
    times = {name: [turn["seconds"] for turn in turns] for name, turns in answers.items()}
    threads = {name: turns[-1]["threads"] for name, turns in answers.items()}
    others = {LARGE, *(peer for _, peer, _ in RACES)}
    mine = [name for name in times if name not in others]
    table = [harness.row(name, times[name], threads=threads[name]) for name in mine]
    whole, large = ([turn[part] for turn in answers[LARGE]] for part in ("whole", "products"))
    table.append(harness.row(LARGE, large, whole, threads=1))
    for own, peer, aim in RACES:
        if peer in times:
            table.append(harness.row(peer, times[peer], times[own], aim, threads=threads[peer]))
    if JAX in times:
        outside = [one - other for one, other in zip(whole, large, strict=True)]
        name = f"{JAX} (against ours outside the large products)"
        table.append(harness.row(name, times[JAX], outside, AIM_OUTSIDE, threads=1))
    return table


def making(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    """The line on making the module of a page, and what is to be said of its size."""
    seconds, size, gzipped = ours.cost(RELAXED, 1 if options.quick else harness.ROUNDS)
    ratios = [each / ours.MAX_SECONDS for each in seconds]
    line = {
        "name": f"tracing, printing, assembling (against {ours.MAX_SECONDS * 1e3:.0f} ms)",
        "seconds": harness.spread(seconds),
        "ratio": harness.spread(ratios),
        "aim": 1.0,
    }
    return line, (
        f"A page's module (step, forward, gradient of an image): {size:,} bytes, {gzipped:,} "
        f"gzipped (aims: {ours.MAX_BYTES:,}, {ours.MAX_GZIPPED:,})."
    )


def raced(options: argparse.Namespace, found: Mapping[str, Path]) -> tuple[Any, str]:
    """Each contestant's epochs that count, and the browser's version. found: the peers' files."""
    steps, slices = (20, 1) if options.quick else (STEPS, SLICES)
    names = [name for name, who in CONTESTANTS.items() if {*who.needs} <= {*found}]
    folders = {f"/peers/{name}": folder for name, folder in found.items()} | PAGE
    with page.opened(served(steps, slices), folders) as tab:
        turns = {name: started(tab, name, slices) for name in names}
        answers = harness.alternate(turns, options, REST, (WARM + ROUNDS) * slices)
        chromium = tab.context.browser.version
    done = {name: epochs(parts, slices) for name, parts in answers.items()}
    check({name: whole[0] for name, whole in done.items()})
    return {name: whole[WARM:] or whole for name, whole in done.items()}, chromium


def main() -> None:
    options = harness.arguments(str(__doc__))
    if find_spec("playwright") is None:
        sys.exit("The race needs playwright: `pip install -e '.[test]'` brings it.")
    found = {} if options.quick else npm.fetch()
    answers, chromium = raced(options, found)
    line, note = making(options)
    on = harness.machine("wasmtime") | {"threads": 1}
    on["versions"] |= {"Chromium": chromium} | npm.versions(found)
    harness.report(
        f"browser: {len(answers[OUR_STEP][0]['losses'])} steps of MNIST in a page, 784-128-10, "
        f"batch {eager.BATCH}, SGD with momentum, float32",
        [*rows(answers), line],
        on,
        options,
        note,
    )


if __name__ == "__main__":
    main()
