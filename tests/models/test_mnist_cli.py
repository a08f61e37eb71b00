"""The command line end to end: what is printed, what is written, and how it ends.

Whole processes read all of MNIST; the rest runs `main` in this process on 2,000 of its digits.
"""

import dataclasses
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

import data
from data.datasets import load
from data.registry import REGISTRY
from models.command_line import InputError
from models.mnist import __main__ as door
from models.mnist.cli import main
from models.mnist.settings import Settings
from models.runs.files import FILES
from tests.few import (
    few,
    few_digits,  # noqa: F401  (used by every test)
)

QUICK = ["--hidden", "32", "--epochs", "1", "--validation", "500"]
COMMAND = [sys.executable, "-m", "models.mnist"]
# Where the package lies, for a process that starts in another folder.
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run's folder, taught on the few digits for a moment."""
    folder = tmp_path_factory.mktemp("trained") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data, "load", lambda *source, **how: few())
        assert (
            main(["train", *QUICK, "--epochs", "3", "--batch-size", "50", "--out", str(folder)])
            == 0
        )
    return folder


@pytest.fixture
def fails(capsys):
    """Runs a command line that must end with 2 and one line on standard error; gives the line."""

    def run(*arguments):
        assert main([str(argument) for argument in arguments]) == 2
        line = capsys.readouterr().err
        assert line.startswith("error: ")
        assert line.count("\n") == 1 and line.endswith("\n")
        return line.removeprefix("error: ").strip()

    return run


# --- train ---------------------------------------------------------------------------------------


