"""What each package says is public is there, complete and sorted; what an import brings along."""

from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import autograd
from autograd.nodes.methods import ArrayMethods, NumberMethods
from autograd.nodes.numpy_protocols import _replacement

ROOT = Path(autograd.__file__).parents[1]
PACKAGES = ["autograd", "autograd.nn", "autograd.optim", "autograd.compiler"]
PACKAGES += ["models", "viz", "data"]


def isort_style(name: str):
    """Ruff's order of `__all__`: CONSTANTS, then Classes, then the rest, numbers by size."""
    kind = 0 if name.isupper() and len(name) > 1 else 1 if name[0].isupper() else 2
    parts = [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]
    return kind, [(isinstance(part, str), part) for part in parts]


@pytest.mark.parametrize("package", PACKAGES)
def test_all_is_sorted_and_each_name_exists(package):
    module = importlib.import_module(package)
    names = module.__all__
    assert names == sorted(names, key=isort_style)
    assert len(set(names)) == len(names)
    for name in names:
        assert hasattr(module, name), f"{package}.__all__ names {name}, which is not there"


def is_public(module: ModuleType, name: str, thing: object) -> bool:
    """Whether a name is the module's own: for a package all it gathers, for a file what it defines
    (constants and aliases of types have no home to tell)."""
    if name.startswith("_") or isinstance(thing, ModuleType) or name == "annotations":
        return False
    home = getattr(thing, "__module__", "")
    if hasattr(module, "__path__"):
        return not isinstance(home, str) or home.split(".")[0] not in ("typing", "collections")
    return home == module.__name__ and isinstance(thing, type | type(isort_style))


@pytest.mark.parametrize("package", PACKAGES)
def test_nothing_public_is_missing(package):
    module = importlib.import_module(package)
    public = {name for name, thing in vars(module).items() if is_public(module, name, thing)}
    assert public - set(module.__all__) == set()


def imported(statement: str) -> set[str]:
    """The top-level modules that a statement brings in a fresh interpreter."""
    program = f"import sys; {statement}; import json; print(json.dumps(sorted(sys.modules)))"
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return {name.split(".")[0] for name in json.loads(run.stdout)}


def test_importing_the_engine_imports_numpy_and_nothing_else():
    """rich, PIL, plotly, wasmtime, and our own rooms above: each is imported where it is used."""
    with_numpy = imported("import numpy, numpy.random")
    new = imported("import autograd, autograd.nn, autograd.optim, autograd.compiler") - with_numpy
    assert new - set(sys.stdlib_module_names) == {"autograd"}
    assert not {"viz", "models", "data"} & new


def test_the_engines_rooms_are_there_once_it_is_imported():
    """`import autograd; autograd.optim.SGD` needs no second import, and an editor completes it."""
    program = """
import autograd
autograd.nn.Linear, autograd.optim.SGD, autograd.functional.grad, autograd.random.uniform
assert {"nn", "optim", "functional", "random"} <= set(dir(autograd))
"""
    subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT)


def test_importing_the_engine_leaves_numpys_settings_alone():
    program = """
import numpy, os
before = numpy.geterr(), numpy.get_printoptions(), dict(os.environ)
import autograd, autograd.nn, autograd.optim, autograd.compiler
assert before == (numpy.geterr(), numpy.get_printoptions(), dict(os.environ))
"""
    subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT)


def test_every_primitive_that_users_call_is_a_function_of_the_package():
    """`autograd.exp(x)` for every elementwise primitive: a new one is forgotten here most
    easily."""
    for_the_engine = {"identity"}
    names = {
        prim.name for prim in autograd.primitives.primitive.TABLE.values() if prim.domain
    } - for_the_engine
    assert names <= set(autograd.__all__)


@pytest.mark.parametrize("methods", [NumberMethods, ArrayMethods])
def test_every_method_is_a_function_of_the_package_too(methods):
    names = {name for name in vars(methods) if not name.startswith("_")}
    assert names <= set(autograd.__all__)


@pytest.mark.parametrize("name", [*dir(np), *dir(np.linalg)])
def test_what_is_advised_instead_of_a_numpy_function_exists(name):
    for advised in re.findall(r"autograd\.(\w+)", _replacement(name)):
        assert advised in autograd.__all__


def test_a_numpy_function_that_is_not_ours_is_refused_without_such_advice():
    """The loop language has a select, the engine has not."""
    x = autograd.Tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(TypeError, match=r"np\.select takes plain arrays") as refused:
        np.select([x > 0], [x])
    assert "autograd.select" not in str(refused.value)
