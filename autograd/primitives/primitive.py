"""What a row of the table is: a primitive, everything about it in one place.

The primitives themselves are in ops.py and shapes.py. `primitive` adds one; that is all it takes.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from types import BuiltinFunctionType
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeAlias, overload

import numpy as np

from .expressions import BOOL, FLOAT32, FLOAT64, INT64, Expr, Var

Rule = Callable[..., Any]
Operand: TypeAlias = "Any"  # a Value, a Tensor, an array, a number, or lists of these
NUMBERS = frozenset((float, int, bool))
PLAIN = NUMBERS | {np.ndarray}
VAR_KEYWORDS = 0x08  # of co_flags: the function takes **keywords

TABLE: dict[str, Primitive] = {}
OURS: set[Primitive] = (
    set()
)  # the engine's own primitives, once all are there: tests try what they say


@dataclass(frozen=True, eq=False)
class Primitive:
    """One primitive; calling it applies it to numbers, arrays, nodes or symbols.

    `help(primitive)` prints a page of its own, made of these (describe.py):

    name: what errors, diagrams and the compiler call it.
    doc: what it computes, in a line.
    on_array: computes it on NumPy arrays, `(*args, **params) -> array`.
    rules: the derivative, one rule per argument: `(g, out, *args, **params) -> cotangent`, where
        g is the cotangent of the result `out`. None: no gradient flows to that argument.
        A primitive of any number of arguments gives a function from the position to the rule.
    on_float: computes it on Python floats; None where only arrays make sense.
    infix: the operator it is written with, if it has one.
    domain: an interval per argument in which it is smooth, apart from its kink: where tests look.
    kink: a function of the arguments that is zero where the derivative jumps.
    convention: what the derivative is taken to be there.
    cases: instead of a domain, shapes of the arguments and params to test with.
    linear: it is linear in each argument that has a rule, so tangents go through the primitive
        itself. (Elementwise primitives carry tangents by their rules, other primitives by their
        rules transposed.)
    batch: for vmap, where it is not elementwise: `(args, batched, **params) -> result`, where
        batched says which arguments have a batch axis, which is their first and the result's.

    How a compiled step computes it, in expressions (expressions.py); where nothing is said, and for
    dtypes that do not go together in them, it is left to NumPy:

    code: elementwise: an entry of the result, of those of the arguments, `(*entries, **params)`.
        They come converted: to the result's dtype, or to one they share where that is boolean.
    conditions: how many of them, the first ones, choose between the others: they come as booleans.
    entry: otherwise: the entry of the result at an index, `(at, *args, **params)`. `at` is a tuple
        of positions, and an argument gives the expression of its entry: x[at]. It has a shape and a
        dtype. What only moves entries gives x[...] bare. None: not for these arguments.
    into: instead of saying where an entry of the result comes from: where one of the first argument
        is added to zeros, `(at, *args, **params)` -> the index in the result, or None likewise.
    reduces: for a reduction over `axis`: the elementwise primitive that puts two entries together.
    neutral: for that primitive, of a dtype: the number that changes none, a reduction of nothing.
    product: it is the matrix product.
    view: NumPy's result may be a view: it shows what is written to the argument later.
    composed: what it is made of, or what is simpler and the same: `(*args, **params)` -> a result
        of other primitives, or one of the arguments; None: nothing is. An argument has a shape, a
        dtype and operators; as nodes have, the primitive, args and params that it was made by; and
        the value that it always has, or None.
    """

    name: str
    doc: str
    on_array: Callable[..., Any]
    rules: tuple[Rule | None, ...] | Callable[[int], Rule | None]
    on_float: Callable[..., float] | None = None
    infix: str = ""
    domain: tuple[tuple[float, float], ...] = ()
    kink: Callable[..., Any] | None = None
    convention: str = ""
    cases: tuple[tuple[tuple[Any, ...], dict[str, Any]], ...] = ()
    linear: bool = False
    batch: Callable[..., Any] | None = None
    code: Callable[..., Expr] | None = None
    conditions: int = 0
    entry: Callable[..., Expr | None] | None = None
    into: Callable[..., tuple[Expr, ...] | None] | None = None
    reduces: Primitive | None = None
    neutral: Callable[[Any], float] | None = None
    product: bool = False
    view: bool = False
    composed: Callable[..., Any] | None = None
    # An operand as an array or a node. Set by joining.py: lists of nodes are stacked, which takes a
    # primitive.
    operand: ClassVar[Callable[[Any, str], Any]]
    # The rules as one step of the sweep over Values, once specialized.py has compiled them.
    step: Callable[[Any], None] | None = field(default=None, init=False, repr=False)
    rule: Callable[[int], Rule | None] = field(init=False, repr=False)  # of argument number i
    in_place: bool = field(init=False, repr=False)  # whether on_array takes NumPy's out=
    arity: int = field(init=False, repr=False)  # how many arguments it takes; -1: any number

    def __post_init__(self) -> None:
        object.__setattr__(self, "__name__", self.name)
        rule = self.rules if callable(self.rules) else self.rules.__getitem__
        object.__setattr__(self, "rule", rule)
        object.__setattr__(self, "in_place", isinstance(self.on_array, np.ufunc))
        object.__setattr__(self, "arity", -1 if callable(self.rules) else len(self.rules))

    def __call__(self, *args: Any, out: Any = None, **params: Any) -> Any:
        """Apply the primitive: the one door that every operation goes through.

        Nodes record, symbols write a formula, plain numbers and arrays are just computed with.
        out: a Tensor that is to take the result, as by `out.assign`.
        """
        if out is not None:
            if params:
                raise TypeError(f"{self.name}: out= goes with no other keyword; use assign")
            return out._take(self, args)
        if params or len(args) != self.arity:
            self._check(args, params)
        for arg in args:
            if arg.__class__ in PLAIN:
                continue
            record = getattr(arg, "_record", None)
            if record is not None:
                return record(self, args, params)
            if isinstance(arg, list | tuple):  # it may hold nodes
                return self(*[Primitive.operand(a, self.name) for a in args], **params)
        return self.compute(args, params)

    def _check(self, args: tuple[Any, ...], params: dict[str, Any]) -> None:
        """TypeError for another number of arguments, which NumPy might take for its `out`, and for
        keywords that the primitive does not know."""
        if len(args) != self.arity and (self.arity >= 0 or not args):
            plural = "" if abs(self.arity) == 1 else "s"
            wanted = f"{self.arity if self.arity >= 0 else 'at least 1'} argument{plural}"
            raise TypeError(f"{self.name}: takes {wanted}, not {len(args)}")
        known = self._keywords()
        for name in params.keys() - set(params if known is None else known):
            takes = f"takes {', '.join(known)}" if known else "takes none"
            raise TypeError(f"{self.name}: there is no keyword {name!r}; it {takes}")

    def _keywords(self) -> tuple[str, ...] | None:
        """The keywords that on_array takes beside its arguments; None where it may take any."""
        if isinstance(self.on_array, np.ufunc | BuiltinFunctionType):
            return ()  # it might take some of NumPy's, which no rule knows
        function = getattr(self.on_array, "__wrapped__", self.on_array)  # NumPy's are wrapped
        code = getattr(function, "__code__", None)
        if code is None or code.co_flags & VAR_KEYWORDS:
            return None
        count, every = code.co_argcount, code.co_argcount + code.co_kwonlyargcount
        first = count if self.arity < 0 else min(self.arity, count)
        return tuple(code.co_varnames[first:every])

    @property
    def summary(self) -> str:
        """What it computes, of which shapes, and its convention: the docstring of a method."""
        lines = [f"{self.doc}."]
        if self.on_float:
            shape = "shapes broadcast together" if self.arity > 1 else "the shape stays"
            lines += ["", f"Entry by entry: {shape}."]
        if self.convention:
            lines += ["", f"By convention {self.convention}."]
        return "\n".join(lines)

    def __reduce__(self) -> Any:
        return _of_table, (self.name,)  # a copy is the primitive itself

    def __repr__(self) -> str:
        return f"<primitive {self.name}>"

    def compute(self, args: tuple[Any, ...], params: dict[str, Any]) -> Any:
        """Compute on plain numbers or arrays. `np.float64` counts as an array: its arithmetic
        is IEEE's, which is why `ieee` goes there."""
        if args[0].__class__ is np.ndarray or not self.on_float:
            return self.on_array(*args, **params)
        if NUMBERS.issuperset(map(type, args)):
            return self.on_floats(args)
        return self.on_array(*args, **params)

    def on_floats(self, args: tuple[float, ...]) -> float:
        """Compute on floats by IEEE: inf or nan where Python's math raises or turns complex."""
        assert self.on_float is not None
        try:
            return self.on_float(*args)
        except (ArithmeticError, ValueError):
            return ieee(self.on_array, args)