def test_a_whole_process_learns_and_writes_everything(tmp_path):
    run = subprocess.run(
        [*COMMAND, "train", "--epochs", "1", "--hidden", "32", "--out", "run"],
        cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert not run.stderr
    assert "\x1b" not in run.stdout  # no bar where it is no terminal
    lines = run.stdout.split("\n")
    assert max(map(len, lines)) <= 80
    for title, totals in (("before", [10_000]), ("after", [55_000, 5_000, 10_000])):
        start = next(i for i, line in enumerate(lines) if line.startswith(title))
        for line, total in zip(lines[start + 1 :], totals, strict=False):
            right, wrong = (int(n.replace(",", "")) for n in line.split()[1:3])
            assert right + wrong == total
    assert re.search(r"^1/1 .* images/s$", run.stdout, re.MULTILINE)

    folder = tmp_path / "run"
    assert sorted(path.name for path in folder.iterdir()) == sorted([*FILES, "checkpoints"])
    summary = json.loads((folder / "summary.json").read_text())
    assert 0.9 < summary["test_accuracy"] == np.trace(summary["test_confusion"]) / 10_000
    assert summary["test_right"] + summary["test_wrong"] == 10_000
    assert summary["before"]["test_accuracy"] < 0.3
    (epoch,) = map(json.loads, (folder / "metrics.jsonl").read_text().splitlines())
    assert epoch["validation_accuracy"] == summary["validation_accuracy"]
    config = json.loads((folder / "config.json").read_text())
    assert config["sizes"] == [784, 32, 10]
    assert config["settings"]["lr"] == Settings().rate

    # PyTorch (CI installs it) reads the file as it is, and comes to the same score.
    torch = pytest.importorskip("torch")
    load_weights = pytest.importorskip("safetensors.torch").load_file
    nn = torch.nn
    model = nn.Sequential(nn.Linear(784, 32), nn.ReLU(), nn.Linear(32, 10))
    model.load_state_dict(load_weights(folder / "model.safetensors"))
    test = load("mnist").test
    with torch.no_grad():
        x = torch.from_numpy(test.images.reshape(-1, 784).astype(np.float32) / 255)
        labels = torch.from_numpy(test.labels.copy())
        logits = model(x)
        loss = nn.functional.cross_entropy(logits, labels).item()
        right = int((logits.argmax(1) == labels).sum())
    # Sums of 784 products in another order: 1e-6 of a logit, which turns at most a tie.
    assert abs(right - summary["test_right"]) <= 1
    assert loss == pytest.approx(summary["test_loss"], rel=1e-5)


def test_the_same_seed_writes_the_same_bytes(tmp_path, capsys):
    for name, seed in [("one", 3), ("same", 3), ("other", 4)]:
        assert main(["train", *QUICK, "--seed", str(seed), "--out", name]) == 0
    one, same, other = (
        (tmp_path / name / "model.safetensors").read_bytes() for name in ("one", "same", "other")
    )
    assert one == same != other


def test_the_folder_is_named_after_the_time_and_two_do_not_meet(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("time.strftime", lambda form: "-now")
    for _ in range(3):
        assert main(["train", *QUICK]) == 0
    names = sorted(path.name for path in (tmp_path / "runs").iterdir())
    assert names == ["mnist-now", "mnist-now-2", "mnist-now-3"]


def test_stop_at(capsys, tmp_path):
    arguments = [*QUICK, "--epochs", "100", "--batch-size", "50", "--stop-at", "0.7"]
    assert main(["train", *arguments, "--out", "run"]) == 0
    assert "reached --stop-at 0.7" in capsys.readouterr().out
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["reason"] == "reached"
    assert summary["validation_accuracy"] >= 0.7
    assert summary["epochs"] < 100


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_after_the_step_and_keeps_what_was_learned(tmp_path, number):
    arguments = ["train", "--hidden", "16", "--epochs", "1000", "--out", "run"]
    process = subprocess.Popen([*COMMAND, *arguments], cwd=tmp_path, env=ENVIRONMENT, text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)  # fmt: skip
    try:
        for line in process.stdout:
            if line.startswith("1/1000"):
                process.send_signal(number)
                break
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 128 + number
    assert not err
    assert "stopped early by" in out and "after" in out
    folder = tmp_path / "run"
    assert sorted(path.name for path in folder.iterdir()) == sorted([*FILES, "checkpoints"])
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["reason"] == "stopped"
    assert 1 <= summary["epochs"] < 1000
    last = json.loads((folder / "metrics.jsonl").read_text().splitlines()[-1])
    assert last["step"] == summary["steps"]


def test_a_closed_pipe_ends_quietly_and_keeps_what_was_learned(tmp_path):
    arguments = ["train", "--hidden", "16", "--epochs", "1000", "--out", "run"]
    process = subprocess.Popen([*COMMAND, *arguments], cwd=tmp_path, env=ENVIRONMENT, text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)  # fmt: skip
    try:
        for line in process.stdout:
            if line.startswith("1/1000"):
                break
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(timeout=60) == 141
    finally:
        process.kill()
        process.stderr.close()
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == sorted(
        [*FILES, "checkpoints"]
    )


def test_a_loss_that_turns_nan(fails, tmp_path):
    line = fails("train", *QUICK, "--lr", "1e30", "--schedule", "constant", "--out", "run")
    assert re.match(r"epoch 1, step 2: the loss became (nan|inf); first bad: layer \d", line)
    assert "run keeps the weights after step 0" in line
    weights = load_file(tmp_path / "run" / "model.safetensors")
    assert all(np.isfinite(array).all() for array in weights.values())
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["reason"] == "diverged"


def test_ctrl_c_before_the_first_step_leaves_nothing(tmp_path, monkeypatch, capsys):
    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("models.mnist.commands.train.build_model", interrupted)
    assert main(["train", *QUICK, "--out", "a/b/run"]) == 130
    assert capsys.readouterr().err == "\ninterrupted\n"
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_one_line_and_nothing_half_written(fails, tmp_path, monkeypatch):
    def full(path, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    line = fails("train", *QUICK, "--out", "run")
    assert (
        line
        == "--out: expected to be able to write run/config.json, found: No space left on device"
    )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", FILES)
def test_a_run_is_not_overwritten(fails, tmp_path, name):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / name).write_text("precious")
    line = fails("train", *QUICK, "--out", "run")
    assert line == (
        f"--out: expected a folder without a run in it, found run/{name}; name another one"
    )
    assert [path.read_text() for path in (tmp_path / "run").iterdir()] == ["precious"]


def test_a_folder_that_cannot_be_written(fails, tmp_path):
    (tmp_path / "file").write_text("precious")
    assert fails("train", "--out", "file").endswith("write file, found: File exists")
    assert fails("train", "--out", "file/run").endswith("write file/run, found: Not a directory")
    assert "null" in fails("train", "--out", "a\0b")
    assert (tmp_path / "file").read_text() == "precious"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("learn", "invalid choice: 'learn'"),
        ("train --hidden 0", "--hidden: expected layers of at least 1 neuron, found 0"),
        ("train --hidden 12x", "--hidden: expected a whole number, found '12x'"),
        ("train --lr fast", "--lr: expected a number, found 'fast'"),
        ("train --lr -1", "--lr: expected a positive number, found -1.0"),
        ("train --batch-size 1501 --validation 500", "at most the 1,500 examples there are"),
        ("train --validation 2000", "fewer than the 2,000 training examples, found 2000"),
        (
            "train --optimizer adam --momentum 0.5",
            "--momentum: expected sgd, whose it is, found adam",
        ),
        ("train --epoch 3", "unrecognized arguments: --epoch 3"),
        ("show --count 0", "--count: expected at least 1, found 0"),
        (
            "show --class 10",
            "--class: expected a class by its name (0, 1, 2, 3, 4, 5, 6, 7, 8, 9) or by its "
            "number, 0 to 9, found 10",
        ),
        ("show --index 500", "--index: expected 0 to 499, found 500"),
        ("show --index 1 --wrong run", "--wrong: not allowed with argument --index"),
        ("show --index 1 --class 1", "--index: expected without --class and --count"),
        ("evaluate run --split half", "--split: invalid choice: 'half'"),
        ("predict run", "the following arguments are required: IMAGE"),
    ],
)
def test_what_makes_no_sense_is_one_line(fails, tmp_path, arguments, message):
    assert message in fails(*arguments.split())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", ["train", "evaluate", "show"])
