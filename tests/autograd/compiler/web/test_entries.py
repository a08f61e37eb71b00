"""How a module names what its entries take and give; loops of steps; and what is refused."""

from dataclasses import dataclass

import numpy as np
import pytest

from autograd import Tensor, gather, jit
from autograd.compiler import RefusedError, TraceError, wasm
from autograd.nn import Dropout, Linear, Sequential
from tests.autograd.compiler.webpage import page

X = np.arange(6, dtype=np.float32).reshape(2, 3)


def names(function, *args):
    """The names of an entry's inputs and of its results."""
    entry = wasm({"step": (function, args)}).manifest["entries"]["step"]
    return entry["args"], entry["results"]


# --- names ---------------------------------------------------------------------------------------


@dataclass
class Pair:
    one: object
    other: object


def test_inputs_have_the_names_of_parameters_and_of_the_paths_in_them():
    def step(pair, *rest, scale=2.0):
        return pair.one + pair.other * rest[0] + rest[1]["b c"][0] * scale

    args, results = names(step, Pair(X, X + 1), X + 2, {"b c": [X + 3]})
    assert args == ["pair.one", "pair.other", "rest.0", "rest.1.b c.0"]
    assert results == ["result"]


def test_an_array_that_stands_for_two_inputs_gives_two():
    """It says a shape and a dtype; a page writes numbers of its own into each."""
    web = page({"step": (lambda x, y: x - y, (X, X))})
    np.testing.assert_array_equal(web("step", X, X + 1)["result"], np.full((2, 3), -1))


def test_inputs_of_a_model_are_those_of_its_call():
    layer = Linear(3, 2)
    assert names(layer, X)[0] == ["args.0"]


def test_results_may_have_keys_of_every_kind():
    keys = ["a.b", "q'd\"", "]", "back\\slash", "\n", (1, 2), 2.5, float, True]
    _, results = names(lambda x: {key: x * i for i, key in enumerate(keys, 1)}, X)
    assert results == [str(key) for key in keys]


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda loss: {"loss": loss * 2.0}, "'loss', input and result"),
        (lambda x: {"a.b": x * 2.0, "a": {"b": x * 3.0}}, "'a.b', result and result"),
    ],
)
def test_two_arrays_of_one_name_are_refused(function, said):
    with pytest.raises(ValueError, match=f"entry step: two arrays are named {said}"):
        names(function, X)


def test_states_of_one_name_are_refused_until_their_owner_names_them():
    model = Sequential(Linear(3, 3), Linear(3, 2))
    entries = {"forward": (lambda x: model(x), (X,))}
    with pytest.raises(ValueError, match="'weight', state and state; name states by their owner"):
        wasm(entries)
    assert "model.1.bias" in wasm(entries, model=model).states


@pytest.mark.parametrize("given", [lambda x: x, lambda x: {"n": 3.0, "x": x * 1.0}])
def test_a_result_that_is_not_computed_is_refused(given):
    with pytest.raises(RefusedError, match="as it is; leave it out, or return a Tensor"):
        names(given, X)


# --- states --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "array",
    [X[::-1][:1], X[:, ::-1][:, :1], X.T, X[:, ::2], np.zeros((0, 3), np.float32)],
    ids=["one row from behind", "one column", "columns first", "every other", "empty"],
)
def test_a_state_lies_in_memory_without_gaps(array):
    """A page refuses strides below 0, as an axis of one entry may have them."""
    state = Tensor(array.copy() if array.base is None else array)
    web = page({"double": (lambda: state * 2.0, ())})
    (told,) = (each for each in web.manifest["arrays"] if each["kind"] == "state")
    assert all(stride >= 0 for stride in told["strides"])
    np.testing.assert_array_equal(web("double")["result"], array * 2)


def test_states_that_share_memory_are_named():
    memory = np.ones(4, np.float32)
    one, other = Tensor(memory[:3], name="one"), Tensor(memory[1:], name="other")
    with pytest.raises(RefusedError, match="the states one and other share memory"):
        wasm({"step": (lambda: one + other, ())})


# --- constants -----------------------------------------------------------------------------------


class Counter:
    count = 0.0

    def step(self, x):
        self.count += 1.0
        return x * self.count


def test_a_number_that_a_step_changes_is_refused():
    """Else it would be 1 at every call."""
    with pytest.raises(TraceError, match=r"entry step: .*count .* hold it in a Tensor"):
        wasm({"step": (Counter().step, (X,))})


def test_an_entry_may_set_the_mode_of_a_model():
    """A new one too: what it reads is what it has set."""
    model = Dropout(0.5, seed=0)
    entries = {
        "forward": (lambda x: model.eval()(x) * 1.0, (X,)),
        "step": (lambda x: model.train()(x) * 1.0, (X,)),
    }
    web = page(entries, model=model)
    np.testing.assert_array_equal(web("forward", X + 1)["result"], X + 1)
    assert {*np.ravel(web("step", X + 1)["result"] / (X + 1))} == {0, 2}


# --- ranges --------------------------------------------------------------------------------------


def below(entries, dtype=np.int32):
    labels = np.zeros(2, dtype)
    module = wasm({"step": (entries, (labels,))})
    (told,) = (each for each in module.manifest["arrays"] if each["kind"] == "input")
    return told["below"]


