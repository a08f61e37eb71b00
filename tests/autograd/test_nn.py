"""Layers against differences and PyTorch; state that survives a round trip; chance that is fair."""

from __future__ import annotations

import numpy as np
import pytest

import autograd
from autograd import Tensor, cross_entropy, jit, no_grad
from autograd.nn import (
    ACTIVATIONS,
    Activation,
    BatchNorm,
    Dropout,
    LayerNorm,
    Linear,
    Module,
    Sequential,
    glorot,
    he,
    lecun,
    mse,
)
from autograd.random import uniform

WIDE = np.float64


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def linear(features_in, features_out, seed=0, **options):
    generator = np.random.default_rng(seed)
    return Linear(features_in, features_out, generator=generator, dtype=WIDE, **options)


# --- values and gradients ------------------------------------------------------------------------


class Custom(Module):
    """Modules in lists, a parameter of its own, a module used twice."""

    def __init__(self):
        self.blocks = [linear(4, 4, seed=i) for i in range(2)]
        self.scale = Tensor(normal(4, seed=5), requires_grad=True)
        self.frozen = Tensor(normal(4, seed=6))

    def forward(self, x):
        for block in (*self.blocks, self.blocks[0]):
            x = (block(x) * self.scale + self.frozen).tanh()
        return x


LAYERS = {
    "Linear": lambda: linear(4, 3),
    "BatchNorm": lambda: BatchNorm(4, dtype=WIDE),
    "BatchNorm, evaluating": lambda: BatchNorm(4, dtype=WIDE).eval(),
    "LayerNorm": lambda: LayerNorm(4, dtype=WIDE),
    "Dropout": lambda: Dropout(0.4, seed=1),
    "Dropout, evaluating": lambda: Dropout(0.4).eval(),
    "Sequential": lambda: Sequential(
        linear(4, 5), Activation("gelu"), LayerNorm(5, dtype=WIDE), Dropout(0.5), linear(5, 2)
    ),
    "Custom": Custom,
    **{name: lambda name=name: Activation(name) for name in ACTIVATIONS},
}


@pytest.mark.parametrize("name", list(LAYERS))
def test_gradients_of_layers(name, differences):
    """By the input and by each parameter, moved away from where they start, through batch
    statistics and dropout's scaling alike."""
    x = normal(6, 4, seed=2)
    model = LAYERS[name]()
    parameters = model.parameters()
    arrays = [x, *(p.data + 0.1 * normal(*p.shape, seed=3) for p in parameters)]
    weights = None

    def run(x, *values):
        model = LAYERS[name]()  # anew, for dropout's count and batch norm's averages
        for p, value in zip(model.parameters(), values, strict=True):
            p.assign(value)
        return model(x if isinstance(x, Tensor) else Tensor(np.asarray(x))), model

    def loss(*args):
        return np.sum(weights * run(*args)[0].data)

    node = Tensor(x, requires_grad=True)
    out, model = run(node, *arrays[1:])
    weights = np.random.default_rng(1).uniform(-1, 1, out.shape)
    out.backward(weights)
    for i, got in enumerate([node, *model.parameters()]):
        np.testing.assert_allclose(
            got.grad.data, differences(loss, arrays, i), rtol=1e-6, atol=1e-6
        )


def test_linear_is_x_by_the_transposed_weight_plus_bias():
    layer = linear(4, 3)
    layer.bias.assign([1.0, 2.0, 3.0])
    x = normal(5, 4)
    # Sums of four products, perhaps in another order.
    np.testing.assert_allclose(
        layer(x).data, x @ layer.weight.data.T + layer.bias.data, rtol=1e-14, atol=1e-15
    )
    assert layer.weight.shape == (3, 4)
    assert layer(x[0]).shape == (3,)
    assert layer(normal(2, 5, 4)).shape == (2, 5, 3)
    with pytest.raises(ValueError, match=r"matmul: shapes \(5, 3\) and \(4, 3\)"):
        layer(normal(5, 3))


