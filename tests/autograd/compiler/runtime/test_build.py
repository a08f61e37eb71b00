"""Whatever goes wrong while a step is compiled, NumPy does the step, and the cause is said once."""

from __future__ import annotations

import ctypes
import hashlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import autograd
from autograd import Tensor, jit
from autograd.compiler.passes import stages
from autograd.compiler.runtime import build, cache, native

CC = build.find_compiler(None)
pytestmark = pytest.mark.skipif(CC is None, reason="there is no C compiler")
ROOT = Path(autograd.__file__).parents[1]


@pytest.fixture(autouse=True)
def replayed(monkeypatch, tmp_path):
    """The compiler is on, nothing was said, and the cache is empty."""
    monkeypatch.delenv("CHAINRULE_CC", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(cache, "WARNED", set())
    monkeypatch.setattr(build, "TIMED_OUT", set())
    build.pool.cache_clear()
    yield
    build.find_compiler.cache_clear()
    build.pool.cache_clear()


def steps_say(caplog, *causes):
    """Two steps give what they should, and one warning says the causes; is the last compiled?"""
    caplog.clear()
    for factor in (2.0, 3.0):
        step = jit(lambda x, factor=factor: (x * factor).sum())
        assert step(np.ones(3)).item() == 3.0 * factor
        assert step.loop((np.ones((5, 3)),), [[0, 1]]).data.tolist() == [6.0 * factor]
    assert len(caplog.records) == bool(causes), caplog.text
    for cause in causes:
        assert cause in caplog.text
    traced = next(iter(step._traced.values()))[0]
    return isinstance(traced.run, native.Native)


def kept():
    """What is in the cache."""
    folder = cache.cache_folder()
    return sorted(file.name for file in folder.iterdir()) if folder.is_dir() else []


def fake(monkeypatch, tmp_path, script, name="cc"):
    """The system has this compiler. The script finds the path of the library in $out."""
    path = tmp_path / name
    find = 'for a; do [ "$last" = -o ] && out=$a; last=$a; done\n'
    path.write_bytes(b"#!/bin/sh\n" + find.encode() + script)
    path.chmod(0o755)
    monkeypatch.setenv("CHAINRULE_CC", str(path))
    return path


# --- the compiler --------------------------------------------------------------------------------

OTHER = f"echo 'int other;' | {CC} -shared -x c - -o $out\n".encode()
CUT = f'{CC} "$@" && head -c 9000 $out > half && cat half > $out'.encode()
SCRIPTS = {
    "fails": (b"echo 'no disk' >&2; exit 3", "cc fails: no disk"),
    "fails in Latin-1": (rb"printf 'd\351faut\n' >&2; exit 1", "d\N{REPLACEMENT CHARACTER}faut"),
    "writes rubbish": (b"echo rubbish > $out", "cannot be used"),
    "writes nothing": (b": > $out", "cannot be used"),
    "makes no file": (b"echo 'I am no compiler' >&2", "makes no library: I am no compiler"),
    "makes a folder": (b"mkdir $out", "makes no library"),
    "makes half a library": (CUT, "makes a part of a library"),
    "makes another library": (OTHER, "has no function"),
    "is killed": (b"kill -9 $$", "cc is ended by signal 9"),
    "reads nothing": (b"exec 0<&-; exit 1", "it says nothing"),
}


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_compiler_that(name, monkeypatch, tmp_path, caplog):
    script, words = SCRIPTS[name]
    fake(monkeypatch, tmp_path, script)
    assert not steps_say(caplog, "replayed by NumPy, not compiled", words)
    assert kept() == []


def test_what_a_compiler_says_beside_its_work_is_no_matter(monkeypatch, tmp_path, caplog):
    fake(monkeypatch, tmp_path, rb"printf 'd\351j\340\n' | tee /dev/stderr; exec cc " + b'"$@"')
    assert steps_say(caplog)


def test_a_compiler_that_is_not_there_or_cannot_be_run(monkeypatch, tmp_path, caplog):
    path = fake(monkeypatch, tmp_path, b"exit 1")
    assert build.compiler() == str(path)
    path.unlink()  # between the look-up and the run
    assert not steps_say(caplog, "not compiled", "No such file", str(path))
    for number, content in enumerate([b"#!/no/such/shell\n", b"\x7fELF"]):
        path = fake(monkeypatch, tmp_path, b"", f"cc-{number}")
        path.write_bytes(content)
        assert not steps_say(caplog, "not compiled", f"cc-{number}")
    path = fake(monkeypatch, tmp_path, b"", "data")
    path.chmod(0o644)
    assert not steps_say(caplog, "no C compiler", "data")
    monkeypatch.setenv("CHAINRULE_CC", "cc -O2")
    assert not steps_say(caplog, "no C compiler (cc -O2)")


def alive(group):
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_compiler_that_hangs_is_ended_with_all_it_started(monkeypatch, tmp_path, caplog):
    monkeypatch.setattr(build, "COMPILE_SECONDS", 0.3)
    fake(monkeypatch, tmp_path, f"echo $$ >> {tmp_path}/runs; sleep 100 & wait".encode())
    assert not steps_say(caplog, "does not come to an end in 0.3 s")
    (group,) = (tmp_path / "runs").read_text().split()  # nobody waits for it again
    deadline = time.monotonic() + 5
    while alive(int(group)) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not alive(int(group)) and kept() == []


def test_ctrl_c_ends_the_compiler_and_leaves_nothing(monkeypatch, tmp_path):
    fake(monkeypatch, tmp_path, f"echo $$ > {tmp_path}/run; sleep 100 & wait".encode())
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_REAL, 0.5)
    try:
        with pytest.raises(KeyboardInterrupt):
            jit(lambda x: x * 2.0)(np.ones(3))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)
    with pytest.raises(ChildProcessError):  # no zombie
        os.waitpid(-int((tmp_path / "run").read_text()), os.WNOHANG)
    assert kept() == []


