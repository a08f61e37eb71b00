"""A step shared by two ranks, one thread each: against one rank, and PyTorch's DDP (gloo).

Same weights, same batches of MNIST, SGD with momentum, float32; a rank gathers its share of each
batch itself. Then what the step takes to add up its gradients, against an Allreduce of mpi4py's of
as many bytes, in turn, in the same steps.
"""

from __future__ import annotations

import socket
import statistics
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import numpy as np

import data
from tests.benchmarks import harness
from tests.benchmarks.widths import weights

RATE, MOMENTUM = 0.01, 0.9
ROUNDS = 5
# Hidden widths and the batch of all ranks, how many steps are a turn, and whether there is an aim.
CELLS = [("512-512", 512, 40, True), ("128", 128, 400, False)]
QUICK = [("32", 32, 3, True)]
TWICE, DDP, BARE = 1 / 1.7, 0.5, 1.3
CONTESTANTS = {"1 rank": 1, "2 ranks": 2, "PyTorch": 1, "PyTorch DDP": 2}
Epoch = Callable[[Any], Any]  # a step for each row of an order; gives their losses


def sizes_of(hidden: str) -> list[int]:
    return [784, *map(int, hidden.split("-")), 10]


def digits() -> tuple[Any, Any]:
    train = data.load("mnist").train
    return train.images.reshape(-1, 784) * np.float32(1 / 255), train.labels


def chainrule(sizes: list[int]) -> Epoch:
    step, arrays = compiled(sizes), digits()
    return lambda order: step.loop(arrays, order).data


def compiled(sizes: list[int]) -> Any:
    """A step of data-parallel training."""
    from autograd import jit, ranks
    from autograd.nn import cross_entropy
    from autograd.optim import SGD
    from models.mlp import MLP

    model = MLP(sizes)
    flat = [array for pair in weights(sizes) for array in pair]
    for parameter, array in zip(model.parameters(), flat, strict=True):
        parameter.assign(array)
    optimizer = SGD(model.parameters(), RATE, MOMENTUM)

    @jit
    def step(images: Any, labels: Any) -> Any:
        loss = cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        [loss] = ranks.average(model.parameters(), [loss])
        optimizer.step()
        return loss

    return step


