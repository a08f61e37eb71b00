"""Mutants of the compiler: the functions that decide, each with one small mistake.

They decide what is materialized and fused, what waits for what, where an array lies and how long,
and which entry is read. `places` finds those functions; `mutants` changes one expression or
statement of one of them at a time.
"""

from __future__ import annotations

import ast
import copy
import functools
import importlib
import inspect
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import CodeType, ModuleType
from typing import Any

PASSES = "autograd.compiler.passes"
# All functions of these modules, but for those that print, and these of others.
WHOLE = ("materialize", "plan", "memory", "entries", "nest", "emitters", "product", "tiling")
PARTS = {
    f"{PASSES}.lower": ("lower", "_heeding", "_barrier_groups", "_must_wait"),
    "autograd.primitives.expressions": (
        *("variables", "contiguous", "offset", "broadcast_index"),
        *("Affine.__add__", "Affine.__sub__", "Affine.__mul__", "Affine.names", "Affine.factor"),
        "Affine.renamed",
    ),
    "autograd.primitives.shapes": ("_index_before_reshape",),
    "autograd.primitives.joining": ("_entry_of_parts",),
    "autograd.primitives.indexing": ("_label", "_position", "_source_index", "_read", "_unsliced"),
}
PRINTS = ("__str__", "_lines")

SHIFTED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    **{ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt},
    **{ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is},
    **{ast.In: ast.NotIn, ast.NotIn: ast.In},
}
OTHERS = {"max": "min", "min": "max", "any": "all", "all": "any"}
_PAIRS = (("row", "column"), ("rows", "columns"), ("down", "along"), ("first", "last"))
_PAIRS += (("before", "after"), ("one", "two"), ("begin", "end"), ("inner", "columns"))
NEIGHBOURS = {name: other for pair in _PAIRS for name, other in (pair, pair[::-1])}
COMMUTING = ("offset", "minimum", "max", "min", "equal", "isinstance", "getattr", "zip", "replace")


@dataclass(frozen=True)
class Place:
    """A function of the compiler, as `module.Class.function`."""

    name: str
    function: Callable[..., Any]
    tree: ast.FunctionDef


@dataclass(frozen=True)
class Mutant:
    """A function in which `other` stands in the place of a node. line: the statement as it was.
    lines: of its file, on which the change stands."""

    place: Place
    kind: str
    line: str
    change: str
    node: ast.AST
    other: ast.AST
    lines: range

    @property
    def name(self) -> str:
        return f"{self.place.name}: {self.change}"


# --- what decides -------------------------------------------------------------------------------


@functools.cache
def places() -> list[Place]:
    """The functions that decide. LookupError if one that is listed does not exist."""
    modules = {f"{PASSES}.{name}": None for name in WHOLE} | PARTS
    found = list[Place]()
    for name, wanted in modules.items():
        module = importlib.import_module(name)
        known = dict(_functions(module))
        if missing := set(wanted or ()) - known.keys():
            raise LookupError(f"mutation: {name} has no {', '.join(sorted(missing))}")
        found += [place for key, place in known.items() if wanted is None or key in wanted]
    return [place for place in found if place.tree.name not in PRINTS]


def _functions(module: ModuleType) -> Iterator[tuple[str, Place]]:
    stem = module.__name__.rpartition(".")[2]
    for statement in ast.parse(inspect.getsource(module)).body:
        owners = [(statement, vars(module), "")]
        if isinstance(statement, ast.ClassDef):
            around = vars(vars(module)[statement.name])
            owners = [(part, around, f"{statement.name}.") for part in statement.body]
        for part, names, before in owners:
            if isinstance(part, ast.FunctionDef):
                function = _plain(names[part.name])
                yield before + part.name, Place(f"{stem}.{before}{part.name}", function, part)


def _plain(thing: Any) -> Any:
    """The function in a property, a static method or what else is around it."""
    for name in ("fget", "func", "__func__", "__wrapped__"):
        thing = getattr(thing, name, None) or thing
    return thing


# --- mistakes -----------------------------------------------------------------------------------


