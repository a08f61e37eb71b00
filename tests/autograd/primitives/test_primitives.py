"""Every row of the table against differences, generated from the table: a primitive is tested by
being.

A check is a function of a primitive. `CHECKS` lists them, `pairs` says which apply to which
primitive, and `test_row` runs them all. The last tests test the tester: a new primitive is found, a
wrong one caught.
"""

from __future__ import annotations

from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import Phase, assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import mutually_broadcastable_shapes

import autograd.nn
import autograd.optim
from autograd import Tensor, Value, gradients, primitive
from autograd.primitives.primitive import TABLE, Primitive

pytestmark = pytest.mark.rules

SHAPES = ((), (3,), (2, 3))
SEEDS = st.integers(0, 2**32 - 1)
EDGE = 0.01  # how near to a kink is near: twenty times the step of the differences


# --- what a primitive takes ----------------------------------------------------------------------


def rule_positions(prim: Primitive, count: int) -> list[int]:
    return [i for i in range(count) if prim.rule(i) is not None]


def domain_of(prim: Primitive) -> tuple[tuple[float, float], ...]:
    if prim.domain or prim.cases:
        return prim.domain
    assert isinstance(prim.rules, tuple)
    return ((-2.0, 2.0),) * len(prim.rules)


def has_derivative(prim: Primitive) -> bool:
    return not isinstance(prim.rules, tuple) or any(rule is not None for rule in prim.rules)


def is_elementwise(prim: Primitive) -> bool:
    return bool(domain_of(prim))


def near_kink(prim: Primitive, args) -> bool:
    return prim.kink is not None and bool(np.any(np.abs(prim.kink(*args)) < EDGE))


@st.composite
def numbers(draw, prim: Primitive):
    """Floats of the domain, away from the kink; hypothesis likes its ends, 0.0 and tiny ones."""
    args = tuple(draw(st.floats(low, high)) for low, high in domain_of(prim))
    assume(not near_kink(prim, args))
    return args


def arrays_of_domain(prim: Primitive, shapes, generator, dtype=np.float64):
    while True:
        args = [
            np.asarray(generator.uniform(low, high, shape), dtype)
            for (low, high), shape in zip(domain_of(prim), shapes, strict=True)
        ]
        if not near_kink(prim, args):
            return args


@st.composite
def arrays(draw, prim: Primitive, dtype=np.float64):
    """Arrays that fit the primitive, and its params."""
    generator = np.random.default_rng(draw(SEEDS))
    if is_elementwise(prim):
        shape = draw(st.sampled_from(SHAPES))
        return arrays_of_domain(prim, [shape] * len(domain_of(prim)), generator, dtype), {}
    args, params = draw(st.sampled_from(prim.cases))
    return [
        arg if isinstance(arg, np.ndarray) else _spread(arg, generator, dtype) for arg in args
    ], params


def _spread(shape, generator, dtype):
    """Entries about 0.1 apart from each other, so that which is the largest is never in doubt."""
    size = int(np.prod(shape, dtype=int))
    ranks = generator.permutation(size) - (size - 1) / 2
    return np.asarray(0.1 * ranks + generator.uniform(-0.03, 0.03, size), dtype).reshape(shape)


def leaves(args, positions):
    return [Tensor(arg, requires_grad=i in positions) for i, arg in enumerate(args)]


def close(got, judge, scale, tolerance=1e-6) -> None:
    got, judge = np.asarray(got), np.asarray(judge)
    assert got.shape == judge.shape
    bound = tolerance * np.maximum(1.0, scale)
    assert np.all(np.abs(got - judge) <= bound), f"got {got}, differences say {judge}"


# --- the checks ---------------------------------------------------------------------------------


def check_numbers(prim: Primitive) -> None:
    """Plain floats, Values and 0-d arrays give one answer."""

    @given(numbers(prim))
    def run(args):
        plain = prim(*args)
        assert type(plain) in (float, bool)
        value = prim(*map(Value, args))
        assert isinstance(value, Value)
        assert value.data == plain
        mixed = prim(Value(args[0]), *args[1:])
        assert mixed.data == plain

    run()