# --- several files side by side ------------------------------------------------------------------

PARTS = ["long two(void) { return 2; }", "long two(void); long four(void) { return 2 * two(); }"]
HANG = "echo $$ >> {0}/runs; sleep 100 & wait\n"
ONE_HANGS = (
    'case "$*" in *part0.c*) {1} ;; *) until [ -s {0}/runs ]; do sleep 0.01; done; {2} ;; esac'
)


def hanging(monkeypatch, tmp_path, other):
    """On the first of two files the compiler hangs; on the other it does this meanwhile."""
    monkeypatch.setattr(build, "threads", lambda: 2)
    script = ONE_HANGS.format(tmp_path, HANG.format(tmp_path), other.format(tmp_path))
    fake(monkeypatch, tmp_path, script.encode())


def assert_ended(tmp_path, count):
    """Of the compilers that hung nothing is left, not even a zombie."""
    groups = (tmp_path / "runs").read_text().split()
    assert len(groups) == count and kept() == []
    deadline = time.monotonic() + 5
    while any(alive(int(group)) for group in groups) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not any(alive(int(group)) for group in groups)


def test_parts_are_one_library():
    assert build.library(PARTS, ["two", "four"]).four() == 4
    assert len(kept()) == 1
    other = [PARTS[0].replace("return 2", "return 3"), PARTS[1]]
    assert build.library(other, ["four"]).four() == 6  # each part is in the key


def test_parts_are_compiled_side_by_side_but_no_more_than_there_are_cores(monkeypatch, tmp_path):
    monkeypatch.setattr(build, "threads", lambda: 2)
    log = f"echo + >> {tmp_path}/log; sleep 0.1; {CC}" + ' "$@"; code=$?; '
    fake(monkeypatch, tmp_path, f"{log} echo - >> {tmp_path}/log; exit $code".encode())
    build.library([f"int f{i};" for i in range(5)], [])
    depth = most = 0
    for sign in (tmp_path / "log").read_text().split():
        depth += 1 if sign == "+" else -1
        most = max(most, depth)
    assert (depth, most) == (0, 2)


def test_where_one_part_fails_the_others_are_ended(monkeypatch, tmp_path):
    hanging(monkeypatch, tmp_path, "echo 'no disk' >&2; exit 3")
    with pytest.raises(build.BuildError, match="cc fails: no disk"):
        build.library(PARTS, ["four"])
    assert_ended(tmp_path, 1)


def test_where_one_part_hangs_all_are_ended(monkeypatch, tmp_path):
    monkeypatch.setattr(build, "COMPILE_SECONDS", 0.3)
    hanging(monkeypatch, tmp_path, f'{CC} "$@"')
    for _ in range(2):  # nobody waits for it again
        with pytest.raises(build.BuildError, match=r"does not come to an end in 0\.3 s"):
            build.library(PARTS, ["four"])
    assert_ended(tmp_path, 1)


