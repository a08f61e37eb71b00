"""What the READMEs say is so: commands can be typed, files are there, the size is right. Doctest
runs their Python."""

import ast
import importlib.util
import re
import shlex
import tokenize
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


# What the README's first paragraph leaves out of the core that differentiates.
BESIDES = ["__init__.py", "compiler", "checking", "nn.py", "optim.py", "schedules.py"]
BESIDES += ["state.py", "random.py"]
BESIDES += ["describe.py"]
LAYOUT = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT)


def code_lines(file):
    """The number of lines that have code on them: no blank lines, comments and docstrings."""
    with tokenize.open(file) as source:
        tokens = [t for t in tokenize.generate_tokens(source.readline) if t.type not in LAYOUT]
    lines = {n for t in tokens if t.string for n in range(t.start[0], t.end[0] + 1)}
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = node.body[0] if ast.get_docstring(node) is not None else None
            lines -= set(range(text.lineno, text.end_lineno + 1)) if text else set()
    return len(lines)


def test_the_core_has_as_many_lines_as_the_readme_says():
    """Within 5 %, so that not every change of a line has to change the README."""
    engine = ROOT / "autograd"
    core = [
        file for file in engine.rglob("*.py") if file.relative_to(engine).parts[0] not in BESIDES
    ]
    found = re.search(r"is ([\d,]+) lines of Python", READMES[0].read_text())
    assert found
    claimed = int(found[1].replace(",", ""))
    assert abs(sum(map(code_lines, core)) - claimed) < 0.05 * claimed


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
