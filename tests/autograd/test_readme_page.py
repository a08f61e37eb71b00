"""autograd/README.md is run by pytest's doctests; here, that it is, and that what it shows of the
code is the code."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import autograd
from autograd.ops import mul
from autograd.primitives.primitive import TABLE, Primitive

ROOM = Path(autograd.__file__).parent
PAGE = ROOM / "README.md"


def test_its_code_is_run(request):
    """pytest collects it by its glob; it has more than a few examples."""
    assert "--doctest-glob=README.md" in request.config.getini("addopts")
    examples = doctest.DocTestParser().get_examples(PAGE.read_text())
    assert len(examples) > 20


def test_the_primitive_it_shows_is_the_tables(monkeypatch):
    (source,) = re.findall(r"```py\n(.*?)```", PAGE.read_text(), re.DOTALL)
    monkeypatch.delitem(TABLE, "mul")
    names = {"np": __import__("numpy"), "operator": __import__("operator")}
    exec(source, names | {"primitive": autograd.primitive}, shown := {})
    prim = shown["mul"]
    assert isinstance(prim, Primitive)
    for field in ("name", "doc", "on_array", "on_float", "infix", "domain", "code"):
        assert getattr(prim, field) == getattr(mul, field)
    for i in range(2):
        assert prim.rule(i)(2.0, 12.0, 3.0, 4.0) == mul.rule(i)(2.0, 12.0, 3.0, 4.0)


def test_it_names_every_file():
    named = set(
        re.findall(
            r"`([a-z]+(?:\.py|/))`", PAGE.read_text().split("## Where it is")[1].split("\n## ")[0]
        )
    )
    files = {path.name for path in ROOM.glob("*.py")} - {"__init__.py"}
    rooms = {f"{path.name}/" for path in ROOM.iterdir() if (path / "__init__.py").exists()}
    assert named == files | rooms
