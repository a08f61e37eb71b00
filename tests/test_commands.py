"""Every command there is, into an output that cannot be written or that nobody reads, and with
names that would steer a terminal: it ends in one sentence, or none, and the exit code says why."""

import csv
import io
import os
import re
import shlex
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data import __main__ as data
from models.mnist import cli as mnist
from viz import cli as viz

ROOT = Path(__file__).parents[1]
ODD = "x\x1b[31m\x1b]0;t\x07\x9b5m\u202e"  # red, a title, blinking, from right to left

COMMANDS = """
models.mnist
models.mnist train --dataset table.csv --hidden 4 --epochs 2
models.mnist evaluate run
models.mnist predict pictures-run picture.png
models.mnist show --wrong run
models.mnist export run --onnx new.onnx
data list
data fetch mnist
data check mnist
data stats table.csv
viz
viz draw a*b --at a=2 b=3 -o new.svg
viz draw a*b --at a=2 b=3 -o -
viz debug a*b --at a=2 b=3
viz lesson
viz lesson 1
viz report run -o new.html
viz export new --weights run
viz studio --no-browser --port 0
"""
PROGRAMS = {"models.mnist": mnist, "data": data, "viz": viz}
DEMOS = ["models.moons", "models.ode", "models.gaussian_process", "models.rosenbrock"]
DEMOS += [
    f"models.examples.{name}" for name in ("curve", "margin", "outliers", "questions", "shares")
]
DEMOS += ["tests.museum"]
WRITES = ["viz.readme"]  # into the repository, and prints nothing
RUNS = re.compile(r'^if __name__ == "__main__":', re.MULTILINE)


def modules():
    """What `python -m` runs of the packages."""
    for room in ("autograd", "data", "models", "viz"):
        for file in (ROOT / room).rglob("*.py"):
            if RUNS.search(file.read_text()):
                name = ".".join(file.relative_to(ROOT).with_suffix("").parts)
                yield name.removesuffix(".__main__")


# Nobody types these: a rank becomes one, and the studio starts the others, with pipes.
STARTED = ("models.keeper", "viz.studio.engine.worker", "viz.studio.jobs.child")


def test_every_command_is_tried_here():
    """Else a new one may end in a traceback."""
    tried = {line.split()[0] for line in COMMANDS.split("\n") if line}
    assert {*modules(), "tests.museum"} == tried.union(DEMOS, WRITES, STARTED)
    for name, cli in PROGRAMS.items():
        *_, commands = (each.choices for each in cli._parser()._actions if each.choices)
        assert {*commands} == {*re.findall(rf"^{name} (\w+)", COMMANDS, re.MULTILINE)}


@pytest.mark.parametrize("name", PROGRAMS)
def test_alone_it_prints_its_help(name, capsys):
    """Whoever types only that asks what there is."""
    with pytest.raises(SystemExit) as end:
        PROGRAMS[name].main([])
    assert end.value.code == 0
    assert f"usage: python -m {name} [-h]" in capsys.readouterr().out


LINES = [line for line in COMMANDS.split("\n") if line] + DEMOS
if not find_spec("scipy"):
    LINES.remove("models.rosenbrock")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a table, a picture, and a run of each."""
    here = tmp_path_factory.mktemp("here")
    made(here, "table", "pictures", "picture", "run", "pictures-run")
    return here


def made(here, table, pictures, picture, run, pictures_run):
    """Write data of two kinds into a folder, and runs that learned them, by these names."""
    generator = np.random.default_rng(0)
    with open(here / f"{table}.csv", "w", newline="") as file:
        rows = [[*(generator.normal(size=2) + 3 * i).tolist(), f"c{i}"] for i in (0, 1)] * 30
        csv.writer(file).writerows(rows)
    for i in (0, 1):
        (here / pictures / f"c{i}").mkdir(parents=True)
        for k in range(8):
            image = generator.integers(0, 256, (6, 6)).astype(np.uint8)
            Image.fromarray(image).save(here / pictures / f"c{i}" / f"{k}.png")
    Image.fromarray(image).save(here / f"{picture}.png")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(here)
        for source, out in ((f"{table}.csv", run), (pictures, pictures_run)):
            options = ["--hidden", "4", "--epochs", "1", "--eager", "--out", out]
            said("models.mnist", "train", "--dataset", source, *options)


def said(program, *words):
    """What a command line prints."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        PROGRAMS[program].main(words)
    return out.getvalue() + err.getvalue()