def check_twin(prim: Primitive) -> None:
    """on_float and on_array compute one function.

    C's libm is within 1 ulp and NumPy's vector loops promise 4; a formula of two such calls
    (softplus, sigmoid) adds theirs. Where a result nearly cancels its parts there is no such
    primitive.
    """

    @given(numbers(prim))
    def run(args):
        by_float = prim.on_float(*args)
        by_array = prim.on_array(*map(np.float64, args))
        assert abs(by_float - float(by_array)) <= 6 * np.spacing(abs(float(by_array)))

    run()


def check_arrays(prim: Primitive) -> None:
    """Plain arrays and Tensors give one answer, and leave their arguments as they were."""

    @given(arrays(prim))
    def run(point):
        args, params = point
        before = [np.array(arg) for arg in args]
        plain = prim(*args, **params)
        tensor = prim(*map(Tensor, args), **params)
        assert isinstance(tensor, Tensor)
        assert not tensor.requires_grad
        np.testing.assert_array_equal(tensor.data, plain)
        for arg, old in zip(args, before, strict=True):
            np.testing.assert_array_equal(arg, old)

    run()


def check_value_gradients(prim: Primitive, differences) -> None:
    """A Value's gradient, by backward() and by gradients(), is that of the differences."""

    @given(numbers(prim))
    def run(args):
        nodes = [Value(arg) for arg in args]
        out = prim(*nodes)
        positions = rule_positions(prim, len(args))
        out.backward()
        pure = gradients(out, [nodes[i] for i in positions])
        for i, gradient in zip(positions, pure, strict=True):
            judge = differences(prim.on_array, args, i)
            close(gradient, judge, abs(out.data))
            close(nodes[i].grad, judge, abs(out.data))
        for i in set(range(len(args))) - set(positions):
            assert nodes[i].grad == 0.0

    run()


def check_tensor_gradients(prim: Primitive, differences) -> None:
    """Each argument's gradient, with any cotangent, is that of the differences."""

    @given(arrays(prim), SEEDS)
    def run(point, seed):
        args, params = point
        nodes = leaves(args, positions := rule_positions(prim, len(args)))
        out = prim(*nodes, **params)
        weights = np.random.default_rng(seed).uniform(-1, 1, out.shape)

        def loss(*args):
            return np.sum(weights * prim.on_array(*map(np.asarray, args), **params))

        for i, gradient in zip(
            positions, gradients(out, [nodes[i] for i in positions], weights), strict=True
        ):
            close(gradient.data, differences(loss, args, i), np.max(np.abs(out.data), initial=0))

    run()


def check_second_order_of_values(prim: Primitive, differences) -> None:
    """The gradient's own graph differentiates to the differences of the first gradient."""

    @given(numbers(prim))
    def run(args):
        positions = rule_positions(prim, len(args))

        def first(*args):
            nodes = [Value(arg) for arg in args]
            wrt = [nodes[i] for i in positions]
            return sum(gradients(prim(*nodes), wrt))

        nodes = [Value(arg) for arg in args]
        wrt = [nodes[i] for i in positions]
        total = sum(gradients(prim(*nodes), wrt, create_graph=True), Value(0.0))
        for i, node in zip(positions, wrt, strict=True):
            (second,) = gradients(total, [node])
            close(second, differences(first, args, i), abs(second))

    run()


def check_second_order_of_tensors(prim: Primitive, differences) -> None:
    """The same for arrays, with random weights on the result and on the gradients."""

    @given(arrays(prim), SEEDS)
    def run(point, seed):
        args, params = point
        positions = rule_positions(prim, len(args))
        generator = np.random.default_rng(seed)
        shape = prim(*args, **params).shape
        weights = generator.uniform(-1, 1, shape)
        mixture = [generator.uniform(-1, 1, arg.shape) for arg in args]

        def first(*args, create_graph=False):
            nodes = leaves(list(map(np.asarray, args)), positions)
            wrt = [nodes[i] for i in positions]
            found = gradients(prim(*nodes, **params), wrt, weights, create_graph)
            # The leaf in front keeps a total that depends on nothing differentiable.
            total = Tensor(0.0, requires_grad=True)
            for i, gradient in zip(positions, found, strict=True):
                total = total + (gradient * mixture[i]).sum()
            return total, wrt

        total, wrt = first(*args, create_graph=True)
        for i, second in zip(positions, gradients(total, wrt), strict=True):
            judge = differences(lambda *args: first(*args)[0].item(), args, i)
            close(second.data, judge, np.max(np.abs(second.data), initial=0))

    run()


