"""The Trainer: teaches any Module from arrays, and loses nothing on the way.

`fit` reads from top to bottom. It knows nothing of files or screens: callbacks are told what
happens, and may end it. Where a training stands is a `Place` and the states of model, optimizer and
callbacks: with those it goes on to the same bits.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autograd import Tensor, jit, no_grad
from autograd.nn import Module
from autograd.optim import Optimizer
from autograd.ranks import broadcast, gather, world
from models.training import steps
from models.training.place import Epoch, History, Place
from models.training.plan import Data, Pace, Plan, Set
from models.training.rewind import Rewind, bad_data, first_bad
from models.training.signals import noted

__all__ = ["Arrays", "Callback", "Trainer"]

Arrays = Mapping[str, NDArray[Any]]


class Callback:
    """What a `Trainer` calls; a subclass overrides what it needs. `trainer.stop(reason)` ends the
    training after the steps at hand."""

    def begin(self, trainer: Trainer) -> None:
        """Before the first step."""

    def steps(self, trainer: Trainer) -> None:
        """After some steps, about ten times a second: `trainer.place` says how many are done. A
        `trainer.state()` that is taken here is one to go on from."""

    def check(self, trainer: Trainer, validation: Mapping[str, float]) -> None:
        """After each look at the validation set: its loss and metrics."""

    def epoch(self, trainer: Trainer, epoch: Epoch) -> None:
        """At the end of each epoch, and of the training in the middle of one."""

    def end(self, trainer: Trainer) -> None:
        """After the last step, however the training ended: `trainer.history` says how."""

    def state(self) -> tuple[Arrays, dict[str, Any]]:
        """What a checkpoint must hold of this: arrays by name, and what JSON can write; empty where
        that is nothing."""
        return {}, {}

    def restore(self, arrays: Arrays, state: Mapping[str, Any]) -> None:
        """Take what `state` gave."""


class Trainer:
    """Teaches `model` by `optimizer` to make the mean `loss(outputs, targets)` small. Run by
    mpiexec, after `autograd.ranks.join()`, ranks share each batch and each look at a set.

    callbacks: see Callback. reduce: called in each step with the parameters, whose gradients it
    may change before the optimizer reads them; by then they are averaged over all ranks. inputs:
    what the model reads of a batch as it lies in memory; by default floats in the weights' dtype.
    metrics: further figures by name, as the loss is one: means of (outputs, targets). clip: the
    greatest norm of the whole gradient. eager: compute each step in NumPy; otherwise steps are
    compiled, and many run in one call.

    >>> from autograd.nn import mse
    >>> from autograd.optim import Adam
    >>> from models.mlp import MLP
    >>> x = np.linspace(-3.0, 3.0, 256).reshape(-1, 1)
    >>> model = MLP([1, 32, 1], "tanh")
    >>> trainer = Trainer(model, mse, Adam(model.parameters(), lr=0.02))
    >>> history = trainer.fit((x, np.sin(x)), epochs=60, batch_size=32)
    >>> history.reason, history.steps, trainer.evaluate((x, np.sin(x)))["loss"] < 0.01
    ('finished', 480, True)
    """

    def __init__(
        self,
        model: Module,
        loss: steps.Loss,
        optimizer: Optimizer,
        callbacks: Sequence[Callback] = (),
        reduce: steps.Reduce | None = None,
        *,
        inputs: Callable[[Any], Any] | None = None,
        metrics: Mapping[str, steps.Loss] | None = None,
        clip: float | None = None,
        eager: bool = False,
    ) -> None:
        self.model, self.optimizer, self.callbacks = model, optimizer, _checked(callbacks)
        cast = steps.as_dtype(model.parameters()[0].dtype)
        self.inputs = inputs or cast
        if not isinstance(metrics, Mapping | None):
            raise TypeError(
                f"metrics: takes functions by name, {{'accuracy': accuracy}}: {metrics!r}"
            )
        if "loss" in (metrics or {}):
            raise ValueError(
                "metrics: 'loss' is what the loss is called; name the metric otherwise"
            )
        figures = {"loss": loss, **(metrics or {})}
        self.figures = {name: steps.mean_of(name, figure) for name, figure in figures.items()}
        wrap: Any = (lambda function: function) if eager else jit
        others = list(self.figures.values())[1:]
        self._step = wrap(
            steps.step_of(
                model, self.figures["loss"], optimizer, (self.inputs, cast), others, reduce, clip
            )
        )
        self._score = wrap(steps.scored(model, (self.inputs, cast), list(self.figures.values())))
        self._outputs = wrap(lambda x: steps.listed(model(self.inputs(x))))
        self.place = Place(0, 1, 0)
        self.history = History("", 0)
        self._restored = False
        self._plan: Plan | None = None

    # --- training ---

    def fit(
        self,
        data: Data,
        epochs: int = 10,
        batch_size: int = 32,
        validation: Data | None = None,
        seed: int = 0,
        checks: int = 1,
    ) -> History:
        """Learn from all `data` `epochs` times, in batches, in an order that the seed decides.

        data, validation: a pair of arrays, inputs (n, ...) and targets (n, ...), or Examples. The
        examples that are left over when an epoch is cut into batches are not used in it. checks:
        how often in an epoch the validation set is looked at. After `restore`, goes on from there.
        Ctrl-C ends it and keeps what was learned. Raises ValueError for arrays of different
        lengths, fewer examples than a batch, and a restored place that is another training's.
        """
        plan = Plan.of(data, epochs, batch_size, validation, seed, checks)
        self._plan, self.history = plan, History("", 0)
        if not self._restored:
            self.place = Place(len(plan.training.rows), batch_size, seed)
        begun: list[Callback] = []
        try:
            for callback in self.callbacks:
                callback.begin(self)
                begun.append(callback)
            self._fit(plan)
        finally:
            for callback in begun:
                callback.end(self)
        return self.history

    def _fit(self, plan: Plan) -> None:
        plan.check(self.place)
        self._restored = False
        self.history.steps = self.place.step
        self.place.resume()
        self.model.train()
        default = signal.getsignal(signal.SIGINT) is signal.default_int_handler
        try:
            with noted([signal.SIGINT] if default else []) as received:
                self._learn(plan, received)
            if self.history.reason == "stopped" and self.place.epoch == plan.epochs:
                self.history.reason = ""  # by a signal after the last step
            self.stop("finished")
        finally:
            self.history.steps = self.place.step
            self.optimizer.zero_grad()

    def stop(self, reason: str) -> None:
        """End the training after the steps at hand; the first reason counts."""
        self.history.reason = self.history.reason or reason

    @property
    def validates(self) -> bool:
        """Whether there is a validation set."""
        return self._plan is not None and self._plan.validation is not None

    @property
    def epochs(self) -> int:
        """How many epochs `fit` was asked for."""
        return self._plan.epochs if self._plan else 0

    @property
    def steps_per_epoch(self) -> int:
        """How many whole batches an epoch has."""
        return self._plan.steps if self._plan else 0

    def _learn(self, plan: Plan, received: list[int]) -> None:
        rewind, pace = Rewind(self.model, self.optimizer), Pace()
        place, order = self.place, plan.order(self.place.epoch)
        while place.epoch < plan.epochs and not self._is_ending():
            end = plan.next_check(place.position)
            # All ranks do as many steps at a time as suits the first one.
            some = order[place.position : min(place.position + broadcast(pace.steps), end)]
            batches = world().share(some, axis=1)
            rewind.note(place, batches)
            start = time.perf_counter()
            figures = steps.run(self._step, plan.training.arrays, batches)
            pace.took(len(batches), time.perf_counter() - start)
            finite = np.isfinite(figures[0])
            if not finite.all():
                self._diverged(plan, rewind, figures[0], int(finite.argmin()))
                return
            place.advance(figures)
            if place.position == end:
                self._check(plan)
            if place.position == 0:
                order = plan.order(place.epoch)
            self._tell("steps")
            if received:
                self.stop("stopped")
        if place.position and self.history.steps != place.step:
            self._end_epoch(plan, self._look(plan))

    def _is_ending(self) -> bool:
        """Whether there is a reason to end; one that any rank has is the reason of all."""
        self.history.reason = next(filter(None, gather(self.history.reason)), "")
        return bool(self.history.reason)

    def _check(self, plan: Plan) -> None:
        """Look at the validation set where that is due, and end the epoch, or the training."""
        validation = self._look(plan)
        if validation is not None:
            self._tell("check", validation)
        if self._is_ending() or self.place.position == plan.steps:
            self._end_epoch(plan, validation)

    def _look(self, plan: Plan) -> dict[str, float] | None:
        return None if plan.validation is None else self._evaluate(plan.validation)

    def _end_epoch(self, plan: Plan, validation: Mapping[str, float] | None) -> None:
        """Say what the epoch came to, which may end in the middle of one."""
        epoch, whole = self._epoch(validation), self.place.position == plan.steps
        self.history.steps = self.place.step
        self.history.epochs.append(epoch)
        if whole:
            self.place.next_epoch()
        self._tell("epoch", epoch)

    def _epoch(self, validation: Mapping[str, float] | None) -> Epoch:
        place = self.place
        return Epoch(
            epoch=place.epoch + 1,
            step=place.step,
            examples=place.position * place.batch_size,
            train=dict(zip(self.figures, place.means(), strict=True)),
            validation=validation,
            lr=self._rate(),
            seconds=place.spent(),
        )

    @no_grad()
    def _rate(self) -> float:
        """The learning rate of the last step."""
        lr = self.optimizer.lr
        # By its own count, which a second training goes on with.
        return float(lr(self.optimizer.count.item() - 1.0) if callable(lr) else lr)

    def _diverged(self, plan: Plan, rewind: Rewind, losses: NDArray[Any], bad: int) -> None:
        """Go back to the last weights that gave a finite loss, and say what went bad first."""
        when = f"epoch {self.place.epoch + 1}, step {self.place.position + bad + 1}"
        arrays = plan.training.arrays
        place, batch = rewind.back(lambda order: steps.run(self._step, arrays, order), bad)
        self.model.eval()
        x, y = (array.take(batch, axis=0) for array in arrays)
        causes = gather(bad_data(x, y) or first_bad(self.model, self.inputs(x)))
        # What one rank found in its share others need not have found in theirs.
        cause = min(causes, key=lambda said: (said.endswith("finite"), said.startswith("layer")))
        self.model.train()
        rewind.restore()
        self.place = place
        self.history.reason = "diverged"
        self.history.message = f"{when}: the loss became {losses[bad]}; first bad: {cause}"

    def _tell(self, what: str, *told: Any) -> None:
        for callback in self.callbacks:
            getattr(callback, what)(self, *told)

    # --- looking ---

    def evaluate(self, data: Data) -> dict[str, float]:
        """The mean loss and metrics of the model, in evaluation, on all of `data`. ValueError where
        there is none."""
        examples = Set.of("data", data)
        if not len(examples.rows):
            raise ValueError("evaluate: at least one example is needed for a mean")
        return self._evaluate(examples)

    def _evaluate(self, data: Set) -> dict[str, float]:
        totals, rows = np.zeros(len(self.figures)), world().part(data.rows)
        if len(rows):
            for count, results in steps.over(self.model, self._score, data.arrays, rows):
                totals += count * np.array(results, np.float64)
        totals = np.sum(gather(totals), axis=0)
        return dict(zip(self.figures, (totals / len(data.rows)).tolist(), strict=True))

    def predict(self, x: NDArray[Any]) -> Any:
        """What the model, in evaluation, gives for the inputs x, (n, ...): an array, (n, ...), or a
        tuple of such where the model gives several."""
        parts = steps.over(self.model, self._outputs, [np.asarray(x)], np.arange(len(x)))
        outputs = tuple(map(np.concatenate, zip(*(results for _, results in parts), strict=True)))
        return outputs if len(outputs) > 1 else outputs[0]

    # --- going on later ---

    def state(self) -> tuple[Arrays, dict[str, Any]]:
        """All that a training needs to go on to the same bits: arrays by name, copied, and what
        JSON can write."""
        arrays = {name: tensor.data.copy("K") for name, tensor in self._held().items()}
        states = []
        for i, callback in enumerate(self._counting()):
            more, state = callback.state()
            arrays |= {f"callback.{i}.{name}": array for name, array in more.items()}
            states.append({"of": type(callback).__name__, "state": state})
        reason = self.history.reason  # why there is nothing more to learn, if there is not
        return arrays, {**self.place.state(), "reason": reason, "callbacks": states}

    def restore(self, arrays: Arrays, state: Mapping[str, Any]) -> None:
        """Take what `state` gave: the next `fit` goes on from there.

        Raises ValueError, and changes nothing, where it is of another model, optimizer or list of
        callbacks.
        """
        held, place, callbacks = self._held(), Place.read(state), self._counting()
        states: Any = state.get("callbacks")
        _check_callbacks(callbacks, states)
        if len(place.sums) not in (0, len(self.figures)):
            raise ValueError("restore: the training was another one: it had other metrics")
        for name in sorted({*held, *(n for n in arrays if not n.startswith("callback."))}):
            mine, given = held.get(name), arrays.get(name)
            if mine is None or given is None or mine.shape != given.shape:
                raise ValueError(
                    f"restore: the training was another one: {name} {_shape(given)} there, "
                    f"{_shape(mine)} here"
                )
        for name, tensor in held.items():
            tensor.assign(arrays[name].astype(tensor.dtype))
        for i, (callback, its) in enumerate(zip(callbacks, states, strict=True)):
            prefix = f"callback.{i}."
            own = {n.removeprefix(prefix): a for n, a in arrays.items() if n.startswith(prefix)}
            callback.restore(own, its["state"])
        self.place, self._restored = place, True

    def _counting(self) -> list[Callback]:
        """The callbacks that have a state."""
        return [each for each in self.callbacks if type(each).state is not Callback.state]

    def _held(self) -> dict[str, Tensor]:
        owners: dict[str, Any] = {"model": self.model, "optimizer": self.optimizer}
        return {
            f"{owner}.{name}": tensor
            for owner, holder in owners.items()
            for name, tensor in holder.named_state(hidden=True)
        }


def _checked(callbacks: Any) -> list[Callback]:
    listed = list(callbacks) if isinstance(callbacks, list | tuple) else [callbacks]
    for each in listed:
        if not isinstance(each, Callback):
            hint = f"write {each.__name__}()" if isinstance(each, type) else "see Callback"
            raise TypeError(f"callbacks: takes a list of Callbacks, not {each!r}; {hint}")
    return listed


def _check_callbacks(callbacks: Sequence[Callback], states: Any) -> None:
    """ValueError unless the states are of such callbacks, in this order."""
    here = [type(callback).__name__ for callback in callbacks]
    listed = isinstance(states, list) and all(isinstance(each, Mapping) for each in states)
    there = [each.get("of") for each in states] if listed else None
    if here != there:
        raise ValueError(
            f"restore: the training was another one: its callbacks with a state were {there}, "
            f"here they are {here}"
        )


def _shape(array: Any) -> str:
    return "is missing" if array is None else f"has shape {array.shape}"
