"""The threads of compiled steps: none waits for ever, the bits do not depend on who does what, and
there are as many as the machine has time for."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autograd as ag
from autograd import Tensor, jit, matmul
from autograd.compiler.frontend.trace import trace
from autograd.compiler.runtime import build
from autograd.compiler.runtime.native import Native
from autograd.compiler.runtime.quota import quota
from autograd.optim import SGD, Adam
from autograd.transforms.tree import flatten
from models.mlp import MLP
from tests.autograd.compiler.steps import training

compiles = pytest.mark.skipif(build.find_compiler(None) is None, reason="there is no C compiler")
PLACE = Path(__file__).parent
LIMIT = 20  # seconds for what takes less than 1: where threads wait in vain it would be for ever


@pytest.fixture(autouse=True)
def compiler(monkeypatch, tmp_path_factory):
    """It is on."""
    monkeypatch.delenv("CHAINRULE_CC", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))


@contextmanager
def neighbours(count):
    """Processes that want a core each, always."""
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


def native(step, *arrays):
    """The compiled step, and its inputs."""
    leaves, structure = flatten((arrays, {}))
    traced = trace(step, leaves, structure)
    inputs = [getattr(leaves[i], "_data", leaves[i]) for i in traced.inputs]
    return Native(traced.program, [(x.shape, x.dtype) for x in inputs]), inputs


def pool(*macros):
    """The threads, compiled with these macros."""
    defined = "".join(f"#define {macro}\n" for macro in macros)
    source = defined + (build.HERE / "threads.c").read_text()
    return build.library([source], ("run", "run_loop"))


# --- what is done, whoever does it -------------------------------------------------------------

WAITS = {
    "as it is": [],
    "asleep at once": ["SPIN_SECONDS 0", "SHORT_SPIN_SECONDS 0"],
    "portable": ["PORTABLE"],
    "portable, asleep at once": ["PORTABLE", "SPIN_SECONDS 0", "SHORT_SPIN_SECONDS 0"],
}


@compiles
@pytest.mark.parametrize("sanitize", [[], ["-fsanitize=thread"]], ids=["plain", "sanitized"])
@pytest.mark.parametrize("macros", WAITS.values(), ids=WAITS)
def test_every_share_is_done_once_and_after_what_it_reads(tmp_path, macros, sanitize):
    """jobs.c says how a wrong one is seen."""
    program = tmp_path / "jobs"
    flags = ["-O1", "-g", "-pthread", *(f"-D{macro.replace(' ', '=')}" for macro in macros)]
    includes = [f"-I{build.HERE}", f"-I{build.HEADERS}"]
    empty = tmp_path / "empty.c"
    empty.write_text("int main(void) { return 0; }\n")
    command = [build.compiler(), *flags, *sanitize, *includes, "-o", program]
    if subprocess.run([*command, empty], capture_output=True, check=False).returncode:
        pytest.skip("there is no thread sanitizer")
    made = subprocess.run([*command, PLACE / "jobs.c"], capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    count = "40" if sanitize else "300"
    ran = subprocess.run(
        [program, count], capture_output=True, text=True, timeout=LIMIT, check=False
    )
    if "unexpected memory mapping" in ran.stderr:
        pytest.skip("the thread sanitizer does not run here")
    assert ran.returncode == 0, ran.stdout + ran.stderr


def mlp(kind, optimizer):
    model = MLP([784, 128, 10], activation="relu", **kind)
    chosen = optimizer(model.parameters())
    state = [t for part in (model, chosen) for _, t in part.named_state()]
    return training(model, chosen), state


def sums(model=None):
    """Reductions along either axis, of everything, and a scatter; and a state that they change."""
    w = Tensor(np.linspace(-1.0, 1.0, 784).astype(np.float32))

    def step(x, y):
        down, across = (x * w).sum(axis=0), (x * x).mean(axis=1)
        w.assign(w * 0.5 + down * 0.01)
        return down, across, ag.logsumexp(x, axis=1), x.sum(), ag.exp(x).max(axis=0)

    return step, [w]


STEPS = {
    "momentum": lambda: mlp({}, lambda p: SGD(p, lr=0.1, momentum=0.9)),
    "adam": lambda: mlp({}, lambda p: Adam(p, lr=1e-3)),
    "dropout": lambda: mlp({"dropout": 0.2}, lambda p: SGD(p, lr=0.1)),
    "sums": sums,
}


def answers(make, parts, library=None):
    """All that 12 steps leave, by calls and by loop."""
    step, state = make()
    generator = np.random.default_rng(0)
    x = generator.standard_normal((512, 784)).astype(np.float32)
    y = generator.integers(0, 10, 512)
    order = generator.permutation(512)[: 4 * 128].reshape(4, 128)
    compiled, _ = native(step, x[:128], y[:128])
    compiled.threads.value = parts
    compiled.pool = library or compiled.pool
    found = [out for rows in order for out in compiled([x[rows], y[rows]])]
    for _ in range(2):
        found += compiled.loop([x, y], order)
    return [array.copy() for array in (*found, *(t.data for t in state))]


@compiles
@pytest.mark.parametrize("name", STEPS)
def test_bits_are_the_same_on_any_number_of_threads_beside_busy_neighbours(name):
    want = answers(STEPS[name], 1)
    with neighbours(2):
        for parts, macros in [(2, "as it is"), (3, "portable"), (8, "asleep at once")]:
            got = answers(STEPS[name], parts, pool(*WAITS[macros]))
            for one, other in zip(got, want, strict=True):
                assert one.tobytes() == other.tobytes(), (parts, macros)


@compiles
@pytest.mark.parametrize("macros", WAITS.values(), ids=WAITS)
def test_more_threads_than_cores_beside_busy_neighbours_end_soon(macros):
    """They took minutes while each let the neighbours run for a time slice at every meeting."""
    compiled, inputs = native(lambda x: (matmul(x, x).sum(axis=0) + 1.0).sum(), np.ones((256, 256)))
    compiled.threads.value, compiled.pool = 8, pool(*macros)
    with neighbours(2):
        start = time.perf_counter()
        found = {compiled(inputs)[0].item() for _ in range(200)}
        assert time.perf_counter() - start < LIMIT
    assert found == {256.0**3 + 256.0}


@compiles
@pytest.mark.parametrize("macros", WAITS.values(), ids=WAITS)
def test_many_short_jobs(macros):
    x = np.arange(1e5)
    compiled, inputs = native(lambda x: x * 2.0 + 1.0, x)
    compiled.pool = pool(*macros)
    for number in range(2000):
        compiled.threads.value = 1 + number % 4
        assert compiled(inputs)[0][-1] == 199999.0


@compiles
def test_pythons_threads_run_steps_at_once_and_fork_between(monkeypatch):
    """Who finds the threads at work goes on alone; a child has threads of its own."""
    monkeypatch.setenv("CHAINRULE_THREADS", "3")
    build.threads.cache_clear()
    x = np.ones((300, 300))
    steps = [jit(lambda x, k=k: matmul(x, x).sum() * k) for k in range(5)]
    for step in steps:  # traced here: a fork waits for OpenBLAS, which may wait for the fork
        step(x)

    def run(k):
        return {steps[k](x).item() for _ in range(100)}

    def in_a_child(k):
        child = os.fork()
        if child == 0:
            os._exit(0 if run(k) == {300.0**3 * k} else 1)
        deadline = time.monotonic() + LIMIT
        while (ended := os.waitpid(child, os.WNOHANG)) == (0, 0) and time.monotonic() < deadline:
            time.sleep(0.01)
        if ended == (0, 0):
            os.kill(child, 9)
            os.waitpid(child, 0)
        return ended[1] if ended[0] else "hangs"

    try:
        with ThreadPoolExecutor(3) as executor:
            found = [executor.submit(run, k) for k in (1, 2)]
            assert [in_a_child(k) for k in (3, 4)] == [0, 0]
            assert [f.result() for f in found] == [{300.0**3}, {2 * 300.0**3}]
        assert run(0) == {0.0}
    finally:
        build.threads.cache_clear()


# --- how many there are ------------------------------------------------------------------------


@pytest.fixture
def counted(monkeypatch):
    """The number of threads with this setting, on so many cores, with so much time on them."""

    def count(setting="", cores=4, time=math.inf):
        monkeypatch.setenv("CHAINRULE_THREADS", setting)
        monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(cores)), raising=False)
        monkeypatch.setattr(build, "quota", lambda: time)
        return build.threads.__wrapped__()

    return count


@pytest.mark.parametrize(
    "setting",
    ["²", "٢", " 2 ", "+2", "0", "-1", "1e3", "2.5", "0x2", "2\n", "65", "9" * 5000, "two"],
)
def test_a_setting_that_is_no_number_of_threads_is_named(counted, setting):
    with pytest.raises(ValueError, match="CHAINRULE_THREADS is a whole number from 1 to 64") as it:
        counted(setting)
    assert "\n" not in str(it.value) and len(str(it.value)) < 100


def test_as_many_threads_may_be_asked_for_as_there_is_room_for():
    assert f"#define MAX_THREADS {build.MAX_THREADS} " in (build.HERE / "threads.c").read_text()


@pytest.mark.parametrize("setting", ["1", "2", "64", "007"])
def test_a_setting_counts_more_than_the_machine(counted, setting):
    assert counted(setting, cores=2, time=0.5) == int(setting)


@pytest.mark.parametrize(
    ("cores", "time", "wanted"),
    [
        (4, math.inf, 4), (100, math.inf, 64), (4, 0.1, 1), (4, 0.5, 1), (4, 1.0, 1), (4, 1.4, 1),
        (4, 1.5, 2), (4, 2.0, 2), (4, 2.4, 2), (4, 3.9, 4), (4, 16.0, 4), (1, 2.0, 1),
    ],
)  # fmt: skip
def test_threads_are_counted_by_cores_and_time(counted, cores, time, wanted):
    assert counted(cores=cores, time=time) == wanted


V1 = "30 24 0:26 {root} /sys/fs/cgroup/{at} rw,nosuid - cgroup cgroup rw,{at}"
V2 = "35 24 0:30 {root} /sys/fs/cgroup{at} rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate"


def machine(root, groups, mounts, files):
    """A file system with these control groups."""
    written = {"proc/self/cgroup": "\n".join(groups), "proc/self/mountinfo": "\n".join(mounts)}
    for name, text in (written | files).items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{text}\n")
    return root


def v1(folder, given, period=100000):
    """The files of a group of version 1."""
    place = f"sys/fs/cgroup/{folder}"
    return {f"{place}/cpu.cfs_quota_us": given, f"{place}/cpu.cfs_period_us": period}


CPU, BOTH = V1.format(root="/", at="cpu"), V1.format(root="/", at="cpu,cpuacct")
UNIFIED = V2.format(root="/", at="")
SETS = V1.format(root="/", at="cpuset")
MACHINES = {
    "version 2": (["0::/a/b"], [UNIFIED], {"sys/fs/cgroup/a/b/cpu.max": "150000 100000"}, 1.5),
    "no bound": (["0::/a"], [UNIFIED], {"sys/fs/cgroup/a/cpu.max": "max 100000"}, math.inf),
    "a bound above": (
        ["0::/a/b"],
        [UNIFIED],
        {"sys/fs/cgroup/a/cpu.max": "50000 100000", "sys/fs/cgroup/a/b/cpu.max": "max 100000"},
        0.5,
    ),
    "in a container": (["0::/"], [UNIFIED], {"sys/fs/cgroup/cpu.max": "20000 10000"}, 2.0),
    "version 1": (["3:cpuset:/a", "1:cpu:/a"], [SETS, CPU], v1("cpu/a", 50000), 0.5),
    "version 1, no bound": (["1:cpu:/a"], [CPU], v1("cpu/a", -1), math.inf),
    "two controllers": (["4:cpu,cpuacct:/a"], [BOTH], v1("cpu,cpuacct/a", 250000), 2.5),
    "a container of version 1": (
        ["4:cpu:/docker/x"],
        [V1.format(root="/docker/x", at="cpu")],
        v1("cpu", 50000),
        0.5,
    ),
    "a group inside that": (
        ["4:cpu:/docker/x/y"],
        [V1.format(root="/docker/x", at="cpu")],
        v1("cpu", 400000) | v1("cpu/y", 100000),
        1.0,
    ),
    "outside of what is seen": (["0::/../other"], [UNIFIED], v1("", -1), math.inf),
    "moved out of the container": (
        ["4:cpu:/elsewhere"],
        [V1.format(root="/docker/x", at="cpu")],
        v1("cpu", 50000),
        0.5,
    ),
    "both versions": (
        ["1:cpu:/a", "0::/a"],
        [CPU, V2.format(root="/", at="/unified")],
        v1("cpu/a", 100000) | {"sys/fs/cgroup/unified/a/cgroup.procs": ""},
        1.0,
    ),
    "a folder with a space": (
        ["0::/a b"],
        ["35 24 0:30 / /sys/fs/c\\040g rw - cgroup2 cgroup2 rw"],
        {"sys/fs/c g/a b/cpu.max": "50000 100000"},
        0.5,
    ),
    "rubbish": (
        ["nothing", "0::/a"],
        ["- -", "", UNIFIED],
        {"sys/fs/cgroup/a/cpu.max": ""},
        math.inf,
    ),
    "a period of nothing": (["0::/a"], [UNIFIED], {"sys/fs/cgroup/a/cpu.max": "1 0"}, math.inf),
}


@pytest.mark.parametrize("name", MACHINES)
def test_the_time_that_control_groups_give(tmp_path, name):
    groups, mounts, files, wanted = MACHINES[name]
    assert quota(machine(tmp_path, groups, mounts, files)) == wanted


def test_where_there_are_no_control_groups_nothing_is_bounded(tmp_path):
    assert quota(tmp_path) == math.inf


@given(
    st.lists(st.one_of(st.none(), st.integers(1, 10**7)), min_size=1, max_size=5),
    st.sampled_from([1, 2]),
    st.integers(1000, 10**6),
)
def test_of_nested_groups_the_least_bound_counts(tmp_path_factory, bounds, version, period):
    """bounds: microseconds in a period, from the outermost group on."""
    root, files = tmp_path_factory.mktemp("groups"), {}
    for depth, bound in enumerate(bounds):
        folder = "/".join(["sys/fs/cgroup" + "/cpu" * (version == 1), *"abcde"[:depth]])
        if version == 2:
            files[f"{folder}/cpu.max"] = f"{bound or 'max'} {period}"
        else:
            files |= v1(folder.removeprefix("sys/fs/cgroup/"), bound or -1, period)
    path = "/" + "/".join("abcde"[: len(bounds) - 1])
    group, mount = (f"0::{path}", UNIFIED) if version == 2 else (f"1:cpu:{path}", CPU)
    found = quota(machine(root, [group], [mount], files))
    assert found == min((b / period for b in bounds if b), default=math.inf)
