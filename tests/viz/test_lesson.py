"""The lessons: their numbers are the engine's and the calculus's, their graphs small and named."""

import math
import re
from functools import cache

import pytest

import viz
from autograd.ops import relu
from models.moons import moons
from viz.backprop import ancestors, record
from viz.debugger.trace_view import trace_view
from viz.lesson import lessons
from viz.text import short

each_lesson = pytest.mark.parametrize("i", range(1, 11))
NUMBER = re.compile(r"(?<![\w.])-?\d+\.\d+(?:e-?\d+)?")


@cache
def all_lessons():
    """All ten, built once."""
    return lessons()


def lesson(i):
    """Lesson i, counted from 1."""
    return all_lessons()[i - 1]


def leaves(i):
    """The leaves of lesson i that require a gradient, by name."""
    nodes = ancestors([lesson(i).node])
    return {node.name: node for node in nodes if node.primitive is None and node.requires_grad}


def gradients(i):
    """The gradients of the leaves of lesson i, by name."""
    return {name: leaf.grad for name, leaf in leaves(i).items()}


def said(i):
    """The numbers with a point in the text of lesson i."""
    return set(map(float, NUMBER.findall(lesson(i).text)))


def shown(i):
    """The values, gradients and contributions that the debugger shows of lesson i."""
    tape = record(lesson(i).node)
    contributions = [
        event.contribution for event in tape.backward if hasattr(event, "contribution")
    ]
    numbers = [*(node.data for node in tape.nodes), *tape.gradients.values(), *contributions]
    return {float(short(number)) for number in numbers}


def network(count):
    """Lessons 8 and 9 on plain numbers, by hand: the loss, the answer and h1.w1's gradient."""
    (a, b, c), (d, e, f), (u, v, w) = [0.8, -0.4, 0.1], [0.5, 1.0, -0.5], [1.0, -0.6, 0.2]
    for done in range(count + 1):
        h1, h2 = a * 1.0 + b * 0.5 + c, d * 1.0 + e * 0.5 + f  # relu changes neither
        assert min(h1, h2) > 0.0
        y = u * h1 + v * h2 + w
        g = 2.0 * (y - 1.0)
        found = (y - 1.0) ** 2, y, g * u
        if done < count:
            g1, g2, rate = g * u, g * v, 0.02
            u, v, w = u - rate * g * h1, v - rate * g * h2, w - rate * g
            a, b, c = a - rate * g1, b - rate * g1 * 0.5, c - rate * g1
            d, e, f = d - rate * g2, e - rate * g2 * 0.5, f - rate * g2
    return found


def test_ten_lessons_with_an_idea_each():
    """Else one is lost, or two say the same."""
    assert len(all_lessons()) == len({each.title for each in all_lessons()}) == 10
    assert "a * b" in lesson(1).text and lesson(1).node.data == 2.0 * -3.0 + 10.0
    assert "moons" in lesson(10).title


@each_lesson
def test_texts_are_short_and_plain(i):
    """Else nobody reads them, or a terminal breaks their lines at odd places."""
    title, text = lesson(i).title, lesson(i).text
    paragraphs = text.split("\n\n")
    assert all(part == " ".join(part.split()) and part.endswith(".") for part in paragraphs)
    sentences = len(re.findall(r"\.(?:\s|$)", text))
    assert 3 <= sentences <= 8
    assert (title + text).isascii()
    assert len(text) < 900 and len(title) <= 28  # a line beside the page's picture


@each_lesson
def test_every_graph_is_small_enough_to_step_through(i):
    """Else a picture of it is folded, or a pass takes an afternoon."""
    assert viz.draw(lesson(i).node).boxes < 150


@each_lesson
def test_every_leaf_has_a_name_of_its_own(i):
    """Else the debugger cannot say where a gradient goes."""
    nodes = ancestors([lesson(i).node])
    named = [node.name for node in nodes if node.requires_grad and (not node.args or node.name)]
    assert None not in named
    assert len(named) == len(set(named))
    assert lesson(i).node.name


@each_lesson
def test_one_sweep_was_made(i):
    """Else the picture has no gradients, or twice as large ones."""
    found = record(lesson(i).node).gradients
    assert all(leaf.grad == found.get(leaf, 0.0) for leaf in leaves(i).values())


# Numbers in the texts that are none of the graph's; the tests below compute them.
BESIDE = {1: {0.01, 0.02}, 6: {0.001}, 9: {0.8, -0.8, 0.02, 0.16, 0.001153}}