def test_ctrl_c_ends_all_parts(monkeypatch, tmp_path):
    hanging(monkeypatch, tmp_path, HANG)

    def press(*_):
        while len((tmp_path / "runs").read_text().split()) < 2:
            time.sleep(0.01)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, press)
    signal.setitimer(signal.ITIMER_REAL, 0.5)
    try:
        with pytest.raises(KeyboardInterrupt):
            build.library(PARTS, ["four"])
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)
    assert_ended(tmp_path, 2)
    assert not build.TIMED_OUT


@pytest.mark.parametrize(
    ("script", "words"),
    [("mkdir $out", "fails"), ("exit 0", "fails"), (": > $out", "has no function two, four")],
)
def test_parts_that_cannot_be_linked(script, words, monkeypatch, tmp_path):
    script = f'case "$out" in *.o) {script} ;; *) {CC} "$@" ;; esac'
    fake(monkeypatch, tmp_path, script.encode())
    with pytest.raises(build.BuildError, match=words):
        build.library(PARTS, ["two", "four"])
    assert kept() == []


# --- the cache -----------------------------------------------------------------------------------


def test_libraries_are_kept_and_found(caplog, monkeypatch):
    assert steps_say(caplog)
    assert len(kept()) == 5  # two steps of two shapes, and the threads
    for file in cache.cache_folder().iterdir():
        os.utime(file, (1, 1))
    build.pool.cache_clear()
    monkeypatch.setattr(build, "_compiled", None)
    assert steps_say(caplog)
    assert min(file.stat().st_mtime for file in cache.cache_folder().iterdir()) > 1


def swap(file, kind, tmp_path):
    data = file.read_bytes()
    file.unlink()
    if kind == "a folder":
        file.mkdir()
        (file / "mine").touch()
    elif kind == "a link":
        (tmp_path / "elsewhere").write_bytes(data)
        file.symlink_to(tmp_path / "elsewhere")
    elif kind == "a pipe":
        os.mkfifo(file)
    elif kind == "rubbish with a digest":
        file.write_bytes(b"rubbish" + hashlib.sha256(b"rubbish").digest())
    else:
        file.write_bytes(data)
        file.chmod(0)


@pytest.mark.parametrize(
    "kind", ["a folder", "a link", "a pipe", "rubbish with a digest", "unreadable"]
)
def test_what_is_found_in_place_of_a_library(kind, tmp_path, caplog):
    assert steps_say(caplog)
    for file in cache.cache_folder().iterdir():
        swap(file, kind, tmp_path)
    build.pool.cache_clear()
    said = ["not kept", "a folder has a library's name"] if kind == "a folder" else []
    assert steps_say(caplog, *said)
    for file in cache.cache_folder().iterdir():
        assert (file / "mine").exists() if kind == "a folder" else cache.read(file)


def test_a_folder_that_is_none_of_this_users_is_not_used(monkeypatch, tmp_path, caplog):
    (tmp_path / "cache").write_text("a file")
    assert steps_say(caplog, "not kept", "cache")
    (tmp_path / "cache").unlink()
    folder = cache.cache_folder()
    folder.mkdir(parents=True)
    folder.chmod(0o777)
    assert steps_say(caplog, f"not kept for the next process: others may write to {folder}")
    folder.chmod(0o700)
    with monkeypatch.context() as patch:
        patch.setattr(os, "getuid", lambda: 4321)
        assert steps_say(caplog, "is no folder of this user")
    with monkeypatch.context() as patch:
        patch.delenv("XDG_CACHE_HOME")
        patch.delenv("HOME", raising=False)
        patch.setattr(Path, "home", classmethod(no_home))
        assert steps_say(caplog, "not kept", "no home")
    assert kept() == []


def no_home(cls):
    raise RuntimeError("no home")


def test_a_folder_that_cannot_be_written(monkeypatch, caplog):
    make = tempfile.mkdtemp

    def refuse(suffix=None, prefix=None, dir=None):
        if dir is not None:
            raise OSError(30, "Read-only file system", str(dir))
        return make(suffix, prefix, dir)

    monkeypatch.setattr(tempfile, "mkdtemp", refuse)
    assert steps_say(caplog, "not kept", "Read-only file system")
    monkeypatch.setattr(tempfile, "mkdtemp", lambda **_: refuse(dir="anywhere"))
    assert not steps_say(caplog, "replayed by NumPy", "Read-only file system: 'anywhere'")