def test_linears_weight_lies_as_the_product_reads_it():
    weight = Linear(64, 32).weight.data
    assert weight.flags.f_contiguous
    assert weight.ctypes.data % 64 == 0
    assert weight.dtype == np.float32


@pytest.mark.parametrize("sizes", [(0, 3), (3, 0), (-1, 2)])
def test_linear_wants_positive_sizes(sizes):
    with pytest.raises(ValueError, match="Linear: sizes"):
        Linear(*sizes)


def test_linear_wants_whole_sizes():
    with pytest.raises(ValueError, match="Linear: sizes"):
        Linear(2.5, 3)


def test_layer_norm_gives_mean_zero_and_variance_one():
    layer = LayerNorm(50, eps=0.0, dtype=WIDE)
    out = layer(3.0 + 2.0 * normal(4, 50)).data
    # Sums of 50 terms of size 1.
    np.testing.assert_allclose(out.mean(-1), 0.0, atol=1e-14)
    np.testing.assert_allclose(out.var(-1), 1.0, rtol=1e-13)


def test_batch_norm_learns_averages_in_training_and_uses_them_in_evaluation():
    layer = BatchNorm(3, momentum=0.25, dtype=WIDE)
    mean, variance = np.zeros(3), np.ones(3)
    for seed in range(4):
        x = normal(8, 3, seed=seed) * 2.0 + 1.0
        out = layer(Tensor(x)).data
        np.testing.assert_allclose(out.mean(0), 0.0, atol=1e-14)
        mean += 0.25 * (x.mean(0) - mean)
        variance += 0.25 * (x.var(0, ddof=1) - variance)
    np.testing.assert_allclose(layer.running_mean.data, mean, rtol=1e-13)
    np.testing.assert_allclose(layer.running_var.data, variance, rtol=1e-13)
    layer.eval()
    x = normal(1, 3)
    judge = (x - mean) / np.sqrt(variance + layer.eps)
    np.testing.assert_allclose(layer(x).data, judge, rtol=1e-13)
    np.testing.assert_allclose(layer.running_mean.data, mean, rtol=1e-13)
    layer.train()
    with pytest.raises(ValueError, match="batch of 1"):
        layer(x)


@pytest.mark.parametrize("name", list(LAYERS))
def test_layers_take_plain_arrays(name):
    x = normal(6, 4)
    by_array, by_tensor = LAYERS[name]()(x), LAYERS[name]()(Tensor(x))
    np.testing.assert_array_equal(by_array.data, by_tensor.data)


def test_float32_layers_stay_float32():
    model = Sequential(Linear(4, 5), BatchNorm(5), Activation("gelu"), LayerNorm(5), Dropout(0.5))
    x = Tensor(normal(6, 4).astype(np.float32), requires_grad=True)
    out = model(x)
    assert out.dtype == np.float32
    out.backward(np.ones(out.shape))
    for tensor in (x, *model.parameters()):
        assert tensor.grad.dtype == np.float32
    counts = {"1.num_batches_tracked"}
    assert all(t.dtype == np.float32 for name, t in model.named_state() if name not in counts)


def test_mse_is_the_mean_and_refuses_to_broadcast(differences):
    x, y = normal(4, 3), normal(4, 3, seed=1)
    node = Tensor(x, requires_grad=True)
    loss = mse(node, y)
    loss.backward()
    assert loss.item() == pytest.approx(np.mean((x - y) ** 2), rel=1e-14)
    np.testing.assert_allclose(node.grad.data, 2 * (x - y) / 12, rtol=1e-14)
    for wrong in (y[:, :1], y[0], y.ravel()):
        with pytest.raises(ValueError, match=r"mse: prediction \(4, 3\), target"):
            mse(node, wrong)


def test_an_activation_of_another_name_lists_those_there_are():
    with pytest.raises(ValueError, match=r"'swish' is unknown; known: relu, .*tanh"):
        Activation("swish")


