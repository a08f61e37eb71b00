"""Elementary functions of floats, written in the loop language, so that printers and the
interpreter share them. Those without a definition here (float64, and `power`) are the C
library's."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from math import inf, nan
from typing import Any

from ...primitives.expressions import (
    FLOAT32,
    FLOAT64,
    INT32,
    UINT32,
    UINT64,
    Const,
    DType,
    Expr,
    Op,
    Var,
    bits,
    convert,
    equal,
    exp,
    fma,
    log1p,
    not_equal,
    rewrite,
    select,
)
from .statements import Let


@dataclass(frozen=True)
class Elementary:
    """A function: its variables, and its result in terms of them. Branches are selects, so that
    loops over it become vector code."""

    name: str
    dtype: DType
    params: tuple[Var, ...]
    body: tuple[Let, ...]
    result: Expr

    def __str__(self) -> str:
        head = f"{self.name}({', '.join(f'{param}: {param.dtype}' for param in self.params)}):"
        lines = [line for let in self.body for line in let.lines()]
        return "\n    ".join([head, *lines, f"return {self.result}"])


@cache
def definition(name: str, dtype: DType) -> Elementary | None:
    """The definition of a function for a dtype; None if the C library computes it."""
    if (name, dtype) not in _DEFINED:
        return None
    x = Var("x", dtype)
    body, result = flattened(_DEFINED[name, dtype](x))
    return Elementary(name, dtype, (x,), body, result)


def flattened(expr: Expr) -> tuple[tuple[Let, ...], Expr]:
    """A variable for each operation below an expression, and the expression in terms of them.

    Values of a select are variables too: GCC makes branches of operations that it finds there, and
    vectorizes those to code that takes three times as long."""
    lets: list[Let] = []

    def put(node: Op, twice: bool) -> Expr:
        lets.append(Let(f"v{len(lets)}", node))
        return Var(lets[-1].name, node.dtype)

    short = rewrite(expr, put)
    return tuple(lets), short


def _int(x: Expr) -> Any:
    return bits(x, INT32)


def _float(i: Expr) -> Expr:
    return bits(i, FLOAT32)


def _with_sign(size: Expr, x: Expr) -> Any:
    """A number that is not negative, with the sign of x."""
    return _float(_int(size) | (_int(x) & -0x80000000))


def _power_of_2(n: Expr) -> Any:
    """2^n, for -126 <= n <= 127."""
    return _float((n + 127) * 0x800000)


def _polynomial(x: Expr, *coefficients: float) -> Expr:
    """A polynomial by Horner's rule, the highest coefficient first."""
    total: Expr = Const(float(FLOAT32.type(coefficients[0])), FLOAT32)
    for coefficient in coefficients[1:]:
        total = fma(total, x, coefficient)
    return total


def _hex(text: str) -> float:
    return float.fromhex(text)


# --- float32: errors are below 2 units in the last place, over the whole range -------------------

MAGIC = 1.5 * 2**23  # adding it rounds to an integer, which is then in the low bits


def _split(x: Expr) -> tuple[Expr, Expr, Expr]:
    """n, r and what r lost, of x = n ln(2) + r with |r| <= ln(2)/2. ln(2) is in two parts, so that
    r is exact (Cody and Waite)."""
    shifted = x * _hex("0x1.715476p+0") + MAGIC
    whole = shifted - MAGIC
    first, second = fma(whole, _hex("-0x1.62e400p-1"), x), whole * _hex("0x1.7f7d1cp-20")
    r = first - second
    return _int(shifted) - 0x4B400000, r, (first - r) - second


def _exp_series(r: Expr) -> Expr:
    """(e^r - 1 - r) / r^2, by the Taylor series of e^r to r^7."""
    low = _hex("0x1.6c16c2p-10")  # 1/720
    p = fma(fma(_hex("0x1.a01a02p-13"), r, low), r, _hex("0x1.111112p-7"))
    return fma(fma(fma(p, r, _hex("0x1.555556p-5")), r, _hex("0x1.555556p-3")), r, 0.5)


def _clamped(x: Expr, low: float, high: float) -> Expr:
    below = select(x > high, high, x)
    return select(below < low, low, below)


def _exp(x: Expr) -> Expr:
    """2^n e^r."""
    n, r, lost = _split(_clamped(x, -104, 89))
    p = _exp_series(r)
    total = 1 + r  # its rounding error is exactly r - (total - 1)
    p = total + fma(p * r, r, lost + (r - (total - 1)))
    # 2^n in two factors: alone it is no float where the result is subnormal or near overflow.
    half = n >> 1
    first, second = _power_of_2(half), _power_of_2(n - half)
    result: Expr = p * first * second
    return result


