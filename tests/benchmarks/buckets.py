"""Whether it pays to add up some gradients while others are computed: `mpiexec -n 2 python -m
tests.benchmarks.buckets`, one thread each.

A step of 784-512-512-10, 512 examples together: its products alone; the Allreduce of 2.7 MB after
them; two, of which that of the later layers' gradients comes before the first layer's product; and
the same begun there, and ended after the product.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # here: read when NumPy is imported

import numpy as np
from mpi4py import MPI

ROUNDS = 100
ALL, LATER = 669_706, 267_786  # parameters, and those of the later layers

together = MPI.COMM_WORLD
gradients = np.ones(ALL, np.float32)
x, delta = np.ones((256, 784), np.float32), np.ones((256, 512), np.float32)
before = [np.ones((512, 512), np.float32)] * 2  # stands for the products before the first layer's


def products() -> None:
    for weight in before:
        delta @ weight
    x @ np.ones((784, 512), np.float32)


def last_product() -> None:
    delta.T @ x


def compute() -> None:
    products()
    last_product()


def one() -> None:
    compute()
    together.Allreduce(MPI.IN_PLACE, gradients)


def two() -> None:
    products()
    together.Allreduce(MPI.IN_PLACE, gradients[:LATER])
    last_product()
    together.Allreduce(MPI.IN_PLACE, gradients[LATER:])


def overlapped() -> None:
    products()
    request = together.Iallreduce(MPI.IN_PLACE, gradients[:LATER])
    last_product()
    request.Wait()
    together.Allreduce(MPI.IN_PLACE, gradients[LATER:])


def main() -> None:
    ways: list[Callable[[], None]] = [compute, one, two, overlapped]
    seconds: dict[str, list[float]] = {way.__name__: [] for way in ways}
    for i in range(ROUNDS):
        for way in ways[:: -1 if i % 2 else 1]:
            gradients[...] = 1.0
            together.Barrier()
            start = time.perf_counter()
            way()
            seconds[way.__name__].append(together.allreduce(time.perf_counter() - start, MPI.MAX))
    for name, found in seconds.items() if together.rank == 0 else ():
        print(f"{name:10} {1e3 * statistics.median(found):7.3f} ms")


if __name__ == "__main__":
    main()