def check_float32(prim: Primitive) -> None:
    """float32 stays float32, forward and backward, and is as exact as float32 is."""

    @given(arrays(prim, np.float32))
    def run(point):
        args, params = point
        nodes = leaves(args, positions := rule_positions(prim, len(args)))
        out = prim(*nodes, **params)
        wide = prim(
            *(arg.astype(np.float64) if arg.dtype == np.float32 else arg for arg in args), **params
        )
        if out.dtype != bool:
            assert out.dtype == params.get("dtype", np.float32)
            # 16 roundings of float32: sums here have at most 12 terms, functions 4 ulp.
            error = 16 * np.finfo(np.float32).eps * np.maximum(1, np.abs(wide))
            assert np.all(np.abs(out.data - wide) <= error)
        if positions:
            for gradient in gradients(out, [nodes[i] for i in positions], np.ones(out.shape)):
                assert gradient.dtype == np.float32
        if is_elementwise(prim) and len(args) > 1:
            for i, arg in enumerate(args):
                for number in (float(arg.flat[0]), np.float64(arg.flat[0])):
                    given_ = [number if j == i else Tensor(args[j]) for j in range(len(args))]
                    assert prim(*given_).dtype in (np.float32, bool)

    run()


def check_broadcasting(prim: Primitive, differences) -> None:
    """Gradients have their arguments' shapes, whatever broadcast with whatever."""
    count = len(domain_of(prim))

    @given(
        mutually_broadcastable_shapes(num_shapes=count, min_side=1, max_side=3, max_dims=3), SEEDS
    )
    def run(shapes, seed):
        generator = np.random.default_rng(seed)
        args = arrays_of_domain(prim, shapes.input_shapes, generator)
        nodes = leaves(args, positions := rule_positions(prim, count))
        out = prim(*nodes)
        assert out.shape == shapes.result_shape
        weights = generator.uniform(-1, 1, out.shape)

        def loss(*args):
            return np.sum(weights * prim.on_array(*args))

        out.backward(weights)
        for i in positions:
            assert nodes[i].grad.shape == args[i].shape
            # A broadcast entry's gradient is a sum over up to 27 places.
            close(nodes[i].grad.data, differences(loss, args, i), np.max(np.abs(out.data)))

    run()


def check_same_argument_twice(prim: Primitive, differences) -> None:
    """f(x, x) has two edges to x, and its gradient is the sum of both."""
    low, high = max(low for low, _ in prim.domain), min(high for _, high in prim.domain)

    @given(st.floats(low, high))
    def run(x):
        args = (x,) * len(prim.domain)
        assume(not near_kink(prim, args))
        node, tensor = Value(x), Tensor(x, requires_grad=True)
        out = prim(*[node] * len(args))
        out.backward()
        prim(*[tensor] * len(args)).backward()
        judge = differences(lambda x: prim.on_array(*(x,) * len(args)), (x,), 0)
        close(node.grad, judge, abs(out.data))
        close(tensor.grad.data, judge, abs(out.data))

    run()


FORMS = [check_numbers, check_arrays, check_twin, check_float32]
GRADIENTS = [
    check_value_gradients,
    check_tensor_gradients,
    check_second_order_of_values,
    check_second_order_of_tensors,
    check_broadcasting,
    check_same_argument_twice,
]
CHECKS = FORMS + GRADIENTS


def applies(check, prim: Primitive) -> bool:
    on_floats = prim.on_float is not None and is_elementwise(prim)
    several = len(domain_of(prim)) > 1
    if check in GRADIENTS and not has_derivative(prim):
        return False
    if check in (check_numbers, check_twin, check_value_gradients, check_second_order_of_values):
        return on_floats
    if check is check_float32:
        return any(not isinstance(arg, np.ndarray) for args, _ in prim.cases for arg in args) or (
            is_elementwise(prim)
        )
    if check is check_broadcasting:
        return several
    if check is check_same_argument_twice:
        kinked = prim.kink is not None and prim.kink(*[0.5] * len(prim.domain)) == 0.0
        return several and on_floats and not kinked
    return True


