"""Small steps that bring the compiler's conditions out: the corpus on which mutants are judged.

Each is here because of a condition, which its name says. All numbers come of a seed; what is
compared to the last digits is float64.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import autograd as ag
from autograd import Tensor, cross_entropy, gradients, jit, matmul
from autograd.nn import BatchNorm, Linear, Sequential
from autograd.optim import SGD, Adam, clip_by_global_norm
from autograd.primitives.indexing import ARRAY
from autograd.primitives.primitive import TABLE
from autograd.random import uniform

SCATTER_ADD, SCATTER, SUM = TABLE["scatter_add"], TABLE["scatter"], TABLE["sum"]


@dataclass(frozen=True)
class Step:
    """A jitted step, and what it is called with; also, where it looks at positions, arguments that
    have one out of range. exact: within how many units of the dtype's eps, relatively, a result of
    positive numbers is that of longer floats. keep: everything is to be in memory at the end."""

    step: Any
    args: Sequence[Any]
    wrong: Sequence[Sequence[Any]] = ()
    exact: int = 0
    keep: bool = False


STEPS: dict[str, Callable[[], Step]] = {}


def step(name: str) -> Callable[[Callable[[], Step]], None]:
    def add(make: Callable[[], Step]) -> None:
        assert name not in STEPS
        STEPS[name] = make

    return add


def pure(
    name: str, function: Callable[..., Any], *args: Any, wrong: Sequence[Any] = (), exact: int = 0
) -> None:
    """A step without states. args: arrays, or shapes of some that have gradients. wrong: the last
    of them, out of range."""

    def make() -> Step:
        given = [state(*x, seed=i) if isinstance(x, tuple) else x for i, x in enumerate(args)]
        return Step(jit(function), given, [[*given[: -len(w)], *w] for w in wrong], exact)

    assert name not in STEPS
    STEPS[name] = make


def array(*shape: int, seed: int = 0, dtype: Any = np.float64) -> Any:
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(dtype)


def state(*shape: int, seed: int = 7, dtype: Any = np.float64) -> Tensor:
    return Tensor(array(*shape, seed=seed, dtype=dtype), requires_grad=True)


def integers(high: int, *shape: int, seed: int = 3, low: int = 0) -> Any:
    return np.random.default_rng(seed).integers(low, high, shape)


def both(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function, and its gradient by the first argument."""

    def step(x: Any, *rest: Any) -> Any:
        out = function(x, *rest)
        return out, *gradients((out * out).sum(), [x])

    return step


# --- states: what is read of them is old, or new ------------------------------------------------


@step("two states exchanged")
def _exchanged() -> Step:
    a, b = state(3, 4), state(3, 4, seed=8)

    def step(x: Any) -> Any:
        old = a + 0.0
        a.assign(b * x)
        b.assign(old - x)
        return a + b

    return Step(jit(step), [array(3, 4)])


@step("a state from another of its own entries")
def _moved() -> Step:
    a, b, c, d = state(5), state(4, 4), state(3, 4), state(2, 3, 4)

    def step(x: Any) -> Any:
        a.assign(a[::-1] + x[0, 0])
        b.assign(b.T * 2.0)
        c.assign(ag.concatenate([c[1:], x[:1]], 0))
        d.assign(d - d[1:2])
        return c.sum()

    return Step(jit(step), [array(3, 4)])


@step("a state without what is common to its entries")
def _centred() -> Step:
    a, b = state(4, 3), state(3, 5)

    def step(x: Any) -> Any:
        a.assign(a - a.mean(0))
        b.assign(b / (b * b).sum(-1, keepdims=True) + x)

    return Step(jit(step), [array(3, 5)])


@step("a state read by a later kernel than the one that could write it")
def _later() -> Step:
    w, u = state(3, 4), state(4, 4)

    def step(x: Any) -> Any:
        y = x @ w
        w.assign(w - 0.1 * (x.T @ y))
        u.assign(u + y.T @ y)
        z = y @ u
        return z, (x @ w).sum(0)

    return Step(jit(step), [array(5, 3)])


@step("old values of states as results")
def _old() -> Step:
    a, b, n = state(3, 4), state(4), state()

    def step(x: Any) -> Any:
        before = a * 1.0, b[2] * 2.0, n + 0.0
        a.assign(a + x)
        b.assign(b + x.sum(0))
        n.assign(n + 1.0)
        return *before, a * n

    return Step(jit(step), [array(3, 4)])


