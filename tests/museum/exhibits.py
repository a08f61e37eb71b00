"""Mistakes that shipped in small projects, rebuilt here in a few lines each.

An exhibit is the mistake beside what is right, a way to train either, and a check that the right
one passes and the wrong one does not. The lines that matter are marked: the tour prints them.
"""

from __future__ import annotations

import inspect
import math
import textwrap
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from autograd import Tensor, cross_entropy, relu, softmax
from autograd.checking.gradcheck import gradcheck
from autograd.primitives.indexing import scatter_add_p
from tests.autograd.conftest import differences
from tests.autograd.primitives.test_primitives import in_table
from tests.museum import digits
from tests.museum.digits import Array, Outcome
from tests.museum.tiny import Box


@dataclass(frozen=True)
class Exhibit:
    """One mistake.

    wrong, right: the same thing done both ways, with the lines that matter marked `# <--`.
    train: what comes of either, on digits. check: passes `right`; raises AssertionError for
    `wrong`. checked_by: what the check is.
    """

    title: str
    story: str
    wrong: Any
    right: Any
    train: Callable[[Any], Outcome]
    check: Callable[[Any], None]
    checked_by: str


def marked_lines(thing: Any) -> str:
    """The lines of a function or class that its exhibit is about."""
    lines = [line for line in inspect.getsource(thing).splitlines() if line.endswith("# <--")]
    return textwrap.dedent("\n".join(line.removesuffix("# <--").rstrip() for line in lines))


# --- the checks ---------------------------------------------------------------------------------


def by_differences(function: Callable[..., Any], gradient: Array, *args: Any, name: str) -> None:
    """The gradient of function(*args) by its first argument, against differences of it.

    Differences are good to 1e-6 here; mistakes are not that small.
    """
    judge = differences(function, args, 0)
    error = np.abs(np.asarray(gradient) - judge)
    worst = np.unravel_index(np.argmax(error), error.shape)
    place = f"[{', '.join(map(str, worst))}]" if worst else ""
    got, wanted = np.asarray(gradient)[worst], judge[worst]
    assert error.max() < 1e-6, (
        f"{name}{place}: the gradient says {got:.6f}, differences of the function {wanted:.6f}"
    )


# --- 1: a gradient of another loss --------------------------------------------------------------


def logits_minus_onehot(g: Any, out: Any, logits: Any, onehot: Any) -> Any:
    return g * (logits - onehot) / len(onehot)  # <--


def softmax_minus_onehot(g: Any, out: Any, logits: Any, onehot: Any) -> Any:
    return g * (softmax(logits) - onehot) / len(onehot)  # <--


def _cross_entropy(logits: Array, onehot: Array) -> Any:
    return np.mean(np.log(np.exp(logits).sum(1)) - (logits * onehot).sum(1))


def train_cross_entropy(rule: Any) -> Outcome:
    with in_table("cross_entropy_of_the_museum", _cross_entropy, rule, None) as prim:
        return digits.learn(prim, rate=0.2)


def check_cross_entropy(rule: Any) -> None:
    with in_table("cross_entropy_of_the_museum", _cross_entropy, rule, None) as prim:
        logits = np.array([[1.0, -0.5, 0.2], [0.3, 2.0, -1.0]])
        gradcheck(lambda logits: prim(logits, np.eye(3)[:2]), logits)


# --- 2: the loss is a mean over the outputs, its gradient is not --------------------------------


def gradient_of_the_sum(g: Any, out: Any, x: Any, target: Any) -> Any:
    return g * 2.0 * (x - target) / len(x)  # <--


def gradient_of_the_mean(g: Any, out: Any, x: Any, target: Any) -> Any:
    return g * 2.0 * (x - target) / x.size  # <--


def _squares(x: Array, target: Array) -> Any:
    return np.mean((x - target) * (x - target))


def train_squares(rule: Any) -> Outcome:
    with in_table("squares_of_the_museum", _squares, rule, None) as prim:
        return digits.learn(prim, rate=0.1)


def check_squares(rule: Any) -> None:
    with in_table("squares_of_the_museum", _squares, rule, None) as prim:
        outputs = np.linspace(-1.0, 2.0, 20).reshape(2, 10)
        gradcheck(lambda outputs: prim(outputs, np.eye(10)[:2]), outputs)


# --- 3: weights that move before the gradient has passed through them ---------------------------