# --- modules -------------------------------------------------------------------------------------


def test_parameters_are_named_by_path_in_order():
    model = Sequential(linear(2, 3), Activation("relu"), Sequential(linear(3, 1)))
    names = [name for name, _ in model.named_parameters()]
    assert names == ["0.weight", "0.bias", "2.0.weight", "2.0.bias"]
    assert [name for name, _ in Custom().named_parameters()] == [
        "blocks.0.weight",
        "blocks.0.bias",
        "blocks.1.weight",
        "blocks.1.bias",
        "scale",
    ]
    assert "frozen" in Custom().state_dict()


def test_a_shared_module_gives_its_parameters_once():
    """An optimizer would move them twice."""
    shared = linear(3, 3)
    model = Sequential(shared, Activation("tanh"), shared)
    assert len(model.parameters()) == 2
    assert [m is shared for m in model.modules()].count(True) == 1
    assert sorted(model.state_dict()) == ["0.bias", "0.weight", "2.bias", "2.weight"]
    x = Tensor(normal(2, 3))
    model(x).sum().backward()
    assert shared.weight.grad is not None


def test_train_and_eval_reach_every_module():
    class Hidden(Module):
        def __init__(self):
            self.layers = [Dropout(0.5), [BatchNorm(2)]]
            self._private = Dropout(0.5)

    model = Sequential(Hidden(), Dropout(0.1))
    assert model.eval() is model
    assert not any(module.training for module in model.modules())
    assert len(list(model.modules())) == 6
    assert model.train() is model
    assert all(module.training for module in model.modules())


def test_a_step_is_not_traced_again_once_a_new_model_was_in_evaluation():
    """Else the second epoch begins with a trace and a compilation that change nothing."""
    model = Sequential(Linear(3, 2), Dropout(0.5))
    step = jit(lambda x: model(x))
    step(np.ones((4, 3), np.float32))
    model.eval()
    model.train()
    step(np.ones((4, 3), np.float32))
    assert len(step.programs) == 1


def test_a_module_without_forward_says_so():
    with pytest.raises(NotImplementedError, match="Nothing has no forward"):
        type("Nothing", (Module,), {})()(1.0)


def test_operations_remember_the_module_that_made_them():
    model = Sequential(linear(2, 2), Activation("relu"))
    out = model(normal(1, 2))
    assert out.scope == ("Sequential", "1")
    (inner,) = [arg for arg in out.args if isinstance(arg, Tensor)]
    assert inner.scope == ("Sequential", "0")
    assert (inner * 2).scope == ()


# --- state ---------------------------------------------------------------------------------------


def model_with_state(seed):
    return Sequential(
        linear(3, 4, seed), BatchNorm(4, dtype=WIDE), Activation("relu"), linear(4, 2, seed + 1)
    )


def test_a_state_dict_goes_there_and_back():
    one, other = model_with_state(0), model_with_state(10)
    x = normal(6, 3)
    one(x)  # moves batch norm's averages
    saved = one.state_dict()
    assert list(saved) == [
        *("0.weight", "0.bias", "1.weight", "1.bias", "1.running_mean", "1.running_var"),
        *("1.num_batches_tracked", "3.weight", "3.bias"),
    ]
    assert all(array.flags.c_contiguous for array in saved.values())
    other.load_state_dict(saved)
    np.testing.assert_array_equal(one.eval()(x).data, other.eval()(x).data)
    for name, array in other.state_dict().items():
        np.testing.assert_array_equal(array, saved[name])