@step("one value for two states and two results")
def _shared() -> Step:
    a, b, c = state(3), state(3), state(3)

    def step(x: Any) -> Any:
        y = x * 2.0 + a
        a.assign(y)
        b.assign(y)
        c.assign(x)
        return y, y, x, c

    return Step(jit(step), [array(3)])


@step("a state assigned twice, and read between")
def _twice() -> Step:
    a, b = state(4), state(4)

    def step(x: Any) -> Any:
        a.assign(a * x)
        b.assign(a.sum() + b)
        a.assign(a - b)
        return a * 3.0

    return Step(jit(step), [array(4)])


@step("states with axes of length 1")
def _ones() -> Step:
    a, b, c = state(1, 4), state(4, 1), state(1, 1)

    def step(x: Any) -> Any:
        y = x @ b
        a.assign(a - (x * y).sum(0, keepdims=True))
        b.assign(b + y.sum() * x.T.sum(1, keepdims=True))
        c.assign(c + y.T @ y)
        return (a * b).sum(1) * c

    return Step(jit(step), [array(3, 4)])


@step("a chain through states: each is needed by the next")
def _chained() -> Step:
    a, b, c = state(6), state(6), state(6)

    def step(x: Any) -> Any:
        a.assign(a * 0.5 + x)
        b.assign(b * 0.5 + a[::-1])
        c.assign(c + a * b.sum())

    return Step(jit(step), [array(6)])


@step("a state that a part of is overwritten by a sum over all of it")
def _diagonal() -> Step:
    a = state(4, 4)

    def step(x: Any) -> Any:
        d = a[np.arange(4), np.arange(4)]
        a.assign(a * d + x)
        return d * 2.0

    return Step(jit(step), [array(4, 4)])


def trained(model: Any, optimizer: Any, between: Any = None) -> Any:
    def step(x: Any, y: Any) -> Any:
        loss = cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        if between:
            between(model.parameters())
        optimizer.step()
        return loss

    return jit(step)


def layers(*sizes: int) -> Any:
    made: list[Any] = []
    for i, (n, m) in enumerate(itertools.pairwise(sizes)):
        made += [ag.nn.Activation("relu")] * bool(i)
        made += [Linear(n, m, generator=np.random.default_rng(i), dtype=np.float64)]
    return Sequential(*made)


BATCH = array(6, 5), integers(3, 6)
LATE = BATCH[1].copy()
LATE[4] = 3


@step("training, with momentum")
def _momentum() -> Step:
    model = layers(5, 6, 3)
    return Step(
        trained(model, SGD(model.parameters(), 0.1, momentum=0.9)), BATCH, [(BATCH[0], LATE)]
    )


@step("training, clipped by the global norm")
def _clipped() -> Step:
    model = layers(5, 4, 3)
    optimizer = Adam(model.parameters(), 0.01)
    return Step(trained(model, optimizer, lambda p: clip_by_global_norm(p, 0.1)), BATCH)


@step("training, with statistics of the batch")
def _normalized() -> Step:
    model = Sequential(*layers(5, 4), BatchNorm(4, dtype=np.float64), *layers(4, 3))
    return Step(trained(model, SGD(model.parameters(), 0.1)), BATCH)


# --- what joins a kernel ------------------------------------------------------------------------