def update_then_propagate(w1: Array, w2: Array, x: Array, onehot: Array, rate: float) -> None:
    hidden, error = _forward(w1, w2, x, onehot)
    w2 -= rate * hidden.T @ error  # <--
    back = error @ w2.T * (hidden > 0.0)  # <--
    w1 -= rate * x.T @ back


def propagate_then_update(w1: Array, w2: Array, x: Array, onehot: Array, rate: float) -> None:
    hidden, error = _forward(w1, w2, x, onehot)
    back = error @ w2.T * (hidden > 0.0)  # <--
    w2 -= rate * hidden.T @ error  # <--
    w1 -= rate * x.T @ back


def _forward(w1: Array, w2: Array, x: Array, onehot: Array) -> tuple[Array, Array]:
    hidden = np.maximum(x @ w1, 0.0)
    logits = hidden @ w2
    return hidden, (np.exp(logits) / np.exp(logits).sum(1, keepdims=True) - onehot) / len(x)


def train_step(step: Callable[..., None], rate: float = 0.1) -> Outcome:
    train, test = digits.load()
    w1, w2 = digits.weights((digits.PIXELS, digits.HIDDEN), (digits.HIDDEN, 10))
    for _ in range(digits.EPOCHS):
        for batch in train.batches():
            step(w1, w2, batch.images, batch.onehot, rate)
    return digits.outcome(np.maximum(test.images @ w1, 0.0) @ w2, _cross_entropy)


def check_step(step: Callable[..., None]) -> None:
    w1, w2 = digits.weights((5, 4), (4, 3))
    x, onehot, rate = np.sin(np.arange(30.0)).reshape(6, 5), np.eye(3)[[0, 1, 2, 0, 1, 2]], 0.1
    after = w1.copy()
    step(after, w2.copy(), x, onehot, rate)

    def loss(w1: Array) -> Any:
        return _cross_entropy(np.maximum(x @ w1, 0.0) @ w2, onehot)

    by_differences(loss, (w1 - after) / rate, w1, name="w1")


def refused() -> str:
    """What our engine says to whoever tries: the error of a backward pass through moved weights."""
    w = Tensor(np.ones((2, 2)), requires_grad=True, name="w2")
    loss = relu(w @ np.ones((2, 1))).sum()
    w.assign(w - 0.1)
    try:
        loss.backward()
    except RuntimeError as error:
        return str(error)
    raise AssertionError("a gradient went through weights that had moved")


# --- 4: the largest number that is larger than 0.0 ----------------------------------------------


def best_from_zero(logits: Iterable[float]) -> int:
    answer, best = 0, 0.0  # <--
    for label, logit in enumerate(logits):
        if logit > best:
            answer, best = label, logit
    return answer


def best_from_nothing(logits: Iterable[float]) -> int:
    answer, best = 0, -math.inf  # <--
    for label, logit in enumerate(logits):
        if logit > best:
            answer, best = label, logit
    return answer


def train_argmax(predict: Any) -> Outcome:
    def loss(logits: Any, onehot: Array) -> Any:
        found = cross_entropy(logits, onehot.argmax(1))
        return found if isinstance(logits, Tensor) else float(found)

    return digits.learn(loss, rate=0.2, predict=predict)


def check_argmax(predict: Any) -> None:
    logits = np.array([1.0, 0.5, 3.0, 2.0])
    answers = [predict(logits - shift) for shift in (0.0, 2.5, 10.0)]
    assert answers == [2, 2, 2], (
        f"logits {logits}, less 0, 2.5 and 10, have answers {answers}; softmax knows no shift"
    )


# --- 5: an index that no gradient comes back through --------------------------------------------


def nothing_comes_back(g: Any, out: Any, x: Any, key: Any) -> Any:
    return 0.0 * x  # <--


def scattered_back(g: Any, out: Any, x: Any, key: Any) -> Any:
    return scatter_add_p(g, key=(key,), shape=x.shape)  # <--


def _read(x: Array, key: Any) -> Array:
    return x[key]


def train_index(rule: Any) -> Outcome:
    with in_table("read_of_the_museum", _read, rule) as prim:
        return digits.learn(
            lambda logits, onehot: cross_entropy(logits, onehot.argmax(1)),
            rate=0.5,
            read=lambda x, key: prim(x, key=key),
        )


