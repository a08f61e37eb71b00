"""Metrics: accuracy counts rows, and refuses labels that would broadcast."""

import numpy as np
import pytest

from autograd import Tensor, jit
from models.training import accuracy

LOGITS = np.array([[0.1, 0.9], [2.0, 1.0], [-3.0, -1.0]])


@pytest.mark.parametrize("route", [lambda f: f, jit])
def test_accuracy_is_the_share_of_rows_that_are_right(route):
    for labels in (np.array([1, 1, 1]), Tensor(np.array([1, 1, 1], np.int32))):
        assert float(route(accuracy)(LOGITS, labels)) == pytest.approx(2 / 3)


@pytest.mark.parametrize("labels", [[[1], [1], [1]], [1], 1, [[1, 1, 1]]])
def test_labels_of_another_shape_are_refused(labels):
    """(n, 1) against (n,) compares each row with every label: a number, and not the accuracy."""
    for route in (lambda f: f, jit):
        with pytest.raises(
            ValueError, match=r"accuracy: .* \(3,\) is wanted, a label for each row"
        ):
            route(accuracy)(LOGITS, np.array(labels))
