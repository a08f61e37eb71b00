"""Ten short lessons, from `a * b + c` to a network that tells two moons apart.

Each lesson is a graph to step through and a text that says what to look at. The engine computes the
numbers in a text when the lesson is built.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from autograd import Value
from autograd.ops import relu
from models.moons import learn, moons
from models.neuron import MLP, Layer, Neuron
from viz.text import short

__all__ = ["Lesson", "lessons"]


@dataclass(frozen=True)
class Lesson:
    """A title that names the idea, a text of paragraphs with a blank line between them, and the
    root of the graph, after `backward()`."""

    title: str
    text: str
    node: Value


def lessons() -> list[Lesson]:
    """The ten lessons; each builds on those before it.

    >>> first = lessons()[0]
    >>> first.title, first.node
    ('A graph, and a sweep back', Value(data=4.0, name='y'))
    """
    return [
        _graph(), _chain(), _contributions(), _order(), _kink(),
        _difference(), _neuron(), _loss(), _descent(), _moons(),
    ]  # fmt: skip


# --- one operation at a time ---------------------------------------------------------------------


def _graph() -> Lesson:
    a, b, c = Value(2.0, "a"), Value(-3.0, "b"), Value(10.0, "c")
    product = a * b
    y = _differentiated(product + c, "y")
    more = a * (b + 0.01) + c - y
    return _lesson(
        "A graph, and a sweep back",
        f"""
        a, b and c are leaves: numbers that somebody chose. The product a * b is computed from two
        of them, {_n(product)}, and the result y from that and c, {_n(y)}. Each operation
        leaves a node that remembers its arguments. Nodes and arrows together are the graph.

        Step forward, and each value is computed after its arguments. The backward view starts at y,
        with a gradient of 1, and goes against the arrows to the leaves: that is a sweep. A node's
        gradient says how fast y changes when that node does: b has {_n(b.grad)}, so b + 0.01
        makes y larger by {_n(more)}.
        """,
        y,
    )


def _chain() -> Lesson:
    a, b = Value(0.5, "a"), Value(0.8, "b")
    product = a * b
    y = _differentiated(product.tanh(), "y")
    slope = 1.0 - y * y
    return _lesson(
        "The chain rule",
        f"""
        An operation knows how its own result changes with its own argument, and nothing else: its
        local derivative. That of tanh(x) is 1 - tanh(x) * tanh(x), here 1 - {_n(y)} * {_n(y)} =
        {_n(slope)}. That of a * b by a is b, and by b it is a.

        On the way back, a node has a gradient of its own, the upstream gradient; it multiplies that
        by a local derivative and sends the product to the argument. The debugger shows the rule for
        that, in which g is the upstream gradient and out the node's own value. So a * b gets 1.0 *
        {_n(slope)}, and a gets {_n(slope)} * {_n(b)} = {_n(a.grad)}. A longer path has more
        factors, one for each operation on it. That is the chain rule.
        """,
        y,
    )


def _contributions() -> Lesson:
    x = Value(3.0, "x")
    y = _differentiated(x * x + x, "y")
    return _lesson(
        "Contributions add up",
        f"""
        x is used three times: as both factors of x * x, and in the sum. Each use is an arrow of its
        own, and each arrow brings a contribution back: 1.0 from the sum, {_n(x)} from the product
        for its first factor and {_n(x)} for its second.

        Watch the running sum at x. When all three have arrived, the gradient is 1.0 + {_n(x)} +
        {_n(x)} = {_n(x.grad)}. School says the same: the derivative of x * x + x is 2 * x + 1. If
        each contribution replaced the one before it, x would end with {_n(x)}, and nothing would
        show the mistake.
        """,
        y,
    )


def _order() -> Lesson:
    a, b, c = Value(7.0, "a"), Value(1.0, "b"), Value(2.0, "c")
    y = _differentiated((a - b) / c, "y")
    return _lesson(
        "The order of arguments",
        f"""
        a - b is not b - a, and b / c is not c / b. So a node keeps its arguments in order, and its
        operation has one rule for each of them.

        y is (a - b) / c. To its first argument the quotient sends its gradient divided by c,
        {_n(1.0 / c)}; to its second, its gradient times -y / c, {_n(c.grad)}. The difference
        passes its gradient on to a unchanged, {_n(a.grad)}, and to b with the opposite sign,
        {_n(b.grad)}. A negative gradient means that y falls when that number grows.
        """,
        y,
    )


def _kink() -> Lesson:
    a, b, c = Value(2.0, "a"), Value(-1.0, "b"), Value(0.0, "c")
    y = _differentiated(a.relu() + b.relu() + c.relu(), "y")
    return _lesson(
        "A kink, and a convention",
        f"""
        relu(x) is x where x is positive, and 0 elsewhere. Its slope is 1 or 0, so it works as a
        switch: a, which is {_n(a)}, gets a gradient of {_n(a.grad)}, and b, which is {_n(b)},
        gets {_n(b.grad)}.

        At 0 it has a kink: the slope is 0 on the left and 1 on the right. The engine needs one
        answer and takes {_n(c.grad)}. That is a convention, written beside the rule as
        "{relu.convention}". The check that the debugger shows there says the same: anything from
        0.0 to 1.0 would have done.
        """,
        y,
    )


def _difference() -> Lesson:
    a, b = Value(0.5, "a"), Value(4.0, "b")
    y = _differentiated(a.tanh() + b.tanh(), "y")
    measured = ((a + 0.001).tanh() - (a - 0.001).tanh()) / 0.002
    return _lesson(
        "A slope, measured and lost",
        f"""
        The slope of tanh at a can be found without any rule: compute tanh a little to the right of
        {_n(a)} and a little to the left, and divide the difference by the distance. With 0.001 to
        each side that gives {_n(measured)}, and the rule gives {_n(a.grad)}. The debugger
        measures every local derivative in this way, and says where the two differ.

        Now look at b. At {_n(b)}, tanh has almost reached 1 and hardly rises any more: its local
        derivative is {_n(b.grad)}. tanh is saturated there, and almost nothing of the upstream
        gradient gets through. Parameters behind it hardly learn.
        """,
        y,
    )


# --- from a neuron to a network ------------------------------------------------------------------


def _neuron() -> Lesson:
    x = [Value(2.0, "x1"), Value(1.0, "x2")]
    neuron = _named(_with_parameters(Neuron(2), [0.8, -0.5], 0.1))
    (w1, w2), b = neuron.w, neuron.b
    y = _differentiated(neuron(x), "y")
    return _lesson(
        "A neuron and its parameters",
        f"""
        A neuron multiplies each input by a weight, adds a bias, and applies relu to the sum: y =
        relu(b + w1 * x1 + w2 * x2), here {_n(y)}. The inputs come from the data. The weights and
        the bias are its parameters: the numbers that learning may change.

        The sum is positive, so relu lets the gradient through, and additions pass it on as it is.
        Each product multiplies it by the other factor. So w1 gets x1, {_n(w1.grad)}; w2 gets x2,
        {_n(w2.grad)}; and b gets {_n(b.grad)}. The larger an input, the faster the result changes
        with its weight.
        """,
        y,
    )


class _Network:
    """Two neurons side by side, h1 and h2, a third that combines their results, and the one example
    that the three learn from."""

    INPUTS, TARGET, RATE = (1.0, 0.5), 1.0, 0.02

    def __init__(self) -> None:
        self.layer, self.last = Layer(2, 2), Neuron(2, nonlinear=False)
        h1, h2 = self.layer.neurons
        _named(_with_parameters(h1, [0.8, -0.4], 0.1), "h1.")
        _named(_with_parameters(h2, [0.5, 1.0], -0.5), "h2.")
        _named(_with_parameters(self.last, [1.0, -0.6], 0.2), "y.")
        self.parameters = self.layer.parameters() + self.last.parameters()

    def loss(self) -> tuple[list[Value], Value, Value]:
        """The results of h1 and h2, the answer y, and its squared distance from the target."""
        x1, x2 = self.INPUTS
        hidden = self.layer([Value(x1, "x1"), Value(x2, "x2")])
        hidden[0].name, hidden[1].name = "h1", "h2"
        y = self.last(hidden)
        y.name = "y"
        distance = y - self.TARGET
        return hidden, y, _differentiated(distance * distance, "loss")

    def step(self) -> None:
        """Gradient descent: move every parameter against its gradient, and reset the gradient."""
        for p in self.parameters:
            p.data -= self.RATE * p.grad
            p.grad = 0.0


def _loss() -> Lesson:
    network = _Network()
    (h1, h2), y, loss = network.loss()
    up, down = (neuron.w[0].grad for neuron in network.layer.neurons)
    return _lesson(
        "A layer and a loss",
        f"""
        Two neurons that read the same inputs, h1 and h2, are a layer. A third one, without relu,
        combines their results, {_n(h1)} and {_n(h2)}, into an answer: y = {_n(y)}. The right
        answer would have been {_n(network.TARGET)}. The loss is the squared distance between the
        two, {_n(loss)}.

        One sweep back from the loss finds its gradient for all {len(network.parameters)} parameters
        at once. h1.w1 gets {_n(up)}: the loss falls when it grows. h2.w1 gets {_n(down)}: the
        loss falls when it shrinks. Both neurons read x1, so at x1 two contributions add up, as in
        lesson 3.
        """,
        loss,
    )


def _descent() -> Lesson:
    network = _Network()
    weight = network.layer.neurons[0].w[0]
    *_, before = network.loss()
    old, gradient = weight.data, weight.grad
    network.step()
    _, y, after = network.loss()
    return _lesson(
        "Gradient descent",
        f"""
        A gradient says in which direction the loss grows. So each parameter p takes a small step
        the other way, to p - {network.RATE} * gradient. h1.w1 was {_n(old)} and had a gradient of
        {_n(gradient)}; now it is {_n(weight)}.

        This is the graph of lesson 8 again, after one such step of all parameters. The answer y is
        now {_n(y)}, nearer to {_n(network.TARGET)}, and the loss, which was {_n(before)}, is
        {_n(after)}. The gradient at h1.w1 has become smaller too, {_n(weight.grad)}, so the next
        step will be shorter. Ten steps later the loss is {_n(_after_steps(11))}. This, over and
        over, is how a network learns.
        """,
        after,
    )


def _after_steps(count: int) -> Value:
    """The loss after so many steps, of a network whose graph is not shown."""
    network = _Network()
    for _ in range(count):
        network.loss()
        network.step()
    *_, loss = network.loss()
    return loss


def _moons() -> Lesson:
    points, labels = moons(40, noise=0.1, seed=1)
    net = MLP(2, [4, 4, 1], seed=1)
    learn(net, points, labels, steps=100)
    scores = [_score(net, point) for point in points]
    margins = [label * score.data for label, score in zip(labels, scores, strict=True)]
    worst = margins.index(min(margins))
    score, label = scores[worst], labels[worst]
    net.zero_grad()
    loss = _differentiated((1.0 - label * score).relu(), "loss")
    parameters = net.parameters()
    return _lesson(
        "Two moons",
        f"""
        {len(points)} points lie on two interlocking half circles, the moons. A
        network of layers of 4, 4 and 1 neurons, {len(parameters)} parameters together, has learned
        to tell them apart, in 100 steps as in lesson 9. But its steps grow shorter, and its loss is
        the one below, averaged over all points, plus a little of each parameter squared. The score
        is to be positive where the label is 1, on one moon, and negative where it is -1; it gets
        {sum(margin > 0.0 for margin in margins)} of the {len(points)} right.

        Here is its graph for the point that it does worst on. The label is {label}, the score
        {_n(score)}, and the loss relu(1 - label * score) is {_n(loss)}: it is 0 only for a score
        on the right side, 1 or more away from 0. Look for the neurons whose relu gives 0: no
        gradient gets through them, and {sum(p.grad == 0.0 for p in parameters)} of the parameters
        have nothing to learn from this point.

        Nothing here is new: products, sums, relu, and contributions that add up.
        """,
        loss,
    )


def _score(net: MLP, point: tuple[float, float]) -> Value:
    """The network's answer, in a graph whose nodes have names."""
    values = [Value(coordinate, f"x{i}") for i, coordinate in enumerate(point, 1)]
    for letter, layer in zip("abc", net.layers, strict=True):
        values = layer(values)
        for i, (neuron, value) in enumerate(zip(layer.neurons, values, strict=True), 1):
            value.name = f"{letter}{i}"
            _named(neuron, f"{letter}{i}.")
    (score,) = values
    score.name = "score"
    return score


# --- the parts of a lesson -----------------------------------------------------------------------


def _lesson(title: str, text: str, node: Value) -> Lesson:
    """A lesson with each paragraph of its text in one line."""
    paragraphs = text.strip().split("\n\n")
    return Lesson(title, "\n\n".join(" ".join(each.split()) for each in paragraphs), node)


def _n(number: Value | float) -> str:
    """A number as the debugger shows it."""
    return short(number.data if isinstance(number, Value) else number)


def _differentiated(node: Value, name: str) -> Value:
    """The node by that name, after `backward()`."""
    node.name = name
    node.backward()
    return node


def _named(neuron: Neuron, prefix: str = "") -> Neuron:
    """The neuron, its weights named w1, w2, ..., and its bias b."""
    for i, weight in enumerate(neuron.w, 1):
        weight.name = f"{prefix}w{i}"
    neuron.b.name = f"{prefix}b"
    return neuron


def _with_parameters(neuron: Neuron, weights: Sequence[float], bias: float) -> Neuron:
    """The neuron with these parameters."""
    for parameter, number in zip(neuron.parameters(), (*weights, bias), strict=True):
        parameter.data = number
    return neuron
