"""How long a step takes to compile, from nothing, against JAX's on the same step.

Two steps: training of two transformer blocks (forward, backward, SGD with momentum), and the value
and gradient of a long chain of products with weights of their own. Each first call is that of a
fresh process, imports not counted, ours with an empty cache folder; then comes ours in another
process that finds in the cache what the first has left there.

The C compiler's time is that in which a process runs that ours has started, several at once counted
once. What is left of the first call is Python's, of which tracing is shown beside.
"""

from __future__ import annotations

import json
import logging
import math
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tests.benchmarks import harness

AIM = 1.0  # of the blocks
ROUNDS = 3
RATE, MOMENTUM = 0.01, 0.9
STEPS = {"blocks": "two transformer blocks", "products": "chained products"}
PEERS = {"JAX": "jax"}

Array = np.ndarray[Any, Any]
Params = dict[str, Array]

# --- the steps, alike for both -------------------------------------------------------------------


def blocks(quick: bool) -> tuple[Params, tuple[Array, ...], dict[str, int]]:
    """Parameters, (inputs, targets) and sizes of the transformer."""
    sizes = {"blocks": 1 if quick else 2, "width": 8 if quick else 32, "heads": 4}
    generator, width = np.random.default_rng(0), sizes["width"]
    parameters: Params = {}
    for i in range(sizes["blocks"]):
        shapes = {"q": (width, width), "k": (width, width), "v": (width, width)}
        shapes |= {"o": (width, width), "up": (width, 4 * width), "down": (4 * width, width)}
        for name, (n, m) in shapes.items():
            weight = generator.standard_normal((n, m)) / math.sqrt(n)
            parameters[f"{i}{name}"] = weight.astype(np.float32)
            parameters[f"{i}{name}bias"] = np.zeros(m, np.float32)
        for norm in ("first", "second"):
            parameters[f"{i}{norm}scale"] = np.ones(width, np.float32)
            parameters[f"{i}{norm}shift"] = np.zeros(width, np.float32)
    data = generator.standard_normal((2, 8, 16, width)).astype(np.float32)
    return parameters, (data[0], data[1]), sizes


