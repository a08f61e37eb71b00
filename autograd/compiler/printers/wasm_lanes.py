"""Four numbers at a time in WebAssembly: what an operation becomes on vectors of four lanes of 32
bits, and which expressions can be computed so.

float32, int32 and uint32 have a lane each; so have smaller integers, extended, and an int64 that
fits an int32. A boolean is a mask, all ones or all zeros.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from ...primitives.expressions import BOOL, COMPARES, FLOAT32, FUNCTIONS, DType, Op, walk
from ..language.elementary import definition
from .wasm_scalars import NAMES, call, digits, get, sign

LANES = 4
FLOATS = {"+", "-", "*", "/", "neg", "abs", "sqrt", "fma", "<", "<=", ">", ">=", "==", "!="}
INTEGERS = FLOATS - {"/", "sqrt", "fma"} | {"&", "|", "^", "<<", ">>"}
BOOLEANS = {"&", "|", "^", "not", "==", "!="}


def shape(dtype: DType) -> str:
    """The lanes that hold a dtype."""
    return "f32x4" if dtype == FLOAT32 else "i32x4"


def constant(value: Any, dtype: DType) -> str:
    """A vector of one number."""
    if dtype == BOOL:
        value = -int(value)
    type = "f32" if dtype == FLOAT32 else "i32"
    if dtype.kind == "u" and value >= 2**31:
        value -= 2**32
    return call(f"{shape(dtype)}.splat", call(f"{type}.const", digits(value, type)))


def splat(text: str, dtype: DType) -> str:
    """A number, in the type that holds it, in all lanes."""
    if dtype == BOOL:
        text = call("i32.sub", "(i32.const 0)", text)
    return call(f"{shape(dtype)}.splat", text)


def has(op: Op) -> bool:
    """Whether there is such an operation on lanes, of operands that are in lanes."""
    dtype = op.args[-1].dtype
    if op.name == "select":
        return True
    if op.name == "convert":
        return bool(op.args[0].dtype != FLOAT32 and op.dtype.itemsize >= 4)
    if op.name == "bits":
        return bool(op.dtype.itemsize == 4)
    if op.name in FUNCTIONS:
        return has_function(op.name, dtype)
    if dtype == FLOAT32:
        return op.name in FLOATS
    return op.name in (BOOLEANS if dtype == BOOL else INTEGERS if dtype.itemsize >= 4 else ())


@cache
def has_function(name: str, dtype: DType) -> bool:
    """Whether an elementary function can be computed in lanes."""
    known = definition(name, dtype)
    if known is None:
        return False
    values = [*(let.value for let in known.body), known.result]
    parts = [part for value in values for part in walk(value)]
    fit = all(part.dtype == BOOL or part.dtype.itemsize == 4 for part in parts)
    return fit and all(has(part) for part in parts if isinstance(part, Op))


def operation(op: Op, operands: Sequence[str], relaxed: bool = False) -> str:
    """An operation on vectors. The second operand of a shift is a number."""
    name, dtype = op.name, op.args[-1].dtype
    if name == "select":
        test, one, other = operands
        return call("v128.bitselect", one, other, test)
    if name == "fma":
        x, y, z = operands
        return fma(x, y, z, relaxed)
    if name == "convert":
        return _converted(operands[0], op.args[0].dtype, op.dtype)
    if name == "bits":
        return operands[0]
    if name in FUNCTIONS:
        return call(f"call ${name}_f32x4", *operands)
    if name == "not" or name in "&|^":
        return call(f"v128.{NAMES.get(name, name)}", *operands)
    if dtype == BOOL:  # the masks are equal, or not
        differ = call("v128.xor", *operands)
        return differ if name == "!=" else call("v128.not", differ)
    return _arithmetic(name, dtype, operands)


def _arithmetic(name: str, dtype: DType, operands: Sequence[str]) -> str:
    if dtype == FLOAT32:
        return call(f"f32x4.{NAMES.get(name, 'div' if name == '/' else name)}", *operands)
    if name == "abs" and dtype.kind == "u":
        return operands[0]
    differs = name in COMPARES and name not in ("==", "!=")
    suffix = f"_{sign(dtype)}" if differs or name == ">>" else ""
    return call(f"i32x4.{NAMES.get(name, 'shr' if name == '>>' else name)}{suffix}", *operands)


def fma(x: str, y: str, z: str, relaxed: bool) -> str:
    """x * y + z: rounded once where the machine can, by relaxed SIMD, else after each operation."""
    if relaxed:
        return call("f32x4.relaxed_madd", x, y, z)
    return call("f32x4.add", z, call("f32x4.mul", x, y))


def _converted(text: str, source: DType, dtype: DType) -> str:
    if source == BOOL:
        return call("v128.and", text, constant(1, dtype))
    if dtype == FLOAT32:
        return call(f"f32x4.convert_i32x4_{'u' if source.kind == 'u' else 's'}", text)
    return text


# --- memory --------------------------------------------------------------------------------------


def load(dtype: DType, address: str, offset: int) -> str:
    """Four entries of memory, one after the other."""
    at = f" offset={offset}" if offset else ""
    if dtype.itemsize == 4:
        return call(f"v128.load{at}", address)
    letter = sign(dtype)
    if dtype.itemsize == 2:
        return call(f"v128.load16x4_{letter}{at}", address)
    bytes = call(f"v128.load32_zero{at}", address)
    halves = call(f"i16x8.extend_low_i8x16_{letter}", bytes)
    wide = call(f"i32x4.extend_low_i16x8_{letter}", halves)
    return call("i32x4.ne", wide, constant(0, dtype)) if dtype == BOOL else wide


def store(dtype: DType, address: str, offset: int, value: str) -> str:
    """Writes four entries, one after the other."""
    at = f" offset={offset}" if offset else ""
    if dtype.itemsize == 4:
        return call(f"v128.store{at}", address, value)
    assert dtype == BOOL
    ones = call("v128.and", value, "(v128.const i32x4 1 1 1 1)")
    halves = call("i16x8.narrow_i32x4_u", ones, ones)
    return call(f"v128.store32_lane{at} 0", address, call("i8x16.narrow_i16x8_u", halves, halves))


def fold(name: str, dtype: DType) -> str:
    """The sum of the lanes of a variable: the first two, and the last two, added."""
    lane = [call(f"{shape(dtype)}.extract_lane {i}", get(name)) for i in range(LANES)]
    type = shape(dtype)[:3]
    halves = call(f"{type}.add", *lane[:2]), call(f"{type}.add", *lane[2:])
    return call(f"{type}.add", *halves)