pure("rows after a product", both(lambda x, y, b: ag.relu(x @ y + b) * 2.0), (5, 3), (3, 6), (6,))
pure("a product read transposed", lambda x, y, s: (x @ y).T * s + 1.0, (3, 5), (5, 4), (4, 3))
pure(
    "a square read as it is and transposed",
    lambda x, y: (h := ag.exp(x @ y), h * 2.0, h.T + h, h[::-1] + 1.0, h - h[:, ::-1]),
    (4, 3),
    (3, 4),
)
pure(
    "parts of what a kernel computes",
    lambda x: (h := ag.exp(x), h[2] * 2.0, h[:, 1:2] + 1.0, h[1:] * h[:-1], h[0] + h[1], h),
    (4, 4),
)
pure(
    "the diagonal of what a kernel computes",
    lambda x, y: (h := x @ y, h[np.arange(4), np.arange(4)] * 2.0, h + 1.0),
    (4, 3),
    (3, 4),
)
pure(
    "stores with axes of length 1",
    lambda x, y: (h := ag.exp(x), h * y, h[0] - y, h.T + 1.0, h + ag.tanh(h)),
    (1, 4),
    (3, 4),
)
pure(
    "columns of length 1",
    lambda x, y: (h := ag.exp(x @ y), h * x, h[:, 0] + 1.0, h + 1.0, ag.log(h.sum(0) + 2.0)),
    (4, 3),
    (3, 1),
)
pure("a product of one entry", lambda x, y: (h := x @ y, h * 2.0, h + x, h[0]), (1, 3), (3, 1))
pure(
    "products of one entry, in a stack",
    lambda x, y: (h := matmul(x, y), h * 2.0, ag.exp(h[:, 0, 0]), h.sum() + x),
    (3, 1, 4),
    (3, 4, 1),
)
pure("an outer product", lambda x, y: (h := ag.exp(x), h[:, None] * h, h[:, None] * y), (4,), (4,))
pure(
    "several consumers",
    lambda x, y: (h := ag.tanh(x * y), h.sum(0), h.sum(1), h.sum(), h * x, h @ y.T),
    (4, 3),
    (4, 3),
)
pure(
    "several consumers of a view of a product",
    lambda x, y: (h := (x @ y).reshape(2, 2, 6), ag.exp(h).sum(0), h * h, h.reshape(6, 4) + 1.0),
    (4, 3),
    (3, 6),
)
pure(
    "sums that what they are summed of is divided by",
    lambda x, y: (h := ag.exp(x @ y), h / h.sum(-1, keepdims=True), h / h.sum(0)),
    (4, 3),
    (3, 5),
)
pure(
    "sums joined by what depends on them",
    lambda x, b: (s := x.sum(0), s * 2.0 + b, x - s, ag.exp(s).sum()),
    (5, 4),
    (4,),
)
pure(
    "kernels of the same shape whose axes are exchanged",
    lambda x, y: (h := ag.exp(x), k := ag.log(y + 2.0), h.T + k, h + k.T),
    (3, 3),
    (3, 3),
)
pure(
    "axes of the same length, one of them summed",
    lambda x: (h := ag.exp(x), h.sum(1) + h.sum(0), h.sum((0, 1)) * h[0], h.max(1)),
    (3, 3, 3),
)
pure("softmax", both(lambda x: ag.exp(ag.log_softmax(x, axis=-1))), (4, 5))
pure(
    "attention",
    lambda q, k, v: matmul(ag.exp(ag.log_softmax(matmul(q, k.transpose(0, 2, 1)), -1)), v),
    *[(2, 3, 4)] * 3,
)
pure(
    "a long chain",
    lambda x: (y := ag.exp(x), *[y := ag.tanh(y * 1.1 + x) for _ in range(5)], y + ag.exp(-y)),
    (3, 2),
)


def chained(x: Any) -> Any:
    for i in range(20):
        x = x * 1.01 + i * 0.1
    return x, x.sum()


pure("ops far from what is stored", chained, (3, 2))

# --- reductions ---------------------------------------------------------------------------------

AXES = [(0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2)]
pure("sums over every set of axes", lambda x: [(x * 2.0).sum(axes) for axes in AXES], (3, 4, 5))
pure("largest entries", lambda x: [(x * 2.0).max(axes) for axes in AXES], (3, 2, 3))
pure(
    "reductions of sums",
    lambda x: (ag.exp(x).sum(-1).max(0), (x - x.mean(-1, keepdims=True)).sum(0), x.max(0).sum()),
    (3, 4, 2),
)
pure(
    "reductions of reductions down the columns",
    lambda x: (x.sum(3).sum((0, 1)), ag.exp(x).max(3).max((0, 1)), x.sum((1, 3)).sum(0)),
    (2, 3, 2, 3),
)
pure(
    "reductions that a loop would repeat",
    lambda x, y: (x.T - x.sum(1), ag.exp(y - (x * x).sum(1)), x.T * x.sum(1) - x.max(1)),
    (3, 4),
    (2, 3),
)
pure(
    "reductions over axes of length 1",
    lambda x: (
        x[:1, :, :1].sum(),
        x.sum(1),
        x.sum((0, 1)),
        x.max(1, keepdims=True) + x,
        ag.logsumexp(x, 1),
        -x.sum(1),
    ),
    np.stack([array(3), [-0.0, 0.0, 1.0]]).reshape(2, 1, 3),
)
pure(
    "a number reduced",
    lambda x: (x[1:, :, :1].sum(), x[1:, :1].max(1), x[:1, :, :1].max((0, 2)) * 2.0),
    np.stack([array(3), [-0.0, 0.0, 1.0]]).reshape(2, 1, 3),
)
pure(
    "reductions that keep their axes",
    lambda x: (x - SUM(x, axis=(1,), keepdims=True), SUM(x, axis=(0,), keepdims=True) * 2.0),
    (3, 4),
)
pure("nothing reduced", lambda x: (x.sum(0), x.sum(1), ag.exp(x).sum(), x + 1.0), array(0, 3))
pure("nothing multiplied", lambda x, y: (x @ y, (x @ y).sum(0) + 1.0, y.T @ y), (3, 0), (0, 4))
pure("integers reduced", lambda x: (x.sum(0), x.max(1), x.min(), x.sum(1) * 2), integers(9, 4, 3))
pure(
    "booleans reduced",
    lambda x: (ag.all(x > 0.0, axis=0), ag.any(x > 0.5, axis=1), (x > 0.0).sum(0)),
    (4, 3),
)
pure("means and variances", both(lambda x: ag.var(x, axis=0) + x.mean(0)), (5, 3))

