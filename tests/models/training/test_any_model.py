"""The Trainer with models, metrics and callbacks that somebody else wrote, right or wrong."""

import json

import numpy as np
import pytest

from autograd import astype, tanh
from autograd.nn import BatchNorm, LayerNorm, Linear, Module, cross_entropy, mse
from autograd.optim import SGD, Adam, one_cycle
from models.mlp import MLP
from models.training import BestWeights, Callback, Checkpoints, EarlyStopping, Target, Trainer

DRAW = np.random.default_rng(0)
X = DRAW.normal(size=(96, 4)).astype(np.float32)
Y = X[:, :1] * X[:, 1:2]


def regression(callbacks=(), rate=0.01, **options):
    model = MLP([4, 8, 1], "tanh")
    loss = options.pop("loss", mse)
    return Trainer(model, loss, SGD(model.parameters(), rate), callbacks, **options)


def weights(trainer):
    return [array.tobytes() for array in trainer.model.state_dict().values()]


# --- models --------------------------------------------------------------------------------------


class Heads(Module):
    """Two answers to each question: a class and a number."""

    def __init__(self):
        self.first, self.norms = Linear(4, 8), [LayerNorm(8), BatchNorm(8)]
        self.kind, self.value = Linear(8, 3), Linear(8, 1)

    def forward(self, x):
        for norm in self.norms:
            x = norm(self.first(x) if x.shape[1] == 4 else x)
        return self.kind(tanh(x)), self.value(x)


def heads_loss(outputs, y):
    kind, value = outputs
    return cross_entropy(kind, astype(y[:, 0], np.int64)) + mse(value, y[:, 1:])


@pytest.mark.parametrize("eager", [False, True])
@pytest.mark.parametrize("n", [0, 1, 700])
def test_a_model_may_give_several_outputs(eager, n):
    model = Heads()
    y = np.hstack([np.arange(96)[:, None] % 3, Y])
    trainer = Trainer(model, heads_loss, Adam(model.parameters()), eager=eager)
    assert trainer.fit((X, y), 2, validation=(X, y)).reason == "finished"
    found = trainer.predict(np.resize(X, (n, 4)))
    model.eval()
    assert [each.shape for each in found] == [(n, 3), (n, 1)]
    for each, expected in zip(found, model(np.resize(X, (n, 4))), strict=True):
        np.testing.assert_allclose(each, expected.data, rtol=1e-4, atol=1e-6)  # float32, of size 1


def test_no_example_has_no_mean():
    with pytest.raises(ValueError, match="at least one example"):
        regression().evaluate((X[:0], Y[:0]))


# --- what is wrong is said -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("figure", "found"),
    [
        (lambda outputs, y: (outputs - y) ** 2, r"shape \(32, 1\)"),
        (lambda outputs, y: 1.0, r"1\.0"),
        (lambda outputs, y: None, "None"),
    ],
)
@pytest.mark.parametrize("eager", [False, True])
def test_a_loss_and_a_metric_are_means(figure, found, eager):
    for options in ({"loss": figure}, {"metrics": {"error": figure}}):
        with pytest.raises(ValueError, match=rf"(loss|error): expected a Tensor .* found {found}"):
            regression(eager=eager, **options).fit((X, Y), 1)


def test_a_metric_does_not_take_the_place_of_the_loss():
    with pytest.raises(ValueError, match="'loss' is what the loss is called"):
        regression(metrics={"loss": mse})


@pytest.mark.parametrize("name", ["epochs", "batch_size", "checks"])
def test_counts_are_whole(name):
    with pytest.raises(ValueError, match=f"{name}: at least 1, a whole number, not 2.5"):
        regression().fit((X, Y), **{name: 2.5})


def test_a_target_that_could_never_be_reached_is_refused():
    with pytest.raises(ValueError, match=r"Target: fit.*validation"):
        regression([Target("loss", 0.1)]).fit((X, Y), 1)
    with pytest.raises(ValueError, match=r"Target: there is no 'accuracy' .* there are loss"):
        regression([Target("accuracy", 0.1)]).fit((X, Y), 1, validation=(X, Y))


