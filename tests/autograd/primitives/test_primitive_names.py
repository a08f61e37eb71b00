"""What a primitive is, its fields say: outside the table, nothing asks for its name.

A view, a reduction or a gather that is added tomorrow would not be in a list of names.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import autograd

ROOT = Path(autograd.__file__).parents[1]


def is_name(node: ast.AST) -> bool:
    """Whether this is `primitive.name`, or the name of any other thing's primitive."""
    if not isinstance(node, ast.Attribute) or node.attr != "name":
        return False
    prim = node.value
    return (prim.id if isinstance(prim, ast.Name) else getattr(prim, "attr", "")) in (
        "primitive",
        "prim",
    )


def asked(source: str) -> list[int]:
    """The lines in which a primitive's name is compared, looked for, matched, or looked up by."""
    lines = []
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Compare(left=left, comparators=others):
                found = [left, *others]
            case ast.Subscript(slice=key):
                found = [key]
            case ast.Call(func=ast.Attribute(attr="get" | "pop" | "startswith"), args=args):
                found = list(args)
            case ast.Match(subject=subject):
                found = [subject]
            case _:
                continue
        lines += [node.lineno for part in found if is_name(part)]
    return lines


@pytest.mark.parametrize(
    "source",
    [
        'op.primitive.name == "sum"',
        'primitive.name in ("sum", "max")',
        '"sum" != node.primitive.name',
        "RULES[op.primitive.name]",
        "RULES.get(primitive.name)",
        'match primitive.name:\n    case "sum": pass',
    ],
)
def test_it_is_found(source):
    assert asked(source)


def test_a_message_may_name_the_primitive():
    assert not asked(
        'f"{primitive.name}: {what[primitive]}"; {primitive.name: primitive}; x.name == "sum"'
    )


def test_no_primitives_name_is_asked_for_outside_the_table():
    found = {}
    for path in [*ROOT.glob("autograd/**/*.py"), *ROOT.glob("viz/**/*.py")]:
        name = path.relative_to(ROOT).as_posix()
        lines = asked(path.read_text(encoding="utf-8"))
        if lines:
            found[name] = lines
    assert not found
