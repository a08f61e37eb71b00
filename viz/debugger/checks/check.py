"""What a difference quotient says of a gradient, in the words that the debugger shows.

`rule` makes these checks for one rule, `graph` for the gradients of a whole graph.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

import numpy as np

from autograd.checking.differences import Slope
from viz.text import short

__all__ = ["TINY", "Check", "compare", "compare_digits", "compare_with_slope"]

TINY = sys.float_info.min
NEGLIGIBLE = 1e-6  # times the upstream gradient: a contribution so small counts as zero


@dataclass(frozen=True)
class Check:
    """A number found by the rules beside the one that differences lead to expect.

    agrees: None where the two cannot be compared. note: by how much they differ, or why they
    cannot be compared.
    """

    what: str
    expected: str
    found: str
    agrees: bool | None
    note: str = ""


def compare_with_slope(what: str, g: float, found: float, slope: Slope, convention: str) -> Check:
    """A contribution against an upstream gradient times a slope.

    convention: what the rule has agreed on where there is no derivative.
    """
    if slope.known and not slope.kink:
        tolerance = abs(g) * (slope.tolerance + TINY)
        return compare(what, g * slope.low, found, tolerance, abs(g))
    convention = f": {convention}" if convention else ""
    scaled = slope.times(g)
    if not np.isfinite([scaled.low, scaled.high]).all():
        note = f"not compared: no difference can be taken here{convention}"
        return Check(what, "none", short(float(found)), None, note)
    between = scaled.error(found) <= 1.0
    note = f"at a kink the derivative is a convention{convention}"
    expected = f"{short(scaled.low)} to {short(scaled.high)}"
    return Check(what, expected, short(float(found)), between, note)


def compare(
    what: str, expected: float, found: float, tolerance: float, scale: float, note: str = ""
) -> Check:
    """Two numbers that should agree within a tolerance. scale: the size of the upstream gradient.
    note: what to say in any case."""
    off = 0.0 if expected == found else abs(expected - found)  # infinities agree, too
    if off and not np.isfinite(expected):
        why = "not compared: the difference is not finite"
        return Check(what, short(expected), short(found), None, why)
    if off and tolerance >= max(abs(expected), abs(found), NEGLIGIBLE * scale, TINY):
        why = f"not compared: rounding may cost {tolerance:.0e}, which hides it"
        return Check(what, short(expected), short(found), None, why)
    agrees = bool(off <= tolerance + TINY)
    if not agrees:
        note = f"they differ by {short(off)}; measuring is off by at most {tolerance:.0e}" + (
            f"; {note}" if note else ""
        )
    return Check(what, *compare_digits(expected, found, agrees), agrees, note)


def compare_digits(expected: float, found: float, agrees: bool) -> tuple[str, str]:
    """Both numbers as text; where they disagree, in as many digits as show it.

    >>> compare_digits(0.12345678, 0.12345679, False), compare_digits(0.5, 0.75, False)
    (('0.12345678', '0.12345679'), ('0.5', '0.75'))
    """
    digits = 4
    while not agrees and digits < 17 and short(expected, digits) == short(found, digits):
        digits += 1
    return short(expected, digits), short(found, digits)