def test_what_may_not_be_executed_is_not_kept(monkeypatch, caplog):
    def refuse(path, *_):
        raise OSError(f"{path}: failed to map segment from shared object")

    with monkeypatch.context() as patch:
        patch.setattr(ctypes, "CDLL", refuse)
        assert not steps_say(caplog, "replayed by NumPy", "failed to map segment")
    assert kept() == []
    monkeypatch.setattr(os, "ST_NOEXEC", 2**62, raising=False)
    facts = os.statvfs(os.path.dirname(cache.cache_folder()))
    monkeypatch.setattr(os, "statvfs", lambda path: type("S", (), {"f_flag": facts.f_flag | 2**62}))
    assert steps_say(caplog, "not kept", "is mounted noexec")


@pytest.mark.parametrize("name", ["with space", "line\nbreak", "b\udcffytes", "%s", "-o"])
def test_folders_of_any_name(name, monkeypatch, tmp_path, caplog):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / name))
    assert steps_say(caplog)
    assert len(kept()) == 5
    monkeypatch.setenv("XDG_CACHE_HOME", name)  # not absolute: as if it were not set
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache.cache_folder() == tmp_path / ".cache" / "chainrule" / "jit"


def test_what_a_killed_run_left_is_removed(tmp_path, caplog):
    folder = cache.cache_folder()
    compiler = tmp_path / "slow"
    compiler.write_text("#!/bin/sh\necho $$ > run\nsleep 100 & wait\n")
    compiler.chmod(0o755)
    code = "import numpy, autograd; autograd.jit(lambda x: x * 2.0)(numpy.ones(3))"
    environment = os.environ | {"CHAINRULE_CC": str(compiler), "PYTHONPATH": str(ROOT)}
    with subprocess.Popen([sys.executable, "-c", code], env=environment) as process:
        deadline = time.monotonic() + 30
        while not list(folder.glob("tmp*/run")) and time.monotonic() < deadline:
            time.sleep(0.01)
        (left,) = folder.glob("tmp*")
        assert steps_say(caplog)
        assert left.is_dir()  # it is at work
        process.kill()
    (folder / "tmpabcd.so").touch()
    os.utime(folder / "tmpabcd.so", (1, 1))
    build.pool.cache_clear()
    step = jit(lambda x: (x * 5.0).sum())
    group = int((left / "run").read_text())
    assert step(np.ones(3)).item() == 15.0
    os.killpg(group, signal.SIGKILL)
    assert all(name.endswith(".so") and len(name) == 35 for name in kept())


def test_the_cache_is_bounded(monkeypatch, caplog):
    folder = cache.cache_folder()
    folder.mkdir(parents=True, mode=0o700)
    for number in range(4):
        with open(folder / f"{number}.so", "wb") as file:
            file.truncate(100 * 10**6)  # a hole
        os.utime(file.name, (number, number))
    (folder / "README").touch()
    assert steps_say(caplog)
    assert {"2.so", "3.so", "README"} <= set(kept()) and not {"0.so", "1.so"} & set(kept())
    assert len(kept()) == 8
    monkeypatch.setenv("CHAINRULE_CACHE_MB", "0")
    jit(lambda x: x * 7.0)(np.ones(3))
    assert len(kept()) == 2  # what was made just now is there
    monkeypatch.setenv("CHAINRULE_CACHE_MB", "²")
    jit(lambda x: x * 9.0)(np.ones(3))
    assert "CHAINRULE_CACHE_MB is a whole number of megabytes, not '²'" in caplog.text


def test_threads_and_processes_make_one_library_at_once(monkeypatch, caplog):
    code = "import numpy, autograd; print(autograd.jit(lambda x: x * 2.0)(numpy.ones(1)).item())"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-W", "error", "-c", code]
    processes = [
        subprocess.Popen(command, env=environment, stdout=-1, stderr=-1, text=True)
        for _ in range(3)
    ]
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(jit(lambda x: x * 2.0)(np.ones(1)).item()))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [2.0] * 3 and not caplog.records
    assert [process.communicate() for process in processes] == [("2.0\n", "")] * 3
    assert len(kept()) == 2


# --- what a process may find ---------------------------------------------------------------------

RUN = """
import numpy, os, sys
import autograd
{before}
for k in (2.0, 3.0):
    step = autograd.jit(lambda x, k=k: (x * k).sum())
    assert step(numpy.ones(3)).item() == 3 * k
traced = next(iter(step._traced.values()))[0]
print(type(traced.run).__name__)
"""


def process(before, **environment):
    """What runs steps in a process that begins so, and what it says."""
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", RUN.format(before=before)],
        env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.strip(), result.stderr.strip()


