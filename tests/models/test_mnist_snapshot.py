"""A file of weights with the states of an optimizer beside them, from disk or as bytes: what is in
it is checked before a network is made, and what cannot be right is said in one line."""

import json
import time
import tracemalloc

import numpy as np
import pytest

from models.command_line import InputError
from models.mlp import MLP
from models.mnist.checkpoint import load, load_snapshot, read_snapshot
from models.mnist.cli import main
from models.runs.arrays import pack
from tests.few import (
    few,
    few_digits,  # noqa: F401  (used by every test)
)

SIZES = (784, 8, 10)
WEIGHTS = MLP(SIZES, seed=3).state_dict()
STATES = {
    "optimizer.count": np.array(7.0),
    "optimizer.rate": np.array(0.1, np.float32),
    "optimizer.steps": np.array(7),
    **{f"optimizer._velocities.{i}": np.ones_like(w) for i, w in enumerate(WEIGHTS.values())},
}


def metadata(**changed):
    said = {"sizes": SIZES, "activation": "relu", "dataset": few().describe()}
    said |= {"seed": 3, "step": 7, "temperature": 1.5, **changed}
    return {name: value for name, value in said.items() if value is not None}


def content(arrays=(), **changed):
    return pack({**WEIGHTS, **STATES, **dict(arrays)}, metadata(**changed))


def same(found, expected):
    return found.keys() == expected.keys() and all(
        (found[name] == array).all() for name, array in expected.items()
    )


def test_all_that_is_in_a_file_is_read():
    snapshot = read_snapshot(content(), "body")
    assert same(snapshot.arrays, WEIGHTS) and same(snapshot.states, STATES)
    assert (snapshot.sizes, snapshot.activation) == (SIZES, "relu")
    assert (snapshot.seed, snapshot.step, snapshot.temperature) == (3, 7, 1.5)
    assert snapshot.described.classes == few().classes
    assert same(snapshot.model().state_dict(), WEIGHTS)
    assert pack(snapshot.arrays | snapshot.states, snapshot.metadata) == content()


def test_what_need_not_be_said_is_as_if_nothing_had_been_learned():
    snapshot = read_snapshot(content(seed=None, step=None, temperature=None), "body")
    assert (snapshot.seed, snapshot.step, snapshot.temperature) == (0, 0, 1)


@pytest.mark.parametrize("command", ["evaluate", "show --wrong", "export --onnx x.onnx"])
def test_the_commands_take_a_file_with_the_states_of_an_optimizer(tmp_path, capsys, command):
    said = []
    for name, arrays in (("alone", WEIGHTS), ("beside", {**WEIGHTS, **STATES})):
        (tmp_path / f"{name}.safetensors").write_bytes(pack(arrays, metadata()))
        assert main([*command.split(), f"{name}.safetensors"]) == 0
        said.append(capsys.readouterr().out)
    assert said[0] == said[1]


@pytest.mark.parametrize("name", ["optimizer.count", "optimizer._velocities.0"])
@pytest.mark.parametrize(
    ("how", "found"),
    [
        (lambda a: np.full_like(a, np.nan), "nan or inf in it"),
        (lambda a: np.full_like(a, -np.inf), "nan or inf in it"),
        (lambda a: np.full(a.shape, 1e39), "nan or inf in it"),  # inf as float32
        (lambda a: a.astype(np.complex64), "complex64"),
        (lambda a: a.astype(bool), "bool"),
        (lambda a: np.ones((2, 2)), r"it of shape \(2, 2\)"),
        (lambda a: np.ones((1, *a.shape)), r"it of shape \(1,"),
        (lambda a: np.ones(0), r"it of shape \(0,\)"),
    ],
)
def test_states_that_are_none_are_refused(name, how, found):
    expected = f"body: expected {name} to be finite, a number or .*, found {found}"
    with pytest.raises(InputError, match=expected):
        read_snapshot(content({name: how(STATES[name])}), "body")


