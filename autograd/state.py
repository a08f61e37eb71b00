"""State: what Modules and optimizers share, which hold Tensors from step to step."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from .primitives.dtypes import check_array
from .tensor import Tensor


class State:
    """An object that holds Tensors from step to step: a Module, an optimizer.

    >>> class Counter(State):
    ...     def __init__(self):
    ...         self.count = Tensor(0.0)
    >>> dict(Counter().named_state())
    {'count': Tensor(0.)}
    """

    def named_state(self, hidden: bool = False) -> Iterator[tuple[str, Tensor]]:
        """Every Tensor held, with its path; attributes whose names begin with _ are skipped.

        hidden: these too, without the _ in the path: all that a step may change.

        >>> from autograd.nn import Dropout, Linear, Sequential
        >>> model = Sequential(Linear(2, 3), Dropout(0.5))
        >>> [name for name, _ in model.named_state(hidden=True)]
        ['0.weight', '0.bias', '1.seed', '1.count']
        """
        return _named("", self, hidden, ())

    def _state_attributes(self, hidden: bool) -> Iterator[tuple[str, Any]]:
        """The attributes that may hold state, by the names that they have in paths."""
        held = vars(self)
        for name, value in held.items():
            bare = name.removeprefix("_")
            if hidden or bare == name:
                yield (bare if bare and bare not in held else name), value

    def state_dict(self) -> dict[str, np.ndarray[Any, Any]]:
        """A copy of every Tensor held, as an array in row-major order, by its path ("0.weight").

        >>> from autograd.nn import Linear
        >>> sorted(Linear(2, 3).state_dict())
        ['bias', 'weight']
        """
        return {name: np.array(t._data, order="C") for name, t in self.named_state()}

    def load_state_dict(self, arrays: Mapping[str, Any]) -> None:
        """Load what `state_dict` gave (or PyTorch's, as NumPy arrays).

        Raises ValueError, and changes nothing, if a name is missing or unknown, a shape differs, or
        a Tensor of integers would be given other numbers; TypeError for dtypes that Tensors do not
        have.
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


class Setting:
    """A number that may change while training, as an attribute of a State. It reads as a float and
    is held in a Tensor, which a compiled step reads anew at each call. 0 is held as None: without
    its term a step is another one, and is traced again.

    check: called with the holder and the number before it is set; raises ValueError.

    >>> class Decay(State):
    ...     rate = Setting(lambda holder, rate: None)
    ...     def __init__(self, rate):
    ...         self.rate = rate
    >>> decay = Decay(0.5)
    >>> decay.rate, dict(decay.named_state()), dict(Decay(0.0).named_state())
    (0.5, {'rate': Tensor(0.5)}, {})
    """

    def __init__(self, check: Callable[[Any, float], None]) -> None:
        self.check = check

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, holder: Any, owner: type) -> Any:
        if holder is None:
            return self
        held = self.held(holder)
        return 0.0 if held is None else held.item()

    def held(self, holder: Any) -> Tensor | None:
        """The Tensor, for a step to compute with: `SGD.momentum.held(optimizer)`. (So the step's
        code names the attribute, and a trace is told when a Tensor comes or goes.)"""
        held: Tensor | None = vars(holder).get(self.name)
        return held

    def __set__(self, holder: Any, number: float) -> None:
        self.check(holder, number)
        held = self.held(holder)
        if number and held is not None:
            held.assign(float(number))
        else:
            vars(holder)[self.name] = Tensor(float(number)) if number else None


def _plain(array: Any, name: str) -> Any:
    if hasattr(array, "_record"):
        return np.asarray(array)
    return check_array(array, f"load_state_dict: {name}")


def _loses(array: Any, tensor: Tensor) -> bool:
    """Whether an array has entries that a Tensor of integers or booleans cannot hold."""
    if tensor.dtype.kind == "f":
        return False
    with np.errstate(invalid="ignore"):
        return bool((array.astype(tensor.dtype) != array).any())


def _named(
    path: str, value: Any, hidden: bool, above: tuple[State, ...]
) -> Iterator[tuple[str, Tensor]]:
    """The Tensors in a value. above: what it lies in, which it may point back to."""
    if isinstance(value, Tensor):
        yield path, value
        return
    parts: Iterable[tuple[Any, Any]] = ()
    if isinstance(value, State) and not any(value is one for one in above):
        parts, above = value._state_attributes(hidden), (*above, value)
    elif isinstance(value, list | tuple | dict):
        parts = value.items() if isinstance(value, dict) else enumerate(value)
    for name, part in parts:
        yield from _named(f"{path}.{name}" if path else name, part, hidden, above)


# --- what `print` shows -----------------------------------------------------------------

WIDTH = 80  # a longer text is put on several lines


def summary(holder: Any) -> str:
    """The holder as a call, with its settings, its Tensors and, indented, the holders in it. Names
    that begin with _ are skipped."""
    lines = settings(holder)
    for name, value in vars(holder).items():
        if not name.startswith("_"):
            lines += _held(name, value)
    nested = any(line.startswith("(") for line in lines)
    inner = ", ".join(lines)
    if nested or len(inner) > WIDTH:
        inner = "".join(f"\n{line}" for line in lines).replace("\n", "\n  ") + "\n"
    return f"{type(holder).__name__}({inner})"


def settings(holder: Any) -> list[str]:
    """The attributes that are numbers, texts, tuples of these, and functions (by name)."""
    return [
        f"{name}={written(value)}"
        for name, value in ((name, getattr(holder, name)) for name in vars(holder))
        if not name.startswith("_") and _is_setting(value)
    ]


def written(value: Any) -> str:
    """A setting as one would write it in the program."""
    return getattr(value, "__name__", None) or repr(value)


def _is_setting(value: Any) -> bool:
    if isinstance(value, tuple):
        return all(map(_is_setting, value))
    return isinstance(value, bool | int | float | str) or (
        callable(value) and not isinstance(value, State)
    )


def _held(path: str, value: Any) -> Iterator[str]:
    if isinstance(value, Tensor):
        yield f"{path}: {value.dtype}{list(value.shape)}"
    elif isinstance(value, State):
        yield f"({path}): {value!r}"
    elif isinstance(value, list | tuple | dict):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _held(f"{path}.{key}", item)


def counted(number: int, noun: str) -> str:
    """ "1,290 parameters"; "1 parameter"."""
    return f"{number:,} {noun}{'s' * (number != 1)}"