ALIKE = 0.1 + np.arange(3000, dtype=np.float32) % 7 / 100
pure("a long sum", lambda x: x.sum(), ALIKE, exact=2)
pure("a long sum of functions", lambda x: ag.sqrt(x * x).sum(), ALIKE[:1000], exact=3)
pure("long sums of rows", lambda x: x.sum(1), ALIKE[:2000].reshape(2, 1000), exact=40)
pure("long sums in two loops", lambda x: x.sum((0, 2)), ALIKE.reshape(50, 2, 30), exact=2)
pure("long sums in columns", lambda x: x.sum(0), ALIKE[:2700].reshape(900, 3), exact=2)
pure(
    "long sums of sums",
    lambda x: (x.sum(2) * x.sum(2)).sum(0),
    ALIKE[:1200].reshape(200, 2, 3),
    exact=4,
)
pure(
    "infinite sums",
    lambda x: (ag.exp(x).sum(), (-x).sum(0), x.sum(), (x * np.array([1.0, 0.5])).sum(0)),
    np.array([[1.0], [np.inf]] * 100),
)
pure("long maxima", lambda x: (x.max(), x.max(0), (x * 2.0).min()), (200, 2))
pure("a sum of many nothings", lambda x: (x.sum(0), x.sum()), -np.zeros((200, 2)))

# --- products -----------------------------------------------------------------------------------

for m, k, n in (
    *((1, 3, 1), (1, 3, 5), (5, 3, 1), (4, 4, 4), (9, 2, 9), (13, 5, 6), (3, 6, 17), (3, 4, 16)),
):
    pure(f"a product of {m} x {k} by {k} x {n}", lambda x, y: x @ y + 1.0, (m, k), (k, n))
for m, k, n in ((5, 3, 9), (4, 5, 8), (9, 4, 3)):
    pure(
        f"a product in float32 of {m} x {k} by {k} x {n}",
        lambda x, y: (x @ y, x.T @ x, y @ y.T),
        *(array(*shape, dtype=np.float32) for shape in ((m, k), (k, n))),
    )
pure("a turned operand of many columns", lambda x, y: x @ y.T, (3, 4), (18, 4))
pure("turned operands", lambda x, y: (x.T @ y.T, y @ x + 1.0, (y @ x).T @ y), (6, 3), (5, 6))
pure("cut operands", lambda x, y: x[::-1, ::2] @ y[1::2, ::-1] + 1.0, (5, 8), (8, 6))
pure("operands that are entries of a stack", lambda x: x[1] @ x[0].T + x[2, :, :3], (3, 3, 4))
pure("a product with itself", lambda x: (x @ x.T, x.T @ x, (x @ x.T) @ x), (5, 3))
pure("what is computed, multiplied", lambda x, y: (x * 2.0) @ ag.exp(y.T), (3, 5), (6, 5))
pure(
    "products through views that are results",
    lambda x, y: (t := ag.exp(x).T, u := y[::-1] * 2.0, t @ u.reshape(3, 4)),
    (3, 4),
    (3, 4),
)
pure(
    "operands that no strides say",
    lambda x, y: (
        ag.concatenate([x, x * 2.0], 1) @ y,
        x.reshape(2, 6) @ y[:6],
        x.T.reshape(2, 6) @ y[:6],
    ),
    (3, 4),
    (8, 3),
)
pure(
    "a number multiplied as a matrix",
    lambda x, y: gradients((x @ y).sum(), [x, y]),
    (3, 4),
    (4, 5),
)
pure("vectors multiplied", lambda x, y: (x @ y, y @ x.T, y @ y, x @ x.T @ x), (3, 5), (5,))
STACKS = [
    ((2, 3, 4), (2, 4, 5)),
    ((2, 3, 4), (4, 5)),
    ((3, 4), (2, 4, 5)),
    ((2, 1, 3, 4), (2, 4, 3)),
]
STACKS += [((1, 3, 4), (3, 4, 1)), ((2, 2, 1, 3), (2, 1, 3, 2))]
for left, right in STACKS:
    pure(
        f"stacks of {left} by {right}",
        lambda x, y: (
            h := matmul(x, y),
            ag.exp(h),
            h.sum(0),
            h.transpose(*range(h.ndim - 2), -1, -2) * 2.0,
        ),
        left,
        right,
    )
