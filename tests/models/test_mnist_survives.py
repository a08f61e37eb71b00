"""`train` as a process of its own, to which happens what happens: disks fill, folders go,
terminals close, signals come. What was learned is there afterwards.
"""

import os
import pty
import random
import re
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest
from safetensors.numpy import load_file

from tests.models.processes import (
    COMMAND,
    ENDLESS,
    ENVIRONMENT,
    RECIPE,
    WHOLE,
    WRITTEN,
    begin,
    check_whole,
    end,
    go_on,
    here,  # noqa: F401  (used by every test)
    kept,
    run,
    until,
    until_python_has_started,
)

# --- a log that cannot be written ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "code", "said"),
    [
        ("> /dev/full", 2, "standard output cannot be written: No space left on device; the"),
        ("2> /dev/full", 0, ""),
        ("> /dev/full 2>&1", 2, ""),
        (">&-", 0, ""),
        ("2>&-", 0, ""),
        (">&- 2>&- <&-", 0, ""),
    ],
)
def test_a_log_that_cannot_be_written_ends_no_training(how, code, said):
    command = " ".join([*COMMAND, "--dataset", "tiny.npz", *RECIPE, "--epochs", "2", "--out run"])
    ended = subprocess.run(
        ["bash", "-c", f"{command} {how}"], env=ENVIRONMENT, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert ended.returncode == code
    assert said in ended.stderr and ended.stderr.count("\n") == 2 * bool(said)
    check_whole(Path("run"))


@pytest.mark.parametrize("how", ["2> /dev/full", "> /dev/full 2>&1", "2>&-"])
def test_an_error_that_cannot_be_printed_is_the_exit_code(how):
    command = " ".join([*COMMAND, "--lr", "-1"])
    ended = subprocess.run(["bash", "-c", f"{command} {how}"], env=ENVIRONMENT, check=False)
    assert ended.returncode == 2


# --- a folder that cannot be written -------------------------------------------------------------


def mount(*arguments, command="mount"):
    """Run mount, again and again while the training has a file open there."""
    for _ in range(200):
        found = subprocess.run([command, *arguments], check=False, capture_output=True, text=True)
        if "busy" not in found.stderr:
            break
        time.sleep(0.01)
    found.check_returncode()


@pytest.fixture
def disk():
    """A small file system."""
    Path("disk").mkdir()
    try:
        mount("-t", "tmpfs", "-o", "size=1m", "none", "disk")
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("only root may mount a file system")
    yield Path("disk")
    while subprocess.run(["umount", "-l", "disk"], check=False, stderr=-3).returncode == 0:
        pass


def fill():
    with suppress(OSError), open("disk/filling", "wb", buffering=0) as file:
        while file.write(bytes(4096)):
            pass


def read_only():
    # Over itself: nothing that is open for writing can become read-only.
    mount("--bind", "disk", "disk")
    mount("-o", "remount,bind,ro", "disk")


def remove():
    shutil.rmtree("disk/run", ignore_errors=True)
    if os.path.lexists("disk/run"):  # written into meanwhile
        remove()


def replace():
    remove()
    Path("disk/run").write_text("precious")


GONE = [
    (fill, "No space left on device"),
    (read_only, "Read-only file system"),
    (remove, "No such file or directory"),
    (replace, "Not a directory"),
]


@pytest.mark.parametrize(("happens", "why"), GONE)
def test_a_folder_that_goes_while_learning_costs_nothing(disk, happens, why):
    process = begin(*ENDLESS, out="disk/run")
    until(process, "3/")
    happens()
    until(process, "", more=40)  # the training goes on
    code, out, err = end(process, signal.SIGINT)
    assert code == 130
    said = err.splitlines()
    assert said[-1] == f"error: disk/run cannot be written; the network is in {kept(out)}"
    assert len(set(said)) == len(said) <= 7
    for line in said[:-1]:  # what was being written just then may fail in its own way, and heal
        assert re.match("warning: (cannot write|written again:) disk/run", line), err
    assert any(why in line for line in said[:-1]), err
    assert kept(out).parent == Path(ENVIRONMENT["TMPDIR"])
    check_whole(kept(out))
    assert f"train --resume {kept(out)} goes on" in out
    process = go_on(kept(out))
    until(process, "resumed after step")
    until(process, "", more=4)
    assert end(process, signal.SIGINT)[0] == 130
    assert happens is not replace or Path("disk/run").read_text() == "precious"


@pytest.mark.parametrize(
    ("happens", "then"), [(fill, lambda: os.remove("disk/filling")),
                          (read_only, lambda: mount("disk", command="umount")),
                          (remove, lambda: os.mkdir("disk/run"))],
)  # fmt: skip
def test_a_folder_that_comes_back_has_all_in_the_end(disk, happens, then):
    process = begin(*ENDLESS, out="disk/run")
    until(process, "3/")
    happens()
    until(process, "", more=20)
    then()
    until(process, "", more=20)
    code, out, err = end(process, signal.SIGTERM)
    assert code == 143 and kept(out) == Path("disk/run")
    check_whole(kept(out))
    assert err.count("warning: written again") == err.count("warning: cannot write") > 0, err


def block(path):
    while not path.is_symlink():  # it may be written meanwhile
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        with suppress(FileExistsError, IsADirectoryError):
            path.unlink(missing_ok=True)
            path.symlink_to("/dev/null")


@pytest.mark.parametrize("name", WHOLE)
def test_what_is_in_the_way_of_one_file_costs_the_others_nothing(name):
    process = begin(*ENDLESS)
    until(process, "3/")
    for _ in range(2):  # the first may be lost to a file that was being written
        block(Path("run", name))
        until(process, "", more=20)
    code, out, err = end(process, signal.SIGINT)
    assert code == 130 and f"cannot write run/{name}: " in err
    if name == "model.safetensors":
        assert kept(out).parent == Path(ENVIRONMENT["TMPDIR"])
        check_whole(kept(out))
        return
    assert err.splitlines()[-1] == f"error: run: could not write {name}; the network is there"
    assert f" {name}" not in re.search(r"^wrote(.*\n.*)$", out, re.MULTILINE)[1]
    assert load_file("run/model.safetensors")


def test_a_full_disk_at_the_start_is_one_line_and_leaves_nothing(disk):
    fill()
    code, _, err = end(begin(out="disk/a/run"))
    assert code == 2 and err.count("\n") == 1
    assert "--out: expected to be able to write disk/a/run" in err
    assert "No space left on device" in err
    assert os.listdir("disk") == ["filling"]


def test_to_go_on_on_a_full_disk_is_refused_and_leaves_all_as_it_was(disk):
    run(begin("--epochs", "3", out="disk/run"))
    before = {name: Path("disk/run", name).read_bytes() for name in WRITTEN}
    fill()
    code, _, err = end(go_on("disk/run", "--epochs", "5"))
    assert code == 2 and "--resume: expected to be able to write disk/run" in err
    assert {name: Path("disk/run", name).read_bytes() for name in WRITTEN} == before


# --- signals -------------------------------------------------------------------------------------

ENDING = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


@pytest.mark.parametrize("number", ENDING)
@pytest.mark.parametrize("moment", ["network", "epoch", "2/"])
def test_a_signal_at_any_moment_leaves_a_whole_run_or_nothing(number, moment):
    process = begin(*ENDLESS)
    until(process, moment)
    code, out, err = end(process, number)
    assert (code, err) == (128 + number, "")
    if Path("run").exists():
        assert "stopped early by" in out
        check_whole(kept(out))
    else:
        assert moment == "network" and "before the first step: nothing is left" in out


@pytest.mark.parametrize("wait", [0.0, 0.02, 0.05])
def test_ctrl_c_while_it_imports_says_nothing(wait):
    """As an exception it would leave a traceback, or, from within NumPy's import, another error."""
    process = begin("--epochs", "1")
    until_python_has_started(process)
    time.sleep(wait)
    assert end(process, signal.SIGINT) == (-signal.SIGINT, "", "")


@pytest.mark.slow
@pytest.mark.parametrize("number", ENDING)
def test_a_signal_at_random_moments(number):
    for _ in range(6):
        process = begin("--epochs", "30")
        until_python_has_started(process)
        time.sleep(random.uniform(0.0, 1.0))
        code = end(process, number)[0]
        # While it imports or has nothing left to do, it ends as any other program does.
        assert code in (0, 128 + number, -number)
        if Path("run").exists():
            check_whole(Path("run"))
            shutil.rmtree("run")


def test_a_terminal_that_is_closed_ends_it_and_nothing_is_lost():
    """The system sends SIGHUP, and then the shell does."""
    child, terminal = pty.fork()
    if not child:
        os.execve(
            COMMAND[0],
            [*COMMAND, "--dataset", "tiny.npz", *RECIPE, *ENDLESS, "--out", "run"],
            ENVIRONMENT,
        )
    seen = b""
    while b"3/1000000" not in seen:
        seen += os.read(terminal, 1000)
    os.close(terminal)
    for _ in range(2):
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGHUP)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 129
    check_whole(Path("run"))


@pytest.mark.parametrize("wait", [0.0, 0.01, 0.03])
def test_a_second_ctrl_c_leaves_what_goes_on(wait):
    process = begin(*ENDLESS)
    until(process, "3/")
    process.send_signal(signal.SIGINT)
    time.sleep(wait)
    code, out, err = end(process, signal.SIGINT)
    assert code in (130, -signal.SIGINT)  # as a shell sees both
    if not Path("run/summary.json").exists() or "wrote" not in out:
        assert "interrupted: python -m models.mnist train --resume run goes on" in err
    process = go_on()
    until(process, "resumed after step")
    until(process, "", more=4)
    assert end(process, signal.SIGINT)[0] == 130
    check_whole(Path("run"))
