"""What the READMEs say is so: commands can be typed, files are there, the size is right. Doctest
runs their Python."""

import ast
import os
import re
import shlex
import shutil
import subprocess
import sys
import tokenize
from pathlib import Path

import pytest

from tests.launched import MPIEXEC

ROOT = Path(__file__).parents[1]
READMES = [
    ROOT / "README.md",
    *(ROOT / room / "README.md" for room in ("data", "models", "tests", "viz")),
]


# What the README's first paragraph leaves out of the core that differentiates.
BESIDES = ["__init__.py", "compiler", "checking", "nn.py", "optim.py", "schedules.py"]
BESIDES += ["state.py", "random.py", "ranks"]
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


# Installing, and the tests themselves, are somebody else's test; the demo that takes the longest is
# run by tests/models/test_moons.py.
LEFT_OUT = re.compile(
    r"python3 -m venv .*|\S*pip install .*|.* -m pytest .*|python -m models.moons"
)


def commands(readme):
    """The commands of its shell blocks, in order, but those of LEFT_OUT."""
    for block in re.findall(r"^```sh\n(.*?)^```", readme.read_text(), re.DOTALL | re.MULTILINE):
        for line in block.splitlines():
            kept = [part for part in line.split(" && ") if not LEFT_OUT.fullmatch(part)]
            if kept:
                yield " && ".join(kept)


@pytest.fixture
def clone(tmp_path):
    """A copy of what git knows, with the Python that runs this as its .venv's; no network."""
    names = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False, text=True
    ).stdout.split("\0")[:-1]
    if not names:
        pytest.skip("not a clone: git does not know which files it has")
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / ".venv/bin").mkdir(parents=True)
    for name, program in (("python", sys.executable), ("mpiexec", MPIEXEC)):
        file = tmp_path / ".venv/bin" / name
        file.write_text(f'#!/bin/sh\nexec {shlex.quote(program)} "$@"\n')
        file.chmod(0o755)
    (tmp_path / ".venv/bin/activate").touch()  # the test sets PATH
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize(
    "readme", [readme for readme in READMES if list(commands(readme))], ids=lambda p: p.parent.name
)
def test_every_command_runs_in_the_order_printed(readme, clone):
    """From a fresh clone, of which nothing but what came before has made anything."""
    for wanted in ("onnx", "plotly", "scipy"):
        pytest.importorskip(wanted)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PYTHON")},
        **dict.fromkeys(("http_proxy", "https_proxy"), "http://127.0.0.1:1"),
        "PATH": f"{clone / '.venv/bin'}{os.pathsep}{os.environ['PATH']}",
    }
    for command in commands(readme):
        done = subprocess.run(
            ["sh", "-c", command], cwd=clone, env=environment, stdin=subprocess.DEVNULL,
            capture_output=True, check=False, text=True,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, ""), command


@pytest.mark.parametrize("readme", READMES[1:], ids=lambda path: path.parent.name)
def test_a_file_that_is_named_is_there(readme):
    """Else a reader is sent to a file that has another name by now."""
    links = re.findall(r"\]\(([\w/.]+)\)", readme.read_text())
    assert [link for link in links if not (readme.parent / link).exists()] == []
