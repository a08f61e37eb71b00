"""The names of modules: each says one architecture, and each architecture has one name."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.mnist.settings import ACTIVATIONS, OPTIMIZERS
from viz.studio.engine.architecture import Architecture
from viz.studio.refusal import Refusal

SOME = "28x28-128-10_relu_sgd_128"

WIDTHS = st.integers(1, 64) | st.integers(1, 4096)
MADE = st.builds(
    dict,
    shape=st.lists(st.integers(1, 16), min_size=1, max_size=4).map(tuple),
    hidden=st.lists(WIDTHS, max_size=3).map(tuple),
    classes=st.integers(2, 1000),
    activation=st.sampled_from(ACTIVATIONS),
    optimizer=st.sampled_from(OPTIMIZERS),
    batch=st.integers(1, 128),
    dropout=st.floats(0, 1, exclude_max=True) | st.just(0.0),
    scale=st.floats(1e-29, 1e29) | st.just(255.0),
    relaxed=st.booleans(),
)


@given(MADE)
def test_what_is_printed_is_read_again(made):
    architecture = Architecture(**made)
    assert Architecture.read(str(architecture)) == architecture
    assert re.fullmatch(r"[\w.+-]+", str(architecture)), "one segment of an address"


def test_a_name_says_what_it_is_of():
    read = Architecture.read("32x32x3-64-32-7_leaky_relu_adamw_20_d0.3_s16_relaxed")
    assert (read.shape, read.hidden, read.classes) == ((32, 32, 3), (64, 32), 7)
    assert (read.activation, read.optimizer, read.batch) == ("leaky_relu", "adamw", 20)
    assert (read.dropout, read.scale, read.relaxed) == (0.3, 16.0, True)
    plain = Architecture.read("64-10_tanh_sgd_1")
    assert (plain.shape, plain.hidden, plain.scale, plain.relaxed) == ((64,), (), 255.0, False)
    assert plain.sizes == (64, 10)


def refusal(name):
    with pytest.raises(Refusal) as info:
        Architecture.read(name)
    return info.value


@pytest.mark.parametrize(
    "name",
    ["028x28-128-10_relu_sgd_128", "28x28-128-10_relu_sgd_0128", f"{SOME}_d0", f"{SOME}_d0.30",
     f"{SOME}_s255", f"{SOME}_s255.0", f"{SOME}_s16.0", f"{SOME}_d3e-1", f"{SOME}_d.3",
     f"{SOME}_s1.6e1", f"{SOME}_d0.299999999999999999"],
)  # fmt: skip
def test_another_spelling_is_answered_with_the_right_one(name):
    """Else a page and a cache hold one module many times."""
    error = refusal(name)
    assert error.status == 404
    assert Architecture.read(error.expected)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("28x28-128-10_rleu_sgd_128", "activation of relu, leaky_relu, gelu, tanh, sigmoid"),
        ("28x28-128-10_relu_rmsprop_128", "optimizer of sgd, adam, adamw"),
        ("28x28-128-10_relu_sgd_0", "batches of 1 to 4,096"),
        ("28x28-128-10_relu_sgd_4097", "batches of 1 to 4,096, found 4,097"),
        ("28x28-128-1_relu_sgd_1", "2 to 1,000 classes, found 1"),
        ("28x28-128-1001_relu_sgd_1", "2 to 1,000 classes"),
        ("28x28-0-10_relu_sgd_1", "hidden layers of 1 to 4,096, found 0"),
        ("28x28-4097-10_relu_sgd_1", "hidden layers of 1 to 4,096, found 4,097"),
        ("0x28-10_relu_sgd_1", "images of 1 to 65,536 numbers, found 0"),
        ("257x256-10_relu_sgd_1", "images of 1 to 65,536 numbers, found 65,792"),
        (f"8{'-9' * 10}_relu_sgd_1", "at most 8 hidden layers, found 9"),
        (f"{SOME}_d1", "a dropout of 0 or more, below 1"),
        (f"{SOME}_d1e999", "a dropout"),
        (f"{SOME}_d1.2.3", "a dropout that is a number"),
        (f"{SOME}_s0", "a scale from"),
        (f"{SOME}_s-1", "a scale from"),
        (f"28x28{'-4096' * 8}-10_relu_adam_128", "bytes of memory"),
        (f"28x28{'-4096' * 4}-10_gelu_sgd_4096", "bytes of memory"),
    ],
)
def test_what_no_module_is_made_of_is_refused_in_words(name, words):
    error = refusal(name)
    assert error.status == 422 and words in str(error), error


WORDS = st.sampled_from(
    ["28x28", "-", "_", "128", "10", "relu", "sgd", "d0.3", "s16", "relaxed", "9" * 30, "x", "nan",
     "inf", "1e5", "²", "٣", " ", "\n", "\0", "/", ".."]
)  # fmt: skip


@given(st.lists(WORDS, max_size=12).map("".join) | st.text(max_size=40))
def test_junk_is_refused_in_words(name):
    try:
        assert str(Architecture.read(name)) == name
    except Refusal as error:
        assert error.status in (404, 422) and error.where == "architecture"


@pytest.mark.parametrize("name", ["nan", "inf", "_d-0", "_d-0.0", "_dnan", "_snan", "_sinf"])
def test_numbers_that_are_none_are_refused(name):
    refusal(SOME + name)
