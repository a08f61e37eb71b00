"""Optimizers: each update is one expression, written into the parameters by `assign`.

So the same step runs eagerly and traced. (`out=p` is `p.assign` of the result, without the copy
when it runs eagerly: memory bounds the speed of an update.) Everything that changes is a Tensor:
velocities, the step count, and what may be set while training: the learning rate, momentum, weight
decay. A schedule is an expression of the count.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from . import composites, ops
from .modes.mode import mode, no_grad, set_mode
from .schedules import check_positive, constant, cosine, one_cycle
from .state import Setting, State, counted, settings, written
from .tensor import Tensor, wrap

__all__ = [
    "SGD",
    "Adam",
    "AdamW",
    "Optimizer",
    "clip_by_global_norm",
    "clip_by_value",
    "constant",
    "cosine",
    "one_cycle",
]

Schedule = Callable[[Any], Any]


def _check_momentum(optimizer: SGD, momentum: float) -> None:
    if not 0.0 <= momentum < 1.0 or (optimizer.nesterov and not momentum):
        raise ValueError(f"SGD: momentum is in [0, 1), and in (0, 1) with nesterov: {momentum}")


def _check_decay(optimizer: Optimizer, decay: float) -> None:
    if not 0.0 <= decay < math.inf:
        raise ValueError(f"{type(optimizer).__name__}: weight_decay is in [0, inf), not {decay}")


class Optimizer(State):
    """What optimizers share: the parameters, the step count, the rate.

    lr: a number, or a schedule. `optimizer.lr = 0.01` changes it, also under jit, without a reset;
    momentum and weight_decay are set alike. `state_dict()` has all that changes: rate, count,
    velocities, and momentum and weight_decay where they are not 0. Raises TypeError for a parameter
    that is not a Tensor, ValueError for one that is not a leaf, occurs twice or does not require a
    gradient.

    A subclass says how one parameter moves:

    >>> class Signs(Optimizer):
    ...     def _update(self, i, p, g, rate):
    ...         p.assign(p - rate * ops.where(g > 0.0, 1.0, -1.0))
    >>> w = Tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = Signs([w], lr=0.5)
    >>> (w * w).sum().backward(); optimizer.step()
    >>> w.data
    array([ 0.5, -1.5])
    >>> optimizer
    Signs(lr=0.5)  # 1 parameter, 2 numbers, 1 step
    """

    def __init__(self, parameters: Iterable[Tensor], lr: float | Schedule) -> None:
        if isinstance(parameters, Tensor | State):
            raise TypeError(
                f"{type(self).__name__}: takes a list of Tensors; write model.parameters()"
            )
        self._parameters = list(parameters)
        for p in self._parameters:
            if not isinstance(p, Tensor):
                raise TypeError(f"{type(self).__name__}: optimizes Tensors, not {p!r}")
        if len(set(self._parameters)) != len(self._parameters):
            raise ValueError(f"{type(self).__name__}: a parameter occurs twice")
        if not self._parameters:
            raise ValueError(f"{type(self).__name__}: no parameters to optimize")
        for p in self._parameters:
            if p.primitive is not None or not p.requires_grad:
                raise ValueError(
                    f"{type(self).__name__}: {p!r} is not a leaf that requires a gradient"
                )
        self.count = Tensor(np.zeros(()))
        self.rate = Tensor(np.zeros(()))
        self.lr = lr

    def __repr__(self) -> str:
        with set_mode(trace=None):  # what is printed within a step is no number of the step
            said = ", ".join([f"lr={written(self.lr)}", *sorted(settings(self))])
        numbers = sum(p.size for p in self._parameters)
        counts = [(len(self._parameters), "parameter"), (numbers, "number")]
        counts.append((int(self.count._data), "step"))
        return f"{type(self).__name__}({said})  # {', '.join(counted(*each) for each in counts)}"

    @property
    def lr(self) -> float | Schedule:
        """The learning rate, or the schedule it follows."""
        return self._schedule or self.rate.item()

    @lr.setter
    def lr(self, lr: float | Schedule) -> None:
        self._schedule = lr if callable(lr) else None
        if not callable(lr):
            check_positive("lr", lr)
            self.rate.assign(lr)

    def _state_attributes(self, hidden: bool) -> Iterator[tuple[str, Any]]:
        held = super()._state_attributes(hidden)
        return (each for each in held if each[1] is not self._parameters)  # they are the model's

    def zero_grad(self) -> None:
        """Forget the gradients: the next `backward()` starts anew."""
        for p in self._parameters:
            p.grad = None

    def step(self) -> None:
        """Move every parameter against its gradient; those without one stay.

        Raises RuntimeError where no parameter has a gradient.
        """
        with set_mode(gradients=False, scope=(*mode.scope, type(self).__name__)):
            self._step()

    def _step(self) -> None:
        given = [(i, p, p.grad) for i, p in enumerate(self._parameters) if p.grad is not None]
        if not given:
            raise RuntimeError(
                f"{type(self).__name__}.step: no gradients; call backward() first, on a loss of "
                "these parameters"
            )
        rate = self._schedule(self.count) if self._schedule else self.rate
        self.count.assign(self.count + 1.0)
        numbers = {dtype: self._numbers(rate, dtype) for dtype in {p.dtype for _, p, _ in given}}
        for i, p, g in given:
            self._update(i, p, g, *numbers[p.dtype])

    def _numbers(self, rate: Any, dtype: np.dtype[Any]) -> tuple[Any, ...]:
        """What changes while training, for parameters of this dtype: the rate."""
        return (_number(rate, dtype),)

    def _update(self, i: int, p: Tensor, g: Any, *numbers: Any) -> None:
        """Move parameter number i, with gradient g, by what `_numbers` gives."""
        raise NotImplementedError

    def _zeros(self) -> list[Tensor]:
        return [Tensor(np.zeros_like(p._data)) for p in self._parameters]


def _number(x: Any, dtype: np.dtype[Any]) -> Any:
    """A float64 scalar in a parameter's dtype: it would turn the whole update into float64."""
    return x.astype(dtype) if isinstance(x, Tensor) else x


