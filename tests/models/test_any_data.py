"""No command takes MNIST for granted: every shape, any number of classes, names of any kind.

The networks are untrained: what is printed of them has to be right, not good.
"""

import io
import json
import re
import tempfile
import tokenize
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

import data
from models.command_line import InputError, printable
from models.mnist import scoring
from models.mnist.checkpoint import load
from models.mnist.cli import main
from models.mnist.commands.predict import predict
from models.mnist.datasets import Ahead, Described, named
from models.mnist.image import is_picture, pixels, resize
from models.mnist.scoring import Score, confusion_table, counts_table, most_confused, score
from models.mnist.settings import fitting
from models.training.text import columns, cut, padded
from tests.few import CLASSES, NAMES, ODD_NAMES, SHAPES, drawn, run_of

ROOT = Path(__file__).parents[2]


def said(*arguments) -> tuple[int, str, str]:
    """The exit code of a command line, and what it printed."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main([str(argument) for argument in arguments])
    return code, out.getvalue(), err.getvalue()


def is_plain(text: str) -> bool:
    return all(line.isprintable() for line in text.split("\n"))


@pytest.fixture
def loads(monkeypatch, tmp_path):
    """Makes `data.load` give a dataset, whatever it is asked for."""
    monkeypatch.chdir(tmp_path)
    return lambda dataset: monkeypatch.setattr(data, "load", lambda *source, **how: dataset)


# --- names ---------------------------------------------------------------------------------------


@given(NAMES, st.integers(1, 60))
@example("e\u0301" * 40, 10)
def test_a_name_takes_its_columns_and_steers_no_terminal(name, width):
    """Else an escape code of a config.json reaches the terminal, or a table is out of line."""
    assert printable(name).isprintable()
    assert columns(cut(name, width)) <= width
    assert columns(padded(name, width)) == width
    assert cut(name, width).isprintable()
    if name.isascii() and name.isprintable() and len(name) <= width:
        assert cut(name, width) == name


@given(CLASSES, st.integers(1, 10**7), st.randoms(use_true_random=False))
@example([f"class {i}" for i in range(20)], 9, None)
def test_the_table_of_any_classes_fits_and_holds_the_numbers(names, most, random):
    generator = np.random.default_rng(random.randrange(2**32) if random else 0)
    confusion = generator.integers(0, most, (len(names), len(names)), endpoint=True)
    score = Score(0.5, confusion)
    text = confusion_table(score, names)
    assert is_plain(text)
    assert max(map(columns, text.split("\n"))) <= 80
    head, _, *rows = text.split("\n")
    if head.startswith("row:"):
        assert len(rows) == len(names)
        for row, counts in zip(rows, confusion.tolist(), strict=True):
            cells = row.split()[-1 - len(names) : -1]
            assert cells == [str(n) if n else "." for n in counts]
    else:
        pairs = most_confused(score, 20)
        assert [int(row.split()[0].replace(",", "")) for row in rows] == [n for *_, n in pairs]
        off = confusion[~np.eye(len(names), dtype=bool)]
        assert [n for *_, n in pairs] == [n for n in sorted(off, reverse=True)[:20] if n]


@pytest.mark.parametrize("width", [30, 50, 79])
@pytest.mark.parametrize("n", [2, 10, 40])
def test_tables_fit_a_narrow_terminal(monkeypatch, width, n):
    """Else each row is broken into two."""
    monkeypatch.setattr(scoring, "terminal_width", lambda: width)
    confusion = np.random.default_rng(0).integers(0, 1000, (n, n))
    score = Score(0.5, confusion)
    for text in (
        confusion_table(score, [f"class {i}" for i in range(n)], "test set, "),
        counts_table("evaluate", {"validation": score}),
    ):
        assert max(map(columns, text.split("\n"))) <= width
    assert f"{100 * score.accuracy:.2f} %" in text


def test_twenty_classes_are_shown_in_full():
    counts = np.full((20, 20), 3) + np.diag(np.full(20, 40))
    assert len(confusion_table(Score(0.5, counts), [f"class {i}" for i in range(20)]).split()) > 420
    letters = [chr(97 + i) for i in range(20)]
    assert f"   {'  '.join(letters)}\n" in confusion_table(Score(0.5, counts), letters)


def test_a_class_is_named_by_its_name_or_its_number():
    assert [named(("cat", "dog", "0"), typed) for typed in ("dog", "1", "0", "2")] == [1, 1, 2, 2]
    for typed in ("3", "-1", "²", "cow", "", "9" * 5000):
        with pytest.raises(InputError, match=r"by its name \(cat, dog\) or by its number, 0 to 1"):
            named(("cat", "dog"), typed)


# --- commands ------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(SHAPES, CLASSES, st.sampled_from([np.uint8, np.float32]))
def test_every_command_takes_any_dataset(shape, classes, dtype):
    dataset = drawn(shape, classes, count=2 * len(classes), name="leaves\x1b[5m", dtype=dtype)
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(data, "load", lambda *source, **how: dataset)
        run = run_of(dataset, Path(folder, "run"))
        evaluated = said("evaluate", run)
        wrong = said("show", "--wrong", run, "--count", "2")
        first = said("show", "--dataset", "leaves", "--class", len(classes) - 1, "--count", "1")
    for code, out, err in (evaluated, wrong, first):
        assert (code, err) == (0, "")
        assert is_plain(out)
        assert max(map(columns, out.split("\n"))) <= 80
    right, wrong = evaluated[1].splitlines()[1].split()[1:3]
    assert int(right) + int(wrong) == len(dataset.test)
    assert ("are no pictures" in first[1]) != is_picture(shape)


@settings(max_examples=4, deadline=None)
@given(SHAPES, CLASSES)
def test_training_takes_any_dataset(shape, classes):
    dataset = drawn(shape, classes, count=4 * len(classes), name="leaves\x1b[5m")
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(data, "load", lambda *source, **how: dataset)
        code, out, err = said(
            "train", "--eager", "--epochs", "1", "--hidden", "3", "--out", Path(folder, "run"),
            "--dataset", "leaves",
        )  # fmt: skip
        assert (code, err) == (0, "")
        config = json.loads(Path(folder, "run", "config.json").read_text())
        assert said("evaluate", Path(folder, "run"))[0] == 0
    assert is_plain(out)
    assert config["sizes"] == [int(np.prod(shape)), 3, len(classes)]
    assert config["dataset"] == dataset.describe()
    left = len(dataset.train) - len(dataset.train) // 12
    assert config["settings"]["batch_size"] == fitting(left)  # nobody asked for 256


def test_no_command_speaks_of_digits(loads, tmp_path):
    dataset = drawn((4, 5), ["oak", "elm"], name="leaves")
    loads(dataset)
    run = run_of(dataset, tmp_path / "run")
    train = ["train", "--epochs", "1", "--batch-size", "4", "--hidden", "3", "--out", "new"]
    for command in (train, ["evaluate", run], ["show"], ["show", "--wrong", run]):
        code, out, _ = said(*command)
        assert code == 0
        assert not re.search("digit|mnist", out.replace("models.mnist", ""), re.IGNORECASE)


def test_what_load_is_called_with(monkeypatch, tmp_path, capsys):
    """`--label 0` is a place, `--label target` a name; what was not typed is left to `load`."""
    dataset, calls = drawn((2, 3), ["a", "b"]), []

    def load(*source, **how):
        calls.append((source, how))
        return dataset

    monkeypatch.setattr(data, "load", load)
    assert main(["show"]) == 0
    assert main(["show", "--dataset", "a.csv", "--label", "-1", "--size", "2", "3"]) == 0
    assert main(["show", "--dataset", "a", "b", "--label", "to", "--held-out", "0.5"]) == 0
    assert calls == [
        (("mnist",), {}),
        (("a.csv",), {"label": -1, "size": (2, 3)}),
        (("a", "b"), {"label": "to", "held_out": 0.5}),
    ]
    for option in (["--label", "x"], ["--size", "2", "3"], ["--held-out", "0.1"]):
        assert main(["show", *option]) == 2
        assert "expected with --dataset only" in capsys.readouterr().err


# --- a run and its dataset -----------------------------------------------------------------------


def test_a_dataset_that_has_gone_or_changed(loads, monkeypatch, tmp_path):
    was = drawn((2, 3), ["cat", "dog"])
    run = run_of(was, tmp_path / "run")
    more = drawn((2, 3), ["cat", "dog"], count=80)
    others = drawn((2, 3), ["cat", "dog"], seed=1)
    for now, message in [
        (more, "has changed since the training: expected 60 train examples, found 80"),
        (others, "expected 60 train examples, found as many, but not the same"),
        (drawn((3, 2), ["cat", "dog"]), "expected examples of shape (2, 3), found (3, 2)"),
        (drawn((2, 3), ["cat", "cow"]), "expected class 1 to be 'dog', found 'cow'"),
    ]:
        loads(now)
        for command in (["evaluate", run], ["show", "--wrong", run]):
            code, out, err = said(*command)
            assert (code, out) == (2, "")
            assert message in err and "--dataset" in err and err.count("\n") == 1
    loads(more)  # the same kind of examples: a network may be asked about them
    code, out, _ = said("evaluate", run, "--dataset", "more.csv")
    assert code == 0 and "40" not in out.split("\n")[0]
    loads(drawn((6,), ["cat", "dog"]))
    code, _, err = said("evaluate", run, "--dataset", "other.csv")
    assert code == 2 and "--dataset: expected examples of shape (2, 3), found (6,)" in err

    def gone(*source, **how):
        raise data.DataError("drawn.csv: cannot be read: No such file or directory")

    monkeypatch.setattr(data, "load", gone)
    code, _, err = said("evaluate", run)
    assert code == 2
    assert "its dataset, drawn, cannot be loaded: drawn.csv: cannot be read" in err
    assert "put it back" in err


@pytest.mark.parametrize(("scale", "unit"), [(255.0, 255.0), (200.0, 255.0), (16.0, 16.0)])
def test_another_dataset_is_asked_in_the_unit_that_was_learned(loads, tmp_path, scale, unit):
    """A set whose greatest number is another one is no other unit; one of 0 to 16 is."""
    was = drawn((2, 3), ["cat", "dog"])
    run = run_of(was, tmp_path / "run")
    other = drawn((2, 3), ["cat", "dog"], seed=1)
    other.scale = scale
    loads(other)
    _, out, _ = said("evaluate", run, "--dataset", "other.csv")
    expected = score(load(str(run))[0], other.test, 2, unit)
    assert counts_table("evaluate", {"test": expected}) in out
    assert ("Numbers up to 16 are read as those up to 255 were." in out) == (scale == 16)


@given(SHAPES, CLASSES)
def test_what_a_dataset_says_of_itself_is_read_again(shape, classes):
    dataset = drawn(shape, classes, count=2 * len(classes))
    found = Described.read(json.loads(json.dumps(dataset.describe())))
    assert (found.shape, found.classes, found.scale) == (shape, tuple(classes), 255.0)
    assert found.splits["train"][0] == len(dataset.train)
    assert not found.difference(dataset)


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(ODD_NAMES),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(st.sampled_from(["name", "shape", "classes", "scale", "splits", "source"]), JUNK)
@example("shape", [])
@example("shape", [0])
@example("shape", [2**40, 2**40])
@example("scale", float("nan"))
@example("splits", {"train": {"count": 3}})
@example("source", {"source": ["a"], "size": [0]})
@example("source", {"source": ["a"], "folder": "b"})
def test_a_description_of_anything_is_read_or_refused(key, junk):
    """Never another exception: a config.json may come from anywhere."""
    described = {**drawn((2, 3), ["a", "b"]).describe(), key: junk}
    try:
        found = Described.read(described)
    except InputError as error:
        assert f'expected the "{key}" of the dataset to be' in str(error)
        return
    assert found.shape and found.classes and found.scale > 0
    assert all(isinstance(name, str) for name in found.classes)


@pytest.mark.parametrize("key", ["sizes", "activation", "dataset"])
def test_escape_codes_of_a_config_do_not_reach_the_terminal(loads, tmp_path, key):
    dataset = drawn((2, 3), ["cat", "\x1b[31mdog"], name="\x1b]0;title\x07")
    loads(dataset)
    run = run_of(dataset, tmp_path / "run")
    assert is_plain(said("evaluate", run)[1])
    config = json.loads((run / "config.json").read_text())
    for value in ("\x1b[2J", ["\x1b[2J"], {"name": "\x1b[2J", "classes": 3}):
        (run / "config.json").write_text(json.dumps(config | {key: value}))
        code, out, err = said("evaluate", run)
        assert (code, out) == (2, "")
        assert is_plain(err)
    (run / "config.json").write_text('"\\u001b[2J"')
    assert is_plain(said("evaluate", run)[2])


def test_export_takes_the_numbers_as_they_lie_in_the_dataset(loads, tmp_path):
    """Else the file of a table's network takes bytes, and classes of another dataset."""
    onnx = pytest.importorskip("onnx")
    dataset = drawn((4,), ["cat", "two words"], dtype=np.float32)
    loads(dataset)
    code, out, _ = said("export", run_of(dataset, tmp_path / "run"), "--onnx", "made.onnx")
    assert code == 0
    assert "from images, float32 (batch, 4), to logits (batch, 2)" in out
    notes = {note.key: note.value for note in onnx.load("made.onnx").metadata_props}
    assert json.loads(notes["classes"]) == ["cat", "two words"]


