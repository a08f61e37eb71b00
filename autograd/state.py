"""Something with Tensors that live from step to step: what Modules and optimizers share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from .primitives.dtypes import known
from .tensor import Tensor


class State:
    """Something with Tensors that live from step to step: a Module, an optimizer."""

    def named_state(self) -> Iterator[tuple[str, Tensor]]:
        """Every Tensor held, parameter or not, by its path; names that begin with _ are private."""
        for name, value in vars(self).items():
            if not name.startswith("_"):
                yield from _named(name, value)

    def state_dict(self) -> dict[str, np.ndarray[Any, Any]]:
        """A copy of every Tensor held, in row-major order, by its path ("0.weight").

        >>> from autograd.nn import Linear
        >>> sorted(Linear(2, 3).state_dict())
        ['bias', 'weight']
        """
        return {name: np.array(t._data, order="C") for name, t in self.named_state()}

    def load_state_dict(self, arrays: Mapping[str, Any]) -> None:
        """Put back what `state_dict` gave (or PyTorch's, as NumPy arrays).

        Raises ValueError, and changes nothing, where a name is missing or unknown, a shape differs,
        or integers are given what is none; TypeError for dtypes that Tensors have not.
        """
        own = dict(self.named_state())
        missing, unknown = sorted(own.keys() - arrays.keys()), sorted(arrays.keys() - own.keys())
        if missing or unknown:
            raise ValueError(f"load_state_dict: missing {missing}, unknown {unknown}")
        given = {name: _plain(array, name) for name, array in arrays.items()}
        for name, tensor in own.items():
            if given[name].shape != tensor.shape or _loses(given[name], tensor):
                raise ValueError(
                    f"load_state_dict: {name} has shape {given[name].shape} ({given[name].dtype}), "
                    f"the module's has {tensor.shape} ({tensor.dtype})"
                )
        for name, tensor in own.items():
            tensor.assign(given[name].astype(tensor.dtype))


def _plain(array: Any, name: str) -> Any:
    if hasattr(array, "_record"):
        return np.asarray(array)
    return known(array, f"load_state_dict: {name}")


def _loses(array: Any, tensor: Tensor) -> bool:
    """Whether an array holds what a Tensor of integers or booleans cannot."""
    if tensor.dtype.kind == "f":
        return False
    with np.errstate(invalid="ignore"):
        return bool((array.astype(tensor.dtype) != array).any())


def _named(path: str, value: Any) -> Iterator[tuple[str, Tensor]]:
    if isinstance(value, Tensor):
        yield path, value
    elif isinstance(value, State):
        for name, tensor in value.named_state():
            yield f"{path}.{name}", tensor
    elif isinstance(value, list | tuple | dict):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _named(f"{path}.{key}", item)