@each_lesson
def test_the_numbers_of_a_text_are_on_the_screen(i):
    """Else a text tells of numbers that nobody can find in its graph."""
    assert said(i) - shown(i) == BESIDE.get(i, set())
    assert len(said(i)) >= 2


def test_the_lessons_of_calculus():
    """Else a text agrees with the engine and both are wrong."""
    assert gradients(1) == {"a": -3.0, "b": 2.0, "c": 1.0}
    assert pytest.approx(0.02) == (2.0 * (-3.0 + 0.01) + 10.0) - 4.0
    slope = 1.0 - math.tanh(0.5 * 0.8) ** 2
    assert gradients(2) == {"a": pytest.approx(0.8 * slope), "b": pytest.approx(0.5 * slope)}
    assert short(slope) in lesson(2).text and short(0.8 * slope) in lesson(2).text
    assert gradients(3) == {"x": 2.0 * 3.0 + 1.0}
    assert gradients(4) == {"a": 1 / 2, "b": -1 / 2, "c": -(7.0 - 1.0) / 2.0**2}
    assert gradients(5) == {"a": 1.0, "b": 0.0, "c": 0.0}
    assert relu.convention in lesson(5).text
    (at_c,) = [each["check"] for each in trace_view(lesson(5).node)["events"]
               if each["kind"] == "send" and (each["check"] or {}).get("note")]  # fmt: skip
    assert at_c["expected"] == "0.0 to 1.0" and at_c["expected"] in lesson(5).text
    assert gradients(6) == {
        "a": pytest.approx(1.0 - math.tanh(0.5) ** 2),
        "b": pytest.approx(1.0 - math.tanh(4.0) ** 2),
    }
    measured = (math.tanh(0.501) - math.tanh(0.499)) / 0.002
    assert (
        f"gives {short(measured)}, and the rule gives {short(gradients(6)['a'])}" in lesson(6).text
    )
    assert gradients(7) == {"x1": 0.8, "x2": -0.5, "w1": 2.0, "w2": 1.0, "b": 1.0}


def test_what_would_be_left_if_contributions_did_not_add_up():
    """Else lesson 3 names a mistake's answer that the mistake does not give."""
    x = leaves(3)["x"]
    sent = [event for event in record(lesson(3).node).backward if getattr(event, "node", None) is x]
    contributions = [event.contribution for event in sent if hasattr(event, "contribution")]
    assert contributions == [1.0, 3.0, 3.0]
    assert "x would end with 3.0" in lesson(3).text


def test_the_network_of_lessons_8_and_9():
    """Else the loss falls in the text alone."""
    before, answer, gradient = network(0)
    assert lesson(8).node.data == pytest.approx(before)
    assert gradients(8)["h1.w1"] == pytest.approx(gradient)
    assert f"y = {short(answer)}." in lesson(8).text
    assert len(gradients(8)) - 2 == 9 and "all 9 parameters" in lesson(8).text
    after, answer, _ = network(1)
    assert lesson(9).node.data == pytest.approx(after) and after < before
    moved = leaves(9)["h1.w1"].data
    assert moved == pytest.approx(leaves(8)["h1.w1"].data - 0.02 * gradient)
    for number in (before, after, answer, moved, network(1)[2], network(11)[0]):
        assert short(number) in lesson(9).text


def test_the_point_of_lesson_10():
    """Else the text is about another point, or the network did not learn."""
    text, nodes = lesson(10).text, {node.name: node for node in ancestors([lesson(10).node])}
    points, labels = moons(40, noise=0.1, seed=1)
    label = labels[points.index((nodes["x1"].data, nodes["x2"].data))]
    assert f"The label is {label}, the score {short(nodes['score'].data)}," in text
    assert 0.0 < lesson(10).node.data == 1.0 - label * nodes["score"].data
    parameters = {name: grad for name, grad in gradients(10).items() if "." in name}
    assert f"{len(parameters)} parameters together" in text
    assert f"{sum(grad == 0.0 for grad in parameters.values())} of the parameters" in text
    assert re.search(r"(\d+) of the 40 right", text)[1] == "40"
    layers = [nodes[f"{letter}{i}"] for letter in "ab" for i in range(1, 5)]
    assert all(node.primitive is relu for node in layers)
    assert 1 <= sum(node.data == 0.0 for node in layers) <= 7


def test_the_lessons_are_the_same_each_time():
    """Else a page of it differs from the one that was sent."""
    assert [each.text for each in lessons()] == [each.text for each in all_lessons()]
