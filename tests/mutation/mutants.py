"""Mutants: the rules of the table, each with one small mistake, made from their source.

`places` finds where the rules stand: the lambdas and functions in the calls of `primitive`, and the
private functions that these call. `mutants` changes one expression of one of them at a time.
"""

from __future__ import annotations

import ast
import builtins
import copy
import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from autograd import ops, value
from autograd.nodes.specialized import compile_sweep
from autograd.primitives.primitive import TABLE, Primitive

INLINED = (ops.mul, ops.add, ops.sub)  # whose rules stand inside Value's sweep

OPERATORS = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult}
COMPARISONS = {ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq}
# A function for a neighbour of the same arguments.
FUNCTIONS = {
    **{"sin": "cos", "cos": "sin", "exp": "expm1", "log": "log1p", "sigmoid": "tanh"},
    **{"sum": "max", "broadcast_to": "sum_to", "sum_to": "broadcast_to", "power": "mul"},
    **{"greater": "equal", "equal": "greater"},
}
CHOOSING = {"greater", "equal"}  # no gradient flows through these
Function = ast.Lambda | ast.FunctionDef


@dataclass(frozen=True)
class Place:
    """Where a rule stands, or a function that rules call.

    primitives: the primitives it belongs to, one for a rule. slot: the number of the argument whose
    rule it is; "variadic" for a function from the position to the rule; "helper" for a function.
    """

    name: str
    rows: tuple[Primitive, ...]
    slot: int | str
    module: ModuleType
    tree: Function


@dataclass(frozen=True)
class Mutant:
    """A place with another function in it; None stands for no rule at all."""

    place: Place
    kind: str
    change: str
    tree: Function | None

    @property
    def name(self) -> str:
        return f"{self.place.name}, {self.kind}: {self.change}"


# --- where the rules stand ----------------------------------------------------------------------


def places() -> list[Place]:
    """Every rule of the table, and the helpers. Raises LookupError where a rule is not found."""
    found: list[Place] = []
    for name, module in sorted(sys.modules.items()):
        if name.startswith("autograd.") and "primitive(" in (source := inspect.getsource(module)):
            found += _places_in(module, ast.parse(source))
    seen = {(place.rows[0].name, place.slot) for place in found}
    for prim in TABLE.values():
        rules = (
            enumerate(prim.rules) if isinstance(prim.rules, tuple) else [("variadic", prim.rules)]
        )
        for slot, rule in rules:
            ours = rule is not None and rule.__module__.startswith("autograd.")
            if ours and (prim.name, slot) not in seen:
                raise LookupError(f"mutation: no source found for rule {slot} of {prim.name}")
    return found


def _places_in(module: ModuleType, tree: ast.Module) -> Iterator[Place]:
    functions = {f.name: f for f in tree.body if isinstance(f, ast.FunctionDef)}
    helpers: dict[str, list[Primitive]] = {}
    for call in ast.walk(tree):
        if not (isinstance(call, ast.Call) and _called(call) == "primitive"):
            continue
        prim = TABLE[ast.literal_eval(call.args[0])]
        rules: list[tuple[int | str, ast.expr]] = list(enumerate(call.args[3:]))
        rules += [("variadic", word.value) for word in call.keywords if word.arg == "variadic"]
        for slot, rule in rules:
            function = functions[rule.id] if isinstance(rule, ast.Name) else rule
            if isinstance(function, ast.Lambda | ast.FunctionDef):
                of = f".{function.args.args[2 + slot].arg}" if isinstance(slot, int) else ""
                yield Place(prim.name + of, (prim,), slot, module, function)
                for helper in _helpers(function, functions):
                    helpers.setdefault(helper, []).append(prim)
    for name, rows in helpers.items():
        yield Place(name, tuple(dict.fromkeys(rows)), "helper", module, functions[name])


def _helpers(function: Function, functions: dict[str, ast.FunctionDef]) -> Iterator[str]:
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and (name := _called(node)) in functions and name[0] == "_":
            yield name
            yield from _helpers(functions[name], functions)


def _called(call: ast.Call) -> str:
    return call.func.id if isinstance(call.func, ast.Name) else ""


# --- mistakes -----------------------------------------------------------------------------------


