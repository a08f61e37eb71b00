"""What a primitive is: a row of the table, with everything about it in one place.

The primitives themselves are in ops.py and beside this file. `primitive` adds one; nothing else has
to be told of it.
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
# The engine's own primitives, filled when all are there. (Their code is checked by tests, that of a
# user's primitive when it is added.)
OURS: set[Primitive] = set()


@dataclass(frozen=True, eq=False)
class Primitive:
    """One primitive; calling it applies it to numbers, arrays, nodes or symbols.

    `help(primitive)` prints a page made of these fields (describe.py):

    name: what errors, diagrams and the compiler call it.
    doc: what it computes, in one line.
    on_array: computes it on NumPy arrays, `(*args, **params) -> array`.
    rules: the derivative, one rule per argument: `(g, out, *args, **params) -> cotangent`, where
        g is the cotangent of the result `out`. None: no gradient flows to that argument.
        A primitive of any number of arguments gives a function from the position to the rule.
    on_float: computes it on Python floats; None where only arrays make sense.
    infix: the operator it is written with, if it has one.
    domain: for each argument, the interval that tests draw from. The primitive is smooth there,
        apart from its kink.
    kink: a function of the arguments that is zero where the derivative jumps.
    convention: what the derivative is taken to be there.
    cases: instead of a domain, shapes of the arguments and params to test with.
    linear: it is linear in each argument that has a rule, so tangents go through the primitive
        itself. (Tangents go through elementwise primitives by their rules, through others by their
        rules transposed.)
    batch: for vmap, if it is not elementwise: `(args, batched, **params) -> result`. `batched` says
        which arguments have a batch axis; it is the first axis, of the result too.

    How a compiled step computes it, in expressions (expressions.py). Without these fields, and for
    dtypes whose expression has no type, NumPy computes it:

    code: if it is elementwise: an entry of the result, `(*entries, **params)`. The arguments'
        entries are converted: to the result's dtype or, if that is boolean, to a common one.
    conditions: how many arguments, the first ones, choose between the others and are booleans.
    entry: if it is not: the entry of the result at an index, `(at, *args, **params)`. `at` is a
        tuple of positions; an argument has a shape and a dtype, and x[at] is an entry of it.
        A primitive that only moves entries returns x[...] itself. None: not for these arguments.
    into: instead of `entry`, for a result that is a sum into zeros: the index in the result that an
        entry of the first argument is added to, `(at, *args, **params)`; None as above.
    reduces: for a reduction over `axis`: the elementwise primitive that combines two entries.
    neutral: for that primitive: its neutral element in a dtype, which is the reduction of nothing.
    product: whether it is the matrix product.
    view: whether NumPy's result may be a view, which shows later writes to the argument.
    collective: for an elementwise primitive that several processes compute together: the same in
        place, `(array, **params)`. A compiled step calls it once for many arrays, never ahead.
    composed: the same by other primitives, if it is composed of them or has a simpler form:
        `(*args, **params)` -> their result, or one of the arguments, or None. An argument has a
        shape, a dtype and operators; like a node, the primitive, args and params that made it; and
        its value, if it is constant, else None.
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
    collective: Callable[..., None] | None = None
    composed: Callable[..., Any] | None = None
    # An operand as an array or a node. Set by joining.py: lists of nodes are stacked, which takes a
    # primitive.
    operand: ClassVar[Callable[[Any, str], Any]]
    # The rules as one step of the sweep over Values, when specialized.py has compiled them.
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
        """Apply the primitive; every operation goes through here.

        Nodes record, symbols write a formula, plain numbers and arrays are only computed with.
        out: a Tensor that the result is assigned to, as by `out.assign`.
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
            if isinstance(arg, list | tuple):  # they may hold nodes
                return self(*[Primitive.operand(a, self.name) for a in args], **params)
        return self.compute(args, params)

    def _check(self, args: tuple[Any, ...], params: dict[str, Any]) -> None:
        """TypeError for a wrong number of arguments, of which NumPy might take one for its `out`,
        and for keywords that the primitive does not have."""
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
        """What it computes, for which shapes, and its convention: the docstring of a method."""
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
    # The signatures that an editor shows, by the number of rules. (At run time all are plain
    # Primitives.)

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
    """Add a primitive to the table and return it, ready to call and with a page for `help`. See
    `Primitive` for the fields.

    Raises ValueError if the name is taken, TypeError if its code has no type for floats or, for a
    primitive whose cases have arrays, for their dtypes.

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
    """An argument to try code on. `==` compares expressions in the compiler, never in code."""

    def _compared(self, other: Any) -> Any:
        raise TypeError(f"{self}: == and != compare expressions; use equal and not_equal")

    __eq__ = __ne__ = _compared
    __hash__ = Var.__hash__


def _try(prim: Primitive) -> None:
    """TypeError, naming the dtype, if a primitive's code has no type for a dtype that it is tested
    on, or, if it is not tested, for any. Code for one float dtype has to be code for the other."""
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
    """Why a primitive's code has no type for arguments of this dtype; "" if it has one."""
    assert prim.code is not None
    names = getattr(getattr(prim.code, "__code__", None), "co_varnames", ())[: prim.arity]
    if len(names) != prim.arity:  # a builtin function, or one of any number of arguments
        names = [*"xyz", *(f"x{i}" for i in range(3, prim.arity))][: prim.arity]
    dtypes = [BOOL if i < prim.conditions else dtype for i in range(prim.arity)]
    try:
        value = prim.code(*map(_Argument, names, dtypes), **params)
    except Exception as error:  # a user's function may raise anything
        return str(error)
    if isinstance(value, Expr):
        return ""
    return f"it gives {value!r}, which is no expression"
