"""Gradient health: each word is given where it is true, and only there."""

import numpy as np
import pytest

import viz
from autograd import Tensor, Value
from viz.backprop import cotangents
from viz.diagram.dot import FILLS
from viz.diagram.health import COLOURS, health
from viz.diagram.items import items_of_nodes


def words(root):
    """The word for each node by its id."""
    gradients, _ = cotangents([root])
    items = items_of_nodes([root])
    return {i.id: health(i, gradients[i.node]) for i in items if i.node in gradients}


def of(x, function):
    """The word for a function of one number, of a plain sum."""
    return words(function(Value(x)))["n2"]


@pytest.mark.parametrize(
    ("x", "function", "word"),
    [
        (0.5, Value.tanh, "healthy"),
        (3.0, Value.tanh, "saturated"),
        (30.0, Value.tanh, "dead"),  # 1 - 1 * 1, exactly
        (-5.0, Value.sigmoid, "saturated"),
        (1e6, Value.sqrt, "healthy"),  # flat, but its result moves in step with x
        (1e6, Value.log, "healthy"),
        (1.0, Value.relu, "healthy"),
        (0.0, Value.cos, "healthy"),  # flat in one point alone
        (-1.0, Value.relu, "dead"),
        (1000.0, Value.exp, "NaN or inf"),  # infinite
        (-1.0, Value.log, "NaN or inf"),
    ],
)
def test_functions_that_lose_the_gradient_are_named(x, function, word):
    """Else a saturated neuron looks like any other."""
    assert of(x, function) == word


@pytest.mark.parametrize(
    ("factor", "word"), [(0.0, "zero"), (1e-9, "vanishing"), (1.0, "healthy"), (1e9, "exploding")]
)
def test_gradients_are_judged_by_their_size(factor, word):
    """Else vanishing and exploding are the same colour."""
    assert words(Value(1.0) * factor)["n1"] == word


def test_half_of_relus_entries_are_not_its_death():
    """Else every healthy network is full of warnings: relu is 0 for half of its inputs."""
    x = np.random.default_rng(0).standard_normal((64, 10))
    assert words(Tensor(x, requires_grad=True).relu().sum())["n2"] == "healthy"
    x[:, :5] = -1.0  # half of the units, for every example
    assert words(Tensor(x, requires_grad=True).relu().sum())["n2"] == "dead"
    x[:, 4] = 1.0
    assert words(Tensor(x, requires_grad=True).relu().sum())["n2"] == "healthy"


def test_margins_that_are_met_are_not_dead_units():
    """Else a hinge loss over a batch, where half of the examples are right, looks ill."""
    scores = Tensor([2.0, 3.0, 0.5, -1.0], requires_grad=True)
    assert words((1.0 - scores).relu().sum())["n3"] == "healthy"
    assert words((-2.0 - scores).relu().sum())["n3"] == "dead"  # all of them


def test_a_nan_anywhere_in_an_array_shows():
    """Else one NaN among 10,000 numbers is not seen."""
    x = np.ones((100, 100))
    x[3, 7] = np.nan
    y = Tensor(x, requires_grad=True)
    assert words((y * y).sum())["n1"] == "NaN or inf"


def test_every_colour_has_its_legend_and_its_word():
    """Else colour alone tells, which not everyone sees."""
    x, z = Value(-1.0, name="x"), Value(1.0, name="z")
    y = x.relu() + z * 1e9 + (x * 0.0).log()
    y.backward()
    source = viz.draw(y).source
    for word in ("dead", "exploding", "NaN"):
        assert word in source
    assert r"dead\l" in source
    assert len({*COLOURS.values(), *FILLS.values()}) == len(COLOURS) + len(FILLS)


def luminance(colour):
    """Relative luminance (WCAG 2)."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("word", list(COLOURS))
def test_text_can_be_read_on_every_colour(word):
    """Else a picture of a sick network is the one that cannot be read (WCAG AA: 4.5 to 1)."""
    text = luminance("#ffffff" if word == "NaN or inf" else "#1b1f24")
    fill = luminance(COLOURS[word])
    assert (max(text, fill) + 0.05) / (min(text, fill) + 0.05) >= 4.5
