"""`train` as a process of its own, to which happens what happens: disks fill, folders go,
terminals close, signals come. What was learned is there afterwards, and a killed run goes on to the
same bits.
"""

import hashlib
import json
import os
import pty
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from models.mnist.cli import main
from models.runs.checkpoints import newest
from models.runs.files import FILES, read_lines

COMMAND = [sys.executable, "-m", "models.mnist", "train"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
ENVIRONMENT["PYTHONFAULTHANDLER"] = "1"  # one that hangs says where
WHOLE = sorted([*FILES, "checkpoints"])
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


# --- a log that cannot be written ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "code", "said"),
    [
        ("> /dev/full", 2, "standard output cannot be written: No space left on device; the"),
        ("2> /dev/full", 0, ""),
        ("> /dev/full 2>&1", 2, ""),
        (">&-", 0, ""),
        ("2>&-", 0, ""),
        (">&- 2>&- <&-", 0, ""),
    ],
)
def test_a_log_that_cannot_be_written_ends_no_training(how, code, said):
    command = " ".join([*COMMAND, "--dataset", "tiny.npz", *RECIPE, "--epochs", "2", "--out run"])
    ended = subprocess.run(
        ["bash", "-c", f"{command} {how}"], env=ENVIRONMENT, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert ended.returncode == code
    assert said in ended.stderr and ended.stderr.count("\n") == 2 * bool(said)
    check_whole(Path("run"))


@pytest.mark.parametrize("how", ["2> /dev/full", "> /dev/full 2>&1", "2>&-"])
def test_an_error_that_cannot_be_printed_is_the_exit_code(how):
    command = " ".join([*COMMAND, "--lr", "-1"])
    ended = subprocess.run(["bash", "-c", f"{command} {how}"], env=ENVIRONMENT, check=False)
    assert ended.returncode == 2


# --- a folder that cannot be written -------------------------------------------------------------


def mount(*arguments, command="mount"):
    """Run mount, again and again while the training has a file open there."""
    for _ in range(200):
        found = subprocess.run([command, *arguments], check=False, capture_output=True, text=True)
        if "busy" not in found.stderr:
            break
        time.sleep(0.01)
    found.check_returncode()


@pytest.fixture
def disk():
    """A small file system."""
    Path("disk").mkdir()
    try:
        mount("-t", "tmpfs", "-o", "size=1m", "none", "disk")
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("only root may mount a file system")
    yield Path("disk")
    while subprocess.run(["umount", "-l", "disk"], check=False, stderr=-3).returncode == 0:
        pass


def fill():
    with suppress(OSError), open("disk/filling", "wb", buffering=0) as file:
        while file.write(bytes(4096)):
            pass


def read_only():
    # Over itself: nothing that is open for writing can become read-only.
    mount("--bind", "disk", "disk")
    mount("-o", "remount,bind,ro", "disk")


def remove():
    shutil.rmtree("disk/run", ignore_errors=True)
    if os.path.lexists("disk/run"):  # written into meanwhile
        remove()


def replace():
    remove()
    Path("disk/run").write_text("precious")


GONE = [
    (fill, "No space left on device"),
    (read_only, "Read-only file system"),
    (remove, "No such file or directory"),
    (replace, "Not a directory"),
]


@pytest.mark.parametrize(("happens", "why"), GONE)
def test_a_folder_that_goes_while_learning_costs_nothing(disk, happens, why):
    process = begin(*ENDLESS, out="disk/run")
    until(process, "3/")
    happens()
    until(process, "", more=40)  # the training goes on
    code, out, err = end(process, signal.SIGINT)
    assert code == 130
    said = err.splitlines()
    assert said[-1] == f"error: disk/run cannot be written; the network is in {kept(out)}"
    assert len(set(said)) == len(said) <= 7
    for line in said[:-1]:  # what was being written just then may fail in its own way, and heal
        assert re.match("warning: (cannot write|written again:) disk/run", line), err
    assert any(why in line for line in said[:-1]), err
    assert kept(out).parent == Path(ENVIRONMENT["TMPDIR"])
    check_whole(kept(out))
    assert f"train --resume {kept(out)} goes on" in out
    process = go_on(kept(out))
    until(process, "resumed after step")
    until(process, "", more=4)
    assert end(process, signal.SIGINT)[0] == 130
    assert happens is not replace or Path("disk/run").read_text() == "precious"


@pytest.mark.parametrize(
    ("happens", "then"), [(fill, lambda: os.remove("disk/filling")),
                          (read_only, lambda: mount("disk", command="umount")),
                          (remove, lambda: os.mkdir("disk/run"))],
)  # fmt: skip
def test_a_folder_that_comes_back_has_all_in_the_end(disk, happens, then):
    process = begin(*ENDLESS, out="disk/run")
    until(process, "3/")
    happens()
    until(process, "", more=20)
    then()
    until(process, "", more=20)
    code, out, err = end(process, signal.SIGTERM)
    assert code == 143 and kept(out) == Path("disk/run")
    check_whole(kept(out))
    assert err.count("warning: written again") == err.count("warning: cannot write") > 0, err


def block(path):
    while not path.is_symlink():  # it may be written meanwhile
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        with suppress(FileExistsError, IsADirectoryError):
            path.unlink(missing_ok=True)
            path.symlink_to("/dev/null")


@pytest.mark.parametrize("name", WHOLE)
def test_what_is_in_the_way_of_one_file_costs_the_others_nothing(name):
    process = begin(*ENDLESS)
    until(process, "3/")
    for _ in range(2):  # the first may be lost to a file that was being written
        block(Path("run", name))
        until(process, "", more=20)
    code, out, err = end(process, signal.SIGINT)
    assert code == 130 and f"cannot write run/{name}: " in err
    if name == "model.safetensors":
        assert kept(out).parent == Path(ENVIRONMENT["TMPDIR"])
        check_whole(kept(out))
        return
    assert err.splitlines()[-1] == f"error: run: could not write {name}; the network is there"
    assert f" {name}" not in re.search(r"^wrote(.*\n.*)$", out, re.MULTILINE)[1]
    assert load_file("run/model.safetensors")


def test_a_full_disk_at_the_start_is_one_line_and_leaves_nothing(disk):
    fill()
    code, _, err = end(begin(out="disk/a/run"))
    assert code == 2 and err.count("\n") == 1
    assert "--out: expected to be able to write disk/a/run" in err
    assert "No space left on device" in err
    assert os.listdir("disk") == ["filling"]


def test_to_go_on_on_a_full_disk_is_refused_and_leaves_all_as_it_was(disk):
    run(begin("--epochs", "3", out="disk/run"))
    before = {name: Path("disk/run", name).read_bytes() for name in FILES}
    fill()
    code, _, err = end(go_on("disk/run", "--epochs", "5"))
    assert code == 2 and "--resume: expected to be able to write disk/run" in err
    assert {name: Path("disk/run", name).read_bytes() for name in FILES} == before


# --- signals -------------------------------------------------------------------------------------

ENDING = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


@pytest.mark.parametrize("number", ENDING)
@pytest.mark.parametrize("moment", ["network", "epoch", "2/"])
def test_a_signal_at_any_moment_leaves_a_whole_run_or_nothing(number, moment):
    process = begin(*ENDLESS)
    until(process, moment)
    code, out, err = end(process, number)
    assert (code, err) == (128 + number, "")
    if Path("run").exists():
        assert "stopped early by" in out
        check_whole(kept(out))
    else:
        assert moment == "network" and "before the first step: nothing is left" in out


@pytest.mark.slow
@pytest.mark.parametrize("number", ENDING)
def test_a_signal_at_random_moments(number):
    for _ in range(6):
        process = begin("--epochs", "30")
        time.sleep(random.uniform(0.1, 1.0))
        code = end(process, number)[0]
        # While Python starts or has nothing left to do, it ends as any other program does.
        assert code in (0, 128 + number, -number)
        if Path("run").exists():
            check_whole(Path("run"))
            shutil.rmtree("run")


def test_a_terminal_that_is_closed_ends_it_and_nothing_is_lost():
    """The system sends SIGHUP, and then the shell does."""
    child, terminal = pty.fork()
    if not child:
        os.execve(
            COMMAND[0],
            [*COMMAND, "--dataset", "tiny.npz", *RECIPE, *ENDLESS, "--out", "run"],
            ENVIRONMENT,
        )
    seen = b""
    while b"3/1000000" not in seen:
        seen += os.read(terminal, 1000)
    os.close(terminal)
    for _ in range(2):
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGHUP)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 129
    check_whole(Path("run"))


