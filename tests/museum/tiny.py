"""The smallest engine that trains a network, as written in an evening. Two exhibits break it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np


class Box:
    """An array, and the boxes it came from, each with the way a gradient goes back to it."""

    def __init__(self, data: Any, parents: Iterable[tuple[Box, Callable[..., Any]]] = ()) -> None:
        self.data, self.parents, self.grad = np.asarray(data, float), tuple(parents), np.zeros(())

    def __matmul__(self, other: Box) -> Box:
        pulls = ((self, lambda g: g @ other.data.T), (other, lambda g: self.data.T @ g))
        return type(self)(self.data @ other.data, pulls)

    def __mul__(self, other: Box) -> Box:
        pulls = ((self, lambda g: g * other.data), (other, lambda g: g * self.data))
        return type(self)(self.data * other.data, pulls)

    def __sub__(self, other: Box) -> Box:
        return type(self)(self.data - other.data, ((self, lambda g: g), (other, lambda g: -g)))

    def relu(self) -> Box:
        return type(self)(np.maximum(self.data, 0.0), ((self, lambda g: g * (self.data > 0.0)),))

    def mean(self) -> Box:
        share = np.ones(self.data.shape) / self.data.size
        return type(self)(self.data.mean(), ((self, lambda g: g * share),))

    def edges(self) -> Iterable[tuple[Box, Callable[..., Any]]]:
        return self.parents

    def forget(self) -> None:
        self.grad = np.zeros(())

    def backward(self) -> None:
        """Add the gradient of this box into `.grad` of every box without parents."""
        order = self._ancestors()
        for box in order:
            if box.parents:
                box.forget()
        self.grad = self.grad + 1.0
        for box in order:
            for parent, pull in box.edges():
                parent.grad = parent.grad + pull(box.grad)

    def _ancestors(self) -> list[Box]:
        seen: set[Box] = set()
        found: list[Box] = []

        def visit(box: Box) -> None:
            if box not in seen:
                seen.add(box)
                for parent, _ in box.edges():
                    visit(parent)
                found.append(box)

        visit(self)
        return found[::-1]
