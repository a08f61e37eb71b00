"""The training steps of the tests of traces and kernels."""

from __future__ import annotations

import numpy as np

from autograd import cross_entropy
from autograd.nn import Activation, BatchNorm, LayerNorm, Linear, Sequential
from autograd.optim import SGD, Adam, AdamW, clip_by_global_norm, clip_by_value, cosine, one_cycle
from models.mlp import MLP

X = np.random.default_rng(1).standard_normal((12, 16, 5))
Y = np.random.default_rng(2).integers(0, 3, (12, 16))


def network(*middle):
    generator = np.random.default_rng(0)
    return Sequential(
        Linear(5, 8, generator=generator, dtype=np.float64),
        Activation("tanh"),
        *middle,
        Linear(8, 3, generator=generator, dtype=np.float64),
    )


def training(model, optimizer, between=None):
    """between: called with the model after the backward pass."""

    def step(x, y):
        loss = cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        if between:
            between(model)
        optimizer.step()
        return loss

    return step


class Normed(MLP):
    """An MLP with its first hidden layer normalised."""

    def __init__(self, norm, dtype):
        super().__init__([20, 17, 10], "tanh", dtype=dtype)
        self.norm = norm(17, dtype=dtype)

    def forward(self, x):
        first, *rest = self
        x = self.norm(first(x))
        for module in rest:
            x = module(x)
        return x


STEPS = {
    "sgd": ({}, lambda p: SGD(p, 0.02), None),
    "momentum": ({}, lambda p: SGD(p, 0.02, momentum=0.9, weight_decay=1e-3), None),
    "nesterov": ({}, lambda p: SGD(p, 0.02, momentum=0.9, nesterov=True), None),
    "adam": ({"activation": "tanh"}, lambda p: Adam(p, 0.01), None),
    "adamw": ({"activation": "gelu"}, lambda p: AdamW(p, 0.01, weight_decay=0.1), None),
    "one_cycle": ({}, lambda p: SGD(p, one_cycle(0.05, 200), momentum=0.9), None),
    "cosine": ({"activation": "sigmoid"}, lambda p: Adam(p, cosine(0.01, 15)), None),
    "dropout": ({"dropout": 0.3}, lambda p: SGD(p, 0.02, momentum=0.9), None),
    "global norm": (
        {}, lambda p: SGD(p, 0.02, momentum=0.9),
        lambda model: clip_by_global_norm(model.parameters(), 0.1),
    ),
    "value": (
        {}, lambda p: SGD(p, 0.02), lambda model: clip_by_value(model.parameters(), 0.01)
    ),
    "batch norm": (BatchNorm, lambda p: SGD(p, 0.02, momentum=0.9), None),
    "layer norm": (LayerNorm, lambda p: SGD(p, 0.02, momentum=0.9), None),
}  # fmt: skip


def build_training(name, dtype, sizes=(20, 17, 10)):
    kind, optimizer, between = STEPS[name]
    plain = isinstance(kind, dict)
    model = MLP(list(sizes), dtype=dtype, **kind) if plain else Normed(kind, dtype)
    chosen = optimizer(model.parameters())
    state = {t: None for part in (model, chosen) for _, t in part.named_state()}
    return model, list(state), training(model, chosen, between)


def batches(count, batch, dtype, features=20):
    generator = np.random.default_rng(3)
    for _ in range(count):
        x = generator.standard_normal((batch, features)).astype(dtype)
        yield x, generator.integers(0, 10, batch)