pure(
    "a turned operand of many rows",
    lambda x, y: (x.T @ y, (x * 2.0).T @ y),
    (6, 21),
    (6, 11),
)
pure(
    "products one after the other",
    lambda x, a, b: (h := ag.tanh(x @ a), k := ag.tanh(h @ b), k @ a, h.T @ k),
    (4, 3),
    (3, 5),
    (5, 3),
)
pure("a packed constant", lambda x: (x + 1.0) @ array(3, 5).T, (4, 5))
pure(
    "a sum of the rows of a product",
    lambda x, y: (x @ y - (x @ y).max(-1, keepdims=True), (x @ y).sum(1)),
    (5, 3),
    (3, 6),
)
pure("a stack of turned operands", lambda x: matmul(x, x.transpose(0, 2, 1))[::-1] + 1.0, (3, 4, 2))

pure(
    "a product and what there is for each row, column and matrix",
    lambda x, y, r, c, m: (h := matmul(x, y), h * ag.exp(r) + c, ag.exp(m) * h - ag.exp(c) * r),
    (2, 2, 5, 3),
    (3, 6),
    (5, 1),
    (6,),
    (2, 1, 1, 1),
)
pure(
    "sums of what a product of one column is multiplied by",
    lambda x, y, z: ((h := x @ y) * z).sum(1) + h[:, 0],
    (5, 3),
    (3, 1),
    (5, 4),
)
pure(
    "columns of many axes, and what there is for each",
    lambda x, y, z: (s := (ag.exp(x) * ag.exp(y)).sum(2), s * ag.exp(z) + s, x.max((0, 2))),
    (2, 3, 2, 4),
    (2, 1, 1, 1),
    (3, 1),
)

# --- views and positions ------------------------------------------------------------------------

VIEWS: dict[str, Callable[[Any], Any]] = {
    "turned": lambda x: x.transpose(2, 0, 1),
    "in steps": lambda x: x[::-1, 1::2, -1:0:-2],
    "an entry": lambda x: x[1, :, -1],
    "with new axes": lambda x: x[None, :, ::-1, 2, None],
    "mixed": lambda x: x.reshape(5, 12),
    "cut and mixed": lambda x: x[:, ::2].reshape(-1, 3),
    "mixed with axes of length 1": lambda x: x.reshape(3, 1, 20, 1),
    "broadcast": lambda x: ag.broadcast_to(x[:, :1], (2, 3, 2, 5)),
    "broadcast and turned": lambda x: ag.broadcast_to(x[0, :, :1], (4, 3)).T,
    "put together": lambda x: ag.concatenate([x[:, :2], x[:, ::-1], x[:, 3:]], 1),
    "put together, of nothing": lambda x: ag.concatenate([x[:, :0], x, x[:, 1:2]], 1),
    "stacked": lambda x: ag.stack([x[0], x[2] * 2.0], 1),
}
for name, view in VIEWS.items():
    pure(f"a view {name}", both(lambda x, view=view: ag.exp(view(x) * 0.5)), (3, 4, 5))
    pure(f"what is computed, {name}", lambda x, view=view: view(ag.exp(x) * 0.5) + 1.0, (3, 4, 5))
    pure(f"a product {name}", lambda x, y, view=view: view(matmul(x, y)) * 2.0, (3, 4, 2), (2, 5))