@pytest.mark.parametrize("wait", [0.0, 0.01, 0.03])
def test_a_second_ctrl_c_leaves_what_goes_on(wait):
    process = begin(*ENDLESS)
    until(process, "3/")
    process.send_signal(signal.SIGINT)
    time.sleep(wait)
    code, out, err = end(process, signal.SIGINT)
    assert code in (130, -signal.SIGINT)  # as a shell sees both
    if not Path("run/summary.json").exists() or "wrote" not in out:
        assert "interrupted: python -m models.mnist train --resume run goes on" in err
    process = go_on()
    until(process, "resumed after step")
    until(process, "", more=4)
    assert end(process, signal.SIGINT)[0] == 130
    check_whole(Path("run"))


# --- killed --------------------------------------------------------------------------------------

RECIPES = {
    "one-cycle": ["--epochs", "60"],
    "adam": ["--epochs", "60", "--optimizer", "adam", "--schedule", "cosine", "--lr", "0.01",
             "--clip", "1", "--weight-decay", "0.01"],
    "no validation": ["--epochs", "60", "--validation", "0", "--schedule", "constant"],
    "stop-at": ["--epochs", "60", "--stop-at", "0.96", "--lr", "0.003", "--dropout", "0.5"],
}  # fmt: skip


def kill(process):
    process.kill()
    process.communicate()


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


@pytest.mark.parametrize("start", ["network", "before", "train"])
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
