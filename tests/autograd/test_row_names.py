"""What a row is, its fields say: outside the table, nothing asks for its name.

A view, a reduction or a gather that is added tomorrow would not be in a list of names.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import autograd

ROOT = Path(autograd.__file__).parents[1]


def is_name(node: ast.AST) -> bool:
    """Whether this is `row.name`, or the name of any other thing's row."""
    if not isinstance(node, ast.Attribute) or node.attr != "name":
        return False
    row = node.value
    return (row.id if isinstance(row, ast.Name) else getattr(row, "attr", "")) == "row"


def asked(source: str) -> list[int]:
    """The lines in which a row's name is compared, looked for, matched, or looked up by."""
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
        'op.row.name == "sum"',
        'row.name in ("sum", "max")',
        '"sum" != node.row.name',
        "RULES[op.row.name]",
        "RULES.get(row.name)",
        'match row.name:\n    case "sum": pass',
    ],
)
def test_it_is_found(source):
    assert asked(source)


def test_a_message_may_name_the_row():
    assert not asked('f"{row.name}: {what[row]}"; {row.name: row}; x.name == "sum"')


def test_no_rows_name_is_asked_for_outside_the_table():
    found = {}
    for path in [*ROOT.glob("autograd/**/*.py"), *ROOT.glob("viz/**/*.py")]:
        name = path.relative_to(ROOT).as_posix()
        lines = asked(path.read_text(encoding="utf-8"))
        if lines:
            found[name] = lines
    assert not found
