"""The Trainer: the same bits however its steps are cut, interrupted and gone on with; nothing kept
of a loss that turned NaN; callbacks that are told in time."""

import json
import signal
import threading
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograd import jit
from autograd.nn import BatchNorm, Linear, Module, Sequential, cross_entropy, mse
from autograd.optim import SGD, Adam, constant, one_cycle
from autograd.random import order
from models.mlp import MLP
from models.training import BestWeights, Callback, EarlyStopping, Target, Trainer, accuracy, plan
from models.training.rewind import first_bad
from models.training.signals import noted
from models.training.steps import CHUNK

DRAW = np.random.default_rng(0)
X = DRAW.normal(size=(200, 4)).astype(np.float32)
Y = (X[:, :1] * X[:, 1:2] > 0).astype(np.int64)[:, 0] + (X[:, 2] > 1)
EPOCHS, BATCH, STEPS = 3, 16, 200 // 16


class Cut:
    """A pace that is given: how many steps at a time, by turns."""

    def __init__(self, *counts):
        self.counts = list(counts)

    @property
    def steps(self):
        self.counts.append(self.counts.pop(0))
        return self.counts[-1]

    def took(self, steps, seconds):
        pass


@pytest.fixture
def cut(monkeypatch):
    """Cuts the steps of trainings into slices of these sizes."""
    return lambda *counts: monkeypatch.setattr("models.training.trainer.Pace", lambda: Cut(*counts))


def trainer(callbacks=(), seed=0, **options):
    """One whose model drops out, and whose rate follows a schedule."""
    model = MLP([4, 8, 3], "tanh", seed, dropout=0.3)
    optimizer = SGD(model.parameters(), one_cycle(0.3, EPOCHS * STEPS), 0.9)
    options = {"metrics": {"accuracy": accuracy}, **options}
    return Trainer(model, cross_entropy, optimizer, callbacks, **options)


def fit(one, **changes):
    return one.fit((X, Y), **{"epochs": EPOCHS, "batch_size": BATCH, **changes})


def bits(one):
    """Everything that a training changes, but seconds."""
    arrays, state = one.state()
    return {name: array.tobytes() for name, array in arrays.items()}, state["step"]


# --- what it computes ----------------------------------------------------------------------------


def test_it_is_the_loop_that_one_would_write():
    model = MLP([4, 8, 3], "tanh", 0, dropout=0.3)
    optimizer = SGD(model.parameters(), one_cycle(0.3, EPOCHS * STEPS), 0.9)

    @jit
    def step(x, y):
        loss = cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    losses = []
    for epoch in range(EPOCHS):
        rows = order(200, seed=5, epoch=epoch)[: STEPS * BATCH].reshape(STEPS, BATCH)
        losses.append([step(X[batch], Y[batch]).item() for batch in rows])
    ours = trainer()
    history = fit(ours, seed=5)
    for name, array in model.state_dict().items():
        assert ours.model.state_dict()[name].tobytes() == array.tobytes()
    assert (history.reason, history.steps) == ("finished", EPOCHS * STEPS)
    # Sums of a dozen float32 losses, in float64 by both.
    found = [epoch.train["loss"] for epoch in history.epochs]
    np.testing.assert_allclose(found, np.mean(losses, axis=1, dtype=np.float64), rtol=1e-12)


def test_eagerly_it_is_the_same_but_for_rounding():
    compiled, eager = trainer(), trainer(eager=True)
    fit(compiled)
    fit(eager)
    # Weights of size 1 after 36 steps, each of which rounds by 1e-7.
    for name, array in compiled.model.state_dict().items():
        np.testing.assert_allclose(eager.model.state_dict()[name], array, atol=1e-5)
    assert all(p.grad is None for p in eager.model.parameters())


@pytest.mark.parametrize("n", [1, CHUNK - 1, CHUNK, 2 * CHUNK + 7])
def test_evaluate_is_the_mean_over_all_examples(n):
    x, y = np.resize(X, (n, 4)) + np.arange(n)[:, None] / n, np.resize(Y, n)
    one = trainer()
    found = one.evaluate((x, y))
    one.model.eval()
    logits = one.model(x.astype(np.float32)).data
    # Means of up to 1,007 float32 numbers of size 1, in two orders.
    assert found["loss"] == pytest.approx(cross_entropy(logits, y).item(), rel=1e-5)
    assert found["accuracy"] == pytest.approx((logits.argmax(1) == y).mean(), rel=1e-6)
    one.model.train()
    np.testing.assert_allclose(one.predict(x.astype(np.float32)), logits, rtol=1e-4, atol=1e-6)
    assert one.model.training


