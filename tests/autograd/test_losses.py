"""mse, huber, hinge and binary_cross_entropy: against differences, PyTorch and each other."""

from __future__ import annotations

import numpy as np
import pytest

import autograd
from autograd import Tensor, Value, grad, gradcheck, hessian, jit
from autograd.nn import binary_cross_entropy, hinge, huber, mse
from tests.autograd.gradients import FLOATS, check, normal

EPS = float(np.finfo(float).eps)


def of_kind(name, shape, seed=1):
    """Targets that a loss takes."""
    if name == "hinge":
        return np.sign(normal(*shape, seed=seed))
    if name == "binary_cross_entropy":
        return np.random.default_rng(seed).uniform(0, 1, shape)
    return 3 * normal(*shape, seed=seed)


DIRECT = {  # the formulas of the textbook
    "mse": lambda x, y: np.mean((x - y) ** 2),
    "huber": lambda x, y: np.mean(
        np.where(abs(x - y) <= 1, (x - y) ** 2 / 2, abs(x - y) - 0.5)
    ),
    "hinge": lambda x, y: np.mean(np.maximum(0, 1 - y * x)),
    "binary_cross_entropy": lambda x, y: -np.mean(
        y * np.log(1 / (1 + np.exp(-x))) + (1 - y) * np.log(1 / (1 + np.exp(x)))
    ),
}  # fmt: skip
LOSSES = {name: getattr(autograd, name) for name in DIRECT}


def torchs(torch):
    """The same of PyTorch; it has no such hinge (its hinge_embedding_loss is of distances)."""
    F = torch.nn.functional
    return {
        "mse": F.mse_loss,
        "huber": F.huber_loss,
        "hinge": lambda x, y: torch.relu(1 - y * x).mean(),
        "binary_cross_entropy": F.binary_cross_entropy_with_logits,
    }


# --- values and derivatives ----------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(), (1,), (7,), (4, 3), (2, 3, 2)])
@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_is_its_formula_and_its_gradient_that_of_differences(name, shape, differences):
    x, y = 2 * normal(*shape), of_kind(name, shape)
    out = check(lambda x: LOSSES[name](x, y), x, differences=differences)
    assert out.shape == ()
    assert out == pytest.approx(DIRECT[name](x, y), rel=1e-14)


@pytest.mark.parametrize("name", LOSSES)
def test_the_second_derivative_is_that_of_differences(name):
    y = Tensor(of_kind(name, (4, 3)))
    gradcheck(lambda x: LOSSES[name](x, y), 2 * normal(4, 3), order=2)


@pytest.mark.parametrize("name", ["mse", "huber", "binary_cross_entropy"])
def test_the_targets_get_a_gradient_too(name, differences):
    """As one network taught by another has them."""
    check(LOSSES[name], 2 * normal(4, 3), of_kind(name, (4, 3)), differences=differences)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", LOSSES)
def test_values_gradients_and_second_derivatives_are_pytorchs(name, dtype):
    torch = pytest.importorskip("torch")
    theirs, x, y = torchs(torch)[name], 3 * normal(5, 4, dtype=dtype), of_kind(name, (5, 4))
    y = y.astype(dtype)

    def squared(x):
        return (grad(lambda x: LOSSES[name](x, y))(x) * x * x).sum()

    a, b = Tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    loss, judge = LOSSES[name](a, y), theirs(b, torch.tensor(y))
    loss.backward()
    (slope,) = torch.autograd.grad(judge, b, create_graph=True)
    # A sum of 20 terms, each of a few roundings, of sizes up to 30.
    bound = {"rtol": 0, "atol": 60 * float(np.finfo(dtype).eps)}
    assert loss.dtype == a.grad.dtype == dtype
    np.testing.assert_allclose(loss.item(), judge.item(), **bound)
    np.testing.assert_allclose(a.grad.data, slope.detach().numpy(), **bound)
    if name != "hinge":  # flat pieces have no second derivative
        (curved,) = torch.autograd.grad((slope * b * b).sum(), b)
        np.testing.assert_allclose(grad(squared)(x), curved.numpy(), **bound)


