"""A model made again from its weights and config.json; nothing in the two files is trusted.

A file of weights that is on its own says the same of itself, in its metadata. Beside the weights it
may hold the states of the optimizer that they come from, by which a training goes on from there.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from data.files import reason
from models.command_line import InputError
from models.mlp import MLP
from models.mnist.datasets import Described
from models.mnist.settings import MAX_SEED, Settings
from models.runs.arrays import unpack
from models.runs.files import CONFIG, MODEL, read_object

__all__ = ["Snapshot", "load", "load_temperature", "read_arrays", "read_snapshot", "weights_file"]

Arrays = dict[str, npt.NDArray[Any]]

FLOATS = (np.float32, np.float64)
GREATEST = float(np.finfo(np.float32).max)  # beyond it a model, of float32, has inf
STATES = "optimizer."  # begins the names of an optimizer's states
# What the metadata may say beside what network it is: in words, and whether a number is one.
NUMBERS: Mapping[str, tuple[str, Callable[[Any], bool]]] = {
    "seed": (f"seed from 0 to {MAX_SEED}", lambda n: type(n) is int and 0 <= n <= MAX_SEED),
    "step": ("step that is a whole number", lambda n: type(n) is int and 0 <= n < 2**53),
    "temperature": ("positive temperature", lambda n: 0 < n < 1e30),
}


@dataclass(frozen=True, eq=False)
class Snapshot:
    """What is in a file of weights, checked.

    arrays: by the names of a module's `state_dict`. states: of the optimizer, "optimizer.count" and
    the like; they may be missing. metadata: all that the file says of itself.
    """

    arrays: Arrays
    states: Arrays
    metadata: dict[str, Any]
    sizes: tuple[int, ...]
    activation: str
    described: Described  # the dataset that it learned from
    seed: int
    step: int
    temperature: float

    def model(self) -> MLP:
        """The network."""
        model = MLP(self.sizes, self.activation)
        model.load_state_dict(self.arrays)
        return model


def load(path: str) -> tuple[MLP, Described]:
    """The model in a run's folder, or in a .safetensors file; and the dataset that it learned from,
    as the config.json beside it describes it, or where there is none its metadata.

    Names, shapes and numbers are compared with what that says before a model is made.
    Raises InputError.
    """
    snapshot = load_snapshot(path)
    return snapshot.model(), snapshot.described


def load_temperature(path: str) -> float:
    """What the logits of a model are divided by, so that its probabilities mean what they say
    (calibration.py): 1 where that was not fitted. Raises InputError."""
    return load_snapshot(path).temperature


def load_snapshot(path: str) -> Snapshot:
    """All of a model that is in a run's folder, or in a .safetensors file. Raises InputError."""
    file = weights_file(path)
    config = file.with_name(CONFIG)
    return read_snapshot(_content(file), file, config if config.exists() else None)


def read_snapshot(content: bytes, place: Path | str, config: Path | None = None) -> Snapshot:
    """What is in the bytes of a file of weights.

    place: the file, or what else was read, with which the words of an error begin. config: a
    config.json that says what network it is; where there is none, the metadata have to. The arrays
    are views of the bytes: beside them next to no memory is taken. Raises InputError.
    """
    arrays, texts = _unpacked(content, place)
    metadata = _metadata(texts, place, config)
    sizes, activation, described = _architecture(config or place, metadata)
    states = {name: arrays.pop(name) for name in list(arrays) if name.startswith(STATES)}
    _check(place, arrays, sizes, f"{CONFIG} says" if config else "its metadata say")
    _check_states(place, states, {array.shape for array in arrays.values()})
    seed = _number(place, metadata, "seed", 0)
    step = _number(place, metadata, "step", 0)
    temperature = _number(place, metadata, "temperature", 1.0)
    return Snapshot(
        arrays, states, metadata, sizes, activation, described, int(seed), int(step), temperature
    )


def weights_file(path: str) -> Path:
    """The file of weights that is meant by a run's folder, or by itself."""
    return Path(path) / MODEL if Path(path).is_dir() else Path(path)


def read_arrays(file: Path) -> Arrays:
    """The arrays of a .safetensors file, by name. Raises InputError where it is none."""
    return _unpacked(_content(file), file)[0]


def _content(file: Path) -> bytes:
    try:
        if file.exists() and not file.is_file():  # a device or a pipe never ends
            raise InputError(f"{file}: expected a checkpoint, found: it is not a regular file")
        return file.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a null byte in the path
        raise InputError(f"{file}: expected a checkpoint, found: {reason(error)}") from error


