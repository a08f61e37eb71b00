"""The datasets that `data.load` knows, one row each; data/README.md says where they come from and
how to add one.

A digest is of the file as it is kept: proof of the content, and to load is to hash each file once.
MNIST's files are kept packed, which takes 5 ms for all, a fifth of what their content would.
Fashion-MNIST's are kept unpacked, so that every gzip of the same content will do. Of KMNIST only
digests of the packed files are published. SHA-256 because processors have instructions for it,
where MD5 takes more than twice the time (one core of a Zen 5).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import NamedTuple

from data.errors import DataError


class File(NamedTuple):
    """A file's name as it is kept, packed where that ends in .gz, and the SHA-256 of its bytes."""

    name: str
    sha256: str


@dataclass(frozen=True)
class Source:
    """Where a dataset comes from and what it holds: a row of `REGISTRY`."""

    folder: Path | None  # where its files lie in this package; None: they are fetched
    shape: tuple[int, ...]  # of one image
    scale: float  # what the images are divided by before a network reads them
    classes: tuple[str, ...]  # classes[label] is what people call it
    train: tuple[File, File]  # images, labels
    test: tuple[File, File]
    counts: tuple[int, int]  # of training and of test examples
    digests: tuple[()] | tuple[str, str] = ()  # of training and of test examples, data.examples
    mirrors: tuple[str, ...] = ()  # addresses of folders that hold the files, each with .gz
    elsewhere: str = ""  # where else the files are, for who cannot reach the mirrors

    def files(self) -> Iterator[tuple[File, int]]:
        """Each file, and how many bytes it has unpacked: the header of IDX, and uint8."""
        for (images, labels), count in zip((self.train, self.test), self.counts, strict=True):
            yield images, 4 + 4 * (1 + len(self.shape)) + count * prod(self.shape)
            yield labels, 4 + 4 + count


def find(name: str) -> Source:
    """The row of a name. Raises `DataError`, which lists those that are known."""
    if name not in REGISTRY:
        raise DataError(f"unknown dataset {name!r}: expected one of {', '.join(sorted(REGISTRY))}")
    return REGISTRY[name]


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
    "fashion-mnist": Source(
        folder=None,
        shape=(28, 28),
        scale=255.0,
        classes=(
            *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
            *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
        ),
        train=(
            File(
                "train-images-idx3-ubyte",
                "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
            ),
            File(
                "train-labels-idx1-ubyte",
                "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
            ),
        ),
        test=(
            File(
                "t10k-images-idx3-ubyte",
                "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
            ),
            File(
                "t10k-labels-idx1-ubyte",
                "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
            ),
        ),
        counts=(60_000, 10_000),
        digests=(
            "dbf4beb3bdbc201f67106d90fd1c6a2b8814147f938deedaa07bc9b433eef32a",
            "3d90bab5c45d395d93feec4b0799769e4f68168f0fd635c52c926ff75d980520",
        ),
        mirrors=(
            "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
            "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
        ),
        elsewhere="/usr/share/datasets/fashion-mnist of Debian's package dataset-fashion-mnist",
    ),
    "kmnist": Source(
        folder=None,
        shape=(28, 28),
        scale=255.0,
        classes=("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
        train=(
            File(
                "train-images-idx3-ubyte.gz",
                "51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4",
            ),
            File(
                "train-labels-idx1-ubyte.gz",
                "e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17",
            ),
        ),
        test=(
            File(
                "t10k-images-idx3-ubyte.gz",
                "edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5",
            ),
            File(
                "t10k-labels-idx1-ubyte.gz",
                "20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c",
            ),
        ),
        counts=(60_000, 10_000),
        mirrors=(
            "https://codh.rois.ac.jp/kmnist/dataset/kmnist/",
            "http://codh.rois.ac.jp/kmnist/dataset/kmnist/",
        ),
        elsewhere="the KMNIST/raw that torchvision has fetched",
    ),
}
