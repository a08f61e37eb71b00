"""Metrics: functions of a model's outputs and their targets that give a mean over the batch.

They are written with the engine's functions, so that a compiled step computes them beside the loss.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd import astype, equal, max, mean, min, where

__all__ = ["accuracy", "predictions"]

LABEL = np.int32


def accuracy(logits: Any, labels: Any) -> Any:
    """The share of rows whose greatest logit is at the label, a float64 scalar.

    logits: (batch, classes). labels: (batch,), integers, an array or a Tensor; ValueError for
    another shape. A row with nan in it is wrong.

    >>> accuracy(np.array([[0.1, 0.9], [2.0, 1.0]]), np.array([1, 1])).item()
    0.5
    """
    chosen = predictions(logits)
    if chosen.shape != labels.shape:  # broadcast, each row would meet the labels of all
        raise ValueError(
            f"accuracy: logits {logits.shape}, labels {labels.shape}: {chosen.shape} is wanted, a "
            "label for each row"
        )
    return mean(astype(equal(chosen, labels), np.float64))


def predictions(logits: Any) -> Any:
    """The class of the greatest logit of each row, the first of equal ones, as int32: (n,);
    for a row with nan it is the number of classes, which is none of them.

    >>> predictions(np.array([[-3.0, -1.0], [np.nan, 1.0]])).tolist()
    [1, 2]
    """
    classes = logits.shape[-1]
    greatest = equal(logits, max(logits, 1, keepdims=True))
    numbers = np.arange(classes, dtype=LABEL)
    return min(where(greatest, numbers, LABEL(classes)), 1)