def pairs() -> list[tuple[Primitive, object]]:
    """Every row of the table with every check that applies to it."""
    return [(prim, check) for prim in TABLE.values() for check in CHECKS if applies(check, prim)]


def run_check(check, prim: Primitive, differences) -> None:
    if check in FORMS:
        check(prim)
    else:
        check(prim, differences)


# --- the table under test -----------------------------------------------------------------------

KNOWN: dict[tuple[str, str], str] = {}


def _parameters():
    found = []
    for prim, check in pairs():
        name = (prim.name, check.__name__)
        marks = [pytest.mark.xfail(strict=True, reason=KNOWN[name])] if name in KNOWN else []
        found.append(pytest.param(prim, check, id=f"{prim.name}-{check.__name__[6:]}", marks=marks))
    return found


@pytest.mark.parametrize(("prim", "check"), _parameters())
def test_primitive(prim, check, differences):
    run_check(check, prim, differences)


@pytest.mark.parametrize("prim", list(TABLE.values()), ids=list(TABLE))
def test_each_primitive_says_where_to_test_it(prim):
    """A primitive with a derivative and neither domain nor cases would be tested by nothing."""
    assert prim.domain or prim.cases or not has_derivative(prim)
    if prim.domain:
        assert not prim.cases
        assert isinstance(prim.rules, tuple)
        assert len(prim.domain) == len(prim.rules)
    if prim.kink is not None:
        assert prim.convention, "a kink needs a word on what the derivative is there"
    assert TABLE[prim.name] is prim
    assert prim.doc


# What the names mean, in 80-bit floats where the machine has them: a primitive that computed
# another function consistently, gradient and all, would pass every check above.
MEANING = {
    "greater": lambda x, y: x > y,
    "greater_equal": lambda x, y: x >= y,
    "less": lambda x, y: x < y,
    "less_equal": lambda x, y: x <= y,
    "equal": lambda x, y: x == y,
    "not_equal": lambda x, y: x != y,
    "detach": lambda x: x,
    "identity": lambda x: x,
    "add": lambda x, y: x + y,
    "sub": lambda x, y: x - y,
    "mul": lambda x, y: x * y,
    "div": lambda x, y: x / y,
    "neg": lambda x: -x,
    "power": np.power,
    "exp": np.exp,
    "expm1": lambda x: np.expm1(x),
    "log": np.log,
    "log1p": lambda x: np.log1p(x),
    "sqrt": np.sqrt,
    "sin": np.sin,
    "cos": np.cos,
    "tanh": lambda x: (np.exp(x) - np.exp(-x)) / (np.exp(x) + np.exp(-x)),
    "sigmoid": lambda x: np.exp(x) / (np.exp(x) + 1),
    "softplus": lambda x: np.log1p(np.exp(x)),
    "relu": lambda x: x if x > 0 else 0 * x,
    "abs": lambda x: x if x > 0 else -x,
    "maximum": lambda x, y: x if x > y else y,
    "minimum": lambda x, y: x if x < y else y,
    "where": lambda condition, x, y: x if condition else y,
}


@pytest.mark.parametrize("prim", list(TABLE.values()), ids=list(TABLE))
def test_a_result_in_the_memory_of_an_argument_is_called_a_view(prim):
    """Else a compiled step does not know that the result changes when the argument is written."""
    generator = np.random.default_rng(0)
    for case, params in prim.cases or [([(2, 3)] * prim.arity, {})]:
        args = [x if isinstance(x, np.ndarray) else generator.random(x) for x in case]
        try:
            out = prim.on_array(*args, **params)
        except TypeError:  # it takes booleans alone
            args = [arg > 0.5 for arg in args]
            out = prim.on_array(*args, **params)
        assert prim.view or not any(np.shares_memory(out, arg) for arg in args)