def test_float64_data_teaches_a_float32_model():
    model = MLP([4, 8, 1], "tanh")
    ours = Trainer(model, mse, Adam(model.parameters(), lr=0.01))
    target = X[:, :1].astype(np.float64)
    history = ours.fit((X.astype(np.float64), target), epochs=20, batch_size=20)
    assert history.epochs[-1].train["loss"] < 0.1 * history.epochs[0].train["loss"]
    assert {p.dtype for p in model.parameters()} == {np.dtype(np.float32)}


def test_reduce_is_called_with_the_gradients():
    def halve(parameters):
        for p in parameters:
            p.grad = p.grad * 0.5

    models = []
    for reduce, rate in ((halve, 0.5), (None, 0.25)):
        model = MLP([4, 8, 3], "tanh")
        Trainer(model, cross_entropy, SGD(model.parameters(), rate), reduce=reduce).fit((X, Y), 1)
        models.append(model.state_dict())
    for name in models[0]:  # halving rounds nothing
        assert (models[0][name] == models[1][name]).all()


def test_clip_bounds_the_step():
    model = MLP([4, 8, 3], "tanh")
    before = model.state_dict()
    Trainer(model, cross_entropy, SGD(model.parameters(), 1.0), clip=1e-3).fit((X, Y), 1, 200)
    moved = [((model.state_dict()[n] - a).astype(np.float64) ** 2).sum() for n, a in before.items()]
    assert 0.9e-3 < np.sqrt(sum(moved)) < 1.1e-3  # of weights that round by 1e-8


# --- cut, interrupted, gone on with --------------------------------------------------------------


@settings(max_examples=12, deadline=None)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=5))
def test_how_many_steps_come_at_once_changes_no_bit(counts):
    whole = trainer()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("models.training.trainer.Pace", lambda: Cut(EPOCHS * STEPS))
        expected = fit(whole)
        cut = trainer()
        patch.setattr("models.training.trainer.Pace", lambda: Cut(*counts))
        found = fit(cut)
    assert bits(cut) == bits(whole)
    assert [e.train for e in found.epochs] == [e.train for e in expected.epochs]


class Keep(Callback):
    """Keeps the state after so many steps, as a checkpoint does."""

    def __init__(self, after):
        self.after, self.kept = after, None

    def steps(self, trainer):
        if self.kept is None and trainer.place.step >= self.after:
            arrays, state = trainer.state()
            self.kept = arrays, json.loads(json.dumps(state))


@settings(max_examples=15, deadline=None)
@given(st.integers(1, EPOCHS * STEPS - 1), st.integers(1, 9))
def test_a_state_from_the_middle_goes_on_to_the_same_bits(after, count):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("models.training.trainer.Pace", lambda: Cut(count))

        def one():
            return trainer([EarlyStopping("loss", 99), BestWeights("accuracy"), Keep(after)])

        validation = (X[:50], Y[:50])
        whole, second = one(), one()
        expected = fit(whole, validation=validation, checks=3)
        second.restore(*whole.callbacks[2].kept)
        found = fit(second, validation=validation, checks=3)
        assert bits(second) == bits(whole)
        figures = [(epoch.train, epoch.validation) for epoch in expected.epochs]
        again = [(epoch.train, epoch.validation) for epoch in found.epochs]
        assert again == figures[len(figures) - len(again) :]


class Last(Callback):
    """Keeps the state at the end of each epoch, or of the training in the middle of one."""

    def epoch(self, trainer, epoch):
        arrays, state = trainer.state()
        self.kept = arrays, json.loads(json.dumps(state))


@settings(max_examples=10, deadline=None)
@given(st.integers(1, EPOCHS * STEPS - 1))
def test_a_training_that_was_stopped_goes_on_as_if_it_had_not_been(after):
    """Looking at the validation set where it stopped must not count as a look."""

    class Stop(Callback):
        def steps(self, trainer):
            if trainer.place.step >= self.after:
                trainer.stop("enough")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("models.training.trainer.Pace", lambda: Cut(1))
        validation, found = (X[:50], Y[:50]), []
        for stop in (after, 10**9):
            one = trainer([EarlyStopping("loss", 99), Last(), Stop()])
            one.callbacks[2].after = stop
            assert fit(one, validation=validation).steps == min(stop, EPOCHS * STEPS)
            found.append(one)
        second = trainer([EarlyStopping("loss", 99), Last(), Stop()])
        second.callbacks[2].after = 10**9
        second.restore(*found[0].callbacks[1].kept)
        fit(second, validation=validation)
        assert bits(second) == bits(found[1])
        assert second.callbacks[0].state() == found[1].callbacks[0].state()