def _of_table(name: str) -> Primitive:
    return TABLE[name]


if TYPE_CHECKING:
    # What an editor shows of a call, by the number of rules. (When it runs all are plain
    # primitives.)

    class Leaf(Protocol):
        """A Tensor that can be assigned to."""

        def assign(self, value: Any) -> None: ...

    class Unary(Primitive):
        """A primitive of one argument."""

        def __call__(  # type: ignore[override]
            self, x: Operand, /, *, out: Leaf | None = None, **params: Any
        ) -> Any: ...

    class Binary(Primitive):
        """A primitive of two arguments."""

        def __call__(  # type: ignore[override]
            self, x: Operand, y: Operand, /, *, out: Leaf | None = None, **params: Any
        ) -> Any: ...

    class Choice(Primitive):
        """A primitive that chooses between two arguments."""

        def __call__(  # type: ignore[override]
            self, condition: Operand, x: Operand, y: Operand, /, *, out: Leaf | None = None
        ) -> Any: ...


def ieee(function: Callable[..., Any], args: tuple[float, ...]) -> float:
    """`function` of floats in NumPy's arithmetic, which gives inf and nan where Python raises."""
    with np.errstate(all="ignore"):
        return float(function(*(np.float64(arg) for arg in args)))


@overload
def primitive(
    name: str, doc: str, on_array: Callable[..., Any], rule: Rule | None, /, **fields: Any
) -> Unary: ...
@overload
def primitive(
    name: str,
    doc: str,
    on_array: Callable[..., Any],
    of_x: Rule | None,
    of_y: Rule | None,
    /,
    **fields: Any,
) -> Binary: ...
@overload
def primitive(
    name: str, doc: str, on_array: Callable[..., Any], /, *rules: Rule | None, **fields: Any
) -> Any: ...
def primitive(
    name: str,
    doc: str,
    on_array: Callable[..., Any],
    /,
    *rules: Rule | None,
    variadic: Callable[[int], Rule | None] | None = None,
    **fields: Any,
) -> Primitive:
    """Add a primitive to the table and give it back, ready to call and with a page for `help`. See
    `Primitive` for the fields.

    Raises ValueError where the name is taken, TypeError where its code is no expression of its
    arguments: of floats, or for a primitive that is tested on arrays, of their dtypes.

    >>> import numpy as np
    >>> from autograd import Value, primitive, cos, sin
    >>> from autograd.primitives.primitive import TABLE
    >>> power3 = lambda x: x * x * x
    >>> cube = primitive("cube", "x * x * x", power3, lambda g, out, x: 3.0 * g * x * x,
    ...     on_float=power3, domain=((-2, 2),), code=power3)
    >>> x = Value(2.0)
    >>> y = cube(x); y.backward(); x.grad
    12.0
    >>> del TABLE["cube"]
    """
    if name in TABLE:
        raise ValueError(f"primitive: the table already has a primitive named {name!r}")
    prim = Primitive(name, doc, on_array, variadic or rules, **fields)
    # For `help`, which names the module that something is from.
    object.__setattr__(prim, "__module__", sys._getframe(1).f_globals.get("__name__", __name__))
    if prim.code is not None and OURS:
        _try(prim)
    TABLE[name] = prim
    return prim


