"""The commands that the READMEs tell one to type can be typed; doctest runs their Python."""

import importlib.util
import re
import shlex
from pathlib import Path

import pytest

from models.mnist import cli as mnist
from viz import cli as viz

ROOT = Path(__file__).parents[1]
READMES = [
    ROOT / "README.md",
    *(ROOT / room / "README.md" for room in ("data", "models", "tests", "viz")),
]
PARSERS = {"models.mnist": mnist._parser, "viz": viz._parser}


def commands():
    """Every `python -m ...` of a shell block, and whose README it stands in."""
    for readme in READMES:
        for block in re.findall(r"^```sh\n(.*?)^```", readme.read_text(), re.DOTALL | re.MULTILINE):
            for line in block.splitlines():
                if line.startswith("python -m "):
                    yield pytest.param(line, id=f"{readme.parent.name}: {line}")


@pytest.mark.parametrize("line", list(commands()))
def test_a_command_can_be_typed(line):
    """Else the first thing that a reader types is refused."""
    _, _, module, *arguments = shlex.split(line)
    assert importlib.util.find_spec(module)
    if module in PARSERS:
        PARSERS[module]().parse_args(arguments)


@pytest.mark.parametrize("readme", READMES[1:], ids=lambda path: path.parent.name)
def test_a_file_that_is_named_is_there(readme):
    """Else a reader is sent to a file that has another name by now."""
    links = re.findall(r"\]\(([\w/.]+)\)", readme.read_text())
    assert [link for link in links if not (readme.parent / link).exists()] == []