@functools.cache
def mutants() -> list[Mutant]:
    """Every mistake that we know how to make, each named and each another function."""
    return [mutant for place in places() for mutant in _of(place)]


def _of(place: Place) -> Iterator[Mutant]:
    seen, names = set[tuple[int, str]](), Counter[str]()
    known = {node.id for node in ast.walk(place.tree) if isinstance(node, ast.Name)}
    known |= {node.arg for node in ast.walk(place.tree) if isinstance(node, ast.arg)}
    for statement, node, kind, other in _mistakes(place.tree):
        line, changed = _line(statement), _line(_exchanged(statement, node, other))
        change = f"{line} -> {changed}"
        unknown = isinstance(other, ast.Name) and other.id in NEIGHBOURS and other.id not in known
        if unknown or line == changed or (statement.lineno, change) in seen:
            continue
        seen.add((statement.lineno, change))
        names[change] += 1
        change += f" #{names[change]}" * (names[change] > 1)  # the same words stand there twice
        last = getattr(node, "end_lineno", statement.end_lineno) or statement.lineno
        yield Mutant(place, kind, line, change, node, other, range(statement.lineno, last + 1))


def _exchanged(tree: Any, old: ast.AST, new: ast.AST) -> Any:
    """A copy of a tree with one of its nodes exchanged for another."""
    memo = {id(old): new}  # what deepcopy takes for the copy of `old`
    return copy.deepcopy(tree, memo)


def _line(statement: ast.stmt) -> str:
    """A statement without those in it."""
    alone = copy.copy(statement)
    for field in ("body", "orelse"):
        if hasattr(alone, field):
            setattr(alone, field, [])
    return ast.unparse(ast.fix_missing_locations(alone)).rstrip(":")


def _mistakes(tree: ast.FunctionDef) -> Iterator[tuple[ast.stmt, ast.AST, str, ast.AST]]:
    """Statements, a node in each, and what may stand in its place by mistake."""
    for statement in ast.walk(tree):
        if not isinstance(statement, ast.stmt) or isinstance(
            statement, ast.FunctionDef | ast.Assert | ast.Raise
        ):
            continue
        for kind, other in _of_statement(statement):
            yield statement, statement, kind, other
        for node in _expressions(statement):
            for kind, other in _of_expression(node):
                yield statement, node, kind, other


def _expressions(statement: ast.stmt) -> Iterator[ast.AST]:
    """The expressions of a statement itself, without annotations."""
    for field, value in ast.iter_fields(statement):
        if field in ("body", "orelse", "finalbody", "handlers", "annotation"):
            continue
        for part in value if isinstance(value, list) else [value]:
            if isinstance(part, ast.expr):
                yield from _walk(part)


def _walk(node: ast.AST) -> Iterator[ast.AST]:
    """Nodes, but for what only says that lengths are the same."""
    yield node
    for child in ast.iter_child_nodes(node):
        if not (isinstance(child, ast.keyword) and child.arg == "strict"):
            yield from _walk(child)


def _of_statement(node: ast.stmt) -> Iterator[tuple[str, ast.stmt]]:
    if isinstance(node, ast.If):
        yield "never", ast.If(ast.Constant(False), node.body, node.orelse)
        yield "always", ast.If(ast.Constant(True), node.body, node.orelse)
    if isinstance(node, ast.While):
        yield "never", ast.While(ast.Constant(False), node.body, node.orelse)
    called = isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
    kept = isinstance(node, ast.Assign) and not isinstance(node.targets[0], ast.Name | ast.Tuple)
    if called or kept or isinstance(node, ast.AugAssign | ast.Continue | ast.Break | ast.Delete):
        yield "statement deleted", ast.Pass()