def test_broken_data_files_are_one_line(fails, tmp_path, monkeypatch, trained, command):
    folder = tmp_path / "mnist"
    shutil.copytree(REGISTRY["mnist"].folder, folder)
    name = "t10k-images-idx3-ubyte.gz"
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[:1000])
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    source = dataclasses.replace(REGISTRY["mnist"], folder=folder)
    monkeypatch.setitem(REGISTRY, "mnist", source)
    arguments = [trained] if command == "evaluate" else []
    assert f"{name}: not the registered file: expected sha256" in fails(command, *arguments)
    (folder / name).unlink()
    assert f"{name}: cannot be read" in fails(command, *arguments)
    assert not (tmp_path / "runs").exists()


def test_help_says_every_option_and_default(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["train", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    for field in dataclasses.fields(Settings):
        assert f"--{field.name.replace('_', '-')} " in text
    assert "(default: by how many there are, 16 to 256)" in text


# --- evaluate, predict, show ---------------------------------------------------------------------


@pytest.mark.parametrize("split", ["test", "train"])
def test_evaluate_prints_what_train_wrote(trained, capsys, split):
    for checkpoint in (trained, trained / "model.safetensors"):
        assert main(["evaluate", str(checkpoint), "--split", split]) == 0
        out = capsys.readouterr().out
    count = len(few().test if split == "test" else few().train)
    summary = json.loads((trained / "summary.json").read_text())
    table = [line.split() for line in out.splitlines() if re.match(r" \d ", line)]
    counts = [[0 if n == "." else int(n) for n in row[1:-1]] for row in table]
    assert np.sum(counts) == count
    if split == "test":
        assert counts == summary["test_confusion"]
        assert f"{100 * summary['test_accuracy']:.2f} %" in out


def test_predict_prints_ten_probabilities_the_answer_first(trained, tmp_path, capsys):
    digit, label = few().test.images[0], few().test.labels[0]
    Image.fromarray(digit).save("same.png")
    Image.fromarray(255 - digit).resize((300, 300)).save("large-dark-on-light.jpg")
    assert main(["predict", str(trained), "same.png", "large-dark-on-light.jpg"]) == 0
    out = capsys.readouterr().out
    for name in ("same.png", "large-dark-on-light.jpg"):
        assert f"{name}: {label}\n" in out
    rows = re.findall(r"(\d)  +(\d+\.\d+)%", out)
    assert len(rows) == 20
    first = [(int(answer), float(chance)) for answer, chance in rows[:10]]
    assert first[0][0] == label
    assert sorted(answer for answer, _ in first) == list(range(10))
    assert [chance for _, chance in first] == sorted((c for _, c in first), reverse=True)
    assert sum(chance for _, chance in first) == pytest.approx(100, abs=0.01)


def test_predict_goes_on_after_a_bad_image(trained, tmp_path, capsys):
    (tmp_path / "text.png").write_text("no image")
    Image.new("L", (50, 50), 255).save("blank.png")
    Image.fromarray(few().test.images[0]).save("good.png")
    names = ["text.png", "none.png", "blank.png", "good.png"]
    assert main(["predict", str(trained), *names]) == 2
    out, err = capsys.readouterr()
    assert out.startswith("good.png: ")
    text, none, blank = err.splitlines()
    assert text.startswith("error: text.png: expected an image (PNG, JPEG, ...), found")
    assert none == "error: none.png: No such file or directory"
    assert blank.startswith("error: blank.png: expected a digit, found no strokes on paper")


def test_show_by_index_and_by_class(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "400")
    assert main(["show", "--index", "3", "1"]) == 0
    labels = few().test.labels
    last = capsys.readouterr().out.splitlines()[-1].split()
    assert last == ["#3:", str(labels[3]), "#1:", str(labels[1])]
    assert main(["show", "--class", "4", "--count", "3", "--split", "train"]) == 0
    captions = capsys.readouterr().out.splitlines()[-1]
    indices = np.flatnonzero(few().train.labels == 4)[:3]
    assert captions.split() == [part for i in indices for part in (f"#{i}:", "4")]
    assert main(["show"]) == 0
    assert capsys.readouterr().out.count("#9: ") == 1


def test_show_what_a_model_gets_wrong(trained, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "400")
    summary = json.loads((trained / "summary.json").read_text())
    assert main(["show", "--wrong", str(trained), "--count", "5"]) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"{summary['test_wrong']} of 500 wrong, the surest first:\n")
    digits = re.findall(r"#(\d+): (\d) \(\d+\.\d%\)", out)
    read = re.findall(r"read as (\d) \((\d+\.\d)%\)", out)
    assert len(digits) == len(read) == 5
    chances = [float(chance) for _, chance in read]
    assert chances == sorted(chances, reverse=True)
    for (index, label), (answer, _) in zip(digits, read, strict=True):
        assert few().test.labels[int(index)] == int(label) != int(answer)


def damaged(folder, how):
    """Damage a copy of a run."""
    weights, config = folder / "model.safetensors", folder / "config.json"
    arrays = load_file(weights)
    if how == "cut short":
        weights.write_bytes(weights.read_bytes()[:5000])
    elif how == "empty":
        weights.write_bytes(b"")
    elif how == "text":
        weights.write_text("these are no weights, and never were")
    elif how == "missing":
        weights.unlink()
    elif how == "one less":
        del arrays["2.bias"]
        save_file(arrays, weights)
    elif how == "one more":
        save_file({**arrays, "4.bias": np.zeros(3, np.float32)}, weights)
    elif how == "nan":
        arrays["0.weight"][3, 4] = np.nan
        save_file(arrays, weights)
    elif how == "integers":
        save_file({name: array.astype(np.int32) for name, array in arrays.items()}, weights)
    elif isinstance(how, dict):
        config.write_text(json.dumps(json.loads(config.read_text()) | how))
    else:
        config.write_text(how)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("cut short", "expected a whole safetensors file of floats, found 5,000 bytes"),
        ("empty", "expected a whole safetensors file of floats, found 0 bytes"),
        ("text", "expected a whole safetensors file of floats, found 36 bytes"),
        ("missing", "model.safetensors: expected a checkpoint, found: No such file"),
        ("one less", "expected 2.bias of shape (10,), as config.json says, found it missing"),
        ("one more", "expected 4.bias missing, as config.json says, found it of shape (3,)"),
        ("nan", "expected 0.weight to be finite floats, found nan or inf in it"),
        ("integers", "expected 0.bias to be finite floats, found int32"),
        ("{", "config.json: expected JSON, found: "),
        ("[]", "config.json: expected a JSON object, found []"),
        ("{}", 'expected a list of "sizes" and the name of an "activation", found None'),
        ({"sizes": [784, 64, 10]}, "expected 0.bias of shape (64,)"),
        ({"sizes": [784, 32, 2]}, "from 784 numbers to 10 classes"),
        ({"sizes": [784]}, "from 784 numbers to 10 classes"),
        ({"sizes": []}, "from 784 numbers to 10 classes"),
        ({"sizes": [784, 1e3, 10]}, "from 784 numbers to 10 classes"),
        ({"sizes": [784, -4, 10]}, "hidden: expected layers of at least 1"),
        ({"sizes": [784, 10**9, 10]}, "hidden: expected sizes that make at most"),
        ({"activation": "swish"}, "activation: expected one of relu"),
        ({"dataset": None}, 'expected a description of the "dataset", found None'),
    ],
)
def test_a_checkpoint_that_is_none(fails, trained, tmp_path, how, message):
    shutil.copytree(trained, tmp_path / "run")
    damaged(tmp_path / "run", how)
    assert message in fails("evaluate", "run")


