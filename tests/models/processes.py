"""Trainings as processes of their own, for the tests of what happens to them."""

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from models.runs.checkpoints import newest
from models.runs.files import DOUBT, FILES, read_lines

COMMAND = [sys.executable, "-m", "models.mnist", "train"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
ENVIRONMENT["PYTHONFAULTHANDLER"] = "1"  # one that hangs says where
# Too few are set aside to tell which pictures are to be doubted.
WRITTEN = [name for name in FILES if name != DOUBT]
WHOLE = sorted([*WRITTEN, "checkpoints"])
RECIPE = ["--hidden", "8", "--batch-size", "16", "--lr", "0.1", "--dropout", "0.3"]
ENDLESS = ["--epochs", "1000000", "--schedule", "constant"]


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """A folder with a small dataset in it, in the order in which every test finds it."""
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 3, 300)
    images = 60 * labels[:, None, None] + generator.integers(0, 100, (300, 5, 5))
    np.savez(tmp_path / "tiny.npz", images=images.astype(np.uint8), labels=labels)
    (tmp_path / "spare").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(ENVIRONMENT, "TMPDIR", str(tmp_path / "spare"))


def begin(*arguments, out="run", recipe=RECIPE):
    """A training that runs."""
    return subprocess.Popen(
        [*COMMAND, "--dataset", "tiny.npz", *recipe, *arguments, "--out", out],
        env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def go_on(path="run", *arguments):
    return subprocess.Popen(
        [*COMMAND, "--resume", str(path), *arguments], env=ENVIRONMENT,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def until_python_has_started(process):
    """Wait until the program has taken over what Ctrl-C does: before, a traceback is Python's.

    Python takes over first, for a moment that this may miss; NumPy is imported after the program.
    """
    folder, interrupt = Path(f"/proc/{process.pid}"), 1 << signal.SIGINT - 1
    for is_caught in (True, False):
        while folder.exists() and process.poll() is None:
            mask = re.search(r"SigCgt:\t(.*)", (folder / "status").read_text())[1]
            if bool(int(mask, 16) & interrupt) == is_caught:
                break
            if "numpy" in (folder / "maps").read_text():
                return
            time.sleep(0.001)


def until(process, start, more=0):
    """Wait for a line of its output, and as many after it."""
    for line in process.stdout:
        if line.startswith(start):
            break
    for _ in range(more):
        process.stdout.readline()


def end(process, *numbers):
    """Send signals, and wait: the exit code, and what was printed since."""
    try:
        for number in numbers:
            process.send_signal(number)
        out, err = process.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGABRT)
        pytest.fail(f"it did not end: {process.communicate(timeout=10)}")
    finally:
        process.kill()
    assert "Traceback" not in err
    return process.returncode, out, err


def run(process):
    """Wait for one that has to end well."""
    code, out, err = end(process)
    assert (code, err) == (0, "")
    return out


def kept(out):
    """The folder that the output names, after a look at whether all is there that it says."""
    folder, first, rest = re.search(r"^wrote   (.*): (.*),\n +(.*)$", out, re.MULTILINE).groups()
    names = f"{first}, {rest}".split(", ")
    assert sorted(names) == sorted(each for each in os.listdir(folder) if each != ".lock")
    return Path(folder)


def check_whole(folder):
    """The run in a folder has all its files, and its checkpoint is its last."""
    assert sorted(each for each in os.listdir(folder) if each != ".lock") == WHOLE
    lines, damaged = read_lines(folder / "metrics.jsonl")
    assert not damaged and lines[-1]["step"] == newest(folder / "checkpoints")[0].step
    assert [line["epoch"] for line in lines] == list(range(1, len(lines) + 1))
    assert json.loads((folder / "summary.json").read_text())["steps"] == lines[-1]["step"]
    assert load_file(folder / "model.safetensors")["0.weight"].shape == (8, 25)


def result(folder="run"):
    """What must be the same whether a run was interrupted or not."""
    lines, damaged = read_lines(Path(folder, "metrics.jsonl"))
    assert not damaged
    weights = hashlib.sha256(Path(folder, "model.safetensors").read_bytes()).hexdigest()
    steps = [line["step"] for line in read_lines(Path(folder, "histograms.jsonl"))[0]]
    return weights, [{**line, "seconds": 0} for line in lines], steps


def everything():
    return {each: each.read_bytes() for each in Path().rglob("*") if each.is_file()}


def kill(process):
    process.kill()
    process.communicate()
