"""`mpiexec -n N python -m models.mnist train`: one training, shared by N ranks."""

import json
import os
import re
import time

import numpy as np
import pytest

from tests.launched import ENVIRONMENT, mpiexec

# With a small rate: two float32 trainings whose weights differ in the last bit part later.
OPTIONS = ["--hidden", "16", "--batch-size", "500", "--lr", "0.02", "--schedule", "constant"]
OPTIONS += ["--dropout", "0.2", "--validation", "5000"]


def train(count, folder, *options):
    return mpiexec(count, "-m", "models.mnist", "train", "--out", str(folder), *OPTIONS, *options)


def lines(folder):
    found = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{n: v for n, v in line.items() if n != "seconds"} for line in found]


def assert_close(found, wanted):
    """To what float32 loses in a few hundred steps: 6e-8 by sums of hundreds, each."""
    assert len(found) == len(wanted)
    for mine, yours in zip(found, wanted, strict=True):
        for name, value in yours.items():
            if name.endswith("accuracy"):  # an example or two that are at the edge
                np.testing.assert_allclose(mine[name], value, atol=1e-3, err_msg=name)
            else:
                np.testing.assert_allclose(mine[name], value, rtol=1e-4, err_msg=name)


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    folder = tmp_path_factory.mktemp("alone") / "run"
    assert train(1, folder, "--epochs", "3").returncode == 0
    return folder


def test_a_training_goes_on_with_fewer_ranks_and_is_that_of_one(alone, tmp_path):
    """Four ranks begin, two go on, and then one: order, batches and dropout are those of one. Only
    the first rank writes and shows."""
    folder = tmp_path / "run"
    first = train(4, folder, "--epochs", "1")
    assert first.returncode == 0, first.stderr
    assert "ranks   4, each with 125 of a batch's 500 examples" in first.stdout
    assert first.stdout.count("finished: ") == 1
    for count, epochs in ((2, "2"), (1, "3")):
        going_on = ["-m", "models.mnist", "train", "--resume", str(folder), "--epochs", epochs]
        run = mpiexec(count, *going_on)
        assert run.returncode == 0, run.stderr
    assert_close(lines(folder), lines(alone))
    one, other = (json.loads((each / "summary.json").read_text()) for each in (folder, alone))
    assert one["steps"] == other["steps"] and one["reason"] == "finished"
    np.testing.assert_allclose(one["test_loss"], other["test_loss"], rtol=1e-3)
    assert np.sum(one["test_confusion"]) == 10_000
    assert sorted(os.listdir(folder)) == sorted(os.listdir(alone))


@pytest.mark.parametrize(
    ("count", "options", "said"),
    [
        (3, [], "--batch-size: expected a multiple of 3, the ranks that share it, found 500"),
        (2, ["--epochs", "0"], "--epochs"),
        (2, ["--dataset", "nowhere.csv"], "nowhere.csv"),
        (2, ["--resume", "nowhere"], "nowhere"),
    ],
)
def test_what_is_wrong_is_said_once_and_ends_all(tmp_path, count, options, said):
    out = [] if "--resume" in options else ["--out", str(tmp_path / "run"), *OPTIONS]
    run = mpiexec(count, "-m", "models.mnist", "train", *out, *options)
    assert run.returncode == 2
    assert run.stderr.count("error:") == 1 and said in run.stderr


def test_other_commands_are_not_for_ranks():
    run = mpiexec(2, "-m", "models.mnist", "show", "--count", "1")
    assert run.returncode == 2
    assert run.stderr.split("\n")[0] == (
        "error: show: expected without mpiexec, which is for train alone"
    )


# What a rank does, in the middle of a training. (The command is run as it is: `runpy` is `-m`.)
ACTING = """
import os, runpy, signal, sys, time
from models.keeper import keep
keep()
from pathlib import Path
from models.training import Trainer

rank, act, tell, rename = int(os.environ["PMI_RANK"]), sys.argv.pop(1), Trainer._tell, Path.rename

def acting(trainer, what, *told):
    if trainer.place.epoch == 2 and what == "steps":
        os.write(1, f"acts at {time.time()}\\n".encode())
        exec(act)
    tell(trainer, what, *told)

def renaming(path, target):
    if Path(target).name == "000000000220":  # the checkpoint after two epochs
        os.write(1, f"acts at {time.time()}\\n".encode())
        os.kill(os.getpid(), signal.SIGKILL)
    return rename(path, target)

if rank == int(os.environ["ACTS"]):
    if act == "rename":
        Path.rename = renaming
    else:
        Trainer._tell = acting
runpy.run_module("models.mnist", run_name="__main__", alter_sys=True)
"""


@pytest.mark.parametrize(
    ("rank", "act", "cause"),
    [
        (1, "os.kill(os.getpid(), signal.SIGKILL)", " was killed by SIGKILL"),
        (1, "os.kill(os.getpid(), signal.SIGSTOP)", " gave no sign of life for 5 s"),
        (1, "raise ValueError('it broke')", ": ValueError: it broke"),
        (0, "raise ValueError('it broke')", ": ValueError: it broke"),
        (0, "rename", " was killed by SIGKILL"),
    ],
    ids=["killed", "stopped", "raises", "the first raises", "killed before a renaming"],
)
def test_a_rank_that_fails_ends_the_job_and_what_was_saved_goes_on(tmp_path, rank, act, cause):
    """Also with as many ranks as there are left."""
    folder = tmp_path / "run"
    options = ["train", "--out", str(folder), *OPTIONS, "--epochs", "400"]
    run = mpiexec(2, "-c", ACTING, act, *options, env=ENVIRONMENT | {"ACTS": str(rank)})
    ended = time.time()
    assert run.returncode == 3, run.stderr
    (line,) = re.findall(r"rank \d+ \(host .*?; the job ends", run.stderr)
    assert line.startswith(f"rank {rank} (host ") and cause in line
    assert ended - float(re.findall(r"acts at ([\d.]+)", run.stdout)[0]) < 10
    saved = {path.name for path in folder.glob("checkpoints/0*")}
    assert saved == ({"000000000110"} if act == "rename" else {"000000000110", "000000000220"})
    run = mpiexec(1, "-m", "models.mnist", "train", "--resume", str(folder), "--epochs", "3")
    assert run.returncode == 0, run.stderr
    assert [line["epoch"] for line in lines(folder)] == [1, 2, 3]