def _of_expression(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    match node:
        case ast.BoolOp(op, values):
            for i in range(len(values)):
                rest = [*values[:i], *values[i + 1 :]]
                yield "condition dropped", rest[0] if len(rest) == 1 else ast.BoolOp(op, rest)
        case ast.UnaryOp(ast.Not(), operand):
            yield "condition turned", operand
        case ast.IfExp(_, one, other):
            yield "always", one
            yield "never", other
        case ast.comprehension(target, iterator, [_, *rest], is_async):
            yield "condition dropped", ast.comprehension(target, iterator, rest, is_async)
        case ast.Compare(left, ops, comparators):
            for i, op in enumerate(ops):
                shifted = [*ops[:i], SHIFTED[type(op)](), *ops[i + 1 :]]
                yield "comparison shifted", ast.Compare(left, shifted, comparators)
        case ast.Constant(bool() as value):
            yield "flag turned", ast.Constant(not value)
        case ast.Constant(int() as value):
            yield "off by one", ast.Constant(value + 1)
            yield "off by one", ast.Constant(value - 1)
        case ast.BinOp(left, op, right):
            yield from _of_operation(left, op, right)
        case ast.Call(function, args, words):
            yield from _of_call(node, function, args, words)
        case ast.Attribute(value, name, context) if name in NEIGHBOURS:
            yield "neighbour", ast.Attribute(value, NEIGHBOURS[name], context)
        case ast.Name(name, ast.Load() as context) if name in NEIGHBOURS:
            yield "neighbour", ast.Name(NEIGHBOURS[name], context)
        case ast.Slice(lower, upper, step):
            if lower:
                yield "slice widened", ast.Slice(None, upper, step)
            if upper:
                yield "slice widened", ast.Slice(lower, None, step)


def _of_operation(
    left: ast.expr, op: ast.operator, right: ast.expr
) -> Iterator[tuple[str, ast.AST]]:
    match op:
        case ast.BitOr() | ast.BitAnd():
            yield "set lost", left
            yield "set lost", right
        case ast.Add():
            yield "arithmetic", ast.BinOp(left, ast.Sub(), right)
            yield "arithmetic", left
        case ast.Sub():
            yield "arithmetic", ast.BinOp(left, ast.Add(), right)
            yield "arithmetic", left
        case ast.Mult() | ast.Mod() | ast.FloorDiv():
            yield "arithmetic", left
            yield "arithmetic", right


def _of_call(
    node: ast.Call, function: ast.expr, args: list[ast.expr], words: list[ast.keyword]
) -> Iterator[tuple[str, ast.AST]]:
    name = function.id if isinstance(function, ast.Name) else ""
    if name in OTHERS:
        yield "max for min", ast.Call(ast.Name(OTHERS[name], ast.Load()), args, words)
    if name in ("reversed", "sorted", "abs") and args:
        yield "order or sign lost", args[0]
    plain = not any(isinstance(arg, ast.Starred) for arg in args)
    if name in COMMUTING or not plain:
        return
    for i in range(len(args) - 1):
        swapped = list(args)
        swapped[i : i + 2] = swapped[i + 1], swapped[i]
        yield "arguments swapped", ast.Call(function, swapped, words)


# --- in place -----------------------------------------------------------------------------------


@contextmanager
def planted(mutant: Mutant) -> Iterator[None]:
    """The compiler with this mutant in it, whoever has imported the function."""
    function: Any = mutant.place.function
    before = function.__code__
    function.__code__ = _compiled(mutant)
    try:
        yield
    finally:
        function.__code__ = before


def _compiled(mutant: Mutant) -> CodeType:
    place = mutant.place
    tree = _exchanged(place.tree, mutant.node, mutant.other)
    tree.decorator_list = []
    tree.args.defaults, tree.args.kw_defaults = [], [None] * len(tree.args.kwonlyargs)
    if place.function.__code__.co_freevars:  # of `super()`, whether it is still called or not
        tree.body.append(ast.Expr(ast.Name("__class__", ast.Load())))
    body = [ast.ClassDef("_", [], [], [tree], [])] if place.name.count(".") > 1 else [tree]
    future = ast.parse("from __future__ import annotations").body
    module = ast.fix_missing_locations(ast.Module([*future, *body], []))
    code: Any = compile(module, place.function.__code__.co_filename, "exec")
    while code.co_name != tree.name:
        inside = [c for c in code.co_consts if isinstance(c, CodeType)]
        code = next(c for c in inside if c.co_name in ("_", tree.name))
    return code  # type: ignore[no-any-return]
