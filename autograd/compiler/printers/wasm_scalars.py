"""One number at a time in WebAssembly: the types of dtypes, constants, and what an operation on
operands that are already text becomes.

Integers of 8 and 16 bits and booleans are held as an i32, extended by their sign or by zeros. An
int64 that fits is held as an i32 too, which its caller says (print_wasm.py).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...primitives.expressions import BOOL, COMPARES, FLOAT32, FLOAT64, FUNCTIONS, DType, Op
from ..frontend.program import RefusedError

KINDS = {"f4": "f32", "f8": "f64", "i8": "i64", "u8": "i64"}  # all others are an i32


def kind(dtype: DType) -> str:
    """The type of a variable that holds a dtype.

    >>> kind(np.dtype("uint8")), kind(np.dtype("float32"))
    ('i32', 'f32')
    """
    return KINDS.get(f"{dtype.kind}{dtype.itemsize}", "i32")


def sign(dtype: DType) -> str:
    """The suffix of instructions that differ for signed and unsigned integers."""
    return "s" if dtype.kind == "i" else "u"


def get(name: str) -> str:
    """The value of a variable."""
    return f"(local.get ${name})"


def call(instruction: str, *operands: str) -> str:
    """An instruction with its operands, in parentheses."""
    return f"({' '.join([instruction, *operands])})"


def constant(value: Any, type: str) -> str:
    """A number, exactly: the shortest decimal number that is nearest to it alone.

    >>> constant(0.1, "f32"), constant(-math.inf, "f64"), constant(7, "i32")
    ('(f32.const 0.1)', '(f64.const -inf)', '(i32.const 7)')
    """
    return call(f"{type}.const", digits(value, type))


def digits(value: Any, type: str) -> str:
    """The text of a number of a type."""
    if type in ("i32", "i64"):
        return str(int(value))
    if math.isnan(value):
        return "nan"
    return str(np.float32(value)) if type == "f32" else repr(float(value))


# --- memory --------------------------------------------------------------------------------------


def load(dtype: DType, address: str, offset: int) -> str:
    """An entry in memory, `offset` bytes beyond an address."""
    type = kind(dtype)
    return call(f"{type}.load{_size(dtype, True)}{_offset(offset)}", address)


def store(dtype: DType, address: str, offset: int, value: str) -> str:
    """Writes an entry."""
    type = kind(dtype)
    return call(f"{type}.store{_size(dtype, False)}{_offset(offset)}", address, value)


def _size(dtype: DType, loads: bool) -> str:
    if dtype.itemsize >= 4:
        return ""
    return f"{8 * dtype.itemsize}{'_' + sign(dtype) if loads else ''}"


def _offset(offset: int) -> str:
    return f" offset={offset}" if offset else ""


# --- operations ----------------------------------------------------------------------------------

NAMES = {"+": "add", "-": "sub", "*": "mul", "&": "and", "|": "or", "^": "xor", "<<": "shl"}
NAMES |= {"<": "lt", "<=": "le", ">": "gt", ">=": "ge", "==": "eq", "!=": "ne"}
SIGNED = {"//": "div", "%": "rem", ">>": "shr"}  # those of integers that have a suffix


def operation(op: Op, type: str, operands: Sequence[str]) -> str:
    """An operation, whose operands have this type and are given as text. Raises RefusedError for a
    function that is neither in WebAssembly nor in JavaScript's Math."""
    name, dtype = op.name, op.args[-1].dtype
    if name == "select":
        test, one, other = operands
        return call("select", one, other, test)
    if name == "not":
        return call("i32.eqz", *operands)
    if name == "fma":
        x, y, z = operands
        return call(f"{type}.add", call(f"{type}.mul", x, y), z)
    if name in FUNCTIONS:
        return call(f"call ${function_name(name, dtype)}", *operands)
    if dtype.kind == "f":
        return call(f"{type}.{NAMES.get(name, 'div' if name == '/' else name)}", *operands)
    if name in COMPARES:
        return _comparison(name, dtype, type, operands)
    return normalized(_integers(name, dtype, type, operands), dtype)