# --- pictures ------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(5, 9), (5, 9, 1), (5, 9, 3), (28, 28)])
def test_predict_resizes_to_the_shape_of_the_dataset(loads, tmp_path, shape):
    dataset = drawn(shape, ["cat", "dog"])
    run = run_of(dataset, tmp_path / "run")
    rgba = np.random.default_rng(0).integers(0, 255, (40, 30, 4), dtype=np.uint8)
    Image.fromarray(rgba).save("photo.png")
    Image.new("L", shape[1::-1], 255).save("blank.png")  # not refused, as no digit would be
    code, out, err = said("predict", run, "photo.png", "blank.png", "none.png")
    assert code == 2 and err == "error: none.png: No such file or directory\n"
    kind = "colours" if shape[2:] == (3,) else "greys"
    assert f"read whole, resized from 30 x 40 to {shape[1]} x {shape[0]} {kind}" in out
    assert f"read whole as it is, {shape[1]} x {shape[0]} {kind}" in out
    assert sum(map(float, re.findall(r"([\d.]+)%", out))) == pytest.approx(200, abs=0.01)
    assert not re.search("digit|mnist", out, re.IGNORECASE)


def test_predict_of_what_is_no_picture_is_refused(loads, tmp_path):
    run = run_of(drawn((4,), ["cat", "dog"]), tmp_path / "run")
    code, _, err = said("predict", run, "photo.png")
    assert code == 2 and "expected a network that reads pictures, found one of examples" in err


