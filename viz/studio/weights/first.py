"""The weights that a studio begins with: a network that learned nothing, or that of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from models.command_line import InputError
from models.mlp import MLP
from models.mnist.checkpoint import load_snapshot
from models.mnist.settings import Settings
from models.runs.arrays import pack

__all__ = ["of_run", "untrained", "untrained_for"]


def untrained_for(described: Mapping[str, Any]) -> bytes:
    """The default network of a dataset, which `Dataset.describe` describes."""
    settings = Settings()
    sizes = settings.sizes(described["shape"], len(described["classes"]))
    return untrained(sizes, settings.activation, described, settings.seed)


def untrained(
    sizes: Sequence[int], activation: str, described: Mapping[str, Any], seed: int
) -> bytes:
    """A network that learned nothing, as a file of weights.

    >>> import data
    >>> from models.mnist.checkpoint import read_snapshot
    >>> content = untrained([784, 10], "relu", data.load("mnist").describe(), seed=0)
    >>> read_snapshot(content, "body").arrays["0.weight"].shape
    (10, 784)
    """
    network = {"sizes": sizes, "activation": activation, "dataset": described}
    return pack(MLP(sizes, activation, seed).state_dict(), {**network, "seed": seed, "step": 0})


def of_run(path: str) -> bytes:
    """The weights in a run's folder, or in a .safetensors file, as a file that says of itself what
    a config.json may say beside it. Raises InputError where there are none."""
    try:
        snapshot = load_snapshot(path)
    except InputError as error:
        raise InputError(f"--weights: {error}") from error
    return pack(snapshot.arrays | snapshot.states, snapshot.metadata)