def _comparison(name: str, dtype: DType, type: str, operands: Sequence[str]) -> str:
    suffix = "" if name in ("==", "!=") else f"_{sign(dtype)}"
    return call(f"{type}.{NAMES[name]}{suffix}", *operands)


def _integers(name: str, dtype: DType, type: str, operands: Sequence[str]) -> str:
    if name == "neg":
        return call(f"{type}.sub", constant(0, type), *operands)
    if name == "abs":
        (x,) = operands
        if dtype.kind == "u":
            return x
        negative = call(f"{type}.lt_s", x, constant(0, type))
        return call("select", call(f"{type}.sub", constant(0, type), x), x, negative)
    if name in SIGNED:
        return call(f"{type}.{SIGNED[name]}_{sign(dtype)}", *operands)
    return call(f"{type}.{NAMES[name]}", *operands)


def normalized(text: str, dtype: DType) -> str:
    """An i32 of which only the low bits count, as an integer of 8 or 16 bits."""
    if dtype.itemsize >= 4 or dtype == BOOL:
        return text
    if dtype.kind == "i":
        return call(f"i32.extend{8 * dtype.itemsize}_s", text)
    return call("i32.and", text, constant(2 ** (8 * dtype.itemsize) - 1, "i32"))


def function_name(name: str, dtype: DType) -> str:
    """The name of an elementary function of one number."""
    return f"{name}_f{8 * dtype.itemsize}"


def convert(text: str, source: DType, dtype: DType) -> str:
    """A number of one dtype, in the type that holds it, as another dtype."""
    have, want = kind(source), kind(dtype)
    if dtype.kind == "f":
        if source.kind == "f":
            widens = dtype.itemsize > source.itemsize
            return call("f64.promote_f32" if widens else "f32.demote_f64", text)
        return call(f"{want}.convert_{have}_{sign(source)}", text)
    if have == want:
        return text if have == "i64" else normalized(text, dtype)
    if want == "i64":
        return call(f"i64.extend_i32_{sign(source)}", text)
    return normalized(call("i32.wrap_i64", text), dtype)


def bits(text: str, source: DType, dtype: DType) -> str:
    """The bytes of a number, read as another dtype of the same size."""
    if source.kind == dtype.kind == "f" or kind(source) == kind(dtype):
        return normalized(text, dtype)
    return call(f"{kind(dtype)}.reinterpret_{kind(source)}", text)


# --- functions that WebAssembly has not ----------------------------------------------------------

MATH = ("exp", "expm1", "log", "log1p", "sin", "cos", "tanh")  # of JavaScript, float64


def imported(name: str, dtype: DType) -> tuple[str, ...]:
    """The imports and functions, each with its text, by which JavaScript's Math computes a
    function. Raises RefusedError if it cannot."""
    if name in MATH and dtype == FLOAT64:
        return (f'(import "Math" "{name}" (func ${name}_f64 (param f64) (result f64)))',)
    if name == "power":
        return (POW, POWER_F64, *([POWER_F32] if dtype == FLOAT32 else []))
    raise RefusedError(f"{name} of {dtype}: neither WebAssembly nor JavaScript's Math has it")


POW = '(import "Math" "pow" (func $pow (param f64 f64) (result f64)))'
# JavaScript gives nan where C gives 1: 1 to any power, and -1 to an infinite one.
POWER_F64 = """(func $power_f64 (param $x f64) (param $y f64) (result f64)
  (select
    (f64.const 1)
    (call $pow (local.get $x) (local.get $y))
    (i32.or
      (f64.eq (local.get $x) (f64.const 1))
      (i32.and
        (f64.eq (local.get $x) (f64.const -1))
        (f64.eq (f64.abs (local.get $y)) (f64.const inf))))))"""
POWER_F32 = """(func $power_f32 (param $x f32) (param $y f32) (result f32)
  (f32.demote_f64
    (call $power_f64 (f64.promote_f32 (local.get $x)) (f64.promote_f32 (local.get $y)))))"""