def test_hidden_state_is_named_too_when_asked_for():
    """A rewind or a page that misses dropout's count draws other masks."""

    class Net(Module):
        def __init__(self):
            self._dropouts = [Dropout(0.5), Dropout(0.0)]
            self.norm = BatchNorm(2)
            self.count, self._count = Tensor(1.0), Tensor(2.0)
            self._above = self  # back to where it lies, as a part does to its whole

    net = Net()
    hidden = dict(net.named_state(hidden=True))
    assert list(hidden) == [
        *("dropouts.0.seed", "dropouts.0.count", "dropouts.1.seed", "dropouts.1.count"),
        *("norm.weight", "norm.bias", "norm.running_mean", "norm.running_var"),
        *("norm.num_batches_tracked", "count", "_count"),
    ]
    assert hidden["_count"] is net._count, "the shorter name is taken"
    assert hidden["dropouts.0.count"] is net._dropouts[0]._count
    public = list(dict(net.named_state()))
    assert public == list(net.state_dict()) == [*list(hidden)[4:-1]]


def test_a_state_dict_is_a_copy():
    model = model_with_state(0)
    saved = model.state_dict()
    before = saved["0.weight"].copy()
    model.parameters()[0].assign(np.zeros((4, 3)))
    np.testing.assert_array_equal(saved["0.weight"], before)
    saved["0.bias"][...] = 9.0
    np.testing.assert_array_equal(model.state_dict()["0.bias"], np.zeros(4))


def test_loading_keeps_the_dtype_and_the_place():
    model = Linear(3, 2)
    data = model.weight.data
    model.load_state_dict({"weight": np.ones((2, 3)), "bias": [1, 2]})
    assert model.weight.data is data
    assert data.dtype == np.float32
    np.testing.assert_array_equal(data, np.ones((2, 3)))


@pytest.mark.parametrize(
    ("change", "error", "word"),
    [
        (lambda s: s.pop("3.bias"), ValueError, r"missing \['3.bias'\]"),
        (lambda s: s.update(extra=1.0), ValueError, r"unknown \['extra'\]"),
        (lambda s: s.update({"3.bias": np.ones(3)}), ValueError, r"3.bias .* \(3,\).*\(2,\)"),
        (lambda s: s.update({"3.bias": 1.0}), ValueError, r"3.bias has shape \(\).*\(2,\)"),
        (lambda s: s.update({"3.bias": np.array(["a", "b"])}), TypeError, "3.bias"),
        (lambda s: s.update({"3.bias": np.array([1j, 2j])}), TypeError, "3.bias"),
    ],
    ids=["missing", "unknown", "shape", "scalar", "text", "complex"],
)
def test_a_state_that_does_not_fit_changes_nothing(change, error, word):
    model = model_with_state(0)
    before = model.state_dict()
    saved = {name: array + 1.0 for name, array in before.items()}
    change(saved)
    try:
        with pytest.raises(error, match=word):
            model.load_state_dict(saved)
    finally:
        for name, array in model.state_dict().items():
            np.testing.assert_array_equal(array, before[name])


# --- initialisers and chance ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("init", "variance"), [(he, 2 / 300), (lecun, 1 / 300), (glorot, 2 / (300 + 400))]
)
def test_initialisers_have_their_variance(init, variance):
    weights = init(400, 300, np.random.default_rng(0))
    assert weights.shape == (400, 300)
    # 120,000 draws: the variance is known to sqrt(2 / n) = 0.4 %; five times that.
    assert weights.var() == pytest.approx(variance, rel=0.02)
    assert abs(weights.mean()) < 5 * np.sqrt(variance / weights.size)
    layer = Linear(300, 400, init, np.random.default_rng(0))
    np.testing.assert_array_equal(layer.weight.data, weights.astype(np.float32))
    np.testing.assert_array_equal(layer.bias.data, np.zeros(400))


def test_he_keeps_the_size_of_activations_through_relu_layers():
    generator = np.random.default_rng(1)
    x = normal(200, 256)
    for _ in range(10):
        x = np.maximum(x @ he(256, 256, generator).T, 0.0)
    # Ten layers without it would be off by 2^10; the layers' chance leaves some 40 %.
    assert 0.3 < np.mean(x**2) < 3.0


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_dropout_drops_its_rate_and_scales_the_rest(p):
    layer = Dropout(p, seed=3)
    x = 1.0 + np.abs(normal(400, 500))
    out = layer(Tensor(x)).data
    dropped = out == 0.0
    # 200,000 coins: five standard deviations.
    assert abs(dropped.mean() - p) < 5 * np.sqrt(p * (1 - p) / x.size)
    np.testing.assert_allclose(out[~dropped], x[~dropped] / (1 - p), rtol=1e-15)
    # Each row and each column of it is as fair.
    for axis, n in ((0, 400), (1, 500)):
        assert np.abs(dropped.mean(axis) - p).max() < 6 * np.sqrt(p * (1 - p) / n)