def test_labels_are_below_the_least_of_their_limits():
    three, five = Tensor(np.ones((2, 3))), Tensor(np.ones((2, 5)))
    assert below(lambda y: gather(three, y) + gather(five, y)) == 3
    assert below(lambda y: gather(five, y) + gather(three, y)) == 3


@pytest.mark.parametrize(("dtype", "limit"), [(np.uint8, 256), (np.int8, 128), (np.int16, 300)])
def test_a_limit_is_one_that_the_dtype_has(dtype, limit):
    table = Tensor(np.ones((2, 300)))
    assert below(lambda y: gather(table, y), dtype) == limit


# --- loops ---------------------------------------------------------------------------------------

ORDER = np.array([[0, 1], [3, 2], [1, 1]], np.int32)
WHOLE = np.arange(12, dtype=np.float32).reshape(4, 3)


T = Tensor(X)


@jit
def scaled(x, factor):
    return (x * factor).sum()


@jit
def paired(x, y):
    return (x * y).sum()


def looped(step, args, *loop):
    return wasm({"step": (step, args), "loop": (step.loop, loop)})


def test_a_loop_is_that_of_the_step_with_its_batch_and_its_numbers():
    entries = {
        "twice": (scaled, (X, 2.0)),
        "thrice": (scaled, (X, 3.0)),
        "one": (scaled, (X[:1], 3.0)),
        "loop": (scaled.loop, ((WHOLE, 3.0), ORDER)),
    }
    web = page(entries)
    web.arrays["x", "loop"][...], web.arrays["order", "loop"][...] = WHOLE, ORDER
    assert web.instance.exports(web.store)["loop"](web.store, 0, 3) == 3
    want = scaled.loop((WHOLE, 3.0), ORDER).data
    np.testing.assert_array_equal(web.arrays["result", "loop"], want)


@pytest.mark.parametrize(
    ("step", "args", "loop", "said"),
    [
        (scaled, (X, 2.0), ((WHOLE, 3.0), ORDER), "those of the entry step"),
        (scaled, (X, 2.0), ((WHOLE,), ORDER), "those of the entry step"),
        (paired, (T, T), ((WHOLE, WHOLE + 1), ORDER), "those of the entry step"),
        (scaled, (X, 2.0), ((WHOLE, 2.0), ORDER[:, :1]), "in batches of 1, and the entry step"),
        (scaled, (X, 2.0), ((WHOLE.T, 2.0), ORDER), "x is float32.3, 4. in batches of 2"),
        (paired, (X, X[0]), ((WHOLE, X[0]), ORDER), "y is float32.3.*held in a Tensor"),
        (paired, (X, X[0, 0]), ((WHOLE, np.float32(2)), ORDER), "those of the entry step"),
        (scaled, (X, 2.0), ((WHOLE, 2.0), ORDER[0]), "integers of shape .steps, batch."),
        (scaled, (X, 2.0), ((WHOLE, 2.0), ORDER * 1.0), "integers of shape .steps, batch."),
        (scaled, (X, 2.0), ((WHOLE, 2.0),), r"a loop takes \(arguments of its step\), order"),
    ],
)
def test_a_loop_that_its_step_does_not_fit_is_refused(step, args, loop, said):
    with pytest.raises(ValueError, match=said):
        looped(step, args, *loop)


def test_a_loop_of_no_entry_is_refused():
    with pytest.raises(ValueError, match="the loop of a step that is no entry"):
        wasm({"loop": (scaled.loop, ((WHOLE, 2.0), ORDER))})


# --- what wasm is given --------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["", "1a", "a b", "a.b", "aé", "step\n", 1])
def test_an_entry_has_a_name_that_every_language_has(name):
    with pytest.raises(ValueError, match="is no name for an entry"):
        wasm({name: (scaled, (X, 2.0))})


@pytest.mark.parametrize("entry", [scaled, (scaled,), (scaled, X), (3, ()), (scaled, (X, 2.0), 1)])
def test_an_entry_is_a_function_and_its_arguments(entry):
    with pytest.raises(TypeError, match="entry step: expected a tuple"):
        wasm({"step": entry})


def test_an_owner_is_one_that_holds_state():
    with pytest.raises(TypeError, match="model: expected a Module or an optimizer, found list"):
        wasm({"step": (scaled, (X, 2.0))}, model=[Tensor(1.0)])


def test_more_memory_than_a_module_has_is_refused():
    large = np.broadcast_to(np.int8(0), 1 << 31)
    with pytest.raises(RefusedError, match=r"input x of int8.2147483648. ends at 2,147,483,712"):
        wasm({"step": (lambda x: x[:1] + x[:1], (large,))})


@pytest.mark.parametrize("name", ["tile0", "copy1", "exp_f32x4", "pow", "memory", "own"])
def test_an_entry_may_have_the_name_of_a_function_inside(name):
    def step(x, y):
        return (x @ y).exp() ** 0.3

    square = np.eye(40, dtype=np.float32)
    got = page({name: (step, (square, square))})(name, square, square)["result"]
    np.testing.assert_allclose(got, step(square, Tensor(square)).data, rtol=1e-6)
