"""Runs that were killed or stopped go on to the same bits, or say why they cannot."""

import json
import os
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from models.mnist.cli import main
from models.runs.checkpoints import newest
from models.runs.files import read_lines
from tests.models.processes import (
    ENDLESS,
    RECIPE,
    begin,
    check_whole,
    end,
    everything,
    go_on,
    here,  # noqa: F401  (used by every test)
    kept,
    kill,
    result,
    run,
    until,
)

# --- killed --------------------------------------------------------------------------------------

RECIPES = {
    "one-cycle": ["--epochs", "60"],
    "adam": ["--epochs", "60", "--optimizer", "adam", "--schedule", "cosine", "--lr", "0.01",
             "--clip", "1", "--weight-decay", "0.01"],
    "no validation": ["--epochs", "60", "--validation", "0", "--schedule", "constant"],
    "stop-at": ["--epochs", "60", "--stop-at", "0.96", "--lr", "0.003", "--dropout", "0.5"],
}  # fmt: skip


@pytest.mark.parametrize("name", RECIPES)
def test_a_killed_run_goes_on_to_the_same_bits(name):
    recipe = RECIPES[name]
    run(begin(*recipe, out="whole"))
    process = begin(*recipe)
    until(process, "2/")
    kill(process)
    process = go_on()
    until(process, "epoch")
    kill(process)
    if not Path("run/summary.json").exists():  # else it was too late
        run(go_on())
    assert result() == result("whole")


@pytest.mark.parametrize("start", ["network", "before", "test"])
def test_one_that_was_killed_before_its_first_checkpoint_begins_again(start):
    run(begin("--epochs", "20", out="whole"))
    process = begin("--epochs", "20")
    until(process, start)
    kill(process)
    assert "run" in run(go_on()) and result() == result("whole")


@pytest.mark.parametrize("recipe", ["one-cycle", "stop-at"])
@pytest.mark.parametrize("names", [["model.safetensors", "summary.json"], ["summary.json"]])
def test_one_that_was_killed_after_its_last_checkpoint_writes_what_is_missing(recipe, names):
    run(begin(*RECIPES[recipe]))
    before, checkpoints = result(), sorted(os.listdir("run/checkpoints"))
    reason = json.loads(Path("run/summary.json").read_text())["reason"]
    for name in names:
        Path("run", name).unlink()
    assert "resumed after its last step" in run(go_on())
    assert result() == before and sorted(os.listdir("run/checkpoints")) == checkpoints
    assert json.loads(Path("run/summary.json").read_text())["reason"] == reason


@pytest.mark.slow
def test_ten_kills_at_random_moments():
    recipe = ["--epochs", "200"]
    start = time.monotonic()
    run(begin(*recipe, out="whole"))
    took, kills = time.monotonic() - start, 0
    while kills < 10:
        shutil.rmtree("run", ignore_errors=True)
        process = begin(*recipe)
        while True:
            try:
                out, err = process.communicate(timeout=random.uniform(0.1, 0.9) * took)
                # Killed after all was written, there is nothing to go on with.
                done = err.startswith("error: --resume: run has learned for 200 epochs")
                assert done or (process.returncode, err) == (0, ""), out
                break
            except subprocess.TimeoutExpired:
                kill(process)
                kills += 1
            if Path("run/config.json").exists():
                process = go_on()
            else:  # nothing had begun
                shutil.rmtree("run", ignore_errors=True)
                process = begin(*recipe)
        assert result() == result("whole")


def test_ctrl_c_in_the_middle_of_an_epoch_costs_no_bit():
    recipe = ["--batch-size", "1", "--schedule", "constant"]
    process = begin("--epochs", "300", *recipe)
    until(process, "epoch")
    assert end(process, signal.SIGINT)[0] == 130
    # The rate is constant, so that how many epochs there are changes nothing before their end.
    epochs = str(newest("run/checkpoints")[0].state["epoch"] + 2)
    run(go_on("run", "--epochs", epochs))
    run(begin("--epochs", epochs, *recipe, out="whole"))
    assert result() == result("whole")