def mutants(place: Place) -> list[Mutant]:
    """Every mistake that we know how to make in this place, each named and each another function.

    "detached" is right at first order and wrong at the second; the other kinds are what they say.
    """
    made: dict[str, Mutant] = {}
    if place.slot != "helper":
        made[""] = Mutant(place, "no gradient", "no rule", None)
    nodes = list(ast.walk(place.tree))
    mistakes = _Mistakes(place, nodes)
    for node in nodes:
        for kind, other in mistakes.at(node):
            tree = _exchanged(place.tree, node, other)
            around = mistakes.shown(node)
            change = f"{ast.unparse(around)} -> {ast.unparse(_exchanged(around, node, other))}"
            same = [m for m in made.values() if (m.kind, m.change.split(" #")[0]) == (kind, change)]
            if same:  # the same words stand in the rule twice
                change += f" #{len(same) + 1}"
            made.setdefault(ast.unparse(tree), Mutant(place, kind, change, tree))
    made.pop(ast.unparse(place.tree), None)
    return list(made.values())


def _exchanged(tree: Any, old: ast.AST, new: ast.expr) -> Any:
    """A copy of a tree with one of its nodes exchanged for another."""
    memo = {id(old): new}  # what deepcopy takes for the copy of `old`
    return ast.fix_missing_locations(copy.deepcopy(tree, memo))


