"""A model made again from its weights and config.json; nothing in the two files is trusted.

A file of weights that is on its own says the same of itself, in its metadata.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from data.files import reason
from models.command_line import InputError
from models.mlp import MLP
from models.mnist.datasets import Described
from models.mnist.settings import Settings
from models.runs.files import CONFIG, MODEL, read_object

FLOATS = (np.float32, np.float64)


def load(path: str) -> tuple[MLP, Described]:
    """The model in a run's folder, or in a .safetensors file; and the dataset that it learned from,
    as the config.json beside it describes it, or where there is none its metadata.

    Names, shapes and numbers are compared with what that says before a model is made.
    Raises InputError.
    """
    file = weights_file(path)
    arrays = read_arrays(file)
    config = file.with_name(CONFIG)
    if config.exists():
        said, found = config, read_object(config)
    else:
        said, found = file, _metadata(file)
    sizes, activation, described = _architecture(said, found)
    _check(file, arrays, sizes, f"{CONFIG} says" if said is config else "its metadata say")
    model = MLP(sizes, activation)
    model.load_state_dict(arrays)
    return model, described


def load_temperature(path: str) -> float:
    """What the logits of a model are divided by, so that its probabilities mean what they say
    (calibration.py): 1 where that was not fitted. Raises InputError."""
    file = weights_file(path)
    text = _texts(file).get("temperature", "1")
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not 0 < found < math.inf:
        raise InputError(f"{file}: expected a positive temperature, found {text:.60}")
    return found


def weights_file(path: str) -> Path:
    """The file of weights that is meant by a run's folder, or by itself."""
    return Path(path) / MODEL if Path(path).is_dir() else Path(path)


def read_arrays(file: Path) -> dict[str, Any]:
    """The arrays of a .safetensors file, by name. Raises InputError where it is none."""
    from safetensors import SafetensorError
    from safetensors.numpy import load as decode

    try:
        content = file.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a null byte in the path
        raise InputError(f"{file}: expected a checkpoint, found: {reason(error)}") from error
    try:
        return decode(content)
    except (SafetensorError, ValueError, KeyError, TypeError, AttributeError) as error:
        # The last three: types that NumPy lacks.
        raise InputError(
            f"{file}: expected a whole safetensors file of floats, "
            f"found {len(content):,} bytes that are not one ({error})"
        ) from error


def _texts(file: Path) -> dict[str, str]:
    """The metadata of a file of weights, as they stand."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="np") as opened:
            return opened.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise InputError(f"{file}: {reason(error)}") from error


def _metadata(file: Path) -> dict[str, Any]:
    """What a file of weights says of itself, each value being JSON."""
    found = _texts(file)
    if not found:
        raise InputError(
            f"{file.with_name(CONFIG)}: expected it beside {file.name}, whose metadata do not say "
            "what network it is"
        )
    try:
        return {name: json.loads(text) for name, text in found.items()}
    except (ValueError, RecursionError) as error:
        raise InputError(f"{file}: expected metadata in JSON, found: {error}") from error


def _architecture(file: Path, config: Mapping[str, Any]) -> tuple[tuple[int, ...], str, Described]:
    """The sizes of the layers, the name of the activation, and the dataset, as `config` has them,
    which was read from `file`."""
    sizes, activation = config.get("sizes"), config.get("activation")
    if not isinstance(sizes, list) or not isinstance(activation, str):
        raise InputError(
            f'{file}: expected a list of "sizes" and the name of an "activation", '
            f"found {sizes!r:.60} and {activation!r:.60}"
        )
    try:
        described = Described.read(config.get("dataset"))
        numbers, classes = math.prod(described.shape), len(described.classes)
        whole = len(sizes) >= 2 and all(type(n) is int for n in sizes)
        if not whole or (sizes[0], sizes[-1]) != (numbers, classes):
            raise InputError(
                f"expected sizes from {numbers} numbers to {classes} classes, found {sizes!r:.60}"
            )
        settings = Settings(hidden=tuple(sizes[1:-1]), activation=activation)
        return settings.sizes(described.shape, classes), activation, described
    except InputError as error:
        raise InputError(f"{file}: {str(error).removeprefix('--')}") from error


def _check(file: Path, arrays: dict[str, Any], sizes: tuple[int, ...], said: str) -> None:
    """Raise InputError unless the arrays are the weights of a network of these sizes."""
    shapes: dict[str, tuple[int, ...]] = {}
    for i, (size, following) in enumerate(pairwise(sizes)):
        shapes |= {f"{2 * i}.weight": (following, size), f"{2 * i}.bias": (following,)}
    for name in sorted(shapes.keys() | arrays.keys()):
        expected, found = shapes.get(name), arrays[name].shape if name in arrays else None
        if expected != found:
            raise InputError(
                f"{file}: expected {name} {_shaped(expected)}, as {said}, found it {_shaped(found)}"
            )
        dtype = arrays[name].dtype
        if dtype not in FLOATS or not np.isfinite(arrays[name]).all():
            what = "nan or inf in it" if dtype in FLOATS else f"{dtype}; save it as float32"
            raise InputError(f"{file}: expected {name} to be finite floats, found {what}")


def _shaped(shape: tuple[int, ...] | None) -> str:
    return "missing" if shape is None else f"of shape {shape}"