def test_dropout_draws_anew_each_time_by_its_seed():
    x = Tensor(np.ones(1000))
    one, same, other = Dropout(0.5, seed=1), Dropout(0.5, seed=1), Dropout(0.5, seed=2)
    first, second = one(x).data, one(x).data
    assert (first != second).any()
    np.testing.assert_array_equal(same(x).data, first)
    assert (other(x).data != first).any()


def test_dropouts_seed_can_be_changed_and_its_count_goes_on():
    x = Tensor(np.ones(1000))
    layer, twin = Dropout(0.5, seed=1), Dropout(0.5, seed=-7)
    for changed in (layer, twin):
        changed(x)
    layer.seed = -7
    assert (layer.seed, type(layer.seed), repr(layer)) == (-7, int, "Dropout(p=0.5, seed=-7)")
    np.testing.assert_array_equal(layer(x).data, twin(x).data)
    for wrong in (1.5, "1", None):
        with pytest.raises(TypeError, match="integer"):
            layer.seed = wrong
        with pytest.raises(TypeError, match="integer"):
            Dropout(0.5, seed=wrong)
    assert layer.seed == -7
    assert layer.state_dict() == {}, "PyTorch's has no state"


def test_dropout_does_nothing_in_evaluation_or_at_rate_zero():
    x = Tensor(normal(3, 4))
    assert Dropout(0.5).eval()(x) is x
    assert Dropout(0.0)(x) is x
    for p in (1.0, -0.1, float("nan")):
        with pytest.raises(ValueError, match=r"p is in \[0, 1\)"):
            Dropout(p)


def test_dropouts_gradient_falls_where_its_output_fell():
    x = Tensor(np.ones(1000), requires_grad=True)
    out = Dropout(0.25, seed=1)(x)
    out.backward(np.ones(1000))
    np.testing.assert_array_equal(x.grad.data, out.data)


STREAMS = [(0, 0), (0, 1), (1, 0), (12345, 77), (2**31, 10**6), (2**40 + 1, 2**33)]


@pytest.mark.parametrize(("seed", "count"), STREAMS)
def test_uniform_is_uniform(seed, count):
    n = 2**18
    u = uniform(count, (n,), seed, np.float64)
    assert u.min() >= 0.0
    assert u.max() < 1.0
    np.testing.assert_array_equal(u * 2**24, np.round(u * 2**24))
    # Five standard deviations of the mean, the variance and a correlation of n draws.
    assert abs(u.mean() - 0.5) < 5 * np.sqrt(1 / 12 / n)
    assert abs(u.var() - 1 / 12) < 5 * np.sqrt(1 / 180 / n)
    for lag in (1, 2, 3, 8, 128, 256):
        assert abs(np.corrcoef(u[:-lag], u[lag:])[0, 1]) < 5 / np.sqrt(n)
    # chi^2 of 256 bins, alone and of neighbours in 16 x 16: 255 +- 22.6, five of them.
    bins = np.bincount((256 * u).astype(int), minlength=256)
    pairs = np.bincount((16 * u[::2]).astype(int) * 16 + (16 * u[1::2]).astype(int), minlength=256)
    for found in (bins, pairs):
        expected = found.sum() / 256
        assert 255 - 5 * 22.6 < np.sum((found - expected) ** 2) / expected < 255 + 5 * 22.6