class _Mistakes:
    """What can be written by mistake in the place of one expression."""

    def __init__(self, place: Place, nodes: list[ast.AST]) -> None:
        self.primitive = place.rows[0]
        self.parents = {child: node for node in nodes for child in ast.iter_child_nodes(node)}
        self.params = {name for _, params in self.primitive.cases for name in params}
        rules = self.primitive.rules if isinstance(self.primitive.rules, tuple) else ()
        args = place.tree.args.args[2:] if isinstance(place.slot, int) else ()
        self.constants = {arg.arg for arg, rule in zip(args, rules, strict=False) if rule is None}

    def at(self, node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
        within = list(self.within(node))
        if any(isinstance(part, ast.arg) for part in (node, *within)):
            return  # an annotation
        if _is_answer(node, within):
            yield "sign", ast.UnaryOp(ast.USub(), node)
            yield "factor added", ast.BinOp(ast.Constant(2.0), ast.Mult(), node)
        if isinstance(node, ast.BinOp):
            yield from self.operation(node)
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            yield "sign", node.operand
        elif isinstance(node, ast.Constant) and type(node.value) in (int, float, bool):
            yield from self.constant(node)
        elif isinstance(node, ast.Call):
            yield from self.call(node)
        elif isinstance(node, ast.Compare):
            (op,) = node.ops
            if type(op) in COMPARISONS:
                flipped = COMPARISONS[type(op)]()
                yield "comparison flipped", ast.Compare(node.left, [flipped], node.comparators)
        elif isinstance(node, ast.IfExp):
            yield "comparison flipped", ast.IfExp(node.test, node.orelse, node.body)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            yield from self.name(node, within)

    def within(self, node: ast.AST) -> Iterator[ast.AST]:
        while node in self.parents:
            node = self.parents[node]
            yield node

    def shown(self, node: ast.AST) -> ast.AST:
        """What to show of a change: of a name or a number, the expression around it."""
        around = self.parents.get(node, node)
        small = isinstance(node, ast.Name | ast.Constant | ast.Attribute)
        shown = isinstance(around, ast.expr) and not isinstance(around, ast.Lambda)
        return self.shown(around) if small and shown else node

    def variables(self, within: list[ast.AST]) -> set[str]:
        """The numbers and arrays that the innermost function is called with."""
        function = next(part for part in within if isinstance(part, ast.Lambda | ast.FunctionDef))
        return {arg.arg for arg in function.args.args} - self.params - {"i"}

    def operation(self, node: ast.BinOp) -> Iterator[tuple[str, ast.expr]]:
        kind = "dropped factor" if isinstance(node.op, ast.Mult | ast.Div) else "dropped term"
        yield kind, node.left
        if not isinstance(node.op, ast.Div):
            yield kind, node.right
        if isinstance(node.op, ast.Sub | ast.Div):
            yield "swapped argument", ast.BinOp(node.right, node.op, node.left)
        if type(node.op) in OPERATORS:
            yield "operator changed", ast.BinOp(node.left, OPERATORS[type(node.op)](), node.right)

    def constant(self, node: ast.Constant) -> Iterator[tuple[str, ast.expr]]:
        if isinstance(node.value, bool):
            yield "constant changed", ast.Constant(not node.value)
            return
        yield "constant changed", ast.Constant(node.value + 1)
        if isinstance(node.value, float):
            yield "constant changed", ast.Constant(node.value + 0.001)

    def call(self, node: ast.Call) -> Iterator[tuple[str, ast.expr]]:
        name = _called(node)
        if name in FUNCTIONS:
            other = ast.Call(ast.Name(FUNCTIONS[name], ast.Load()), node.args, node.keywords)
            yield "function changed" if name not in CHOOSING else "comparison changed", other
        if hasattr(builtins, name) and name not in TABLE:
            return  # tuple(...), len(...): Python's, not the rule's
        for i in range(len(node.args) - 1):
            swapped = list(node.args)
            swapped[i : i + 2] = swapped[i + 1], swapped[i]
            kind = "comparison flipped" if name in CHOOSING else "swapped argument"
            yield kind, ast.Call(node.func, swapped, node.keywords)
        for arg in node.args:
            if not isinstance(arg, ast.Starred | ast.GeneratorExp):
                yield "dropped argument", arg

    def name(self, node: ast.Name, within: list[ast.AST]) -> Iterator[tuple[str, ast.expr]]:
        variables = self.variables(within)
        if node.id in self.params:
            yield from self.axis(node)
        if node.id not in variables:
            return
        for other in sorted(variables - {"g", node.id}):
            if node.id != "g":
                kind = "out for an input" if "out" in (node.id, other) else "another input"
                yield kind, ast.Name(other, ast.Load())
        shape_only = isinstance(within[0], ast.Attribute)
        if node.id == "g" and not isinstance(within[0], ast.BinOp) and not shape_only:
            yield "dropped factor", ast.Constant(1.0)
        chosen = any(isinstance(part, ast.Call) and _called(part) in CHOOSING for part in within)
        if not (shape_only or chosen or node.id in self.constants):
            yield "detached", ast.Call(ast.Name("detach", ast.Load()), [node], [])

    def axis(self, node: ast.Name) -> Iterator[tuple[str, ast.expr]]:
        if node.id == "axis" and isinstance(self.primitive.cases[0][1]["axis"], int):
            yield "axis changed", ast.BinOp(node, ast.Sub(), ast.Constant(1))
        elif node.id in ("axis", "axes"):
            other = "axis[1:]" if node.id == "axis" else "axes[::-1]"
            yield "axis changed", ast.parse(other, mode="eval").body


def _is_answer(node: ast.AST, within: list[ast.AST]) -> bool:
    """Whether a rule answers with this; a variadic primitive's function answers with a rule
    instead."""
    parent = within[0] if within else None
    returned = isinstance(parent, ast.Lambda) and node is parent.body
    number = isinstance(node, ast.BinOp | ast.UnaryOp | ast.Call | ast.Subscript)
    is_g = isinstance(node, ast.Name) and node.id == "g"
    return (returned or isinstance(parent, ast.Return)) and (number or is_g)


# --- in place -----------------------------------------------------------------------------------


@contextmanager
def planted(mutant: Mutant) -> Iterator[None]:
    """The table with this mutant in it."""
    place = mutant.place
    function = mutant.tree and _compiled(mutant.tree, place.module)
    prim = place.rows[0]
    before = (prim.rules, prim.rule, getattr(place.module, place.name, None))
    try:
        if place.slot == "helper":
            setattr(place.module, place.name, function)
        elif place.slot == "variadic":
            _set_rules(prim, function or (lambda i: None))
        else:
            rules = list(prim.rules)  # type: ignore[arg-type]
            rules[place.slot] = function  # type: ignore[index]
            _set_rules(prim, tuple(rules))
        _forget_steps(place.rows)
        yield
    finally:
        if place.slot == "helper":
            setattr(place.module, place.name, before[2])
        object.__setattr__(prim, "rules", before[0])
        object.__setattr__(prim, "rule", before[1])
        _forget_steps(place.rows)


def _compiled(tree: Function, module: ModuleType) -> Callable[..., Any]:
    names = {"detach": ops.detach, **vars(module)}
    if isinstance(tree, ast.Lambda):
        return eval(compile(ast.Expression(tree), "<mutant>", "eval"), names)  # type: ignore
    exec(compile(ast.Module([tree], []), "<mutant>", "exec"), names)
    return names[tree.name]  # type: ignore[no-any-return]


def _set_rules(prim: Primitive, rules: Any) -> None:
    object.__setattr__(prim, "rules", rules)
    object.__setattr__(prim, "rule", rules if callable(rules) else rules.__getitem__)


def _forget_steps(rows: tuple[Primitive, ...]) -> None:
    """Have what is compiled from these primitives' rules compiled again."""
    for prim in rows:
        object.__setattr__(prim, "step", None)
        if prim in INLINED:
            value._sweep = compile_sweep(INLINED)