pure("nothing put into zeros", lambda x: SCATTER_ADD(x, key=(slice(2, 2),), shape=(4,)) + 1.0, (0,))
KEYS = ((slice(None, None, -2), 1), (slice(1, 4), slice(None)), (None, slice(0, 5, 3), slice(2, 3)))
for key in KEYS:
    pure(
        f"slices put into zeros by {key}",
        lambda g, key=key: (
            SCATTER_ADD(g, key=key, shape=(5, 3)) * 2.0,
            SCATTER_ADD(g * g, key=key, shape=(5, 3)).sum(0),
        ),
        np.zeros((5, 3))[key].shape,
    )

ROWS, COLUMNS = np.array([[2, -4], [-3, 3], [0, -1]]), np.array([[0, 2], [1, 1], [-3, 0]])
pure(
    "entries by constant arrays",
    lambda x: (x[ROWS], ag.exp(x)[ROWS, :, COLUMNS], x[:, 1][ROWS, COLUMNS], x[ROWS, 0] * 2.0),
    (4, 2, 3),
)
pure(
    "entries by arrays",
    lambda x, i, j: (x[i], ag.exp(x)[i, :, j] + 1.0, x[i, 1], x[i, ::-1].sum(-1)),
    (4, 2, 3),
    ROWS,
    COLUMNS,
    wrong=[(ROWS + 1, COLUMNS), (ROWS - 1, COLUMNS), (ROWS, COLUMNS + 1), (ROWS, COLUMNS - 1)],
)
LABELS = np.array([2, 0, 1, 2])
pure(
    "labels",
    lambda x, y: (ag.gather(x, y) * 2.0, ag.gather(ag.exp(x), y), cross_entropy(x, y)),
    (4, 3),
    LABELS,
    wrong=[(LABELS + 1,), (LABELS - 1,)],
)
pure(
    "labels without a sign, of vectors of vectors",
    both(lambda x, y: ag.gather(x, y)),
    (2, 2, 3),
    LABELS.reshape(2, 2).astype(np.uint8),
    wrong=[(LABELS.reshape(2, 2).astype(np.uint8) + np.uint8(1),)],
)
pure(
    "labels put into zeros",
    lambda g, y: (SCATTER(g, y, size=3) + 1.0, SCATTER(ag.exp(g), y, size=3).sum(0)),
    (4,),
    LABELS,
    wrong=[(LABELS + 1,)],
)
pure(
    "positions that are computed",
    lambda x, i: (
        x[i * 2 - 4],
        ag.gather(x, ag.astype(ag.sum(x, 1) > 0.0, np.int64)),
        (x * 2.0)[i],
    ),
    (4, 2),
    LABELS,
    wrong=[(LABELS * 2,), (LABELS - 3,)],
)
LOOKED = np.array([0, 2, 1, 1, -3])
pure(
    "positions that are looked up",
    lambda x, i, j: (x[i[j]], ag.exp(x)[i[j], 0] * 2.0),
    (4, 2),
    np.array([3, 0, -4]),
    LOOKED,
    wrong=[
        *((np.array([first, 0, 1]), LOOKED) for first in (4, -5)),
        *((np.array([3, 0, 1]), LOOKED + by) for by in (1, -1)),
    ],
)
OFTEN = np.array([1, 0, 1, -1, 1])
pure(
    "sums into entries",
    lambda g, i: (
        SCATTER_ADD(g, i, key=(ARRAY,), shape=(3, 4)) * 2.0,
        SCATTER_ADD(ag.exp(g.T), i, key=(slice(4), ARRAY), shape=(6, 3)),
        SCATTER_ADD(g[:, 0], i, key=(ARRAY,), shape=(3,)),
        SCATTER_ADD(g, i, key=(ARRAY, slice(None, None, -2)), shape=(3, 8)).sum(0),
    ),
    (5, 4),
    OFTEN,
    wrong=[(OFTEN + 2,), (OFTEN - 3,)],
)
pure(
    "sums into entries of two arrays, with more axes",
    lambda g, i, j: (
        SCATTER_ADD(g, i, j, key=(ARRAY, ARRAY, None), shape=(3, 2)),
        SCATTER_ADD(g[:1], i[:1], key=(ARRAY,), shape=(3, 1)) + 1.0,
        SCATTER_ADD(g[:, 0], i, key=(ARRAY, 1), shape=(3, 2)),
    ),
    (5, 1),
    OFTEN,
    OFTEN[::-1] % 2,
    wrong=[(OFTEN, OFTEN + 1), (OFTEN, OFTEN - 2)],
)
pure(
    "sums of integers into entries",
    lambda g, i: SCATTER_ADD(g, i, key=(ARRAY,), shape=(3,)),
    integers(9, 5),
    OFTEN,
)
pure(
    "entries gathered, and added into entries",
    lambda x, i, j: SCATTER_ADD(x[i] * 2.0, j, key=(ARRAY,), shape=(3, 2)),
    (4, 2),
    np.array([3, 0, -4]),
    np.array([2, 0, 2]),
    wrong=[
        *((np.array([3, at, 0]), np.array([2, 0, 2])) for at in (4, -5)),
        *((np.array([3, 0, 0]), np.array([2, at, 2])) for at in (3, -4)),
    ],
)
pure(
    "entries gathered, and summed in columns",
    lambda x, i: (ag.exp(x)[i].sum(0), (x[i] * 2.0).max(0)),
    (4, 2),
    np.array([3, 0, -4]),
    wrong=[(np.array([3, at, 0]),) for at in (4, -5)],
)
pure(
    "entries whose positions are given and computed",
    lambda x, i, j: (k := ag.astype(ag.exp(j) > 0.0, np.int64) + i, x[i, k], x[k, i], k * 2),
    (3, 3),
    np.array([1, 0, -2]),
    array(3),
    wrong=[(np.array([1, at, 0]), array(3)) for at in (2, 3, -4)],
)
pure(
    "booleans into entries",
    lambda g, i: SCATTER_ADD(g > 0.0, i, key=(ARRAY,), shape=(3,)),
    (5,),
    OFTEN,
)
MASK = np.array([True, False, True])
pure(
    "entries by masks that are inputs",
    lambda x, m: (SCATTER_ADD(x[:1], m, key=(ARRAY,), shape=(3, 3)) * 2.0, x + 1.0),
    (3, 3),
    np.array([True, False, False]),
)
pure("entries by masks", both(lambda x: x[MASK] * x[MASK, 1:2]), (3, 4))