@pytest.mark.parametrize("name", list(MEANING))
def test_an_elementwise_primitive_computes_what_its_name_says(name):
    prim = TABLE[name]

    @given(numbers(prim))
    def run(args):
        judge = MEANING[name](*map(np.longdouble, args))
        for got in (prim.on_float(*args), prim.on_array(*map(np.float64, args))):
            # As for the twins; tanh's formula here cancels near 0, hence the absolute eps.
            error = abs(np.longdouble(got) - judge)
            assert error <= 6 * np.spacing(abs(float(judge))) + (name == "tanh") * 1e-18

    run()


def test_every_elementwise_primitive_has_its_meaning_tested():
    own = {prim.name for prim in TABLE.values() if is_elementwise(prim) and prim.on_float}
    missing = own - MEANING.keys()
    assert not missing, f"add to MEANING above what {', '.join(sorted(missing))} computes"


# --- the tester, tested -------------------------------------------------------------------------


@contextmanager
def in_table(name, *args, **fields):
    prim = primitive(name, f"{name}, of a test", *args, **fields)
    try:
        yield prim
    finally:
        del TABLE[name]


@contextmanager
def caught():
    """An AssertionError, without the time that hypothesis takes to shrink and explain it."""
    before = settings.get_current_profile_name()
    settings.register_profile("caught", settings.get_profile(before), phases=[Phase.generate])
    settings.load_profile("caught")
    try:
        with pytest.raises(AssertionError):
            yield
    finally:
        settings.load_profile(before)


def cube(**changes):
    fields = {"on_float": lambda x: x * x * x, "domain": ((-2.0, 2.0),), **changes}
    rule = fields.pop("rule", lambda g, out, x: 3.0 * g * x * x)
    return in_table("cube_of_a_test", lambda x: x * x * x, rule, **fields)


def test_a_new_primitive_is_picked_up_and_passes(differences):
    with cube() as prim:
        mine = [check for found, check in pairs() if found is prim]
        assert {check_value_gradients, check_tensor_gradients, check_float32} <= set(mine)
        for check in mine:
            run_check(check, prim, differences)


@pytest.mark.parametrize(
    "rule",
    [
        lambda g, out, x: -3.0 * g * x * x,
        lambda g, out, x: 3.00001 * g * x * x,
        lambda g, out, x: 3.0 * x * x,
        lambda g, out, x: 3.0 * g * out,
    ],
    ids=["sign", "a hundred-thousandth", "no cotangent", "out for x"],
)
def test_a_wrong_rule_is_caught(rule, differences):
    with cube(rule=rule) as prim, caught():
        check_tensor_gradients(prim, differences)


def test_a_rule_right_only_the_first_time_is_caught(differences):
    """A rule that forgets that it depends on x is right at first order and wrong at the second."""
    with cube(rule=lambda g, out, x: 3.0 * g * autograd.detach(x * x)) as prim:
        check_tensor_gradients(prim, differences)
        check_value_gradients(prim, differences)
        for check in (check_second_order_of_values, check_second_order_of_tensors):
            with caught():
                check(prim, differences)


def test_a_wrong_float_twin_is_caught():
    with cube(on_float=lambda x: x * x * x * (1 + 1e-14)) as prim, caught():
        check_twin(prim)


def test_a_float64_constant_in_a_primitive_is_caught():
    with (
        in_table(
            "wide_of_a_test",
            lambda x: x * np.array([2.0]),
            lambda g, out, x: 2.0 * g,
            cases=((((1,),), {}),),
        ) as prim,
        caught(),
    ):
        check_float32(prim)


def test_a_primitive_without_domain_or_cases_is_caught():
    with cube(domain=()) as prim, caught():
        test_each_primitive_says_where_to_test_it(prim)


def test_a_name_is_taken_once():
    with pytest.raises(ValueError, match="'exp'"):
        primitive("exp", "again", np.exp, lambda g, out, x: g * out)


def test_a_primitive_counts_its_arguments():
    with pytest.raises(TypeError, match=r"mul.*2 arguments.*3"):
        TABLE["mul"](1.0, 2.0, 3.0)