def test_names_that_only_look_like_states_are_refused():
    for name in ("optimizer", "optimizers.count", "Optimizer.count", "4.bias", "0.weight "):
        with pytest.raises(InputError, match=rf"expected {name} missing, as its metadata say"):
            read_snapshot(content({name: np.ones(())}), "body")


@pytest.mark.parametrize("number", [np.nan, np.inf, 1e39, -1e300])
def test_weights_of_which_float32_has_no_number_are_refused(number):
    """A float64 of 1e39 is finite, but inf in the model that is made of it."""
    weight = WEIGHTS["2.weight"].astype(float)
    weight[3, 4] = number
    with pytest.raises(InputError, match=r"2\.weight to be finite floats, found nan or inf in it"):
        read_snapshot(content({"2.weight": weight}), "body")


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"seed": -1}, "a seed from 0 to 4294967295, found -1"),
        ({"seed": 1.0}, r"a seed from 0 to 4294967295, found 1\.0"),
        ({"seed": "0"}, "a seed from 0 to 4294967295, found '0'"),
        ({"step": -1}, "a step that is a whole number, found -1"),
        ({"step": True}, "a step that is a whole number, found True"),
        ({"step": 2**60}, "a step that is a whole number, found 1152921504606846976"),
        ({"temperature": 0}, "a positive temperature, found 0"),
        ({"temperature": "warm"}, "a positive temperature, found 'warm'"),
        ({"temperature": 10**400}, "a positive temperature, found 1000"),
        ({"activation": "swish"}, "one of relu, .*, found swish"),
        ({"activation": None}, 'name of an "activation", found .* and None'),
        ({"sizes": [784, 10]}, r"0\.bias of shape \(10,\), as its metadata say, found it of"),
        ({"sizes": [784] + [1] * 400_000 + [10]}, r"0\.bias of shape \(1,\), as its metadata say"),
        ({"dataset": 5}, 'a description of the "dataset", found 5'),
        ({"dataset": {**few().describe(), "shape": [2**52] * 200_000}}, 'the "shape" of the data'),
    ],
)
def test_metadata_that_cannot_be_right_are_refused_at_once(changed, words):
    file = content(**changed)
    start = time.perf_counter()
    with pytest.raises(InputError, match=rf"body: .*expected .*{words}"):
        read_snapshot(file, "body")
    assert time.perf_counter() - start < 10  # the product of that shape alone takes a minute


@pytest.mark.parametrize(
    "texts",
    [{"sizes": "[" * 100_000}, {"sizes": "9" * 5000}, {"sizes": "[784, 10"}, {"format": "pt"}],
)
def test_metadata_that_are_no_json_are_refused(texts, tmp_path):
    from safetensors.numpy import save

    with pytest.raises(InputError, match="body: expected metadata in JSON, found: "):
        read_snapshot(save(WEIGHTS, texts), "body")


def test_metadata_that_are_missing_are_asked_for(tmp_path):
    with pytest.raises(InputError, match='body: expected a list of "sizes" and the name of an'):
        read_snapshot(pack(WEIGHTS), "body")


def test_a_config_beside_says_what_network_it_is_and_the_file_the_rest(tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    (run / "config.json").write_text(json.dumps(metadata(activation="tanh")))
    (run / "model.safetensors").write_bytes(content())
    snapshot = load_snapshot("run")
    assert (snapshot.activation, snapshot.step) == ("tanh", 7)
    assert snapshot.metadata == json.loads(json.dumps(metadata(activation="tanh")))


def test_a_file_that_is_none_is_not_waited_for(tmp_path):
    """A device never ends."""
    with pytest.raises(InputError, match="/dev/zero: expected a checkpoint, found: it is not a"):
        load("/dev/zero")


def test_reading_takes_next_to_no_memory_beside_the_bytes():
    sizes = (784, 4000, 10)
    file = pack(MLP(sizes).state_dict(), metadata(sizes=sizes))
    tracemalloc.start()
    read_snapshot(file, "body")
    taken = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert taken < len(file) / 20