@step("embeddings, trained")
def _embedded() -> Step:
    table, scale = state(5, 3), state(3)

    def step(i: Any, x: Any) -> Any:
        out = (table[i] * scale - x) ** 2.0
        g, h = gradients(out.sum(), [table, scale])
        scale.assign(scale - 0.1 * h)
        table.assign(table - 0.1 * g)
        return out.sum()

    i = np.array([4, 0, -5, 4])
    return Step(jit(step), [i, array(4, 3)], [(i + 1, array(4, 3)), (i - 1, array(4, 3))])


@step("states written before positions are known")
def _known() -> Step:
    a, b, n, table = state(3), state(4, 3), state(), state(4, 3)

    def step(i: Any, x: Any) -> Any:
        n.assign(n + 1.0)
        a.assign(a * x.sum(0))
        y = ag.exp(x) @ b.T
        j = i + ag.astype(y[0, 0] > -9.0, np.int64)
        b.assign(b + table[j])
        table.assign(table * 2.0)
        return y

    i = np.array([1, 2, 0, 1])
    x = array(2, 3)
    return Step(jit(step), [i, x], [(i + 1, x), (i - 6, x)])


@step("a counter beside positions")
def _beside() -> Step:
    n, a, b, table = state(), state(3), state(3), state(4)

    def step(i: Any, x: Any) -> Any:
        y = a + x
        a.assign(y)
        n.assign(n + 1.0)
        z = ag.exp(b)
        b.assign(z * 0.5)
        return y * 2.0, z, table[i]

    i, x = np.array([1, 3, -4]), array(3)
    return Step(jit(step), [i, x], [(i + 1, x), (i - 1, x)])


@step("a state written between two checks")
def _between() -> Step:
    a, table = state(3), state(4)

    def step(i: Any, x: Any) -> Any:
        one = table[i + ag.astype(ag.exp(x)[0, 0] > 9.0, np.int64)] * 2.0
        a.assign(a + one)
        j = i + ag.astype(one.sum() > -9.0, np.int64)
        return one, table[j]

    i, x = np.array([1, 2, 0]), array(3, 2)
    return Step(jit(step), [i, x], [(i + 1, x), (i + 2, x), (i - 5, x)])


@step("positions that a state has")
def _held() -> Step:
    where, table = Tensor(np.array([1, 0, 2])), state(3, 2)

    def step(i: Any) -> Any:
        out = table[where]
        where.assign(i)
        return out + 1.0, table[where] * 2.0

    return Step(jit(step), [np.array([0, 0, 1])], [(np.array([0, 3, 1]),)])


