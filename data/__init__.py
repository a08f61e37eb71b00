"""Labelled examples for the models: registered datasets, and data of one's own.

`load` gives a dataset by its name or from files (IDX, CSV, .npz, a folder of pictures), and `split`
takes a validation set from the examples to train with. The order of an epoch is
`autograd.random.order`.
"""

from data.datasets import Dataset, load
from data.errors import DataError
from data.examples import Examples, split
from data.formats.idx import read_idx

__all__ = ["DataError", "Dataset", "Examples", "load", "read_idx", "split"]
