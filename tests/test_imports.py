"""The rooms and who may know whom: arrows go up the list only, and never in a circle."""

import ast
import re
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# Each room may import those named; it may always import itself.
MAY_IMPORT = {
    "autograd": (),
    "data": (),
    "models": ("autograd", "data"),
    "viz": ("autograd", "data", "models"),
}


@cache
def modules():
    """The files of all rooms, by their names as modules."""
    files = [file for room in MAY_IMPORT for file in (ROOT / room).rglob("*.py")]
    names = [".".join(file.relative_to(ROOT).with_suffix("").parts) for file in files]
    return {name.removesuffix(".__init__"): file for name, file in zip(names, files, strict=True)}


def imported(name):
    """The modules of ours that one imports, also within functions and for types alone."""
    file, found = modules()[name], set()
    package = name if file.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) + 1 - node.level]
            base = ".".join([*(above if node.level else []), *filter(None, [node.module])])
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                found.add(inner if inner in modules() else base)
    return (found & modules().keys()) - {name}


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_a_room_knows_only_those_below_it(room):
    """Else the engine needs MNIST, or an example of the models cannot be had without pictures."""
    for name in modules():
        if name.split(".")[0] == room:
            rooms = {other.split(".")[0] for other in imported(name)}
            assert rooms <= {room, *MAY_IMPORT[room]}, name


def test_no_import_goes_in_a_circle():
    """Else two files cannot be read one after the other."""
    rooms = ("data", "models", "viz")
    names = [name for name in modules() if name.split(".")[0] in rooms]
    TopologicalSorter({name: imported(name) for name in names}).prepare()  # or CycleError


def test_the_files_of_mnist_know_only_those_before_them():
    """Else the order in which its opening says to read them is wrong."""
    opening = " ".join(ast.get_docstring(ast.parse(modules()["models.mnist"].read_text())).split())
    order = re.search(r"those before it: (.*?)\.", opening)[1]
    names = [f"models.mnist.{each}" for each in order.split(", ")]
    assert {name for name in modules() if name.startswith("models.mnist.")} == set(names)
    for i, name in enumerate(names):
        known = {other for other in imported(name) if other.startswith("models.mnist.")}
        assert known <= set(names[:i]), name
