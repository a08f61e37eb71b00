"""Many images take the memory of their bytes, and no more: in a process of their own, measured."""

import gzip
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.data.written import idx_pair

STATUS = Path("/proc/self/status")
pytestmark = pytest.mark.skipif(not STATUS.exists(), reason="the peak is what Linux counts")

# Load, split, describe, and an epoch in batches; prints how many bytes more than NumPy's own that
# took at its peak, files that are mapped included.
PROGRAM = """
import re, sys
import numpy as np, numpy.random, hashlib, zipfile
import data

def peak():
    status = open("/proc/self/status").read()
    return 1024 * int(re.search(r"VmHWM:\\s*(\\d+) kB", status)[1])

before = peak()
mine = data.load(*sys.argv[1:])
training, validation = data.split(mine.train, len(mine.train) // 10, seed=0)
mine.describe()
order = np.random.default_rng(0).permutation(len(training))
for start in range(0, len(order), 128):
    batch = training.take(order[start : start + 128])
print(peak() - before)
"""


def written(folder, route, n):
    """The paths of n images of 28 x 28 and their labels."""
    labels = np.arange(n) % 10
    if route == "idx":
        paths = idx_pair(folder, np.zeros((0, 28, 28), np.uint8), labels.astype(np.uint8))
        with open(paths[0], "r+b") as file:  # the rest is a hole, of zeros that no disk has to hold
            file.write(struct.pack(">4BI", 0, 0, 8, 3, n))
            file.truncate(16 + n * 784)
        return paths
    images = np.tile(np.arange(256, dtype=np.uint8), n * 784 // 256).reshape(n, 28, 28)
    if route == "gzip":
        paths = idx_pair(folder, images, labels.astype(np.uint8))
        paths[0].write_bytes(gzip.compress(paths[0].read_bytes(), 1))
        return paths
    path = folder / "d.npz"
    (np.savez if route == "stored" else np.savez_compressed)(path, x=images, y=labels)
    return (path,)


@pytest.mark.parametrize(
    ("route", "n"),
    [
        *[("idx", 60_000), ("gzip", 60_000), ("stored", 60_000), ("packed", 60_000)],
        pytest.param("idx", 1_000_000, marks=pytest.mark.slow),
        # Of the others a part: what is copied once too often is seen at any size.
        *[pytest.param(each, 250_000, marks=pytest.mark.slow) for each in ("gzip", "packed")],
    ],
)
def test_images_are_in_memory_once(tmp_path, route, n):
    """Else a million images need gigabytes: copies of the whole, or float32 ones.

    1.2 of the images: labels and rows are int64, 0.01 each, and to draw a test set takes a few.
    """
    paths = written(tmp_path, route, n)
    command = [sys.executable, "-c", PROGRAM, *map(str, paths)]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    for path in paths:
        path.unlink()
    assert int(printed) < 1.2 * n * 784
