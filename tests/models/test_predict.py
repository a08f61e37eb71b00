"""What `predict` prints of pictures with one digit, several, many and none, at any width."""

import re

import numpy as np
import pytest
from PIL import Image

import data
from models.mnist.cli import main
from models.mnist.commands import predict as command
from models.mnist.reading import Digit, seen
from models.training.text import columns
from tests.few import few

ESCAPE = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data, "load", lambda *source, **how: few())
        how = ["--hidden", "64", "--epochs", "8", "--batch-size", "50", "--validation", "500"]
        assert main(["train", *how, "--out", str(folder)]) == 0
    return str(folder)


@pytest.fixture(autouse=True)
def here(monkeypatch, tmp_path):
    monkeypatch.setattr(data, "load", lambda *source, **how: few())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LINES", "24")


@pytest.fixture
def drawn(monkeypatch):
    """Makes a picture of digits in a row; `find` is told where they are."""

    def draw(name, *digits):
        images = np.stack(digits)
        Image.fromarray(255 - np.concatenate(images, 1)).resize((140 * len(digits), 140)).save(name)
        found = [Digit(image, (10, 140 * i + 10, 130, 140 * i + 130))
                 for i, image in enumerate(digits)]  # fmt: skip
        monkeypatch.setattr(seen, "find", lambda picture: found)
        return name

    return draw


def first(label):
    return few().test.images[np.flatnonzero(few().test.labels == label)[0]]


DIGITS = [first(label) for label in range(10)]


def plaid():
    """Nothing that one would write."""
    return np.tile(np.repeat([0, 255], 2), 7)[:, None] ^ np.tile(np.repeat([0, 255], 2), 7)


def lines_of(capsys, *arguments, code=0):
    assert main(["predict", *arguments]) == code
    return capsys.readouterr().out.split("\n")


def test_several_digits_are_read_one_by_one_in_their_order(trained, drawn, capsys):
    lines = lines_of(capsys, trained, drawn("two.png", DIGITS[7], DIGITS[1]))
    assert lines[:2] == [
        "two.png: 7 1",
        "2 digits found, each prepared as MNIST's digits: cut out, sized and centred",
    ]
    assert [line for line in lines if re.match(r"\d of 2", line)] == ["1 of 2: 7", "2 of 2: 1"]
    assert len(re.findall(r"\d  +\d+\.\d{3}%", "\n".join(lines))) == 20


def test_many_digits_take_a_line_each(trained, drawn, capsys):
    lines = lines_of(capsys, trained, drawn("many.png", *DIGITS[:5]))
    answers = lines[0].removeprefix("many.png: ").split()
    assert len(answers) == 5
    assert [line.split()[0] for line in lines[2:7]] == answers
    assert lines[7:] == ["", ""]


@pytest.mark.parametrize("count", [1, 2, 5])
def test_a_doubt_stands_beside_the_answer(trained, drawn, capsys, count):
    odd = plaid().astype(np.uint8)
    lines = lines_of(capsys, trained, drawn("odd.png", *[DIGITS[7]] * (count - 1), odd))
    words = f"doubtful: this does not look like what the network learned from ({few().name})"
    assert lines.count(words) == 1
    marks = [answer.endswith("?") for answer in lines[0].removeprefix("odd.png: ").split()]
    assert marks == [False] * (count - 1) + [True]
    if count == 2:
        assert lines[lines.index(words) - 1].startswith("2 of 2: ")
    if count == 5:
        assert [line.endswith("  doubtful") for line in lines[2:7]] == [False] * 4 + [True]


def test_no_digit_of_its_own_is_called_doubtful(trained, capsys):
    """But as many as are meant to be, of 100."""
    names = [f"{i}.png" for i in range(100)]
    for name, image in zip(names, few().test.images, strict=False):
        Image.fromarray(image).save(name)
    out = "\n".join(lines_of(capsys, trained, *names))
    assert out.count("doubtful") <= 8  # 1.7 expected: more once in ten thousand times


def test_one_reads_all_ink_as_one_digit_and_says_of_how_many(trained, drawn, capsys):
    lines = lines_of(capsys, trained, "--one", drawn("two.png", DIGITS[7], DIGITS[1]))
    assert re.fullmatch(r"two.png: \d\??", lines[0])
    assert " ".join(lines[1:3]).startswith(
        "2 digits found, read as one, prepared as MNIST's digits: cut out, sized and centred"
    )
    lines = lines_of(capsys, trained, "--one", drawn("one.png", DIGITS[7]))
    assert lines[:2] == ["one.png: 7", "prepared as MNIST's digits: cut out, sized and centred"]


def test_a_picture_without_ink_is_an_error_also_with_one(trained, capsys):
    Image.new("L", (50, 50), 200).save("blank.png")
    for options in ([], ["--one"], ["--show"], ["--one", "--show"]):
        assert main(["predict", trained, "blank.png", *options]) == 2
        assert capsys.readouterr().err.startswith("error: blank.png: expected a digit, found")


@pytest.mark.parametrize("colour", [False, True])
@pytest.mark.parametrize("width", [30, 50, 80, 200])
@pytest.mark.parametrize("count", [1, 2, 5])
def test_show_fits_any_terminal(trained, drawn, capsys, monkeypatch, width, colour, count):
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setattr("models.mnist.commands.terminal._shows_colour", lambda: colour)
    odd = plaid().astype(np.uint8)
    name = drawn("a.png", *[DIGITS[7]] * (count - 1), odd)
    for options in (["--show"], []):
        lines = lines_of(capsys, trained, *options, name)
        assert max(columns(ESCAPE.sub("", line)) for line in lines) <= width
        text = "\n".join(lines)
        assert ("\x1b" in text) == (colour and bool(options or count < 5))
        assert ("the picture" in text) == (text.count("seen: ") == count) == (options != [])


def test_show_frames_what_was_found(trained, drawn, capsys, monkeypatch):
    monkeypatch.setattr("models.mnist.commands.terminal._shows_colour", lambda: True)
    text = "\n".join(lines_of(capsys, trained, "--show", drawn("two.png", DIGITS[7], DIGITS[1])))
    red = ";".join(map(str, command.FRAME))
    assert red in text
    assert red not in "\n".join(lines_of(capsys, trained, "--show", "--one", "two.png"))


def test_without_block_characters_bars_are_signs(trained, drawn, capsys, monkeypatch):
    monkeypatch.setattr(command, "has_unicode", lambda: False)
    text = "\n".join(lines_of(capsys, trained, "--show", drawn("a.png", DIGITS[7])))
    assert "#" * 10 in text and text.isascii()