def _unpacked(content: bytes, place: Path | str) -> tuple[Arrays, dict[str, str]]:
    try:
        return unpack(content)
    except ValueError as error:
        raise InputError(
            f"{place}: expected a whole safetensors file of floats, "
            f"found {len(content):,} bytes that are not one ({error})"
        ) from error


def _metadata(texts: dict[str, str], place: Path | str, config: Path | None) -> dict[str, Any]:
    """What a file of weights says of itself, each value being JSON; or its config.json says."""
    if config is not None:  # a file that PyTorch wrote says {"format": "pt"}, which is no JSON
        texts = {name: texts[name] for name in NUMBERS if name in texts}
    elif not texts and isinstance(place, Path):
        raise InputError(
            f"{place.with_name(CONFIG)}: expected it beside {place.name}, whose metadata do not "
            "say what network it is"
        )
    try:
        found = {name: json.loads(text) for name, text in texts.items()}
    except (ValueError, RecursionError) as error:
        raise InputError(f"{place}: expected metadata in JSON, found: {error}") from error
    if config is None:
        return found
    said = read_object(config)
    return found | {name: said.get(name) for name in ("sizes", "activation", "dataset")}


def _architecture(
    place: Path | str, config: Mapping[str, Any]
) -> tuple[tuple[int, ...], str, Described]:
    """The sizes of the layers, the name of the activation, and the dataset, as `config` has them,
    which was read from `place`."""
    sizes, activation = config.get("sizes"), config.get("activation")
    if not isinstance(sizes, list) or not isinstance(activation, str):
        raise InputError(
            f'{place}: expected a list of "sizes" and the name of an "activation", '
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
        raise InputError(f"{place}: {str(error).removeprefix('--')}") from error


def _check(place: Path | str, arrays: Arrays, sizes: tuple[int, ...], said: str) -> None:
    """Raise InputError unless the arrays are the weights of a network of these sizes."""
    unknown = dict(arrays)
    for name, shape in _shapes(sizes):
        array = unknown.pop(name, None)
        if array is None or array.shape != shape:
            found = "missing" if array is None else f"of shape {array.shape}"
            raise InputError(
                f"{place}: expected {name} of shape {shape}, as {said}, found it {found}"
            )
        if array.dtype not in FLOATS or not _is_finite(array):
            is_float = array.dtype in FLOATS
            what = "nan or inf in it" if is_float else f"{array.dtype}; save it as float32"
            raise InputError(f"{place}: expected {name} to be finite floats, found {what}")
    for name, array in unknown.items():
        raise InputError(
            f"{place}: expected {name:.60} missing, as {said}, found it of shape {array.shape}"
        )


def _shapes(sizes: tuple[int, ...]) -> Iterator[tuple[str, tuple[int, ...]]]:
    """The names and shapes of a network's arrays, one by one: sizes may be said that none has."""
    for i, (size, following) in enumerate(pairwise(sizes)):
        yield f"{2 * i}.bias", (following,)
        yield f"{2 * i}.weight", (following, size)


def _check_states(place: Path | str, states: Arrays, shapes: Collection[tuple[int, ...]]) -> None:
    """Raise InputError unless these can be the states of an optimizer of arrays of these shapes."""
    for name, array in states.items():
        if array.shape and array.shape not in shapes:
            found = f"it of shape {array.shape}"
        elif array.dtype.kind not in "fiu":
            found = f"{array.dtype}"
        elif not _is_finite(array):
            found = "nan or inf in it"
        else:
            continue
        raise InputError(
            f"{place}: expected {name:.60} to be finite, a number or of the shape of a weight or "
            f"bias, found {found}"
        )


def _is_finite(array: npt.NDArray[Any]) -> bool:
    """Whether an array is finite, also as float32. Without a copy: NaN is passed on by both."""
    with np.errstate(all="ignore"):
        return bool(array.min() >= -GREATEST and array.max() <= GREATEST)


def _number(place: Path | str, metadata: Mapping[str, Any], name: str, default: float) -> float:
    """A number among the metadata. Raises InputError where another value is there."""
    expected, holds = NUMBERS[name]
    found = metadata.get(name, default)
    if isinstance(found, int | float) and type(found) is not bool and holds(found):
        return found
    raise InputError(f"{place}: expected a {expected}, found {found!r:.60}")