@pytest.mark.parametrize("which", ["inputs", "targets"])
def test_nan_in_the_data_is_not_laid_at_a_layers_door(which):
    data = {"inputs": X.copy(), "targets": Y.copy()}
    data[which][7, 0] = np.nan
    history = regression().fit((data["inputs"], data["targets"]), 1)
    assert history.reason == "diverged"
    assert f"of the {which} of that batch are nan" in history.message


# --- a second training ---------------------------------------------------------------------------


def test_a_second_fit_has_a_best_of_its_own():
    """Else it ended with the first one's weights, and all that it had learned was lost."""
    stopping, best = EarlyStopping(patience=2), BestWeights()
    trainer = regression([stopping, best])
    trainer.fit((X, Y), 3, validation=(X, Y))
    before, stopping.waited = weights(trainer), 1
    trainer.fit((X, 50 * Y), 3, validation=(X, 50 * Y))  # a loss that is greater throughout
    assert weights(trainer) != before
    assert best.best > 100.0


def test_the_rate_that_is_told_is_the_one_that_was_used():
    """The schedule goes by the optimizer's count, which a second `fit` goes on with."""
    trainer = regression(rate=one_cycle(0.1, 12))
    told = [epoch.lr for _ in range(2) for epoch in trainer.fit((X, Y), 2).epochs]
    assert told == [one_cycle(0.1, 12)(float(step - 1)) for step in (3, 6, 9, 12)]


# --- states of callbacks -------------------------------------------------------------------------


class Average(Callback):
    """Has a state of arrays alone, and none before the first steps."""

    def __init__(self):
        self.sums = {}

    def steps(self, trainer):
        for name, array in trainer.model.state_dict().items():
            self.sums[name] = self.sums.get(name, 0.0) + array

    def state(self):
        return self.sums, {}

    def restore(self, arrays, state):
        self.sums = dict(arrays)


def kept(trainer):
    arrays, state = trainer.state()
    return arrays, json.loads(json.dumps(state))


def test_a_state_of_arrays_alone_is_kept():
    first, second = regression([Average()]), regression([Average()])
    first.fit((X, Y), 2)
    second.restore(*kept(first))
    sums = second.callbacks[0].sums
    assert sums and all((sums[n] == a).all() for n, a in first.callbacks[0].sums.items())


@pytest.mark.parametrize("others", [[BestWeights, EarlyStopping], [EarlyStopping], []])
def test_callbacks_in_another_order_are_refused_before_anything_changes(others):
    first = regression([EarlyStopping(), BestWeights()])
    first.fit((X, Y), 2, validation=(X, Y))
    second = regression([each() for each in others])
    before = weights(second)
    with pytest.raises(ValueError, match=r"its callbacks .* \['EarlyStopping', 'BestWeights'\]"):
        second.restore(*kept(first))
    assert weights(second) == before


def test_other_metrics_cannot_go_on_in_the_middle_of_an_epoch():
    arrays, state = kept(regression())
    state |= {"position": 1, "step": 1, "sums": [0.5, 0.5]}
    with pytest.raises(ValueError, match="it had other metrics"):
        regression().restore(arrays, state)


@pytest.mark.parametrize("callbacks", [EarlyStopping, [EarlyStopping], [print], "Progress"])
def test_what_is_no_list_of_callbacks_is_refused_by_name(callbacks):
    model = MLP([3, 1])
    with pytest.raises(TypeError, match="takes a list of Callbacks"):
        Trainer(model, mse, SGD(model.parameters(), 0.1), callbacks)


def test_other_arguments_of_another_kind():
    model = MLP([3, 1])
    with pytest.raises(TypeError, match="takes functions by name"):
        Trainer(model, mse, SGD(model.parameters(), 0.1), metrics=[mse])
    with pytest.raises(ValueError, match="keep is at least 1"):
        Checkpoints("runs/x", keep=0)
    one = EarlyStopping()  # one alone is a list of one
    assert Trainer(model, mse, SGD(model.parameters(), 0.1), one).callbacks == [one]


def test_an_optimizer_of_another_model_is_said():
    """A notebook's cell that was run twice makes a new model for an old optimizer."""
    optimizer = SGD(MLP([3, 1]).parameters(), 0.1)
    with pytest.raises(RuntimeError, match="on a loss of these parameters"):
        Trainer(MLP([3, 1]), mse, optimizer).fit((np.ones((8, 3)), np.ones((8, 1))), 1, 4)