def test_uniform_along_its_counts_and_seeds():
    """One entry followed through the steps of a training, or through seeds, is random too, and
    neighbouring steps have nothing to do with each other."""
    n = 4096
    by_count = np.array([uniform(i, (8,), 5, np.float64) for i in range(n)])
    by_seed = np.array([uniform(5, (8,), i, np.float64) for i in range(n)])
    for u in (by_count, by_seed):
        assert np.abs(u.mean(0) - 0.5).max() < 5 * np.sqrt(1 / 12 / n)
        for a, b in ((u[:-1], u[1:]), (u[:-1, :-1], u[1:, 1:]), (u[:-1, 1:], u[1:, :-1])):
            for i in range(a.shape[1]):
                assert abs(np.corrcoef(a[:, i], b[:, i])[0, 1]) < 5 / np.sqrt(n)


def test_no_two_counts_draw_alike():
    draws = {uniform(i, (4,), 0).tobytes() for i in range(10_000)}
    assert len(draws) == 10_000
    assert len({uniform(0, (4,), seed).tobytes() for seed in range(2_000)}) == 2_000


def test_uniform_is_a_function_of_its_arguments():
    one = uniform(3, (2, 5), 7)
    np.testing.assert_array_equal(one, uniform(np.array(3), (2, 5), 7))
    np.testing.assert_array_equal(one, uniform(Tensor(np.array(3)), (2, 5), 7).data)
    np.testing.assert_array_equal(one.ravel(), uniform(3, (10,), 7))
    assert one.dtype == np.float32
    np.testing.assert_array_equal(uniform(3, (2, 5), 7, np.float64), one)
    assert uniform(3, ()).shape == ()
    assert uniform(3, (0, 2)).shape == (0, 2)


# Of two numbers, 24 bits each: a file of weights says a seed, and means these.
DRAWN = {
    0: (14009332, 6203144), 7: (4710741, 15054186), 2**70 + 7: (4710741, 15054186),
    -1: (453159, 9470067), 2**64 - 1: (453159, 9470067), -(2**40): (7279660, 5125553),
    2**40 + 1: (15457922, 11893749), 2**63: (12499004, 1094685),
}  # fmt: skip


@pytest.mark.parametrize("seed", DRAWN)
def test_a_seed_means_the_same_numbers_for_ever_and_in_every_form(seed):
    expected = np.array(DRAWN[seed]) * 2.0**-24
    held = Tensor(np.array(Dropout(0.5, seed).seed))  # as 64 bits hold it
    count = Tensor(np.array(2**33 + 5))
    np.testing.assert_array_equal(uniform(2**33 + 5, (2,), seed), expected)
    for form in (seed, held):
        np.testing.assert_array_equal(uniform(count, (2,), form).data, expected)
        np.testing.assert_array_equal(jit(uniform)(count, (2,), form).data, expected)


def test_a_seed_or_a_count_that_is_no_integer_is_refused():
    for wrong in (1.5, Tensor(1.5), np.array([True])[0], np.array(1.5)):
        with pytest.raises(TypeError, match="uniform: the seed is an integer, not"):
            uniform(0, (2,), wrong)
        with pytest.raises(TypeError, match="uniform: the count is an integer, not"):
            uniform(wrong, (2,))


# --- against PyTorch -----------------------------------------------------------------------------


