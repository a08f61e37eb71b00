"""The mutants that no check kills: each with the reason, nearly always that it computes the same.

A survivor that is not here fails the run, and so does an entry here that does not survive.
"""

SYMMETRIC = "x == y and y == x are one"
SAME_SIDE = "out is on this side of the kink exactly where x is, and where they tie as well"
ONLY_SHAPE = "only the shape of x is read here, and nothing flows through a shape"
FITTED = "the sweep brings each answer into its argument's shape and dtype (Tensor._fit)"
SAME_BITS = "True counts as 1; g / ties in float64, rounded to float32, has the bits of float32's"
SAME_DTYPE = "max and min leave the dtype as it is"
ONLY_COMPARED = "y is only compared with 0 here, and nothing flows through a comparison"
SHORTCUT = "a shortcut: the reshape that it spares gives what broadcasts to the same"
TIMES_ZERO = "it is multiplied by y = 0"
ANY_FACTOR = (
    "it shifts the bound between tiny x by a factor at most, on whose both sides x ** -1 is huge"
)
POLE = "at a pole every further derivative is inf or nan"
NO_LIMIT = (
    "any number but 0 will do: it is multiplied by y = 0. Only d2/dxdy at 0**0, which has no limit "
    "to be right or wrong by, shows which one it is"
)

SURVIVORS: dict[str, str] = {
    "power.y, comparison flipped: equal(x, 0.0) -> equal(0.0, x)": SYMMETRIC,
    "abs.x, comparison flipped: equal(x, 0.0) -> equal(0.0, x)": SYMMETRIC,
    "maximum.x, comparison flipped: equal(x, y) -> equal(y, x)": SYMMETRIC,
    "maximum.y, comparison flipped: equal(x, y) -> equal(y, x)": SYMMETRIC,
    "minimum.x, comparison flipped: equal(x, y) -> equal(y, x)": SYMMETRIC,
    "minimum.y, comparison flipped: equal(x, y) -> equal(y, x)": SYMMETRIC,
    "_base, comparison flipped: "
    "equal(1.0 / (1.0 / x), 0.0) -> equal(0.0, 1.0 / (1.0 / x))": SYMMETRIC,
    "relu.x, comparison flipped: equal(out, 0.0) -> equal(0.0, out)": SYMMETRIC,
    "_base, comparison flipped: equal(y, 0.0) -> equal(0.0, y)": SYMMETRIC,
    "max.x, comparison flipped: "
    "equal(x, _expand(out, x, axis)) -> equal(_expand(out, x, axis), x)": SYMMETRIC,
    "min.x, comparison flipped: "
    "equal(x, _expand(out, x, axis)) -> equal(_expand(out, x, axis), x)": SYMMETRIC,
    "abs.x, out for an input: equal(x, 0.0) -> equal(out, 0.0)": SAME_SIDE,
    "maximum.x, out for an input: greater(y, x) -> greater(out, x)": SAME_SIDE,
    "maximum.y, out for an input: greater(x, y) -> greater(out, y)": SAME_SIDE,
    "minimum.x, out for an input: greater(x, y) -> greater(x, out)": SAME_SIDE,
    "minimum.y, out for an input: greater(y, x) -> greater(y, out)": SAME_SIDE,
    "sum.x, detached: _expand(g, x, axis) -> _expand(g, detach(x), axis)": ONLY_SHAPE,
    "max.x, detached: _expand(g, x, axis) -> _expand(g, detach(x), axis)": ONLY_SHAPE,
    "min.x, detached: _expand(g, x, axis) -> _expand(g, detach(x), axis)": ONLY_SHAPE,
    "logsumexp.x, detached: _expand(g, x, axis) -> _expand(g, detach(x), axis)": ONLY_SHAPE,
    "logsumexp.x, detached: _expand(out, x, axis) -> _expand(out, detach(x), axis)": ONLY_SHAPE,
    "sum.x, dropped argument: "
    "broadcast_to(_expand(g, x, axis), x.shape) -> _expand(g, x, axis)": FITTED,
    "broadcast_to.x, dropped argument: sum_to(g, x.shape) -> g": FITTED,
    "broadcast_to.x, out for an input: sum_to(g, x.shape) -> sum_to(g, out.shape)": FITTED,
    "sum_to.x, dropped argument: broadcast_to(g, x.shape) -> g": FITTED,
    "sum_to.x, out for an input: broadcast_to(g, x.shape) -> broadcast_to(g, out.shape)": FITTED,
    "cast.x, dropped argument: astype(g, x.dtype) -> g": FITTED,
    "cast.x, out for an input: astype(g, x.dtype) -> astype(g, out.dtype)": FITTED,
    "max.x, dropped argument: "
    "astype(equal(x, _expand(out, x, axis)), x.dtype) -> "
    "equal(x, _expand(out, x, axis))": SAME_BITS,
    "max.x, out for an input: astype(equal(x, _expand(out, x, axis)), x.dtype) -> "
    "astype(equal(x, _expand(out, x, axis)), out.dtype)": SAME_DTYPE,
    "min.x, dropped argument: "
    "astype(equal(x, _expand(out, x, axis)), x.dtype) -> "
    "equal(x, _expand(out, x, axis))": SAME_BITS,
    "min.x, out for an input: astype(equal(x, _expand(out, x, axis)), x.dtype) -> "
    "astype(equal(x, _expand(out, x, axis)), out.dtype)": SAME_DTYPE,
    "_expand, axis changed: len(axis) -> len(axis[1:])": SHORTCUT,
    "power.x, detached: _base(x, y) -> _base(x, detach(y))": ONLY_COMPARED,
    **{
        f"_base, constant changed: where(equal(1.0 / (1.0 / x), 0.0), 1.0, x) -> "
        f"where(equal(1.0 / (1.0 / x), 0.0), {number}, x)": NO_LIMIT
        for number in ("2.0", "1.001")
    },
    "_base, detached: where(equal(1.0 / (1.0 / x), 0.0), 1.0, x) -> "
    "where(equal(1.0 / (1.0 / x), 0.0), 1.0, detach(x))": TIMES_ZERO,
    **{
        f"_base, constant changed: 1.0 / {x} -> {number} / {x}": ANY_FACTOR
        for x in ("x", "(1.0 / x)")
        for number in ("2.0", "1.001")
    },
    "power.y, detached: where(greater(0.0, y), x, 1.0) -> "
    "where(greater(0.0, y), detach(x), 1.0)": POLE,
}
