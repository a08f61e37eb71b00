"""What `lower()` shows and measures of a compiled step, the cache of what was compiled, and what
happens where there is no compiler, or one that fails."""

from __future__ import annotations

import os

import numpy as np
import pytest

from autograd import Tensor, gather, jit, matmul, primitive
from autograd.compiler.runtime import cache
from autograd.primitives.primitive import TABLE
from tests.autograd.compiler.comparing import both_ways, compiled
from tests.autograd.compiler.steps import batches, build_training

pytestmark = pytest.mark.usefixtures("compiler")


def test_lower_shows_every_stage_and_does_nothing():
    _, state, step = build_training("momentum", np.float32)
    step = jit(step)
    before = [t.data.copy() for t in state]
    x, y = next(batches(1, 16, np.float32))
    lowered = step.lower(x, y)
    assert all(np.array_equal(t.data, b) for t, b in zip(state, before, strict=True))
    text = str(lowered)
    for part in (
        "inputs %0, %1",
        "= matmul(",
        "kernel 1: product",
        "bytes of scratch",
        "barrier",
    ):
        assert part in text
    costs = {cost.name: cost for cost in lowered.code.costs}
    assert costs["kernel1"].flops == 2 * 16 * 20 * 17
    assert costs["pack1"].flops == 0
    slot = next(
        s.out for s in lowered.program.steps if getattr(s, "primitive", None) is TABLE["add"]
    )
    kept = step.lower(x, y, keep=[slot])
    assert len(kept.memory.targets) == len(lowered.memory.targets) + 1


def test_every_op_belongs_to_a_function_that_is_measured():
    _, state, step = build_training("global norm", np.float32)
    x, y = next(batches(1, 16, np.float32))
    lowered = jit(step).lower(x, y)
    ops = lowered.plan.graph.ops
    computed = {number for cost in lowered.costs for number in cost.ops}
    assert computed == {number for number, op in enumerate(ops) if op.args}
    first = next(cost for cost in lowered.costs if cost.name == "kernel1")
    assert {"matmul", "add", "relu"} <= {ops[number].primitive.name for number in first.ops}
    assert all(cost.bytes > 0 for cost in lowered.costs)
    before = [t.data.copy() for t in state]
    seconds = lowered.measure()
    assert len(seconds) == len(lowered.costs) and all(0 < s < 1 for s in seconds)
    for t, b in zip(state, before, strict=True):
        np.testing.assert_array_equal(t.data, b)


def test_what_numpy_computes_and_what_is_not_dense_is_measured_too():
    prim = primitive("twisted", "x rolled by one", lambda x: np.roll(x, 1), None)
    try:
        w, unread = Tensor(np.arange(24.0).reshape(4, 6)[::-1, ::2]), Tensor(np.ones(2))

        def step(x, labels):
            w.assign(prim(w * 2.0) + gather(x, labels).sum())
            unread.assign(unread * 0.0 + 1.0)

        lowered = jit(step).lower(np.ones((5, 3)), np.full(5, 2))
        assert "numpy2" in [cost.name for cost in lowered.costs]
        assert all(s > 0 for s in lowered.measure())
        assert w.data[0, 0] == 18.0
    finally:
        del TABLE["twisted"]


def test_a_cached_file_that_was_changed_is_built_anew(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    step = lambda x: x * 3.0 + 1.0  # noqa: E731
    compiled(step, Tensor(np.ones(3)))
    folder = cache.cache_folder()
    assert folder.stat().st_mode & 0o777 == 0o700
    for file in folder.iterdir():
        assert file.stat().st_mode & 0o777 == 0o600
        data = file.read_bytes()
        file.unlink()  # this process runs what is in it
        file.write_bytes(data[:-100] + bytes(100))
        file.chmod(0o666)
    for file in folder.iterdir():
        assert not cache.read(file)
    (got,), _, _ = both_ways(step, Tensor(np.ones(3)))
    np.testing.assert_array_equal(got, np.full(3, 4.0))


def test_a_folder_that_others_may_write_to_is_not_used(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = cache.cache_folder()
    folder.mkdir(parents=True)
    folder.chmod(0o777)
    (got,), _, _ = both_ways(lambda x: x * 7.0, Tensor(np.ones(3)))
    np.testing.assert_array_equal(got, np.full(3, 7.0))
    assert not list(folder.iterdir())


def test_without_a_compiler_the_step_is_replayed_and_it_is_said_once(monkeypatch, caplog):
    monkeypatch.setenv("CHAINRULE_CC", "no-such-compiler")
    for _ in range(2):
        assert jit(lambda x: (x * 2.0).sum())(np.ones(3)).item() == 6.0
    assert caplog.text.count("no C compiler (no-such-compiler)") == 1


def test_a_compiler_that_fails_is_no_reason_to_fail(monkeypatch, caplog):
    monkeypatch.setenv("CHAINRULE_CC", "false")
    assert jit(lambda x: (x * 2.0).sum())(np.ones(3)).item() == 6.0
    assert "not compiled" in caplog.text and "false fails" in caplog.text


def test_a_users_primitive_is_computed_between_the_kernels():
    prim = primitive("twisted", "x rolled by one", lambda x: np.roll(x, 1), None)
    try:
        step = lambda x: prim(x * 2.0) + x  # noqa: E731
        (got,), (want,), native = both_ways(step, Tensor(np.arange(5.0)))
        assert native.left_to_numpy == ["twisted"]
        np.testing.assert_array_equal(got, want)
    finally:
        del TABLE["twisted"]


def test_threads_survive_a_fork():
    step = jit(lambda x: matmul(x, x).sum())
    x = np.ones((200, 200))
    want = step(x).item()
    child = os.fork()
    if child == 0:
        os._exit(0 if step(x).item() == want else 1)
    _, status = os.waitpid(child, 0)
    assert status == 0
    assert step(x).item() == want