def _keep_normal(moment: Tensor) -> None:
    """Round entries to multiples of a very small number, in float32 1e-28; those above 1e-14 keep
    their bits. A moment whose gradient stays 0 would decay to subnormal numbers and, rounded to
    nearest, stay there; many CPUs take a hundred times as long for those, and for what the rate
    makes of numbers a little larger."""
    limits = np.finfo(moment.dtype)
    small = float(limits.smallest_normal) * 2.0 ** (limits.nmant + 33)
    ops.add(moment, small, out=moment)
    ops.sub(moment, small, out=moment)


class SGD(Optimizer):
    """Stochastic gradient descent, as PyTorch's: v = momentum v + g; p = p - lr v.

    nesterov: step along g + momentum v instead. weight_decay: adds that much of p to g.
    Raises ValueError for numbers out of range.

    >>> w = Tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = SGD([w], lr=0.25, momentum=0.9)
    >>> (w * w).sum().backward(); optimizer.step(); optimizer.zero_grad()
    >>> w.data
    array([ 0.5, -1. ])
    >>> print(optimizer)
    SGD(lr=0.25, momentum=0.9, nesterov=False, weight_decay=0.0)  # 1 parameter, 2 numbers, 1 step
    """

    momentum = Setting(_check_momentum)
    weight_decay = Setting(_check_decay)

    def __init__(
        self,
        parameters: Iterable[Tensor],
        lr: float | Schedule = 0.1,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(parameters, lr)
        self.nesterov = nesterov
        self.momentum, self.weight_decay = momentum, weight_decay
        self.velocity = self._zeros()

    def _numbers(self, rate: Any, dtype: np.dtype[Any]) -> tuple[Any, ...]:
        held = rate, SGD.momentum.held(self), SGD.weight_decay.held(self)
        return tuple([_number(each, dtype) for each in held])

    def _update(self, i: int, p: Tensor, g: Any, *numbers: Any) -> None:
        rate, momentum, decay = numbers
        if decay is not None:
            g = g + decay * p
        if momentum is not None:
            velocity = self.velocity[i]
            ops.mul(momentum, velocity, out=velocity)
            ops.add(velocity, g, out=velocity)
            _keep_normal(velocity)
            g = g + momentum * velocity if self.nesterov else velocity
        ops.sub(p, rate * g, out=p)


class Adam(Optimizer):
    """Adam (Kingma and Ba, arXiv 1412.6980, algorithm 1): steps of about lr along the mean
    gradient, each entry divided by its root mean square. ValueError for numbers out of range.

    >>> w = Tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = Adam([w], lr=0.5)
    >>> (w * w).sum().backward(); optimizer.step()
    >>> w.data.round(6)
    array([ 0.5, -1.5])
    """

    weight_decay = Setting(_check_decay)

    def __init__(
        self,
        parameters: Iterable[Tensor],
        lr: float | Schedule = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(parameters, lr)
        if not all(0.0 <= beta < 1.0 for beta in betas) or eps <= 0:
            raise ValueError(f"{type(self).__name__}: betas in [0, 1), eps above 0: {betas}, {eps}")
        self.betas, self.eps, self.weight_decay = betas, eps, weight_decay
        self.first, self.second = self._zeros(), self._zeros()

    def _numbers(self, rate: Any, dtype: np.dtype[Any]) -> tuple[Any, ...]:
        return _number(rate, dtype), _number(Adam.weight_decay.held(self), dtype)

    def _update(self, i: int, p: Tensor, g: Any, *numbers: Any) -> None:
        rate, decay = numbers
        first, second, (beta1, beta2) = self.first[i], self.second[i], self.betas
        if decay is not None:
            g = self._decayed(p, g, decay)
        ops.mul(beta1, first, out=first)
        ops.add(first, (1.0 - beta1) * g, out=first)
        ops.mul(beta2, second, out=second)
        ops.add(second, (1.0 - beta2) * g * g, out=second)
        _keep_normal(first)
        _keep_normal(second)
        # `count` is already that of this step. The corrections are numbers, the rest arrays.
        corrected = rate / _number(1.0 - ops.power(beta1, self.count), p.dtype)
        root = ops.sqrt(_number(1.0 - ops.power(beta2, self.count), p.dtype))
        ops.sub(p, corrected * first / (ops.sqrt(second) / root + self.eps), out=p)

    def _decayed(self, p: Tensor, g: Any, decay: Any) -> Any:
        return g + decay * p


class AdamW(Adam):
    """Adam with weight decay apart from the gradient: p shrinks by lr * weight_decay first
    (Loshchilov and Hutter, arXiv 1711.05101). weight_decay is 0.01 if not given, as PyTorch's.

    >>> w = Tensor([1.0], requires_grad=True)
    >>> AdamW([w], lr=0.1, betas=(0.9, 0.99))
    AdamW(lr=0.1, betas=(0.9, 0.99), eps=1e-08, weight_decay=0.01)  # 1 parameter, 1 number, 0 steps
    """

    def __init__(
        self,
        parameters: Iterable[Tensor],
        lr: float | Schedule = 1e-3,
        weight_decay: float = 0.01,
        **others: Any,
    ) -> None:
        super().__init__(parameters, lr, weight_decay=weight_decay, **others)

    def _numbers(self, rate: Any, dtype: np.dtype[Any]) -> tuple[Any, ...]:
        number, decay = super()._numbers(rate, dtype)
        if decay is not None and not isinstance(rate, Tensor):
            # A Python number takes the dtype of what it meets: the product is rounded once.
            decay = Adam.weight_decay.held(self)
        return number, None if decay is None else _number(number * decay, dtype)

    def _decayed(self, p: Tensor, g: Any, decay: Any) -> Any:
        ops.sub(p, decay * p, out=p)
        return g


@no_grad()
def clip_by_global_norm(parameters: Iterable[Tensor], limit: float) -> Any:
    """Scale all gradients by one factor so that their joint Euclidean norm is at most `limit`
    (Pascanu et al., arXiv 1211.5063). Gives the norm before, a scalar Tensor.

    >>> w = Tensor([3.0, 4.0], requires_grad=True)
    >>> (w * w).sum().backward()
    >>> clip_by_global_norm([w], 1.0).item(), w.grad.data.round(3)
    (10.0, array([0.6, 0.8]))
    """
    check_positive("limit", limit)
    given = [(p, p.grad) for p in parameters if p.grad is not None]
    if not given:
        return wrap(np.zeros(()))
    norm = ops.sqrt(sum((ops.sum(g * g) for _, g in given), 0.0))
    factor = ops.minimum(1.0, limit / (norm + 1e-6))  # PyTorch's guard against a zero norm
    for p, g in given:
        p.grad = g * _number(factor, g.dtype)
    return norm


@no_grad()
def clip_by_value(parameters: Iterable[Tensor], limit: float) -> None:
    """Hold every entry of every gradient between -limit and limit.

    >>> w = Tensor([0.25, -4.0], requires_grad=True)
    >>> (w * w).sum().backward(); clip_by_value([w], 1.0)
    >>> w.grad.data
    array([ 0.5, -1. ])
    """
    check_positive("limit", limit)
    for p in parameters:
        if p.grad is not None:
            p.grad = composites.clip(p.grad, -limit, limit)