@pytest.mark.parametrize("arguments", ["predict run x.png", "show --wrong run"])
def test_every_command_reads_checkpoints_with_the_same_suspicion(
    fails, trained, tmp_path, arguments
):
    shutil.copytree(trained, tmp_path / "run")
    damaged(tmp_path / "run", "cut short")
    assert "expected a whole safetensors file" in fails(*arguments.split())


def test_a_file_of_weights_says_itself_what_it_is(trained, tmp_path, capsys):
    """Else one that was sent by mail, or downloaded, is worth nothing."""
    found = []
    for checkpoint in (trained, shutil.copy(trained / "model.safetensors", tmp_path)):
        assert main(["evaluate", str(checkpoint)]) == 0
        found.append(capsys.readouterr().out)
    assert found[0] == found[1]
    with safe_open(trained / "model.safetensors", framework="np") as opened:
        said = {name: json.loads(text) for name, text in opened.metadata().items()}
    summary = json.loads((trained / "summary.json").read_text())
    config = json.loads((trained / "config.json").read_text())
    assert (said["seed"], said["step"]) == (summary["seed"], summary["steps"])
    assert [said[name] for name in ("sizes", "activation", "dataset")] == [
        config[name] for name in ("sizes", "activation", "dataset")
    ]


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        (None, "config.json: expected it beside alone.safetensors, whose metadata do not say what"),
        ({"format": "pt"}, "alone.safetensors: expected metadata in JSON, found: "),
        ({"sizes": "[784, 10]"}, 'the name of an "activation", found [784, 10] and None'),
        ({"sizes": "[784, 10]", "activation": '"relu"'}, 'expected a description of the "dataset"'),
    ],
)
def test_a_file_of_weights_that_does_not(fails, trained, tmp_path, metadata, message):
    save_file(load_file(trained / "model.safetensors"), tmp_path / "alone.safetensors", metadata)
    assert message in fails("evaluate", "alone.safetensors")