def test_batch_norm_and_adam_go_on_too():
    def one():
        model = Sequential(Linear(4, 8, generator=np.random.default_rng(0)), BatchNorm(8), Linear(
            8, 3, generator=np.random.default_rng(1)))  # fmt: skip
        return Trainer(model, cross_entropy, Adam(model.parameters(), 0.01), [Keep(20)])

    whole, second = one(), one()
    fit(whole)
    second.restore(*whole.callbacks[0].kept)
    fit(second)
    assert bits(second) == bits(whole)


@pytest.mark.parametrize(
    "change",
    [
        lambda arrays, state: arrays.pop("model.0.weight"),
        lambda arrays, state: arrays.update(extra=np.zeros(3)),
        lambda arrays, state: arrays.update({"model.0.weight": np.zeros((3, 3))}),
        lambda arrays, state: state.pop("position"),
        lambda arrays, state: state.update(step=-1),
        lambda arrays, state: state.update(seed="1"),
        lambda arrays, state: state.update(sums=[None]),
        lambda arrays, state: state.update(callbacks=[{}]),
    ],
)
def test_another_state_is_refused_and_changes_nothing(change):
    source, one = trainer(), trainer(seed=1)
    fit(source)
    arrays, state = source.state()
    change(arrays, state)
    before = bits(one)
    with pytest.raises(ValueError, match=r"restore|expected the place"):
        one.restore(arrays, state)
    assert bits(one) == before


@pytest.mark.parametrize("changes", [{"batch_size": 8}, {"seed": 1}])
def test_another_order_is_refused(changes):
    source, one = trainer([Keep(5)]), trainer([Keep(5)])
    fit(source)
    one.restore(*source.callbacks[0].kept)
    with pytest.raises(ValueError, match=f"another training: {next(iter(changes))}"):
        fit(one, **changes)


def test_ctrl_c_ends_it_and_keeps_what_was_learned():
    class Interrupt(Callback):
        def steps(self, trainer):
            if trainer.place.step >= 20:
                signal.raise_signal(signal.SIGINT)

    one = trainer([Interrupt()])
    handler = signal.getsignal(signal.SIGINT)
    history = fit(one)
    assert history.reason == "stopped"
    assert 20 <= history.steps < EPOCHS * STEPS
    assert history.epochs[-1].step == history.steps
    assert signal.getsignal(signal.SIGINT) is handler


def test_one_that_is_interrupted_after_its_last_step_is_finished():
    """Else it is said to go on, and refused when it is to."""

    class Interrupt(Callback):
        def steps(self, trainer):
            if trainer.place.step == EPOCHS * STEPS:
                signal.raise_signal(signal.SIGINT)

    history = fit(trainer([Interrupt()]))
    assert (history.reason, history.steps) == ("finished", EPOCHS * STEPS)


def test_signals_that_are_ignored_stay_so_and_other_threads_get_none():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with noted([signal.SIGINT]) as received:
            signal.raise_signal(signal.SIGINT)
        assert not received
    finally:
        signal.signal(signal.SIGINT, before)
    found = []
    thread = threading.Thread(target=lambda: found.append(fit(trainer()).reason))
    thread.start()
    thread.join()
    assert found == ["finished"]


# --- a loss that turns NaN -----------------------------------------------------------------------


class Growing(Module):
    """A model whose weight is too large for float32 after `at` + 1 doublings."""

    def __init__(self, at):
        from autograd import Tensor

        self.weight = Tensor(np.array([2.0 ** (127 - at)], np.float32), requires_grad=True)

    def forward(self, x):
        return x[:, :1] * 0.0 + self.weight


class Doubling(SGD):
    def _update(self, i, p, g, *numbers):
        p.assign(p * 2.0)


