"""What the engine computes with a network: each function by its meaning."""

from __future__ import annotations

import json

import numpy as np
import pytest
from safetensors.numpy import save_file

from autograd import cross_entropy
from models.mlp import MLP
from models.mnist.scoring import probabilities
from tests.few import drawn
from viz.studio.engine import graph as graphs
from viz.studio.engine import network as networks
from viz.studio.engine.network import Weights, network
from viz.studio.refusal import Refusal

HIDDEN = (9, 6)
TEMPERATURE = 1.7


def weights_of(folder, dataset, hidden=HIDDEN, activation="tanh", seed=1):
    """A file of weights as the studio serves it, and the model in it."""
    sizes = [int(np.prod(dataset.shape)), *hidden, len(dataset.classes)]
    model = MLP(sizes, activation, seed)
    said = {"sizes": sizes, "activation": activation, "dataset": dataset.describe(), "seed": seed}
    metadata = {**said, "step": 0, "temperature": TEMPERATURE}
    file = folder / f"{dataset.name}-{len(hidden)}-{seed}.safetensors"
    texts = {name: json.dumps(value) for name, value in metadata.items()}
    save_file(model.state_dict(), file, texts)
    return Weights(file.name, file), model


DATASET = drawn((5, 7), ["one", "two", "three", "four"])
IMAGES, LABELS = DATASET.test.images, DATASET.test.labels.astype(np.int32)


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    weights, model = weights_of(tmp_path_factory.mktemp("weights"), DATASET)
    return network(weights), model


def test_probabilities_are_those_of_the_command_line(served):
    of, model = served
    want = probabilities(model, IMAGES, 255.0, TEMPERATURE)
    np.testing.assert_array_equal(networks.predict(of, IMAGES), want)
    assert want.dtype == np.float32


def test_activations_are_the_layers_one_after_the_other(served):
    of, model = served
    found = networks.activations(of, IMAGES)
    assert list(found) == ["layer.0", "layer.1", "logits", "probabilities"]
    state, x = model.state_dict(), IMAGES.reshape(len(IMAGES), -1) / 255.0
    for i, name in enumerate(["layer.0", "layer.1", "logits"]):
        x = x @ state[f"{2 * i}.weight"].T + state[f"{2 * i}.bias"]
        x = x if name == "logits" else np.tanh(x)
        # Sums of up to 35 products of numbers of about 1, in float32.
        np.testing.assert_allclose(found[name], x, atol=1e-5)
    np.testing.assert_array_equal(found["probabilities"], networks.predict(of, IMAGES))


@pytest.mark.parametrize("what", ["class", "loss"])
def test_a_gradient_is_that_of_finite_differences_by_one_entry_of_the_image(served, what):
    """In float64: an entry of 0 to 255 is moved by h, and the truncation is h^2 / 255^3."""
    of, model = served
    wide = MLP(model_sizes(model), "tanh", dtype=np.float64)
    wide.load_state_dict(model.state_dict())
    slopes, values = networks.gradient(of, IMAGES[:3], LABELS[:3], what)
    assert slopes.shape == (3, 5, 7) and slopes.dtype == np.float32

    def value(image, label):
        logits = wide(image.reshape(1, -1) / 255.0)
        found = logits[0, label] if what == "class" else cross_entropy(logits, np.array([label]))
        return found.item()

    h = 1e-3
    for image, label, slope, asked in zip(IMAGES * 1.0, LABELS, slopes, values, strict=False):
        assert asked == pytest.approx(value(image, label), abs=1e-5)
        for i in range(0, 35, 6):
            step = h * np.eye(35)[i].reshape(5, 7)
            rise = (value(image + step, label) - value(image - step, label)) / (2 * h)
            # float32 keeps 7 digits of sums of products of about 1 / 255.
            assert slope.ravel()[i] == pytest.approx(rise, rel=1e-4, abs=1e-8)


def model_sizes(model):
    widths = [parameter.size for parameter in model.parameters()[1::2]]
    return [model.parameters()[0].shape[1], *widths]


