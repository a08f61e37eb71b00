"""MNIST as the peers read it: the vendored files, with 5,000 of the 60,000 digits set aside."""

import gzip
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parents[3] / "data" / "mnist"


def load(seed):
    """Images (55000, 784) float32 from 0 to 1 and labels (55000,) int64; validation's 5,000."""
    images = read("train-images-idx3-ubyte.gz", 16).reshape(-1, 784)
    labels = read("train-labels-idx1-ubyte.gz", 8).astype(np.int64)
    order = np.random.default_rng(seed).permutation(len(labels))
    images = images[order] * np.float32(1 / 255)
    labels = labels[order]
    return images[5000:], labels[5000:], images[:5000], labels[:5000]


def read(name, header):
    return np.frombuffer(gzip.decompress((FOLDER / name).read_bytes()), np.uint8, offset=header)
