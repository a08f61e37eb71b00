"""Optimizers and schedules against PyTorch, step by step in float64, and their own contracts."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from autograd import Tensor
from autograd.optim import (
    SGD,
    Adam,
    AdamW,
    clip_by_global_norm,
    clip_by_value,
    constant,
    cosine,
    one_cycle,
)

STEPS = 20
SHAPES = [(3, 2), (4,), ()]
# Twenty steps of a handful of float64 operations each, on numbers of size 1: some 100 eps.
CLOSE = {"rtol": 1e-12, "atol": 1e-12}


def start():
    generator = np.random.default_rng(0)
    return [generator.standard_normal(shape) for shape in SHAPES]


def slope(p, step):
    """A gradient that depends on where p is, is not symmetric, and never the same twice."""
    return 3.0 * np.sin(2.0 * p) + 0.5 * np.cos(7.0 * step + np.arange(p.size).reshape(p.shape))


def ours(make, between=lambda parameters: None, dtype=np.float64):
    parameters = [Tensor(p.astype(dtype), requires_grad=True) for p in start()]
    optimizer = make(parameters)
    path = []
    for step in range(STEPS):
        for p in parameters:
            p.grad = Tensor(np.asarray(slope(p.data, step), dtype))
        between(parameters)
        optimizer.step()
        path.append([p.data.copy() for p in parameters])
    return path


def theirs(make, between=lambda torch, parameters: None, schedule=None):
    torch = pytest.importorskip("torch")
    parameters = [torch.tensor(p, requires_grad=True) for p in start()]
    optimizer = make(torch.optim, parameters)
    scheduler = schedule and schedule(torch.optim.lr_scheduler, optimizer)
    path = []
    for step in range(STEPS):
        for p in parameters:
            p.grad = torch.from_numpy(np.asarray(slope(p.detach().numpy(), step)))
        between(torch, parameters)
        optimizer.step()
        if scheduler:
            scheduler.step()
        path.append([p.detach().numpy().copy() for p in parameters])
    return path


def same(one, other):
    for step, (a, b) in enumerate(zip(one, other, strict=True)):
        for p, q in zip(a, b, strict=True):
            np.testing.assert_allclose(p, q, **CLOSE, err_msg=f"after step {step}")


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"momentum": 0.9},
        {"momentum": 0.9, "nesterov": True},
        {"weight_decay": 0.1},
        {"momentum": 0.8, "nesterov": True, "weight_decay": 0.1},
    ],
    ids=str,
)
def test_sgd_is_pytorchs(options):
    same(
        ours(lambda p: SGD(p, lr=0.05, **options)),
        theirs(lambda optim, p: optim.SGD(p, lr=0.05, **options)),
    )


@pytest.mark.parametrize("options", [{}, {"weight_decay": 0.1}, {"betas": (0.5, 0.7), "eps": 0.1}])
@pytest.mark.parametrize("name", ["Adam", "AdamW"])
def test_adam_and_adamw_are_pytorchs(name, options):
    options = {"weight_decay": 0.0, **options}
    same(
        ours(lambda p: {"Adam": Adam, "AdamW": AdamW}[name](p, lr=0.05, **options)),
        theirs(lambda optim, p: getattr(optim, name)(p, lr=0.05, **options)),
    )


@pytest.mark.parametrize("limit", [0.5, 3.0, 100.0])
def test_clipping_by_global_norm_is_pytorchs(limit):
    same(
        ours(lambda p: SGD(p, lr=0.05), lambda p: clip_by_global_norm(p, limit)),
        theirs(
            lambda optim, p: optim.SGD(p, lr=0.05),
            lambda torch, p: torch.nn.utils.clip_grad_norm_(p, limit),
        ),
    )


def test_clipping_by_value_is_pytorchs():
    same(
        ours(lambda p: SGD(p, lr=0.05), lambda p: clip_by_value(p, 0.7)),
        theirs(
            lambda optim, p: optim.SGD(p, lr=0.05),
            lambda torch, p: torch.nn.utils.clip_grad_value_(p, 0.7),
        ),
    )


def test_the_cosine_schedule_is_pytorchs():
    same(
        ours(lambda p: SGD(p, lr=cosine(0.1, STEPS), momentum=0.9)),
        theirs(
            lambda optim, p: optim.SGD(p, lr=0.1, momentum=0.9),
            schedule=lambda schedulers, o: schedulers.CosineAnnealingLR(o, T_max=STEPS),
        ),
    )


@pytest.mark.parametrize("make", [SGD, Adam])
def test_the_one_cycle_schedule_is_pytorchs(make):
    same(
        ours(lambda p: make(p, lr=one_cycle(0.1, STEPS))),
        theirs(
            lambda optim, p: getattr(optim, make.__name__)(p, lr=0.1),
            schedule=lambda schedulers, o: schedulers.OneCycleLR(
                o, max_lr=0.1, total_steps=STEPS, cycle_momentum=False
            ),
        ),
    )


# --- schedules -----------------------------------------------------------------------------------


def test_cosine_falls_from_the_rate_to_zero_and_stays():
    rate = cosine(0.4, 10)
    assert [rate(0.0), rate(10.0), rate(50.0)] == [0.4, 0.0, 0.0]
    assert rate(5.0) == pytest.approx(0.2, rel=1e-15)
    for t in range(10):
        judge = 0.2 * (1 + math.cos(math.pi * t / 10))
        assert rate(float(t)) == pytest.approx(judge, rel=1e-14)
        assert rate(Tensor(float(t))).item() == pytest.approx(judge, rel=1e-14)


def test_one_cycle_rises_peaks_and_falls_to_almost_nothing():
    rate = one_cycle(0.5, 100, warmup=0.3)
    rates = [rate(float(t)) for t in range(100)]
    assert rates[0] == pytest.approx(0.02, rel=1e-14)
    assert max(rates) == rates[29] == pytest.approx(0.5, rel=1e-14)
    assert rates[99] == rate(1000.0) == pytest.approx(2e-6, rel=1e-9)
    assert all(a < b for a, b in itertools.pairwise(rates[:30]))
    assert all(a > b for a, b in itertools.pairwise(rates[29:]))
    by_tensor = [rate(Tensor(float(t))).item() for t in range(100)]
    np.testing.assert_allclose(by_tensor, rates, rtol=1e-14)


def test_a_schedule_is_read_at_the_count_of_steps_before():
    p = Tensor([0.0], requires_grad=True)
    seen = []
    optimizer = SGD([p], lr=lambda count: seen.append(count.item()) or 1.0)
    for _ in range(3):
        p.grad = Tensor([1.0])
        optimizer.step()
    assert seen == [0.0, 1.0, 2.0]
    np.testing.assert_array_equal(p.data, [-3.0])


@pytest.mark.parametrize("schedule", [cosine, one_cycle])
@pytest.mark.parametrize("wrong", [(0.0, 10), (-1.0, 10), (0.1, 0), (math.nan, 10), (math.inf, 10)])
def test_schedules_want_positive_numbers(schedule, wrong):
    with pytest.raises(ValueError, match="positive"):
        schedule(*wrong)


def test_a_rate_may_be_changed_on_the_way_and_keeps_the_momentum():
    p = Tensor([0.0], requires_grad=True)
    optimizer = SGD([p], lr=0.1, momentum=0.5)
    for rate, place in [(0.1, -0.1), (1.0, -1.6), (constant(2.0), -5.1)]:
        optimizer.lr = rate
        p.grad = Tensor([1.0])
        optimizer.step()
        np.testing.assert_allclose(p.data, [place], rtol=1e-15)
    assert optimizer.count.item() == 3.0


# --- settings ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "options", "changed"),
    [
        ("SGD", {"momentum": 0.9, "weight_decay": 0.1}, {"momentum": 0.5, "weight_decay": 0.01}),
        ("SGD", {"momentum": 0.9, "nesterov": True}, {"momentum": 0.3}),
        ("SGD", {"momentum": 0.0}, {"momentum": 0.9, "weight_decay": 0.1}),
        ("Adam", {"weight_decay": 0.1}, {"weight_decay": 0.0}),
        ("AdamW", {"weight_decay": 0.1}, {"weight_decay": 0.5}),
        ("AdamW", {"weight_decay": 0.0}, {"weight_decay": 0.5}),
    ],
    ids=str,
)
def test_a_setting_changed_on_the_way_is_pytorchs(name, options, changed):
    """And reads as the very number that was set."""
    made, calls = [], itertools.count()

    def keep(optimizer):
        made.append(optimizer)
        return optimizer

    def now():
        return next(calls) % STEPS == STEPS // 2

    def change_ours(parameters):
        for setting, number in changed.items() if now() else ():
            setattr(made[-1], setting, number)
            assert getattr(made[-1], setting) == number

    def change_theirs(torch, parameters):
        made[-1].param_groups[0].update(changed if now() else {})

    kind = {"SGD": SGD, "Adam": Adam, "AdamW": AdamW}[name]
    same(
        ours(lambda p: keep(kind(p, lr=0.05, **options)), change_ours),
        theirs(lambda optim, p: keep(getattr(optim, name)(p, lr=0.05, **options)), change_theirs),
    )


def by_hand(name, p, gradients, rate, momentum=0.9, decay=0.1):
    """The update in NumPy with Python's numbers, each of which takes an array's dtype."""
    velocity, second = np.zeros_like(p), np.zeros_like(p)
    number = rate if isinstance(rate, float) else p.dtype.type(rate[0])
    for count, gradient in enumerate(gradients, 1):
        g = gradient if name == "AdamW" else gradient + decay * p
        if name == "AdamW":
            p = p - number * decay * p
        if name == "SGD":
            velocity = momentum * velocity + g
            p = p - number * (g + momentum * velocity)
            continue
        velocity = 0.9 * velocity + (1.0 - 0.9) * g
        second = 0.999 * second + (1.0 - 0.999) * g * g
        corrected = number / p.dtype.type(1.0 - np.power(0.9, float(count)))
        root = np.sqrt(p.dtype.type(1.0 - np.power(0.999, float(count))))
        p = p - corrected * velocity / (np.sqrt(second) / root + 1e-8)
    return p


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW"])
@pytest.mark.parametrize(
    ("lr", "rate"), [(0.03, [0.03]), (constant(0.03), 0.03)], ids=["number", "schedule"]
)
def test_the_bits_are_those_of_pythons_numbers(name, dtype, lr, rate):
    """Not those of float64 beside float32, nor of a product that is rounded twice."""
    make = {
        "SGD": lambda p: SGD(p, lr, momentum=0.9, nesterov=True, weight_decay=0.1),
        "Adam": lambda p: Adam(p, lr, weight_decay=0.1),
        "AdamW": lambda p: AdamW(p, lr, weight_decay=0.1),
    }[name]
    generator = np.random.default_rng(0)
    gradients = generator.standard_normal((5, 40)).astype(dtype)
    p = Tensor(generator.standard_normal(40).astype(dtype), requires_grad=True)
    judge = by_hand(name, p.data.copy(), gradients, rate)
    optimizer = make([p])
    for g in gradients:
        p.grad = Tensor(g)
        optimizer.step()
    np.testing.assert_array_equal(p.data, judge)


@pytest.mark.parametrize(
    ("kind", "options", "name", "wrong"),
    [
        (SGD, {}, "momentum", [1.0, -0.1, math.nan]),
        (SGD, {"nesterov": True}, "momentum", [0.0, 1.0]),
        (SGD, {}, "weight_decay", [-0.1, math.nan, math.inf]),
        (Adam, {}, "weight_decay", [-0.1, math.nan, math.inf]),
        (AdamW, {}, "weight_decay", [-0.1, math.nan, math.inf]),
    ],
)
def test_a_setting_out_of_range_is_refused_as_in_the_constructor(kind, options, name, wrong):
    p = Tensor([1.0], requires_grad=True)
    optimizer = kind([p], **options, **{name: 0.5})
    for number in wrong:
        with pytest.raises(ValueError, match=rf"{kind.__name__}: {name} is in \[0") as by_setting:
            setattr(optimizer, name, number)
        with pytest.raises(ValueError, match=name) as by_constructor:
            kind([p], **options, **{name: number})
        assert str(by_setting.value) == str(by_constructor.value)
    assert getattr(optimizer, name) == 0.5


def test_what_an_optimizer_holds_by_name():
    """What a page or a file calls them; the parameters are the model's."""
    p = Tensor([1.0, 2.0], requires_grad=True)
    names = {
        SGD([p]): ["count", "rate", "velocity.0"],
        SGD([p], momentum=0.9): ["count", "rate", "momentum", "velocity.0"],
        SGD([p], weight_decay=0.1): ["count", "rate", "weight_decay", "velocity.0"],
        Adam([p]): ["count", "rate", "first.0", "second.0"],
        AdamW([p]): ["count", "rate", "weight_decay", "first.0", "second.0"],
    }
    for optimizer, expected in names.items():
        for hidden in (False, True):
            assert [name for name, _ in optimizer.named_state(hidden)] == expected
        assert list(optimizer.state_dict()) == expected
    assert all(t is not p for optimizer in names for _, t in optimizer.named_state(hidden=True))