def ended(here, line, stdout, unbuffered=""):
    """A command that ran to its end, in a folder, as a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": unbuffered}
    return subprocess.run(
        [sys.executable, "-m", *line.split()], cwd=here, env=environment, check=False, text=True,
        stdin=subprocess.DEVNULL, stdout=stdout, stderr=subprocess.PIPE,
    )  # fmt: skip


@pytest.mark.parametrize("line", LINES)
def test_a_full_disk_behind_it_is_one_sentence(folder, line):
    """Met by the first line that is printed; below, by the last."""
    with open("/dev/full", "w") as full:
        done = ended(folder, line, full, unbuffered="1")
    *warnings, error = done.stderr.splitlines()
    assert (done.returncode, len(warnings)) == (2, " train " in line)  # that went on meanwhile
    assert error.startswith("error: standard output: No space left on device")


@pytest.mark.parametrize("line", LINES)
def test_a_reader_that_has_gone_ends_it_quietly(folder, line):
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as gone:
        done = ended(folder, line, gone, unbuffered="1" if line in DEMOS else "")
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.parametrize("line", ["models.mnist evaluate run", "data list", "viz lesson 1"])
@pytest.mark.parametrize("how", [">&-", "2>&-", ">&- 2>&- <&-", "> /dev/full 2>&1"])
def test_closed_streams_are_as_good_as_any(folder, line, how):
    command = f"{shlex.quote(sys.executable)} -m {line} {how}"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(["bash", "-c", command], cwd=folder, env=environment, check=False)
    assert done.returncode == (2 if "full" in how else 0)


# --- names from outside --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def oddly_named(tmp_path_factory):
    """The same folder, in which every name would steer the terminal."""
    here = tmp_path_factory.mktemp(ODD)
    made(here, *(f"{ODD}{name}" for name in ("table", "pictures", "picture", "run", "read")))
    named = f"Value(2.0, name={ODD!r})"
    (here / "odd.py").write_text(
        f"from autograd import Value\ndef f(): return {named} * {named}\n"
        f"def bad(): raise ValueError({ODD!r})\n"
    )
    return here


@pytest.fixture
def odd(oddly_named, monkeypatch):
    """That folder, from within; and the cache is in it."""
    monkeypatch.chdir(oddly_named)
    monkeypatch.syspath_prepend(oddly_named)
    monkeypatch.setenv("XDG_CACHE_HOME", str(oddly_named))
    return oddly_named


ODDLY = """
models.mnist train --dataset @table.csv --hidden 4 --epochs 2 --eager --out @new
models.mnist train --dataset @table.csv --hidden 4 --epochs 2 --eager --out @run
models.mnist train --resume @run --epochs 3
models.mnist train --resume @none
models.mnist train --dataset @none
models.mnist train --dataset @picture.png
models.mnist train --dataset @table.csv --label @
models.mnist train --activation @
models.mnist train --lr @
models.mnist @
models.mnist evaluate @run
models.mnist evaluate @run --dataset @none
models.mnist predict @read @picture.png @none.png @table.csv
models.mnist show --wrong @run
models.mnist show --dataset @pictures --class @
models.mnist export @run --onnx @new.onnx
models.mnist export @run --onnx @
models.mnist export @run --onnx @none/new.onnx
data list
data check @
data stats @table.csv
data stats @none
data fetch kmnist --from @none
data fetch kmnist --from @pictures
data fetch kmnist --from http://127.0.0.1:1/@
viz draw a+@
viz draw a --at @=1
viz draw a --at a=@
viz draw a --at a=1 -o @new.svg
viz draw a --at a=1 -o @none/new.svg
viz draw odd:f -o -
viz draw odd:bad
viz draw @:f
viz debug odd:f
viz debug odd:f -o @new.html
viz lesson -o @new.html
viz lesson @
viz report @run -o @new.html
viz report @none
viz export @new --weights @run
viz export @none/new
viz export @new --weights @none
viz export @new --architectures @
viz studio --host @
viz studio --port @
viz studio --port 0 --token @
viz studio --port 0 --weights @none
viz studio --port 0 --allow-host @
viz studio --port 0 --allow-origin @
"""


def check_plain(text):
    assert [line for line in text.split("\n") if not line.isprintable()] == []
    return text


@pytest.mark.usefixtures("odd")
@pytest.mark.parametrize("line", [line for line in ODDLY.split("\n") if line])
def test_no_name_from_outside_steers_the_terminal(line):
    assert check_plain(said(*(word.replace("@", ODD) for word in line.split())))


@pytest.mark.parametrize("file", ["config.json", "metrics.jsonl", "summary.json"])
def test_nor_does_what_is_written_in_a_run(odd, file):
    """Each text in it, and its first line."""
    path = odd / f"{ODD}run" / file
    whole = path.read_text()
    texts = set(re.findall(r'(?<=: )"[^"]*"', whole))
    try:
        for odder in [f"{ODD}{whole}", *(whole.replace(text, '"\\u001b[5m"') for text in texts)]:
            path.write_text(odder)
            for words in (["models.mnist", "evaluate"], ["viz", "report"]):
                assert check_plain(said(*words, f"{ODD}run"))
    finally:
        path.write_text(whole)
