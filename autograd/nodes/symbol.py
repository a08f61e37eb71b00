"""A name in the place of a number: a rule called with symbols gives its formula as text.

The sweep over `Value` graphs is compiled from these formulas (specialized.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .methods import Operators

if TYPE_CHECKING:
    from ..primitives.primitive import Primitive


class Symbol(Operators):
    """A formula, as Python writes it.

    >>> from autograd.ops import tanh
    >>> tanh.rule(0)(Symbol("g"), Symbol("out"), Symbol("x"))
    (g * (1.0 - (out * out)))
    """

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    @classmethod
    def _record(cls, prim: Primitive, args: tuple[Any, ...], params: dict[str, Any]) -> Symbol:
        parts = [arg.text if isinstance(arg, Symbol) else repr(arg) for arg in args]
        if prim.infix and prim.infix != "**":  # Python's ** is not IEEE's
            return cls(f"({f' {prim.infix} '.join(parts)})" if parts[1:] else f"(-{parts[0]})")
        return cls(f"{prim.name}({', '.join(parts)})")

    def _unknown(self, *other: Any) -> Any:
        raise TypeError(f"{self.text} is a symbol: it has no value to compare or to branch on")

    __bool__ = __eq__ = __lt__ = __le__ = __gt__ = __ge__ = __float__ = _unknown
    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return self.text