@pytest.mark.parametrize("delta", [0.1, 1, 2.5, np.float32(2.0)])
def test_huber_is_pytorchs_for_any_delta(delta):
    torch = pytest.importorskip("torch")
    x, y = normal(200), 3 * normal(200, seed=1)
    judge = torch.nn.functional.huber_loss(
        torch.tensor(x), torch.tensor(y), delta=float(delta)
    ).item()
    assert huber(x, y, delta) == pytest.approx(judge, rel=1e-14)


def test_huber_has_the_curve_of_a_square_also_where_nothing_is_wrong():
    """Of |d| the engine's second derivative at 0 is 0: a form with abs would lose it here."""
    found = hessian(lambda x: huber(x, np.zeros(3)))(np.array([0.0, 0.5, 3.0]))
    np.testing.assert_allclose(found, np.diag([1 / 3, 1 / 3, 0.0]), atol=EPS)
    at_the_edge = hessian(lambda x: huber(x, np.zeros(2)))(np.array([1.0, -1.0]))
    np.testing.assert_array_equal(at_the_edge, np.diag([3 / 8, 3 / 8]))  # CONVENTIONS.md


def test_huber_with_an_outlier_as_far_as_floats_go():
    """A square that is not taken must not overflow either."""
    for dtype, far in ((np.float32, 1e38), (np.float64, 1e308)):
        x = Tensor(np.zeros(2, dtype), requires_grad=True)
        loss = huber(x, np.array([-far, far], dtype), 0.5)
        loss.backward()
        assert loss.item() == pytest.approx(0.5 * far, rel=1e-6)
        np.testing.assert_array_equal(x.grad.data, dtype([0.25, -0.25]))


@pytest.mark.parametrize("delta", [0.0, -1.0, float("nan")])
def test_huber_wants_a_positive_delta(delta):
    with pytest.raises(ValueError, match="huber: delta is positive, not"):
        huber(normal(3), normal(3), delta)


# --- extreme logits ------------------------------------------------------------------------------


@pytest.mark.parametrize("route", [lambda f: f, jit])
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("size", [50.0, 1e4, 1e30])
def test_extreme_logits_have_a_finite_loss_and_gradient(dtype, size, route):
    logits = np.array([size, -size, size, -size, 0.0], dtype)
    targets = np.array([1, 0, 0, 1, 1], dtype)
    loss, slope = route(autograd.value_and_grad(binary_cross_entropy))(logits, targets)
    assert np.asarray(loss) == pytest.approx((2 * size + np.log(2)) / 5, rel=1e-6)
    np.testing.assert_allclose(slope, [0, 0, 0.2, -0.2, -0.1], atol=1e-7)


@pytest.mark.parametrize("dtype", FLOATS)
def test_a_small_loss_keeps_its_digits(dtype):
    """softplus(z) - z of z = 30 is 0 in float32, and nothing would be left to learn from."""
    logits = np.array([30.0, -30.0], dtype)
    bound = 8 * float(np.finfo(dtype).eps)
    loss, slope = autograd.value_and_grad(binary_cross_entropy)(logits, np.array([True, False]))
    assert float(loss) == pytest.approx(np.log1p(np.exp(-30.0)), rel=bound)
    sigmoid = np.exp(-30.0) / (1 + np.exp(-30.0)) / 2
    np.testing.assert_allclose(slope, [-sigmoid, sigmoid], rtol=bound)


# --- what they take ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [bool, np.uint8, np.int32, np.int64, np.float32, np.float64])
@pytest.mark.parametrize("dtype", FLOATS)
def test_targets_of_any_dtype_leave_the_loss_its_own(dtype, kind):
    x, yes = Tensor(normal(6, dtype=dtype), requires_grad=True), np.array([0, 1, 1, 0, 1, 0])
    judge = yes.astype(dtype)
    for name in ("mse", "huber", "binary_cross_entropy"):
        for targets in (yes.astype(kind), Tensor(yes.astype(kind)), yes.astype(kind).tolist()):
            loss = LOSSES[name](x, targets)
            assert loss.dtype == dtype
            assert loss.item() == LOSSES[name](x, judge).item()
    if np.dtype(kind).kind in "if":
        signs = (2 * yes - 1).astype(kind)
        assert hinge(x, signs).dtype == dtype
        assert hinge(x, signs).item() == hinge(x, signs.astype(dtype)).item()