LIMITED = "import resource; resource.setrlimit(resource.RLIMIT_{0}, ({1}, {1}))"


@pytest.mark.parametrize("free", [0, 1, 2, 4, 6])
def test_too_few_file_descriptors(free):
    ran, said = process(LIMITED.format("NOFILE", f"os.open('.', 0) + {free}"))
    assert ran == "Replayed" and said.count("\n") == 0 and "Too many open files" in said


def test_a_full_disk():
    ran, said = process(LIMITED.format("FSIZE", 3000))
    assert ran == "Replayed" and "not compiled" in said and "Traceback" not in said


def test_a_bare_process(tmp_path):
    """No locale, no working folder, no mask, children that are not waited for."""
    gone = tmp_path / "gone"
    gone.mkdir()
    before = f"os.chdir({str(gone)!r}); os.rmdir({str(gone)!r}); os.umask(0); "
    before += "import signal; signal.signal(signal.SIGCHLD, signal.SIG_IGN)"
    ran, said = process(before, LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    assert (ran, said) == ("Native", "")
    for path in (cache.cache_folder(), *cache.cache_folder().parents[:2]):
        assert path.stat().st_mode & 0o777 == 0o700


def test_the_import_writes_nothing_and_starts_nothing():
    code = """
import sys
def watch(event, arguments):
    wrote = event == "open" and isinstance(arguments[1], str) and set("wax+") & set(arguments[1])
    if wrote or event in ("os.mkdir", "subprocess.Popen", "os.posix_spawn", "os.fork"):
        print(event, arguments)
sys.dont_write_bytecode = True
sys.addaudithook(watch)
import autograd
"""
    command = [sys.executable, "-c", code]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert result.stdout == result.stderr == ""


# --- what fails in us ----------------------------------------------------------------------------


def test_a_setting_that_makes_no_sense_is_said(monkeypatch, caplog):
    def wrong():
        raise ValueError("CHAINRULE_THREADS is a positive integer, not '²'")

    monkeypatch.setattr(build, "threads", wrong)
    assert not steps_say(caplog, "not compiled", "CHAINRULE_THREADS is a positive integer")


@pytest.mark.parametrize("error", [MemoryError, RecursionError, AssertionError, KeyError])
def test_a_fault_of_the_compiler_itself_is_no_fault_of_the_step(error, monkeypatch, caplog):
    def fail(*_):
        raise error("that")

    monkeypatch.setattr(stages, "simplify", fail)
    assert not steps_say(caplog, "not compiled", error.__name__, "that")


def test_a_state_that_comes_to_lie_where_no_step_can_be_compiled(monkeypatch, caplog):
    w = Tensor(np.ones(4))
    step = jit(lambda x: w.assign(w + x))
    step(np.ones(4))
    odd = np.zeros(33, np.uint8)[1:].view(np.float64)
    for _ in range(3):
        w.data = odd
        step(np.ones(4))
        w.data = np.ones(4)
        step(np.ones(4))
        np.testing.assert_array_equal(w.data, np.full(4, 2.0))
    np.testing.assert_array_equal(odd, np.full(4, 3.0))
    assert [r.message for r in caplog.records] == [
        "a step is replayed by NumPy, not compiled: a state's entries do not lie at multiples of "
        "their size"
    ]


def test_a_compiler_that_is_gone_when_a_state_has_other_strides(monkeypatch, caplog):
    w = Tensor(np.ones((2, 2)))
    step = jit(lambda: w.assign(w * 2.0))
    step()
    monkeypatch.setenv("CHAINRULE_CC", "")
    w.data = np.ones((2, 4))[:, ::2]
    for _ in range(2):
        step()
    np.testing.assert_array_equal(w.data, np.full((2, 2), 4.0))
    assert [r.message.split(": ")[1] for r in caplog.records] == ["there is no C compiler"]


def test_lower_and_measure_say_that_there_is_no_compiler(monkeypatch):
    monkeypatch.setenv("CHAINRULE_CC", "")
    lowered = jit(lambda x: x * 2.0).lower(np.ones(3))
    assert "void body0" in lowered.source
    with pytest.raises(build.BuildError, match="there is no C compiler"):
        lowered.measure()


def test_an_input_that_is_larger_than_memory_is_replayed(caplog):
    step = jit(lambda x: x[:, 0] * 2.0)
    wide = np.broadcast_to(np.arange(3.0)[:, None], (3, 1 << 50))
    np.testing.assert_array_equal(step(wide).data, [0.0, 2.0, 4.0])