# --- gone on with --------------------------------------------------------------------------------


@pytest.fixture
def done(capsys):
    """A run of five epochs, in ./run."""
    assert main(["train", "--dataset", "tiny.npz", *RECIPE, "--epochs", "5", "--out", "run"]) == 0
    capsys.readouterr()
    return Path("run")


@pytest.fixture
def refused(capsys):
    """Has a command line refused in one line, with all files as they were; gives the line."""

    def run(*arguments):
        before = everything()
        assert main(["train", *arguments]) == 2
        assert everything() == before
        err = capsys.readouterr().err
        assert err.count("\n") == 1 and err.startswith("error: ")
        return err

    return run


def latest(folder):
    return newest(folder / "checkpoints")[0].path


def changed(content):
    place = len(content) // 2
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


@pytest.mark.parametrize("name", ["state.json", "state.safetensors"])
@pytest.mark.parametrize("damage", [changed, lambda content: content[:-5], lambda content: None])
def test_a_damaged_checkpoint_is_named_and_the_one_before_it_used(capsys, done, name, damage):
    main(["train", "--dataset", "tiny.npz", *RECIPE, "--epochs", "5", "--schedule", "constant",
          "--out", "whole"])  # fmt: skip
    shutil.rmtree("run")
    shutil.copytree("whole", "run")
    (Path("run") / "summary.json").unlink()
    file = latest(Path("run")) / name
    content = damage(file.read_bytes())
    file.unlink()
    if content is not None:
        file.write_bytes(content)
    capsys.readouterr()
    assert main(["train", "--resume", "run"]) == 0
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith(f"warning: passed over: {file}: expected a whole checkpoint, found: ")
    assert result() == result("whole")


def test_all_damaged_is_said(refused, done):
    for file in done.glob("checkpoints/*/state.json"):
        file.write_bytes(changed(file.read_bytes()))
    (done / "summary.json").unlink()
    said = refused("--resume", "run")
    assert "run: expected a whole checkpoint to go on from, found: run/checkpoints/" in said
    assert said.rstrip().endswith("train anew, with another --out")


def test_a_second_process_is_told_who_is_there():
    process = begin(*ENDLESS)
    until(process, "2/")
    who = f"process {process.pid} on "
    for other in (begin(), go_on()):
        code, _, err = end(other)
        assert code == 2 and err.count("\n") == 1 and who in err
        assert "writes into this folder; wait until it ends, or name another folder" in err
    code, out, err = end(process, signal.SIGINT)
    assert (code, err) == (130, "")
    check_whole(kept(out))


def test_what_diverged_goes_on_from_before_it_with_another_rate(capsys, done):
    wild = ["--epochs", "9", "--lr", "1e30", "--schedule", "constant"]
    assert main(["train", "--resume", "run", *wild]) == 2
    said = capsys.readouterr().err
    assert "the loss became" in said and "keeps the weights after step 65" in said
    assert "--resume run --lr RATE goes on from the end of the last epoch" in said
    assert json.loads((done / "summary.json").read_text())["reason"] == "diverged"
    first = min((done / "checkpoints").iterdir())
    assert main(["train", "--resume", str(first), *wild[:2], "--lr", "0.01"]) == 0
    lines, _ = read_lines(done / "metrics.jsonl")
    assert [line["epoch"] for line in lines] == list(range(1, 10))
    assert lines[-1]["lr"] == 0.01
    assert json.loads((done / "summary.json").read_text())["reason"] == "finished"


def test_the_summary_of_an_earlier_end_goes_when_learning_goes_on(done):
    process = go_on("run", "--epochs", "1000000")
    until(process, "7/")
    kill(process)
    assert not (done / "summary.json").exists()
    assert load_file(done / "model.safetensors")  # of that end: there is no later one
    assert json.loads((done / "config.json").read_text())["settings"]["epochs"] == 1000000


