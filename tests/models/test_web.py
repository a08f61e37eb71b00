"""The entries of an MLP's module: what they give is what the model and the optimizer say."""

import gzip

import numpy as np
import pytest

from autograd import cross_entropy, gradients, softmax
from autograd.compiler import wasm
from autograd.optim import SGD, AdamW
from autograd.random import order
from autograd.tensor import Tensor
from models.mlp import MLP
from models.mnist.scoring import inputs
from models.web import entries
from tests.autograd.compiler.webpage import Page

SHAPE = (5, 7)


def examples(n, seed=0):
    """Images of noise and their labels."""
    generator = np.random.default_rng(seed)
    images = generator.integers(0, 256, (n, *SHAPE), np.uint8)
    return images, generator.integers(0, 4, n).astype(np.int32)


def module(dropout=0.0, **more):
    """A module of a small model, and what it was made of."""
    model = MLP([35, 9, 6, 4], "tanh", seed=1, dropout=dropout)
    optimizer = AdamW(model.parameters(), lr=0.01)
    made = entries(model, optimizer, SHAPE, batch=6, block=20, steps=5, scored=20, **more)
    return Page(wasm(made, model=model, optimizer=optimizer)), made, model


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_steps_give_what_the_same_function_gives(dropout):
    page, made, _ = module(dropout)
    step = made["step"][0]
    for seed in range(4):
        batch = examples(6, seed)
        got, want = page("step", *batch), step(*batch)
        assert list(got) == list(want)
        for name in got:
            np.testing.assert_allclose(got[name], want[name].data, rtol=1e-5, atol=1e-6)


def test_deltas_are_the_cotangents_of_what_linear_gives():
    page, _, model = module()
    images, labels = examples(6)
    outputs = model.outputs(Tensor(inputs(images, 255.0), requires_grad=True))
    want = gradients(cross_entropy(outputs[-1], labels), outputs[::2])
    got = page("step", images, labels)
    for i, delta in enumerate(want):
        np.testing.assert_allclose(got[f"delta.{i}"], delta.data, rtol=1e-5, atol=1e-7)


def test_an_image_is_looked_at_in_evaluation():
    """With dropout the step differs, and no count of batches moves."""
    page, _, model = module(dropout=0.5)
    (image, *_), _ = examples(3)
    got = page("forward", image[None])
    model.eval()
    outputs = model.outputs(inputs(image[None], 255.0))
    np.testing.assert_allclose(got["layer.1"], outputs[3].data, rtol=1e-5, atol=1e-6)
    want = softmax(outputs[-1]).data
    np.testing.assert_allclose(got["probabilities"], want, rtol=1e-5, atol=1e-6)
    assert got["prediction"] == want.argmax()


def test_an_example_is_propagated_back_in_evaluation():
    """With dropout the step has other deltas; and it moves nothing."""
    page, _, model = module(dropout=0.5)
    images, labels = examples(1)
    before = {name: page.arrays[name, None].copy() for name in page.module.states}
    got = page("backward", images, labels)
    assert all((page.arrays[name, None] == array).all() for name, array in before.items())
    model.eval()
    outputs = model.outputs(inputs(images, 255.0))
    loss = cross_entropy(outputs[-1], labels)
    np.testing.assert_allclose(got["loss"], loss.data, rtol=1e-6)
    for i, delta in enumerate(gradients(loss, outputs[::2])):
        np.testing.assert_allclose(got[f"delta.{i}"], delta.data, rtol=1e-5, atol=1e-7)


def test_the_gradient_by_an_image_is_that_of_finite_differences():
    """In float64, by central differences of the logit of the label: truncation is h^2, 1e-8."""
    page, _, model = module()
    (image, *_), _ = examples(1)
    got = page("image_gradient", image[None], [2])["gradient"][0]
    wide = MLP([35, 9, 6, 4], "tanh", seed=1, dtype=np.float64)
    wide.load_state_dict(model.state_dict())
    x, h = inputs(image[None], 255.0).astype(np.float64), 1e-4
    for i in range(0, 35, 4):
        move = np.eye(35)[i] * h
        slope = (wide(x + move).data[0, 2] - wide(x - move).data[0, 2]) / (2 * h)
        np.testing.assert_allclose(got.ravel()[i], slope, rtol=1e-4, atol=1e-6)


def test_a_score_counts_and_sums():
    page, _, model = module()
    images, labels = examples(20)
    got = page("score", images, labels)
    logits = model(inputs(images, 255.0))
    assert got["right"] == (logits.data.argmax(1) == labels).sum()
    np.testing.assert_allclose(got["loss"], cross_entropy(logits, labels).item() * 20, rtol=1e-5)
    chances = softmax(logits).data
    assert (got["predictions"] == chances.argmax(1)).all()
    np.testing.assert_allclose(got["confidences"], chances.max(1), rtol=1e-5)
    np.testing.assert_allclose(got["losses"], -np.log(chances[range(20), labels]), rtol=1e-4)


@pytest.mark.parametrize("seed", [0, 7, 2**32 - 1])
def test_a_page_draws_the_order_that_python_has(seed):
    page, _, _ = module(drawn=500)
    for epoch in (0, 1, 12):
        drawn = page("draws", epoch, seed)["draws"]
        assert drawn.argsort(kind="stable").tolist() == order(500, seed, epoch).tolist()


def test_of_equal_logits_the_first_is_the_prediction_and_nan_is_none():
    page, _, model = module()
    for value, expected in ((0.0, 0), (-1.0, 0), (np.nan, 4)):
        for name in model.state_dict():
            page.arrays[f"model.{name}", None][...] = value if name == "4.bias" else 0
        assert page("forward", examples(1)[0])["prediction"] == expected


def test_the_model_is_in_the_mode_it_was_in():
    _, _, model = module(dropout=0.5)
    assert model.training


def test_the_module_of_mnist_is_small():
    """Of the step, the forward pass and the gradient: 20 KB, 6 KB compressed."""
    model = MLP([784, 128, 10], seed=0)
    optimizer = SGD(model.parameters(), lr=0.1, momentum=0.9)
    made = entries(model, optimizer, (28, 28))
    some = {name: made[name] for name in ("step", "forward", "image_gradient")}
    binary = wasm(some, model=model, optimizer=optimizer).wasm
    assert len(binary) < 20_000
    assert len(gzip.compress(binary)) < 6_000


def test_a_model_is_in_training_again_where_an_entry_fails():
    """Else the next step is traced without dropout, and nothing says so."""
    model = MLP([35, 9, 4], seed=1, dropout=0.5)
    made = entries(model, SGD(model.parameters(), lr=0.1), SHAPE)
    for name in ("forward", "backward", "score"):
        function, (images, *others) = made[name]
        with pytest.raises(ValueError, match="reshape"):
            function(images[:, 1:], *others)
        assert model.training