def transformer(xp: Any, p: Any, x: Any, y: Any, sizes: dict[str, int]) -> Any:
    """The loss. xp: the functions of either engine."""
    heads, width = sizes["heads"], sizes["width"]

    def linear(x: Any, name: str) -> Any:
        return x @ p[name] + p[f"{name}bias"]

    def norm(x: Any, name: str) -> Any:
        distance = x - x.mean(-1, keepdims=True)
        deviation = xp.sqrt(x.var(-1, keepdims=True) + 1e-5)
        return distance / deviation * p[f"{name}scale"] + p[f"{name}shift"]

    def split(x: Any) -> Any:
        n, length, _ = x.shape
        return x.reshape((n, length, heads, width // heads)).transpose((0, 2, 1, 3))

    for i in range(sizes["blocks"]):
        h = norm(x, f"{i}first")
        scores = split(linear(h, f"{i}q")) @ split(linear(h, f"{i}k")).transpose((0, 1, 3, 2))
        weights = xp.softmax(scores * (width / heads) ** -0.5, -1)
        mixed = (weights @ split(linear(h, f"{i}v"))).transpose((0, 2, 1, 3)).reshape(x.shape)
        x = x + linear(mixed, f"{i}o")
        h = linear(norm(x, f"{i}second"), f"{i}up")
        cubic = h + 0.044715 * (h * h * h)
        x = x + linear(0.5 * h * (1.0 + xp.tanh(math.sqrt(2 / math.pi) * cubic)), f"{i}down")
    away = x - y
    return (away * away).mean()


def products(quick: bool) -> tuple[Params, tuple[Array, ...], dict[str, int]]:
    generator, count = np.random.default_rng(0), 4 if quick else 400
    weights = {
        f"{i}": (generator.standard_normal((16, 16)) / 4).astype(np.float32) for i in range(count)
    }
    return weights, (generator.standard_normal((16, 16)).astype(np.float32),), {"count": count}


def chain(xp: Any, p: Any, x: Any, sizes: dict[str, int]) -> Any:
    for i in range(sizes["count"]):
        x = xp.tanh(x @ p[f"{i}"])
    return x.sum()


LOSSES: dict[str, Any] = {"blocks": (blocks, transformer), "products": (products, chain)}

# --- contestants ---------------------------------------------------------------------------------
# Each gives the seconds of its first and second call and their losses; ours also what of the first
# was tracing and what the C compiler's.


def chainrule(step: str, quick: bool) -> dict[str, Any]:
    import autograd as ag

    processes, traces, said = watched_processes(), watched_traces(), warnings()
    make, loss_of = LOSSES[step]
    arrays, data, sizes = make(quick)
    parameters = {name: ag.Tensor(array, requires_grad=True) for name, array in arrays.items()}
    velocity = {name: ag.Tensor(np.zeros_like(array)) for name, array in arrays.items()}

    def train(*data: Any) -> Any:
        loss = loss_of(ag, parameters, *data, sizes)
        loss.backward()
        for name, p in parameters.items():
            v = MOMENTUM * velocity[name] + p.grad
            velocity[name].assign(v)
            p.assign(p - RATE * v)
            p.grad = None
        return loss, []

    def gradients(*data: Any) -> Any:
        loss = loss_of(ag, parameters, *data, sizes)
        return loss, ag.gradients(loss, list(parameters.values()))

    jitted = ag.jit(train if step == "blocks" else gradients)
    answer = two_calls(lambda: jitted(*data)[0].item())
    compiler, tracing = united(processes), united(traces)
    ops = [len(program.steps) for program in jitted.programs]
    return {**answer, "compiler": compiler, "trace": tracing, "ops": ops[0], "said": said}


def jax(step: str, quick: bool) -> dict[str, Any]:
    import jax
    import jax.numpy as jnp

    class Functions:
        tanh, exp, sqrt, softmax = jnp.tanh, jnp.exp, jnp.sqrt, staticmethod(jax.nn.softmax)

    make, loss_of = LOSSES[step]
    arrays, data, sizes = make(quick)
    given = [jnp.asarray(x) for x in data]

    def loss(parameters: Any, data: Any) -> Any:
        return loss_of(Functions, parameters, *data, sizes)

    @jax.jit
    def train(state: Any, data: Any) -> Any:
        p, v = state
        out, g = jax.value_and_grad(loss)(p, data)
        v = jax.tree.map(lambda v, g: MOMENTUM * v + g, v, g)
        return (jax.tree.map(lambda p, v: p - RATE * v, p, v), v), out

    @jax.jit
    def gradients(state: Any, data: Any) -> Any:
        out, g = jax.value_and_grad(loss)(state[0], data)
        return g, out

    start = {name: jnp.asarray(array) for name, array in arrays.items()}
    state: Any = (start, jax.tree.map(jnp.zeros_like, start))

    def call() -> float:
        nonlocal state
        new, out = jax.block_until_ready((train if step == "blocks" else gradients)(state, given))
        state = new if step == "blocks" else state
        return float(out)

    return two_calls(call)


def two_calls(call: Callable[[], float]) -> dict[str, Any]:
    (first, one), (second, other) = harness.timed(call), harness.timed(call)
    return {"first": first, "second": second, "losses": [one, other]}


CONTESTANTS = {"Chainrule": chainrule, "JAX": jax}
Spans = list[list[float]]


def warnings() -> list[str]:
    """Where what jit warns of is put: that a step is not compiled after all."""
    said: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger("autograd.jit").addHandler(handler)
    return said


def watched_processes() -> Spans:
    """Where the start of each process from now on is put, and the last that was waited for it."""
    spans: Spans = []
    begin, communicate, wait = (
        getattr(subprocess.Popen, name) for name in ("__init__", "communicate", "wait")
    )

    def begun(self: Any, *args: Any, **keywords: Any) -> None:
        self.span = [time.perf_counter()] * 2
        spans.append(self.span)
        begin(self, *args, **keywords)

    def waits(function: Callable[..., Any]) -> Callable[..., Any]:
        def waited(self: Any, *args: Any, **keywords: Any) -> Any:
            try:
                return function(self, *args, **keywords)
            finally:
                self.span[1] = time.perf_counter()

        return waited

    replaced = {"__init__": begun, "communicate": waits(communicate), "wait": waits(wait)}
    for name, function in replaced.items():
        setattr(subprocess.Popen, name, function)
    return spans


def watched_traces() -> Spans:
    """Where the start and end of each trace from now on are put, if jit is still made as it was."""
    from autograd.compiler import step

    spans: Spans = []
    trace = getattr(step, "trace", None)

    def timed(*args: Any) -> Any:
        start = time.perf_counter()
        traced = trace(*args)
        spans.append([start, time.perf_counter()])
        return traced

    if trace is not None:
        step.trace = timed
    return spans


def united(spans: Spans) -> float:
    """The length of what any of these stretches of time covers."""
    total, until = 0.0, 0.0
    for start, end in sorted(spans):
        total += max(0.0, end - max(start, until))
        until = max(until, end)
    return total


# --- turns ---------------------------------------------------------------------------------------


def turn(contestant: str, step: str, options: Any) -> dict[str, Any]:
    """A first call from nothing, and ours again with what is cached then."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["-m", "tests.benchmarks.compiling", "--serve", f"{contestant} {step}"]
        command += ["--quick"] if options.quick else []
        answer = json.loads(harness.run(*command, XDG_CACHE_HOME=folder).stdout)
        if contestant == "Chainrule":
            answer["cached"] = json.loads(harness.run(*command, XDG_CACHE_HOME=folder).stdout)
    return dict(answer)


def shown(runs: Sequence[dict[str, Any]]) -> dict[str, str]:
    """Medians, for the table's other columns."""

    def median(of: Callable[[dict[str, Any]], float], scale: float = 1.0) -> str:
        return f"{harness.spread([of(run) for run in runs])['median'] * scale:.3g}"

    more = {"second call, ms": median(lambda run: run["second"], 1e3)}
    if "cached" not in runs[0]:
        return {"trace, s": "", "Python, s": "", "C compiler, s": "", **more, "cached, s": ""}
    return {
        "trace, s": median(lambda run: run["trace"]),
        "Python, s": median(lambda run: run["first"] - run["compiler"]),
        "C compiler, s": median(lambda run: run["compiler"]),
        **more,
        "cached, s": median(lambda run: run["cached"]["first"]),
    }


def main() -> None:
    options = harness.arguments(str(__doc__))
    if options.serve:
        contestant, step = options.serve.split()
        print(json.dumps(CONTESTANTS[contestant](step, options.quick)))
        return
    names = ["Chainrule", *harness.installed(PEERS)]
    rows, notes = [], []
    for step, title in STEPS.items():
        turns = {name: lambda name=name: turn(name, step, options) for name in names}  # noqa: B023
        answers = harness.alternate(turns, options, rounds=ROUNDS)
        ours = answers["Chainrule"]
        seconds = {name: [run["first"] for run in runs] for name, runs in answers.items()}
        for name, runs in answers.items():
            np.testing.assert_allclose(runs[0]["losses"], ours[0]["losses"], rtol=1e-4)
            peer = name != "Chainrule"
            against = (seconds["Chainrule"], AIM if step == "blocks" else None) if peer else ()
            rows.append(
                harness.row(
                    f"    {name}" if peer else title, seconds[name], *against, **shown(runs)
                )
            )
        said = sorted({words for run in ours for words in run["said"]})
        notes.append(f"{title}: {'; '.join([str(ours[0]['ops']) + ' ops', *said])}")
    harness.report(
        "compiling: the first call of a step, in a process of its own",
        rows,
        harness.machine(*(PEERS[name] for name in names[1:])),
        options,
        f"{', '.join(notes)}. cached: the first call of another process.",
    )


if __name__ == "__main__":
    main()