def check_index(rule: Any) -> None:
    with in_table("read_of_the_museum", _read, rule) as prim:
        gradcheck(lambda x: prim(x, key=slice(1, 3)), np.arange(6.0).reshape(3, 2))


# --- 6 and 7: an engine of our own --------------------------------------------------------------


class Remembering(Box):
    def forget(self) -> None:  # <--
        pass  # <--


class Forgetting(Box):
    def forget(self) -> None:  # <--
        self.grad = np.zeros(())  # <--


class SetOfParents(Box):
    def edges(self) -> Iterable[Any]:
        return dict(self.parents).items()  # <--


class ListOfEdges(Box):
    def edges(self) -> Iterable[Any]:
        return self.parents  # <--


def train_box(kind: type[Box]) -> Outcome:
    """Squared errors, and a second loss on the same graph that keeps the hidden layer small."""
    train, test = digits.load()
    first, second = (
        kind(w) for w in digits.weights((digits.PIXELS, digits.HIDDEN), (digits.HIDDEN, 10))
    )
    for _ in range(digits.EPOCHS):
        for batch in train.batches():
            hidden = (kind(batch.images) @ first).relu()
            distance = hidden @ second - kind(batch.onehot)
            (distance * distance).mean().backward()
            (hidden * hidden).mean().backward()
            for weight in (first, second):
                weight.data = weight.data - 0.5 * weight.grad
                weight.grad = np.zeros(())
    logits = np.maximum(test.images @ first.data, 0.0) @ second.data
    return digits.outcome(logits, _squares)


def check_twice(kind: type[Box]) -> None:
    x = kind(3.0)
    cube = x * x * x
    cube.backward()
    once = float(x.grad)
    cube.backward()
    assert x.grad == 2.0 * once, (
        f"x * x * x at 3: the gradient is {once:g} after one backward() and {x.grad:g} after two; "
        f"twice is {2.0 * once:g}"
    )


def check_square(kind: type[Box]) -> None:
    x = kind(3.0)
    (x * x).backward()
    by_differences(lambda x: x * x, x.grad, 3.0, name="x * x at 3, by x")


EXHIBITS = [
    Exhibit(
        "The gradient of another loss",
        "The loss is softmax's cross-entropy; its gradient forgets the softmax. That is the "
        "gradient of squared errors, which teaches digits too: the answers are good, and the loss "
        "that is printed never gets small.",
        logits_minus_onehot,
        softmax_minus_onehot,
        train_cross_entropy,
        check_cross_entropy,
        "gradcheck",
    ),
    Exhibit(
        "Ten times too much",
        "The loss is a mean over ten outputs, its gradient is of the sum. The learning rate was "
        "tuned to that, so the wrong gradient learns better than the right one.",
        gradient_of_the_sum,
        gradient_of_the_mean,
        train_squares,
        check_squares,
        "gradcheck",
    ),
    Exhibit(
        "Weights that moved too early",
        "The second layer is updated, and then the error is sent back through it. At this rate "
        "nothing shows; at three times it the wrong one ends in nan and the right one does not.",
        update_then_propagate,
        propagate_then_update,
        train_step,
        check_step,
        "differences of the loss, by the first layer",
    ),
    Exhibit(
        "The largest above zero",
        'The search for the largest logit starts at 0.0. Where all are negative the answer is "0", '
        "however sure the network is of something else. One of ten digits is a 0: nobody sees it.",
        best_from_zero,
        best_from_nothing,
        train_argmax,
        check_argmax,
        "a property: equal shifts of all logits change no answer",
    ),
    Exhibit(
        "An index without a way back",
        "Reading part of an array loses the gradient without a word. Here the first layer is read "
        "so and never learns. The second makes do with what chance has dealt it.",
        nothing_comes_back,
        scattered_back,
        train_index,
        check_index,
        "gradcheck",
    ),
    Exhibit(
        "The second backward",
        "Inner nodes keep their gradient. The next backward() on the same graph, here of a second "
        "loss, sends it down once more.",
        Remembering,
        Forgetting,
        train_box,
        check_twice,
        "a property: backward() twice adds exactly twice",
    ),
    Exhibit(
        "A set of parents",
        "A node keeps its parents in a set (here a dict's keys). x * x has one parent and two "
        "edges; one is lost, and all squares have half their gradient. It looks like a smaller "
        "learning rate.",
        SetOfParents,
        ListOfEdges,
        train_box,
        check_square,
        "differences of x * x",
    ),
]