def pytorch(sizes: list[int]) -> Epoch:
    import torch
    from torch import distributed, nn

    from autograd import ranks

    torch.set_num_threads(1)
    layers: list[Any] = []
    for weight, bias in weights(sizes):
        layer = nn.Linear(weight.shape[1], weight.shape[0])
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(weight))
            layer.bias.copy_(torch.from_numpy(bias))
        layers += [layer, nn.ReLU()]
    model: Any = nn.Sequential(*layers[:-1])
    world = ranks.world()
    if world.size > 1:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = ranks.broadcast(free.getsockname()[1])
        distributed.init_process_group(
            "gloo",
            init_method=f"tcp://127.0.0.1:{port}",
            rank=world.rank,
            world_size=world.size,
        )
        model = nn.parallel.DistributedDataParallel(model)
    optimizer = torch.optim.SGD(model.parameters(), RATE, MOMENTUM)
    images, labels = (torch.from_numpy(array.copy()) for array in digits())
    labels = labels.long()

    def epoch(order: Any) -> Any:
        losses = []
        for rows in torch.from_numpy(order):
            loss = nn.functional.cross_entropy(model(images[rows]), labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
        return np.array(ranks.gather([loss.item() for loss in losses])).mean(0)

    return epoch


def serve(contestant: str) -> None:
    """Answer each turn with the seconds and losses of its steps, of the slowest rank."""
    from autograd import ranks

    ranks.join()
    name, hidden, batch, steps = contestant.split(", ")
    if name == "reduce":
        harness.serve_together(reductions(sizes_of(hidden), int(batch), int(steps)))
        return
    epoch = (pytorch if name.startswith("PyTorch") else chainrule)(sizes_of(hidden))
    generator = np.random.default_rng(0)

    def turn() -> tuple[float, list[float]]:
        order = generator.integers(0, 60_000, (int(steps), int(batch)))
        own = np.ascontiguousarray(ranks.world().share(order, 1))
        ranks.gather(None)
        seconds, losses = harness.timed(lambda: epoch(own))
        return max(ranks.gather(seconds)), losses.tolist()

    harness.serve_together(turn)


def reductions(sizes: list[int], batch: int, steps: int) -> Callable[[], Any]:
    """Each turn gives the seconds that a step's Allreduce takes, from when all ranks are there, and
    mpi4py's of as many bytes: medians over the steps."""
    from mpi4py import MPI

    from autograd import ranks
    from autograd.compiler.runtime import native

    together, original = MPI.COMM_WORLD, native.run_by_numpy
    parameters = sum(array.size for pair in weights(sizes) for array in pair)
    bare = np.empty(parameters, np.float32)
    taken: list[tuple[float, float]] = []

    def both(*given: Any) -> None:
        def ours() -> None:
            original(*given)

        def its() -> None:
            together.Allreduce(MPI.IN_PLACE, bare)

        seconds = [0.0, 0.0]
        bare[...] = 1.0  # just written, as the gradients are
        for i, reduce in list(enumerate((ours, its)))[:: -1 if len(taken) % 2 else 1]:
            together.Barrier()
            seconds[i], _ = harness.timed(reduce)
        taken.append((seconds[0], seconds[1]))

    native.run_by_numpy = both
    epoch, generator = chainrule(sizes), np.random.default_rng(0)

    def turn() -> list[float]:
        taken.clear()
        order = generator.integers(0, 60_000, (steps, batch))
        epoch(np.ascontiguousarray(ranks.world().share(order, 1)))
        slowest = np.max(ranks.gather(taken), axis=0)  # (steps, 2)
        return [statistics.median(column) for column in slowest.T.tolist()]

    return turn


def worker(stack: ExitStack, contestant: str, ranks: int, options: Any) -> Callable[[], Any]:
    environ = {"CHAINRULE_THREADS": "1"}
    return stack.enter_context(
        harness.worker("tests.benchmarks.ranks", contestant, options, ranks, **environ)
    )


def race(names: list[str], cell: tuple[str, int, int, bool], options: Any) -> list[dict[str, Any]]:
    """The lines of the table at one width: seconds of a step."""
    hidden, batch, steps, aims = cell
    with ExitStack() as stack:
        turns = {
            name: worker(stack, f"{name}, {hidden}, {batch}, {steps}", CONTESTANTS[name], options)
            for name in names
        }
        losses = [turn()[1] for turn in turns.values()]  # compiles; not timed
        for found in losses[1:]:
            np.testing.assert_allclose(found, losses[0], rtol=1e-3)
        answers = harness.alternate(turns, options, rest=0.1, rounds=ROUNDS)
    seconds = {name: [taken / steps for taken, _ in answers[name]] for name in names}
    two = seconds["2 ranks"]
    rows = [harness.row(f"784-{hidden}-10, batch {batch}: 2 ranks", two)]
    for name, aim in (("1 rank", TWICE), ("PyTorch DDP", DDP), ("PyTorch", None)):
        if name in names:
            rows.append(harness.row(f"    {name}", seconds[name], two, aim if aims else None))
    return rows


def reduced(hidden: str, options: Any) -> list[dict[str, Any]]:
    """The lines of the Allreduce of a step at one width."""
    steps = 3 if options.quick else 100
    with ExitStack() as stack:
        turn = worker(stack, f"reduce, {hidden}, 128, {steps}", 2, options)
        turn()
        answers = harness.alternate({"both": turn}, options, rest=0.1, rounds=ROUNDS)["both"]
    ours, bare = zip(*answers, strict=True)
    megabytes = 4e-6 * sum(array.size for pair in weights(sizes_of(hidden)) for array in pair)
    return [
        harness.row(f"Allreduce in the step, {megabytes:.2g} MB", ours),
        harness.row("    of mpi4py alone", bare, ours, BARE),
    ]


def main() -> None:
    options = harness.arguments(str(__doc__))
    if options.serve:
        serve(options.serve)
        return
    harness.THREADS = 1  # each rank's, and PyTorch's
    cells = QUICK if options.quick else CELLS
    peers = harness.installed({"PyTorch": "torch", "PyTorch DDP": "torch"})
    names = [name for name in CONTESTANTS if not name.startswith("PyTorch") or name in peers]
    rows = [line for cell in cells for line in race(names, cell, options)]
    rows += [line for hidden, *_ in cells for line in reduced(hidden, options)]
    versions = ("mpi4py", *(["torch"] if peers else []))
    harness.report(
        "ranks: a step of MNIST, shared by two ranks",
        rows,
        harness.machine(*versions),
        options,
        "All had the same losses in the first turn.",
    )


if __name__ == "__main__":
    main()
