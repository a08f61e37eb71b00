"""What `print` says of what holds Tensors: settings, dtypes and shapes, how many numbers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .tensor import Tensor

WIDTH = 80  # what is longer is put on lines of its own


def summary(holder: Any) -> str:
    """A call with what the holder has: its settings, its Tensors, and what holds more of them,
    indented; names that begin with _ are private."""
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
    """The plain attributes: numbers, texts, tuples of these, and functions by name."""
    return [
        f"{name}={written(value)}"
        for name, value in vars(holder).items()
        if not name.startswith("_") and _plain(value)
    ]


def written(value: Any) -> str:
    """A setting, as the program would say it."""
    return getattr(value, "__name__", None) or repr(value)


def _plain(value: Any) -> bool:
    if isinstance(value, tuple):
        return all(map(_plain, value))
    return isinstance(value, bool | int | float | str) or (callable(value) and not _holds(value))


def _holds(value: Any) -> bool:
    return hasattr(value, "named_state")


def _held(path: str, value: Any) -> Iterator[str]:
    if isinstance(value, Tensor):
        yield f"{path}: {value.dtype}{list(value.shape)}"
    elif _holds(value):
        yield f"({path}): {value!r}"
    elif isinstance(value, list | tuple | dict):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _held(f"{path}.{key}", item)


def counted(number: int, noun: str) -> str:
    """ "1,290 parameters"; "1 parameter"."""
    return f"{number:,} {noun}{'s' * (number != 1)}"