# --- whether a primitive's code has a type -------------------------------------------------------


class _Argument(Var):
    """An argument that code is tried on. The compiler compares expressions; code never does."""

    def _compared(self, other: Any) -> Any:
        raise TypeError(f"{self}: == and != compare expressions; use equal and not_equal")

    __eq__ = __ne__ = _compared
    __hash__ = Var.__hash__


def _try(prim: Primitive) -> None:
    """TypeError, with the dtype, where a primitive's code has no type: of the dtypes that it is
    tested on, else of all that we know. What goes with one kind of floats has to go with the
    other."""
    args, params = prim.cases[0] if prim.cases else ((), {})
    floats = bool(prim.domain) or any(isinstance(arg, tuple) for arg in args)
    tested = [FLOAT32] if floats else [arg.dtype for arg in args[prim.conditions :]]
    wrong = {
        dtype: _ill_typed(prim, dtype, params) for dtype in (FLOAT32, FLOAT64, INT64, BOOL, *tested)
    }
    wanted = {*tested} or {dtype for dtype, why in wrong.items() if not why} or {FLOAT32}
    if wanted & {FLOAT32, FLOAT64}:
        wanted |= {FLOAT32, FLOAT64}
    for dtype, why in wrong.items():
        if why and dtype in wanted:
            raise TypeError(f"primitive: the code of {prim.name!r} is ill-typed for {dtype}: {why}")


def _ill_typed(prim: Primitive, dtype: Any, params: dict[str, Any]) -> str:
    """Why a primitive's code has no type where its arguments have this one; "" where it has."""
    assert prim.code is not None
    names = getattr(getattr(prim.code, "__code__", None), "co_varnames", ())[: prim.arity]
    if len(names) != prim.arity:  # a function of Python's own, or one of any number of arguments
        names = [*"xyz", *(f"x{i}" for i in range(3, prim.arity))][: prim.arity]
    dtypes = [BOOL if i < prim.conditions else dtype for i in range(prim.arity)]
    try:
        value = prim.code(*map(_Argument, names, dtypes), **params)
    except Exception as error:  # whatever a user's function does with what it is given
        return str(error)
    if isinstance(value, Expr):
        return ""
    return f"it gives {value!r}, which is no expression"
