"""The datasets that `data.load` knows, one row each; data/README.md says how to add one.

A digest is of the file as it lies in its folder, gzipped: that proves the content as well as the
digest of the unpacked bytes would, in a fifth of the time. SHA-256 because processors have
instructions for it: 5 ms for MNIST, where MD5 takes 12 (one core of a Zen 5).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple


class File(NamedTuple):
    """A file's name within its folder, and the SHA-256 of its bytes in hexadecimal."""

    name: str
    sha256: str


@dataclass(frozen=True)
class Source:
    """Where a dataset lies and what it holds: a row of `REGISTRY`."""

    folder: Path
    shape: tuple[int, ...]  # of one image
    scale: float  # what the images are divided by before a network reads them
    classes: tuple[str, ...]  # classes[label] is what people call it
    train: tuple[File, File]  # images, labels
    test: tuple[File, File]
    counts: tuple[int, int]  # of training and of test examples
    digests: tuple[()] | tuple[str, str] = ()  # of training and of test examples, data.examples


REGISTRY = {
    "mnist": Source(
        folder=Path(__file__).parent / "mnist",
        shape=(28, 28),
        scale=255.0,
        classes=tuple("0123456789"),
        train=(
            File(
                "train-images-idx3-ubyte.gz",
                "0b367032e93c5d0cea0925647cfdb18614af8ee15f83e6f2fc2ad904a6835971",
            ),
            File(
                "train-labels-idx1-ubyte.gz",
                "1787548bbe0bff1ec2ecdc0ef292b02df999e2d1a6002d27500982c652b17203",
            ),
        ),
        test=(
            File(
                "t10k-images-idx3-ubyte.gz",
                "1a1a05eab793c14bb050b398624a11b0ffd1a2953baed553b1b9bd079e2a20be",
            ),
            File(
                "t10k-labels-idx1-ubyte.gz",
                "b91679a0acfe4ba0e50a2437a903084cba1f5f92592b016a25a7dfd00455798b",
            ),
        ),
        counts=(60_000, 10_000),
        digests=(
            "00be1c9c12d4dc26b8ac36edf1aa0fcd54dbf4dc68ab6476aac50527b221e393",
            "fc21c3bdc4a0f57c0b3f59f2108a3b19193debfe3906126ed146e29853fcd5e6",
        ),
    ),
}