@pytest.mark.parametrize("name", LOSSES)
def test_plain_arrays_lists_and_integers_are_outputs_too(name):
    y = np.array([1.0, 1.0])
    judge = LOSSES[name](np.array([3.0, 0.0]), y)
    assert LOSSES[name]([3.0, 0.0], y) == judge
    assert LOSSES[name](np.array([3, 0], np.uint8), y.astype(np.uint8)) == judge
    assert LOSSES[name](Tensor(np.array([3, 0])), Tensor(y)).item() == judge


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize(
    ("outputs", "targets"),
    [((4, 1), (4,)), ((4,), (4, 1)), ((4,), ()), ((), (4,)), ((4, 3), (3,)), ((1, 3), (4, 3))],
)
def test_what_would_broadcast_is_refused(name, outputs, targets):
    """(n, 1) against (n,) compares each output with every target, and learns their mean."""
    x, y = normal(*outputs), of_kind(name, targets)
    for route in (lambda f: f, jit):
        with pytest.raises(ValueError, match=rf"^{name}: .*have one shape .*reshape") as refused:
            route(LOSSES[name])(x, y)
        assert str(outputs) in str(refused.value)
        assert str(targets) in str(refused.value)


@pytest.mark.parametrize("name", LOSSES)
def test_a_value_is_refused_in_words(name):
    with pytest.raises(TypeError, match=f"{name}: .*Value"):
        LOSSES[name](Value(1.0), 1.0)


@pytest.mark.parametrize("labels", [[0, 1], [1.0, 0.5], [1, 2], [1, np.nan], [True, False]])
def test_hinge_wants_labels_of_minus_one_and_one(labels):
    """With 0 for -1, half of the examples teach nothing, and nobody is told."""
    for given in (labels, np.array(labels), Tensor(np.array(labels))):
        with pytest.raises(ValueError, match=r"hinge: labels are -1 or 1 \(2 \* y - 1 .*, not"):
            hinge(Tensor([1.0, 2.0], requires_grad=True), given)
    with pytest.raises(ValueError, match=r"not 0$"):
        hinge(1.0, 0)


@pytest.mark.parametrize("targets", [[1, -1], [0.0, 1.01], [0, 2], [np.nan, 0.0]])
def test_binary_cross_entropy_wants_targets_between_0_and_1(targets):
    """Of -1 and 1 the loss has no lower end."""
    for given in (targets, np.array(targets), Tensor(np.array(targets))):
        with pytest.raises(ValueError, match=r"binary_cross_entropy: targets are in \[0, 1\], not"):
            binary_cross_entropy(Tensor([1.0, 2.0], requires_grad=True), given)


@pytest.mark.parametrize("route", [jit, autograd.vmap])
def test_where_targets_cannot_be_looked_at_wrong_ones_make_the_loss_nan(route):
    """A training then stops, and says so; with the labels 0 and 1 it would have learned half."""
    x, y = np.array([[0.5, 2.0], [1.0, 1.0]]), np.array([[0.0, 1.0], [1.0, 1.0]])
    found = np.asarray(route(hinge)(x, y))
    assert np.isnan(found).tolist() == (True if route is jit else [True, False])
    found = np.asarray(route(binary_cross_entropy)(x, 2 * y - 1))
    assert np.isnan(found).tolist() == (True if route is jit else [True, False])


# --- in every mode -------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", LOSSES)
def test_compiled_a_loss_is_what_it_is(name, dtype):
    x, y = normal(33, 5, dtype=dtype), of_kind(name, (33, 5)).astype(dtype)
    both = autograd.value_and_grad(LOSSES[name])
    bound = 16 * float(np.finfo(dtype).eps)  # a mean of 165 terms below 10, in another order
    for found, judge in zip(jit(both)(x, y), both(x, y), strict=True):
        assert found.dtype == dtype
        np.testing.assert_allclose(np.asarray(found), np.asarray(judge), rtol=bound, atol=bound)


def test_of_nothing_the_mean_is_nan():
    for loss in LOSSES.values():
        with np.errstate(all="ignore"):
            assert np.isnan(loss(np.zeros((0, 3)), np.zeros((0, 3))))
    assert mse is autograd.mse