@given(
    st.sampled_from([(2, 3), (2, 3, 1), (2, 3, 3)]),
    st.lists(st.floats(width=32), min_size=18, max_size=18),
    st.sampled_from([1.0, 16.0, 255.0]),
)
def test_examples_of_any_numbers_can_be_drawn(shape, numbers, scale):
    array = np.array(numbers[: int(np.prod(shape))], np.float32).reshape(1, *shape)
    found = pixels(array, scale)
    assert found.dtype == np.uint8
    assert found.shape == ((1, 2, 3, 3) if shape[2:] == (3,) else (1, 2, 3))


def test_pictures_are_drawn_as_they_are():
    image = np.arange(24, dtype=np.uint8).reshape(1, 4, 6)
    assert pixels(image, 255.0) is image
    assert (resize(image[0], (4, 6)) == image[0]).all()
    assert pixels(np.array([[[0, 8, 16]]], np.uint8), 16.0).tolist() == [[[0, 128, 255]]]


def test_numbers_are_printed_of_what_is_no_picture(loads):
    loads(drawn((150,), ["cat", "dog"]))
    code, out, _ = said("show", "--count", "1")
    assert code == 0
    assert "Examples of shape (150,) are no pictures" in out and "and 50\n  more" in out


# --- what is written down ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "file",
    [
        file
        for room in ("models", "viz")
        for file in sorted((ROOT / room).rglob("*.py"))
        if file != ROOT / "models/mnist/reading/framing.py"  # the frame of MNIST's digits
    ],
    ids=lambda file: str(file.relative_to(ROOT)),
)
def test_the_size_of_a_digit_is_written_nowhere(file):
    """As code: examples in docstrings may show it. That there are ten classes no search can find,
    10 is many things; the tests above run every command with other numbers."""
    with file.open("rb") as lines:
        numbers = [token for token in tokenize.tokenize(lines.readline)
                   if token.type == tokenize.NUMBER and token.string in ("28", "784")]  # fmt: skip
    assert not numbers


def test_mnist_is_named_where_it_is_the_default():
    """Elsewhere a name comes from the dataset."""
    named = {
        str(file.relative_to(ROOT))
        for room in ("models", "viz/report")
        for file in (ROOT / room).rglob("*.py")
        for token in tokenize.generate_tokens(io.StringIO(file.read_text()).readline)
        if token.type == tokenize.STRING and token.string in ('"mnist"', "'mnist'")
    }
    assert named == {"models/mnist/datasets.py", "models/mnist/cli.py"}


def test_mnist_itself_is_prepared_as_its_digits_are(monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    dataset = drawn((28, 28), tuple("0123456789"), name="mnist")
    run = run_of(dataset, tmp_path / "run")
    Image.new("L", (28, 28), 255).save("blank.png")
    assert predict(str(run), ["blank.png"]) == 2
    assert "expected a digit, found no strokes on paper" in capsys.readouterr().err
    assert isinstance(Ahead({"source": ["mnist"]}), Ahead)
