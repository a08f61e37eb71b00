"""Labelled images for the models: the vendored MNIST, an IDX reader, and mini-batches.

`load` gives a registered dataset, `split` and `batches` cut it for training; `read_examples` and
`read_idx` read other people's files through the same checks.
"""

from data.datasets import Dataset, Examples, load, read_examples
from data.idx import DataError, read_idx
from data.sampling import batches, order, split

__all__ = [
    "DataError",
    "Dataset",
    "Examples",
    "batches",
    "load",
    "order",
    "read_examples",
    "read_idx",
    "split",
]