@pytest.mark.parametrize("counts", [(1,), (2,), (3,), (5, 1), (100,)])
@pytest.mark.parametrize("at", [1, 2, 5, 11, 12, 13, 24, 25, 30])
def test_what_a_bad_loss_was_caused_by_is_undone(at, counts, cut):
    """Float32 ends below 2^128: with the weight 2^(127 - at) at first, the loss after `at` + 1
    steps is the first that is not finite. The step before it is undone, whatever is cut where."""
    cut(*counts)
    model = Growing(at)
    one = Trainer(model, lambda outputs, y: outputs.max(), Doubling(model.parameters()))
    history = one.fit((X, Y), epochs=3, batch_size=BATCH)
    bad = at + 1
    assert history.reason == "diverged"
    assert model.weight.data.tolist() == [2.0**127]
    assert history.steps == one.place.step == bad - 1
    assert int(one.optimizer.count.item()) == bad - 1
    assert (one.place.epoch, one.place.position) == divmod(bad - 1, STEPS)
    assert (
        f"epoch {bad // STEPS + 1}, step {bad % STEPS + 1}: the loss became inf" in history.message
    )


def test_the_first_loss_may_be_bad():
    model = MLP([4, 8, 3])
    model.parameters()[0].data[0, 0] = np.nan
    before = model.state_dict()
    history = Trainer(model, cross_entropy, SGD(model.parameters(), 0.1)).fit((X, Y))
    assert (history.reason, history.steps) == ("diverged", 0)
    assert (
        "layer 0 (Linear 4 to 8): 1 of the 32 entries of its weight became nan" in history.message
    )
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


def test_a_model_of_ones_own_is_looked_into_by_its_tensors():
    model = Growing(3)
    model.weight.data[0] = np.inf
    assert first_bad(model, X) == "1 of the 1 entries of its weight became inf"


# --- callbacks -----------------------------------------------------------------------------------


class Log(Callback):
    def __init__(self):
        self.told = []

    def begin(self, trainer):
        self.told.append("begin")

    def check(self, trainer, validation):
        self.told.append(f"check {trainer.place.position}")

    def epoch(self, trainer, epoch):
        self.told.append(f"epoch {epoch.epoch} at {epoch.step}")

    def end(self, trainer):
        self.told.append(f"end: {trainer.history.reason}")


def test_callbacks_are_told_in_order():
    log = Log()
    fit(trainer([log]), epochs=2, checks=2, validation=(X[:30], Y[:30]))
    assert log.told == [
        *("begin", "check 6", "check 12", "epoch 1 at 12", "check 6", "check 12", "epoch 2 at 24"),
        "end: finished",
    ]


def test_early_stopping_waits_and_best_weights_are_kept():
    seen, kept = [], {}

    class Record(Callback):
        def check(self, trainer, validation):
            seen.append(validation["loss"])
            kept[validation["loss"]] = trainer.model.state_dict()

    one = trainer([Record(), EarlyStopping(patience=2), BestWeights()])
    one.optimizer.lr = constant(3.0)  # too high a rate, so that it gets worse
    history = fit(one, epochs=50, validation=(X[:60], Y[:60]))
    assert history.reason == "no longer better"
    assert all(loss >= min(seen) for loss in seen[-2:])
    assert len(seen) - 1 - int(np.argmin(seen)) == 2
    for name, array in one.model.state_dict().items():
        np.testing.assert_array_equal(array, kept[min(seen)][name])


def test_a_target_ends_it_in_the_middle_of_an_epoch():
    history = fit(trainer([Target("accuracy", 0.01)]), checks=4, validation=(X, Y))
    assert (history.reason, history.steps) == ("reached", STEPS // 4)
    assert history.epochs[-1].examples == STEPS // 4 * BATCH


@pytest.mark.parametrize("callback", [EarlyStopping("accuracy"), BestWeights("nothing")])
def test_a_figure_that_is_not_there_is_said(callback):
    with pytest.raises(ValueError, match="validation"):
        fit(
            trainer([callback], metrics={}),
            validation=(X, Y) if "n" in callback.metric[0] else None,
        )


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"epochs": 0}, "epochs: at least 1"),
        ({"batch_size": 0}, "batch_size: at least 1"),
        ({"batch_size": 201}, "batch_size: at most the 200 examples"),
        ({"checks": 0}, "checks: at least 1"),
        ({"validation": (X, Y[:5])}, "validation: one target for each input"),
        ({"validation": X}, "validation: takes a pair"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(changes, said):
    with pytest.raises(ValueError, match=said):
        fit(trainer(), **changes)


def test_the_pace_grows_to_a_tenth_of_a_second_and_shrinks_at_once():
    pace = plan.Pace()
    found = []
    for seconds in (1e-3, 1e-3, 1e-3, 1e-3, 1e-3):
        pace.took(pace.steps, seconds * pace.steps)
        found.append(pace.steps)
    assert found[-1] == 100
    assert all(later <= 4 * before for before, later in pairwise(found))
    pace.took(100, 100.0)
    assert pace.steps == 1