@pytest.mark.parametrize(
    "changes", ["--weight-decay 0.01 --momentum 0.5", "--weight-decay 0 --momentum 0",
                "--schedule cosine --clip 1 --eager --lr 0.02", "--stop-at 0.1"],
)  # fmt: skip
@pytest.mark.parametrize("decay", ["0", "0.001"])
def test_what_may_be_changed_can_be(capsys, changes, decay):
    start = ["--dataset", "tiny.npz", *RECIPE, "--epochs", "2", "--weight-decay", decay]
    assert main(["train", *start, "--out", "run"]) == 0
    assert main(["train", "--resume", "run", "--epochs", "4", *changes.split()]) == 0
    assert read_lines(Path("run/metrics.jsonl"))[0][-1]["step"] > 2 * 13


def test_a_run_goes_on_from_another_folder(capsys, done, monkeypatch, tmp_path):
    shutil.copytree("run", "same")
    monkeypatch.chdir("spare")
    assert main(["train", "--resume", "../run", "--epochs", "7"]) == 0
    monkeypatch.chdir("../same/checkpoints")
    assert main(["train", "--resume", "..", "--epochs", "7"]) == 0
    monkeypatch.chdir(tmp_path)
    assert result("run") == result("same")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("", "--resume: run has learned for 5 epochs; to go on, add a higher --epochs"),
        ("--epochs 4", "run has learned for 5 epochs; to go on, add a higher --epochs"),
        ("--out other", "--out: expected without --resume, which has it from the run"),
        ("--dataset tiny.npz", "--dataset: expected without --resume, which has it from the run"),
        ("--hidden 8", "--hidden: expected without --resume, which has it from the run"),
        ("--seed 0", "--seed: expected without --resume, which has it from the run"),
        ("--batch-size 4", "--batch-size: expected without --resume, which has it from the run"),
        ("--epochs 9 --dropout 0", "--dropout: expected without --resume"),
        ("--epochs 9 --lr -1", "--lr: expected a positive number, found -1.0"),
    ],
)
def test_what_may_not_be_changed_is_refused(refused, done, arguments, said):
    assert said in refused("--resume", "run", *arguments.split())
    if arguments.startswith("--epochs 9"):
        first = min((done / "checkpoints").iterdir())
        assert said in refused("--resume", str(first), *arguments.split())


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"hidden": [8]', '"hidden": [9]', "not a checkpoint of what config.json says (restore: "),
        ('"batch_size": 16', '"batch_size": 8', "batch_size 16 there, 8 here); put back the"),
        ('"seed": 0', '"seed": 1', "seed 0 there, 1 here); put back the config.json"),
        ('"validation": null', '"validation": 9', "examples 220 there, 231 here); put back"),
        ('"epochs": 5', '"epochs": "5"', 'run/config.json: expected "epochs" in the "settings"'),
        ("{", "", "run/config.json: expected JSON, found"),
    ],
)
def test_a_config_that_was_changed_is_refused(refused, done, old, new, said):
    config = done / "config.json"
    before, after = config.read_text().rsplit(old, 1)
    config.write_text(before + new + after)
    assert said in refused("--resume", "run", *(() if "epochs" in old else ("--epochs", "9")))


def test_a_run_without_its_config_is_refused(refused, done):
    (done / "config.json").unlink()
    said = "run: expected a run's folder, or one of its checkpoints, found no config.json in it"
    assert said in refused("--resume", "run")


def test_a_dataset_that_is_gone_or_changed_is_refused(refused, done):
    first = str(min((done / "checkpoints").iterdir()))
    arrays = dict(np.load("tiny.npz"))
    np.savez("tiny.npz", images=arrays["images"][:-1], labels=arrays["labels"][:-1])
    for path in ("run", first):
        said = "its dataset, tiny, has changed since the training: expected"
        assert said in refused("--resume", path, "--epochs", "9")
    Path("tiny.npz").unlink()
    for path in ("run", first):
        said = "its dataset, tiny, cannot be loaded: "
        assert said in refused("--resume", path, "--epochs", "9")
