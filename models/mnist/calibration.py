"""Probabilities that mean what they say: of answers given with 90 %, some 90 % are right.

A network that knows its training examples by heart is too sure of new ones. Its logits are divided
by one number, the temperature, fitted on examples that it did not learn from: answers stay the same
(Guo et al., On Calibration of Modern Neural Networks, 2017, https://arxiv.org/abs/1706.04599).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autograd.nn import Module
from data import Examples
from models.mnist.scoring import logits, sample

__all__ = ["calibrate", "fit_temperature"]

# Where the examples are few and all right, the best temperature is 0, which is no wisdom.
LEAST, GREATEST = 0.25, 20.0
DIGITS = 4  # that are kept: the last bits of logits differ from machine to machine
HALVINGS = 20
SAMPLE = 5000  # examples, which tell the number to about 2 %


def calibrate(model: Module, examples: Examples | None, scale: float) -> float:
    """The temperature of a model, by SAMPLE of the examples that it did not learn from; 1 where
    there are none. scale: their divisor."""
    if not examples:
        return 1.0
    some = sample(examples, SAMPLE)
    return fit_temperature(logits(model, some.images, scale), some.labels)


@np.errstate(all="ignore")
def fit_temperature(logits: NDArray[Any], labels: NDArray[Any]) -> float:
    """The number from LEAST to GREATEST such that logits / number has the least mean cross-entropy;
    1 where there are no examples, or logits that are not finite.

    logits: (n, classes). labels: (n,) integers.

    >>> logits = np.float32([[4, 0], [4, 0], [0, 4], [4, 0]])
    >>> temperature = fit_temperature(logits, np.array([0, 0, 1, 1]))  # three of four are right
    >>> chance = 1 / (1 + np.exp(-4 / temperature))
    >>> f"{temperature:g}, {chance:.2f}"
    '3.641, 0.75'
    """
    if not len(labels) or not np.isfinite(logits).all():
        return 1.0
    low, high = math.log(1 / GREATEST), math.log(1 / LEAST)
    scores = logits.astype(np.float64)
    right = scores[np.arange(len(labels)), labels].mean()
    for _ in range(HALVINGS):  # the loss is convex in 1 / temperature
        middle = (low + high) / 2
        if _expected(scores, math.exp(middle)) <= right:
            low = middle
        else:
            high = middle
    return float(f"{math.exp(-(low + high) / 2):.{DIGITS}g}")


def _expected(scores: NDArray[np.float64], inverse: float) -> float:
    """The mean logit that the probabilities expect: where it is that of the labels, the slope of
    the loss is 0."""
    scaled = inverse * scores
    chances = np.exp(scaled - scaled.max(1, keepdims=True))
    return float(((chances * scores).sum(1) / chances.sum(1)).mean())
