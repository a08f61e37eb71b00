"""A part of MNIST, for tests that train whole networks."""

from functools import cache
from types import SimpleNamespace

import numpy as np

from data.datasets import load


@cache
def few():
    """The first 2,000 training images and 500 test images."""
    mnist = load("mnist")
    return SimpleNamespace(
        train=mnist.train.take(np.arange(2000)), test=mnist.test.take(np.arange(500))
    )