def against_torch(ours, theirs, x, prepare=lambda theirs: None):
    """Same weights, same input, same cotangent: outputs and every gradient agree.

    float64 on both sides; sums of a few terms, in another order: 1e-12.
    """
    torch = pytest.importorskip("torch")
    theirs = theirs(torch).double()
    state = {name: np.asarray(t) for name, t in theirs.state_dict().items()}
    generator = np.random.default_rng(3)
    for name in ("weight", "bias"):
        if name in state:
            state[name] = generator.standard_normal(state[name].shape)
    ours.load_state_dict(state)
    with torch.no_grad():
        for name, p in theirs.named_parameters():
            p.copy_(torch.from_numpy(state[name]))
    prepare(theirs)
    a, b = Tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    out, judge = ours(a), theirs(b)
    weights = generator.standard_normal(out.shape)
    out.backward(weights)
    judge.backward(torch.from_numpy(weights))
    np.testing.assert_allclose(out.data, judge.detach().numpy(), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(a.grad.data, b.grad.numpy(), rtol=1e-12, atol=1e-12)
    own = dict(ours.named_parameters())
    for name, p in theirs.named_parameters():
        np.testing.assert_allclose(own[name].grad.data, p.grad.numpy(), rtol=1e-12, atol=1e-12)
    for name, t in theirs.named_buffers():
        np.testing.assert_allclose(ours.state_dict()[name], t.numpy(), rtol=1e-12)


def test_linear_is_pytorchs():
    against_torch(linear(4, 3), lambda torch: torch.nn.Linear(4, 3), normal(5, 4))


def test_layer_norm_is_pytorchs():
    against_torch(LayerNorm(4, dtype=WIDE), lambda torch: torch.nn.LayerNorm(4), normal(5, 4))


def test_batch_norm_is_pytorchs_in_training_and_evaluation():
    layer = BatchNorm(4, dtype=WIDE)
    against_torch(layer, lambda torch: torch.nn.BatchNorm1d(4), 2 * normal(5, 4) + 1)
    layer = BatchNorm(4, dtype=WIDE).eval()
    against_torch(
        layer, lambda torch: torch.nn.BatchNorm1d(4), normal(5, 4), lambda theirs: theirs.eval()
    )


def test_pytorchs_batch_norm_loads_as_it_is():
    torch = pytest.importorskip("torch")
    theirs = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4))
    ours = Sequential(Linear(3, 4), BatchNorm(4))
    ours.load_state_dict({name: t.numpy() for name, t in theirs.state_dict().items()})


def test_a_network_and_its_loss_are_pytorchs():
    torch = pytest.importorskip("torch")
    ours = Sequential(linear(4, 6), Activation("gelu"), linear(6, 3))
    theirs = torch.nn.Sequential(
        torch.nn.Linear(4, 6), torch.nn.GELU(approximate="tanh"), torch.nn.Linear(6, 3)
    ).double()
    theirs.load_state_dict({n: torch.from_numpy(a) for n, a in ours.state_dict().items()})
    x, labels = normal(5, 4), np.array([0, 2, 1, 1, 0])
    loss = cross_entropy(ours(x), labels)
    judge = torch.nn.functional.cross_entropy(theirs(torch.from_numpy(x)), torch.from_numpy(labels))
    loss.backward()
    judge.backward()
    assert loss.item() == pytest.approx(judge.item(), rel=1e-13)
    for (name, p), q in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        np.testing.assert_allclose(p.grad.data, q.grad.numpy(), atol=1e-13, err_msg=name)


@pytest.mark.parametrize("name", ["relu", "leaky_relu", "gelu", "tanh", "sigmoid", "softplus"])
def test_activations_are_pytorchs(name):
    torch = pytest.importorskip("torch")
    options = {"approximate": "tanh"} if name == "gelu" else {}
    x = np.concatenate([[0.0], 3 * normal(50)])
    a, b = Tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    out, judge = ACTIVATIONS[name](a), getattr(torch.nn.functional, name)(b, **options)
    out.sum().backward()
    judge.sum().backward()
    np.testing.assert_allclose(out.data, judge.detach().numpy(), rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(a.grad.data[1:], b.grad.numpy()[1:], rtol=1e-12, atol=1e-14)
    assert out.data[0] == judge[0].item()


def test_a_network_under_no_grad_records_nothing():
    """Evaluation inside no_grad() leaves no graph and no gradient."""
    model = linear(3, 2)
    with no_grad():
        out = model(normal(4, 3))
    assert not out.requires_grad
    assert out.args == ()
    assert model.weight.grad is None
    assert autograd.gradients(model(normal(4, 3)).sum(), [model.bias])[0].data.tolist() == [4, 4]