def _expm1(x: Expr) -> Expr:
    """2 (2^(n-1) (e^r - 1) + 2^(n-1) - 1/2): with n - 1, so that no factor is infinite."""
    n, r, lost = _split(_clamped(x, -18, 89))
    q = fma(_exp_series(r) * r, r, lost)
    scale = _power_of_2(n - 1)
    rest, first = scale - 0.5, scale * r
    total = rest + first  # its rounding error is exactly first - (total - rest)
    result = (total + fma(scale, q, first - (total - rest))) * 2
    return select(abs(x) < 2.0**-25, x, result)  # -0 is -0


SQRT_HALF = 0x3F3504F3  # as bits
LN2_HIGH, LN2_LOW = 0.693359375, -2.12194440e-4


def _mantissa(x: Expr) -> tuple[Expr, Expr]:
    """e and m - 1 of x = 2^e m, with m from sqrt(1/2) to sqrt(2)."""
    i = _int(x) - SQRT_HALF
    return i >> 23, _float((i & 0x7FFFFF) + SQRT_HALF) - 1


def _log_series(m: Expr, z: Expr) -> Any:
    """log(1 + m) - m + z / 2, where z is m^2 (Cephes, logf)."""
    p = _polynomial(
        m,
        *(7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1),
        *(-1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1),
    )
    return p * m * z


def _log_sum(e: Expr, m: Expr, z: Expr, series: Expr) -> Expr:
    """e ln(2) + log(1 + m)."""
    return fma(e, LN2_HIGH, m + fma(-0.5, z, fma(e, LN2_LOW, series)))


def _log(x: Expr) -> Expr:
    tiny = x < 2.0**-126
    e, m = _mantissa(select(tiny, x * 2.0**23, x))
    z = m * m
    shift = select(tiny, Const(23, INT32), Const(0, INT32))
    y = _log_sum(convert(e - shift, FLOAT32), m, z, _log_series(m, z))
    y = select(x < 0, nan, select(equal(x, 0), -inf, y))
    # Infinity and nan are their own logarithm.
    return select(equal(x - x, 0), y, select(x < 0, y, x))


def _log1p(x: Expr) -> Expr:
    """log(u) + c / u, where c is what rounding takes from u = 1 + x; near 0, the series of x."""
    u = 1 + x
    e, rounded = _mantissa(u)
    near = equal(e, 0)
    m, more = select(near, x, rounded), select(near, 0, (x - (u - 1)) / u)
    z = m * m
    y = _log_sum(convert(e, FLOAT32), m, z, _log_series(m, z) + more)
    y = select(x < -1, nan, select(equal(x, -1), -inf, y))
    y = select(equal(x - x, 0), y, select(x < -1, y, x))  # as in _log
    return select(equal(x, 0), x, y)  # -0 is -0


def _tanh(x: Expr) -> Expr:
    z = x * x
    p = _polynomial(  # below 0.625: Cephes, tanhf
        z,
        *(-5.70498872745e-3, 2.06390887954e-2, -5.37397155531e-2, 1.33314422036e-1),
        -3.33332819422e-1,
    )
    small = select(equal(x, 0), x, fma(p * z, x, x))  # -0 is -0
    large = _with_sign(1 - 2 / (exp(2 * abs(x)) + 1), x)
    return select(abs(x) > 0.625, large, select(not_equal(x, x), x, small))


def _sigmoid(x: Expr) -> Expr:
    """By e^-|x|, which neither overflows nor rounds a small result to 0."""
    e = exp(-abs(x))
    q = select(x < 0, e, 1) / (1 + e)
    return select(x < -1, fma(-e, q, e), q)  # there 1 + e loses digits of e


def _erf(x: Expr) -> Expr:
    """By a polynomial near 0, else by one for log(erfc(|x|)): least squares, made minimax."""
    t, s = abs(x), x * x
    near = _polynomial(
        s,
        *(-5.986783653497696e-4, 4.9928948283195496e-3, -2.676684781908989e-2),
        *(1.1281836777925491e-1, -3.761249780654907e-1, 1.2837915122509003e-1),
    )
    far = _polynomial(
        t,
        *(-1.1525930858624633e-5, 3.2575533259660006e-4, -3.6544709000736475e-3),
        *(2.3787492886185646e-2, -1.0626643151044846e-1, -6.351334452629089e-1),
        -1.286529004573822e-1,
    )
    large = _with_sign(1 - exp(fma(far, t, -t)), x)
    sure = select(t > 4, _with_sign(Const(1.0, FLOAT32), x), large)
    return select(t > 0.9277, sure, select(equal(x, 0), x, fma(near, x, x)))


