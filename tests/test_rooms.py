"""Who may know whom: every import points from a later room of this list to an earlier one.

Imports within functions and those for types alone count as well: what a reader has to know to
follow a file is the same.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("autograd", "data", "models", "viz")
MAX_FILES = 13  # in a folder: a dozen, and its opening

ROOMS = [
    *("autograd.modes", "autograd.primitives", "autograd.ranks"),
    *("autograd.ops", "autograd.composites"),
    *("autograd.random", "autograd.graph", "autograd.nodes", "autograd.tensor", "autograd.value"),
    "autograd.describe",
    *("autograd.state", "autograd.transforms", "autograd.functional", "autograd.checking"),
    *("autograd.compiler.language", "autograd.compiler.frontend", "autograd.compiler.passes"),
    *("autograd.compiler.printers", "autograd.compiler.runtime", "autograd.compiler"),
    *("autograd.nn", "autograd.schedules", "autograd.optim", "autograd"),
    "data",
    "models.command_line",
    "data.__main__",  # a command line, which ends as those of models do
    *("models.runs", "models.training", "models", "models.mnist"),
    "viz",
]


def modules() -> dict[str, Path]:
    """Every module by its name; a package's is its opening."""
    files = (file for package in PACKAGES for file in (ROOT / package).rglob("*.py"))
    return {
        ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): file
        for file in files
    }


MODULES = modules()


def imported(name: str, source: str, is_package: bool = False) -> Iterator[str]:
    """The modules of ours that a module's source imports, wherever the line stands."""
    here = name.split(".") if is_package else name.split(".")[:-1]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in MODULES)
        if isinstance(node, ast.ImportFrom):
            start = here[: len(here) - node.level + 1] if node.level else []
            whole = ".".join([*start, *([node.module] if node.module else [])])
            for alias in node.names:
                found = f"{whole}.{alias.name}"
                found = found if found in MODULES else whole
                if found in MODULES and found != name:
                    yield found


def room(name: str) -> int:
    """The number of a module's room: the longest of ROOMS that its name begins with."""
    mine = [r for r in ROOMS if name == r or name.startswith(f"{r}.")]
    return ROOMS.index(max(mine, key=len))


IMPORTS = {
    name: set(imported(name, file.read_text(), file.name == "__init__.py"))
    for name, file in MODULES.items()
}


def test_imports_are_seen_wherever_they_stand():
    source = (
        "from .graph import Node\nfrom . import ops, shapes\n"
        "def f():\n    from .compiler.frontend.trace import Trace\n    import autograd.optim\n"
        "if TYPE_CHECKING:\n    from viz import draw\n    from models.mlp import MLP\n"
    )
    found = set(imported("autograd.value", source))
    assert found == {
        *("autograd.graph", "autograd.ops", "autograd", "autograd.compiler.frontend.trace"),
        *("autograd.optim", "models.mlp", "viz"),
    }


@pytest.mark.parametrize("name", MODULES)
def test_an_import_points_to_an_earlier_room_or_stays_in_its_own(name):
    wrong = [other for other in IMPORTS[name] if room(other) > room(name)]
    assert not wrong, f"{name} imports {', '.join(wrong)}, of a later room"


def test_there_is_no_circle():
    try:
        TopologicalSorter(IMPORTS).prepare()
    except CycleError as error:
        pytest.fail(f"these import each other: {' <- '.join(error.args[1])}")


def test_data_knows_nobody():
    """Else MNIST's files cannot be read without the engine. Its command line is another room."""
    others = {other.split(".")[0] for name in MODULES if room(name) == ROOMS.index("data")
              for other in IMPORTS[name]}  # fmt: skip
    assert others == {"data"}


def test_the_files_of_mnist_know_only_those_before_them():
    """Else the order in which their opening says to read them is wrong."""
    opening = " ".join(
        (ast.get_docstring(ast.parse(MODULES["models.mnist"].read_text())) or "").split()
    )
    found = re.search(r"those before it: (.*?)\.", opening)
    assert found
    order = [f"models.mnist.{each}" for each in found[1].split(", ")]

    def place(name: str) -> int:
        return order.index(".".join(name.split(".")[:3]))

    files = [name for name in MODULES if name.startswith("models.mnist.")]
    assert {place(name) for name in files} == set(range(len(order)))
    for name in files:
        known = [other for other in IMPORTS[name] if other in files]
        assert [other for other in known if place(other) > place(name)] == [], name


def folders() -> list[Path]:
    return sorted({file.parent for file in MODULES.values()})


@pytest.mark.parametrize("folder", folders(), ids=lambda f: f.relative_to(ROOT).as_posix())
def test_a_folder_is_small_and_its_opening_says_what_it_is_for(folder):
    assert len(list(folder.glob("*.py"))) <= MAX_FILES
    assert ast.get_docstring(ast.parse((folder / "__init__.py").read_text()))


@pytest.mark.parametrize("name", MODULES)
def test_a_file_opens_with_what_it_is_for(name):
    assert ast.get_docstring(ast.parse(MODULES[name].read_text()))


# --- what the engine exports ----------------------------------------------------------------------


def exported(name: str) -> set[str]:
    """The names that a module of the engine exports: its `__all__`, or where it has none, what it
    defines itself under a name that does not begin with _."""
    found = set()
    for node in ast.parse(MODULES[name].read_text()).body:
        match node:
            case ast.Assign(targets=[ast.Name(id="__all__")], value=value):
                return set(ast.literal_eval(value))
            case ast.FunctionDef(name=defined) | ast.ClassDef(name=defined):
                found.add(defined)
            case ast.Assign(targets=[ast.Name(id=defined)]):
                found.add(defined)
            case ast.AnnAssign(target=ast.Name(id=defined)):
                found.add(defined)
    return {name for name in found if not name.startswith("_")}


PUBLIC = ("_replace", "_repr_svg_", "_exit")  # of NamedTuple, of IPython, of os
USERS = [name for name in MODULES if not name.startswith("autograd")]


@pytest.mark.parametrize("name", USERS)
def test_users_of_the_engine_take_what_it_exports(name):
    for node in ast.walk(ast.parse(MODULES[name].read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("autograd"):
            assert {alias.name for alias in node.names} <= exported(node.module), node.module


@pytest.mark.parametrize("name", USERS)
def test_users_of_the_engine_read_no_private_attribute(name):
    """`node._data`: what begins with _ is its owner's, who is `self` or `cls`."""
    for node in ast.walk(ast.parse(MODULES[name].read_text())):
        if isinstance(node, ast.Attribute) and node.attr.startswith("_"):
            known = node.attr.startswith("__") or node.attr in PUBLIC
            owner = isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")
            assert known or owner, f"{name}:{node.lineno}: {ast.unparse(node)}"