def test_a_gradient_of_many_images_is_each_ones_own(served):
    """Not that of their mean, and the same in chunks."""
    of, _ = served
    many = np.tile(IMAGES, (40, 1, 1))[:1100]
    labels = np.tile(LABELS, 40)[:1100]
    slopes, values = networks.gradient(of, many, labels, "loss")
    alone, value = networks.gradient(of, many[1099:], labels[1099:], "loss")
    np.testing.assert_allclose(slopes[1099:], alone, rtol=1e-4, atol=1e-8)
    np.testing.assert_allclose(values[1099:], value, rtol=1e-5)


def test_activations_that_are_too_many_are_refused(served, monkeypatch):
    of, _ = served
    monkeypatch.setattr(networks, "MOST_NUMBERS", 100)
    with pytest.raises(Refusal, match=r"at most 4 of them") as info:
        networks.activations(of, IMAGES[:10])
    assert info.value.status == 413
    assert len(networks.activations(of, IMAGES[:4])["logits"]) == 4


def test_two_models_are_kept(tmp_path):
    files = [weights_of(tmp_path, DATASET, seed=seed)[0] for seed in range(3)]
    network.cache_clear()
    first, second = network(files[0]), network(files[1])
    assert network(files[0]) is first and network(files[1]) is second
    network(files[2])
    assert network(files[1]) is second and network(files[0]) is not first


def test_weights_may_be_in_no_file_and_a_file_may_have_gone(tmp_path):
    weights, model = weights_of(tmp_path, DATASET)
    found = network(Weights("in memory", None, weights.path.read_bytes()))
    want = probabilities(model, IMAGES, 255.0, TEMPERATURE)
    np.testing.assert_array_equal(networks.predict(found, IMAGES), want)
    with pytest.raises(Refusal, match="No such file") as info:
        network(Weights("gone", tmp_path / "gone"))
    assert info.value.status == 503


# --- the graph ------------------------------------------------------------------------------------


def test_the_graph_of_the_loss_has_the_loss_and_the_gradients(served):
    of, model = served
    view = graphs.graph(of, IMAGES[0], int(LABELS[0]), "loss")
    rows = IMAGES[:1].reshape(1, -1) / np.float32(255)
    loss = cross_entropy(model(rows), LABELS[:1])
    assert view["nodes"][-1]["exact"] == pytest.approx(loss.item(), rel=1e-6)
    names = {node["name"] for node in view["nodes"]}
    assert {"image", "0.weight", "0.bias", "2.weight", "2.bias", "4.weight", "4.bias"} <= names
    checks = [event["check"] for event in view["events"] if event["check"]]
    assert checks and all(check["agrees"] for check in checks)
    assert view["svg"].startswith("<svg")


@pytest.mark.parametrize("what", ["layer.0/8", "layer.1/0", "logits/3"])
def test_the_graph_of_a_neuron_ends_in_what_it_gives(served, what):
    of, _ = served
    name, _, number = what.partition("/")
    view = graphs.graph(of, IMAGES[0], 0, what)
    want = networks.activations(of, IMAGES[:1])[name][0, int(number)]
    assert view["nodes"][-1]["exact"] == pytest.approx(float(want), rel=1e-5)
    assert view["title"] == what
    json.dumps(view, allow_nan=False)


@pytest.mark.parametrize(
    "what",
    ["layer.2/0", "layer.0/9", "logits/4", "layer.0", "layer.0/-1", "layer.0/1.0", "",
     "probabilities/0", "layer.00/1", "loss/0", "layer.0/٣", "layer.0/9999999999"],
)  # fmt: skip
def test_what_the_network_has_not_is_refused_in_words(served, what):
    of, _ = served
    with pytest.raises(Refusal, match="of: expected") as info:
        graphs.root(of, IMAGES[0], 0, what)
    assert info.value.status == 404


def test_a_graph_is_small_however_large_the_layers(tmp_path):
    """Weights of 512 by 512 would be 5 MB of JSON."""
    weights, _ = weights_of(tmp_path, DATASET, hidden=(512,) * 2, activation="gelu")
    view = graphs.graph(network(weights), IMAGES[0], 0, "loss")
    assert len(json.dumps(view)) < 300_000