def test_a_number_of_another_optimizers_terms_does_not_load():
    p = Tensor([1.0], requires_grad=True)
    plain, other = SGD([p]), SGD([p], momentum=0.5)
    with pytest.raises(ValueError, match=r"unknown \['momentum'\]"):
        plain.load_state_dict(other.state_dict())
    with pytest.raises(ValueError, match=r"missing \['momentum'\]"):
        other.load_state_dict(plain.state_dict())
    again = SGD([p], momentum=0.9)
    again.load_state_dict(other.state_dict())
    assert again.momentum == 0.5


# --- contracts -----------------------------------------------------------------------------------

ALL = {
    "SGD": lambda p: SGD(p, 0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
    "Adam": lambda p: Adam(p, weight_decay=0.01),
    "AdamW": lambda p: AdamW(p, one_cycle(0.1, STEPS), weight_decay=0.01),
}


@pytest.mark.parametrize("name", list(ALL))
def test_float32_stays_float32_and_in_its_place(name):
    parameters = [Tensor(p.astype(np.float32), requires_grad=True) for p in start()]
    places = [p.data for p in parameters]
    optimizer = ALL[name](parameters)
    for p in parameters:
        p.grad = Tensor(np.asarray(slope(p.data, 0), np.float32))
    optimizer.step()
    for p, place in zip(parameters, places, strict=True):
        assert p.data is place
        assert p.dtype == np.float32
        assert p.primitive is None
    arrays = [array for array in optimizer.state_dict().values() if array.shape]
    assert {array.dtype for array in arrays} == {np.dtype(np.float32)}


@pytest.mark.parametrize("name", list(ALL))
def test_float32_follows_float64(name):
    one, other = ours(ALL[name], dtype=np.float32), ours(ALL[name])
    for p, q in zip(one[-1], other[-1], strict=True):
        # 20 steps, each rounding at 6e-8 of numbers about 1, gradients' slopes about 6.
        np.testing.assert_allclose(p, q, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", list(ALL))
def test_a_training_resumed_from_state_dicts_is_the_training(name):
    def run(parameters, optimizer, steps):
        for step in steps:
            for p in parameters:
                p.grad = Tensor(np.asarray(slope(p.data, step)))
            optimizer.step()

    whole = [Tensor(p, requires_grad=True) for p in start()]
    optimizer = ALL[name](whole)
    run(whole, optimizer, range(5))
    arrays, saved = [p.data.copy() for p in whole], optimizer.state_dict()
    run(whole, optimizer, range(5, 10))
    resumed = [Tensor(p, requires_grad=True) for p in arrays]
    again = ALL[name](resumed)
    again.load_state_dict(saved)
    run(resumed, again, range(5, 10))
    for p, q in zip(whole, resumed, strict=True):
        np.testing.assert_array_equal(p.data, q.data)


def test_a_state_that_does_not_fit_is_refused():
    optimizer = Adam([Tensor([1.0], requires_grad=True)])
    with pytest.raises(ValueError, match="missing"):
        optimizer.load_state_dict({})


def test_zero_grad_and_step_without_a_gradient():
    p, idle = Tensor([1.0], requires_grad=True), Tensor([1.0], requires_grad=True)
    optimizer = SGD([p, idle], lr=0.5)
    with pytest.raises(RuntimeError, match=r"SGD.step: no gradients; call backward\(\) first"):
        optimizer.step()
    assert optimizer.count.item() == 0.0
    (p * 2.0).sum().backward()
    optimizer.step()
    np.testing.assert_array_equal(p.data, [0.0])
    np.testing.assert_array_equal(idle.data, [1.0])
    optimizer.zero_grad()
    assert p.grad is None


def test_the_step_makes_the_old_graph_stale():
    p = Tensor([1.0], requires_grad=True)
    loss = (p * p).sum()
    loss.backward()
    SGD([p], lr=0.5).step()
    with pytest.raises(RuntimeError, match="written"):
        loss.backward()


def test_parameters_may_come_from_a_generator_and_a_step_moves_each_once():
    p = Tensor([1.0], requires_grad=True)
    optimizer = SGD((q for q in [p]), lr=1.0)
    p.grad = Tensor([1.0])
    optimizer.step()
    p.grad = Tensor([1.0])
    optimizer.step()
    np.testing.assert_array_equal(p.data, [-1.0])


def wrong(**options):
    return lambda p: SGD(p, **options)


@pytest.mark.parametrize(
    "make",
    [
        wrong(lr=0.0),
        wrong(lr=-1.0),
        wrong(lr=math.nan),
        wrong(momentum=1.0),
        wrong(momentum=-0.1),
        wrong(nesterov=True),
        wrong(weight_decay=-1.0),
        wrong(weight_decay=math.nan),
        lambda p: Adam(p, betas=(1.0, 0.9)),
        lambda p: Adam(p, eps=0.0),
        lambda p: AdamW(p, weight_decay=-1.0),
        lambda p: SGD([]),
        lambda p: SGD([Tensor([1.0])]),
        lambda p: SGD([p[0] * 2]),
        lambda p: clip_by_global_norm(p, 0.0),
        lambda p: clip_by_value(p, -1.0),
        lambda p: constant(0.0),
        lambda p: one_cycle(0.1, 10, warmup=1.0),
    ],
)
def test_settings_that_make_no_sense_are_refused(make):
    with pytest.raises(ValueError, match=r"[a-z]"):
        make([Tensor([1.0], requires_grad=True)])


def test_clipping_by_global_norm_tells_the_norm_and_leaves_small_gradients():
    p, q = Tensor([1.0, 2.0], requires_grad=True), Tensor([2.0], requires_grad=True)
    idle = Tensor([1.0], requires_grad=True)
    p.grad, q.grad = Tensor([1.0, 2.0]), Tensor([2.0])
    assert clip_by_global_norm([p, q, idle], 5.0).item() == 3.0
    np.testing.assert_array_equal(p.grad.data, [1.0, 2.0])
    clip_by_global_norm([p, q, idle], 1.0)
    norm = math.sqrt(sum(float((t.grad.data**2).sum()) for t in (p, q)))
    assert norm == pytest.approx(1.0, abs=1e-6)  # PyTorch's 1e-6 in the divisor
    assert idle.grad is None
    np.testing.assert_allclose(p.grad.data[1], q.grad.data[0], rtol=1e-15)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("make", [lambda p: SGD(p, 1e-6, 0.9), lambda p: Adam(p, betas=(0.9, 0.9))])
def test_moments_without_gradients_do_not_become_subnormal(make, dtype):
    """Nor does what they are multiplied by, which would be as slow: a rate of 1e-6, say."""
    w = Tensor(np.ones(4, dtype), requires_grad=True)
    optimizer = make([w])
    w.grad = Tensor(np.array([1.0, -1e-3, 1e-6, 0.0], dtype))
    optimizer.step()
    w.grad = Tensor(np.zeros(4, dtype))
    for _ in range(1500 if dtype is np.float32 else 8000):
        optimizer.step()
    for name, moment in optimizer.named_state():
        if moment.shape:
            product = moment.data * dtype(1e-6)
            normal = np.abs(product) >= np.finfo(dtype).smallest_normal
            assert (normal | (moment.data == 0)).all(), name


def test_moments_that_matter_keep_their_bits():
    """Above 1e-14 momentum is what NumPy says. Below, where nothing changes a weight, five steps
    each round to multiples of 2^-93, or by a unit in the last place."""
    gradients = np.float32(10.0) ** np.arange(-30, 10, dtype=np.float32)
    w = Tensor(np.zeros(40, np.float32), requires_grad=True)
    optimizer = SGD([w], 0.1, 0.9)
    velocity = np.zeros(40, np.float32)
    for _ in range(5):
        w.grad = Tensor(gradients)
        optimizer.step()
        velocity = np.float32(0.9) * velocity + gradients
        got = optimizer.velocity[0].data
        np.testing.assert_array_equal(got[gradients > 2e-14], velocity[gradients > 2e-14])
        np.testing.assert_allclose(got, velocity, rtol=5 * 2**-23, atol=5 * 2**-93)