# --- sine and cosine -----------------------------------------------------------------------------

# The first bits of 2 / pi, after 32 zeros.
TWO_BY_PI = 0xA2F9836E4E441529FC2757D1F534DDC0DB6295993C439041FE5163AB
WORDS = [TWO_BY_PI >> shift & 0xFFFFFFFF for shift in range(224, -32, -32)]
QUARTER = math.pi / 2 * 2.0**-62


def _quarters(x: Expr) -> tuple[Expr, Expr]:
    """n modulo 4 and r, of |x| = n pi / 2 + r with |r| <= pi / 4.

    It is exact for every x (Payne and Hanek), by integers: |x| is an integer times a power of 2, so
    only those 96 bits of 2 / pi matter that neither make whole turns nor are too small.
    """
    i = bits(x, UINT32) & 0x7FFFFFFF
    first = (i >> 23) - 120  # the number of the first of those bits
    first = select(i < 0x3F000000, Const(0, UINT32), first)  # below 0.5: not used
    word, shift = bits(first >> 5, INT32), first & 31

    # All ones where the word is beyond the nth. Of selects, compilers would make a table.
    beyond = [bits((n - word) >> 31, UINT32) for n in range(4)]

    def words(k: int) -> Expr:
        """The word number `word` + k of 2 / pi, 32 bits."""
        chosen: Expr = Const(WORDS[k], UINT32)
        for n in range(4):
            chosen ^= beyond[n] & (WORDS[k + n] ^ WORDS[k + n + 1])
        return chosen

    w = [words(k) for k in range(4)]
    window = [a << shift | b >> 1 >> (31 - shift) for a, b in pairwise(w)]
    high, middle, low = (convert(part, UINT64) for part in window)
    mantissa = convert(i & 0x7FFFFF | 0x800000, UINT64)
    # In units of 2^-62 quarters, modulo 4; then the distance to the nearest quarter.
    turns = (mantissa * high << 32) + mantissa * middle + (mantissa * low >> 32) + (1 << 61)
    rest = (turns & (1 << 62) - 1) - (1 << 61)
    # To float64 by 32 and 31 bits: few machines convert vectors of 64-bit integers to floats.
    upper = convert(bits(convert(rest >> 32, UINT32), INT32), FLOAT64)
    lower = convert(bits(convert(rest, UINT32) >> 1, INT32), FLOAT64)
    r = convert((upper * 2.0**32 + lower * 2) * QUARTER, FLOAT32)
    near = abs(x) < 0.5
    n = bits(convert(turns >> 62, UINT32), INT32)
    return select(near, 0, n), select(near, abs(x), r)


def _wave(x: Expr, n: Any, r: Any, sign: Expr) -> Expr:
    """sin(r + n pi / 2), negated where the sign bit of `sign` is set (Cephes, sinf)."""
    z = r * r
    sine = _polynomial(z, -1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1)
    cosine = _polynomial(z, 2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2)
    odd = not_equal(n & 1, 0)
    size = select(odd, fma(cosine * z, z, 1 - 0.5 * z), fma(sine * z, r, r))
    y = _float(_int(size) ^ (n & 2) << 30 ^ sign)
    return select(equal(x - x, 0), y, x - x)


def _sin(x: Expr) -> Expr:
    n, r = _quarters(x)
    return _wave(x, n, r, _int(x) & -0x80000000)


def _cos(x: Expr) -> Expr:
    n, r = _quarters(x)
    return _wave(x, n + 1, r, Const(0, INT32))


# --- of both dtypes ------------------------------------------------------------------------------


def _sigmoid_f64(x: Expr) -> Any:
    e = exp(-abs(x))
    return select(x < 0, e, 1) / (1 + e)


def _softplus(x: Expr) -> Any:
    """log(1 + e^x), where e^x may be infinite."""
    return select(x > 0, x, 0) + log1p(exp(-abs(x)))


_DEFINED: dict[tuple[str, DType], Callable[[Expr], Expr]] = {
    ("exp", FLOAT32): _exp,
    ("expm1", FLOAT32): _expm1,
    ("log", FLOAT32): _log,
    ("log1p", FLOAT32): _log1p,
    ("sin", FLOAT32): _sin,
    ("cos", FLOAT32): _cos,
    ("tanh", FLOAT32): _tanh,
    ("erf", FLOAT32): _erf,
    ("sigmoid", FLOAT32): _sigmoid,
    ("sigmoid", FLOAT64): _sigmoid_f64,
    ("softplus", FLOAT32): _softplus,
    ("softplus", FLOAT64): _softplus,
}