# --- dtypes, and what is left to NumPy ----------------------------------------------------------

pure(
    "float32",
    both(lambda x, y: ag.tanh(x @ y).sum(0) * 2.0),
    Tensor(array(4, 3, dtype=np.float32), requires_grad=True),
    array(3, 5, dtype=np.float32),
)
BIG = 2**53 + 1
pure(
    "comparisons",
    lambda i, u, x, b, f: (
        *(i < u, i == 2.0**53, i > BIG, u >= i, x < i, ag.equal(x, 0.0), i > 2**63, u > -1),
        *(f == 0.1, f > 0.1, ag.where(f > 0.0, f == 0.1, i > 0)),
        *(i < 2**63 - 1, i >= -(2**63), b > 255, b >= 0, b > 256, b > -1, b < i, u == 2**64 - 1),
    ),
    np.array([BIG, 5, -1]),
    np.array([BIG - 1, 5, 2**63], np.uint64),
    np.array([2.0**53, 5.5, 0.0]),
    np.array([255, 0, 7], np.uint8),
    np.array([0.1, 0.5, -1.0], np.float32),
)
pure(
    "dtypes that meet",
    lambda x, i, b, s: (x + i, i * b, ag.where(i, x, s), ag.where(x > 0.0, i, 2), s * 3, s / 2, -i),
    array(4, dtype=np.float32),
    integers(3, 4),
    np.array([True, False, True, True]),
    np.array([100, 50, 3, -4], np.int8),
)
pure(
    "booleans",
    lambda x, y: (
        ag.astype(x > y, np.float64) * x,
        ag.maximum(x > 0.0, y > 0.0),
        (x > y) == (y > 0.0),
        ag.astype(x, bool),
    ),
    (4,),
    (4,),
)
pure(
    "a product of integers between others",
    lambda x, i, j: (x @ ag.astype(ag.matmul(i, j) * 2, np.float64) + 1.0, ag.exp(x).sum(0)),
    (3, 2),
    integers(5, 2, 3),
    integers(5, 3, 4, seed=5),
)


@step("states around what is left to NumPy")
def _around() -> Step:
    a, n, m = state(3, 3), Tensor(integers(5, 3, 3)), Tensor(integers(5, 3, 3))

    def step(x: Any) -> Any:
        before = a * 2.0
        a.assign(a + x)
        n.assign(ag.matmul(n, m))
        m.assign(m + n.T)
        return before, ag.astype(n, np.float64) * a

    return Step(jit(step), [array(3, 3)])


@step("random numbers")
def _random() -> Step:
    count = Tensor(np.array(5))

    def step(x: Any) -> Any:
        drawn = uniform(count, (3, 4), 1, np.float64)
        count.assign(count + 1)
        return drawn, x * drawn.T, ag.where(drawn > 0.5, 1.0, 0.0).sum(0)

    return Step(jit(step), [array(4, 3)])


# --- where arrays lie ---------------------------------------------------------------------------


def temporaries(x: Any, y: Any) -> Any:
    """Arrays of many sizes that are needed for many spans of time."""
    kept, out = [], []
    for i in range(4):
        h = ag.exp(x @ y * 0.1)
        kept.append(h)
        z = ag.tanh(h.T @ x)
        out.append(z.sum() + kept[i // 2].sum(0).max())
        x, y = (h @ z[:, :3] * 0.1 + x)[:, :3], z.T[:3]
    return out, kept[0] @ kept[3].T, x


pure("many temporaries", temporaries, (4, 3), (3, 5))


@step("many temporaries, kept")
def _kept() -> Step:
    return Step(jit(temporaries), [array(4, 3), array(3, 5, seed=1)], keep=True)


pure(
    "temporaries of other dtypes",
    lambda x: (
        b := ag.exp(x @ x.T) > 1.0,
        f := ag.astype(x, np.float32),
        g := f @ f.T,
        (g @ f).sum(0),
        ag.where(b, x @ x.T, 0.0).T @ x,
        (f.T @ g) * 2.0,
        b,
    ),
    (3, 3),
)
pure(
    "constants",
    lambda x: (x * array(4, 1, seed=2) + array(5, seed=3), array(4, 5) @ x.T, x[0, :2] + array(2)),
    (4, 5),
)
pure(
    "results that are leaves",
    lambda x, y: (x, y, x, x.T, 2.0 * y, Tensor(np.arange(3.0))),
    (2, 3),
    (2, 3),
)