def test_head_ends_quietly(tmp_path):
    show = " ".join([*COMMAND, "show", "--count", "3000"])
    run = subprocess.run(
        ["bash", "-c", f"{show} | head -1; exit ${{PIPESTATUS[0]}}"],
        cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (run.returncode, run.stderr) == (141, "")


# --- the terminal, and the start -----------------------------------------------------------------


def test_nothing_heavy_is_imported_for_help_or_for_a_mistyped_option():
    code = (
        "import sys, runpy; sys.argv = ['mnist', 'train', '--lr', '-1']\n"
        "try: runpy.run_module('models.mnist', run_name='__main__')\n"
        "except SystemExit as end: assert end.code == 2\n"
        "print([m for m in ('numpy', 'rich', 'PIL', 'safetensors') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], env=ENVIRONMENT, capture_output=True,
                         text=True, check=True)  # fmt: skip
    assert run.stdout == "[]\n"


@pytest.mark.parametrize(
    ("machine", "flags", "coretype"),
    [
        ("x86_64", "fpu avx2 avx512f avx512bw avx512vl avx512dq", "SKYLAKEX"),
        ("x86_64", "fpu avx2 avx512f avx512bw", "Haswell"),  # an illegal instruction otherwise
        ("aarch64", "avx512f avx512bw avx512vl avx512dq", "Haswell"),
        ("x86_64", None, "Haswell"),
    ],
)
def test_blas_is_told_of_avx512_only_where_there_is_avx512(monkeypatch, machine, flags, coretype):
    if flags is not None:
        Path("cpuinfo").write_text(f"processor\t: 0\nflags\t\t: {flags}\n\n")
    monkeypatch.setattr(door, "CPUINFO", "cpuinfo")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(os, "uname", lambda: SimpleNamespace(machine=machine))
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    monkeypatch.setenv("OPENBLAS_THREAD_TIMEOUT", "9")
    door.prepare_blas(os.environ)
    assert os.environ["OPENBLAS_CORETYPE"] == coretype
    assert os.environ["OPENBLAS_THREAD_TIMEOUT"] == "9"


def test_numpy_is_not_imported_before_blas_is_told():
    code = "import sys, models.mnist.__main__, models.mnist.cli; print('numpy' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], env=ENVIRONMENT, capture_output=True,
                         text=True, check=True)  # fmt: skip
    assert run.stdout == "False\n"


def test_input_errors_are_their_own_kind():
    # A ValueError would be caught with the engine's, and a mistake of ours would look like theirs.
    assert not issubclass(InputError, ValueError)
