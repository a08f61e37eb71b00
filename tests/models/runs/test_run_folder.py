"""A run's folder: whatever happens to it while a training goes on, nothing that was learned is
lost, and nobody else's file is touched."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from models.command_line import InputError
from models.runs import checkpoints
from models.runs import folder as run_folder
from models.runs.checkpoints import newest, save
from models.runs.files import FILES, read_lines, read_object
from models.runs.open import new_run, resume

WEIGHTS = {"0.weight": np.asfortranarray(np.arange(6.0).reshape(2, 3)), "count": np.array(7)}
LINES = [{"epoch": epoch, "step": 10 * epoch, "train_loss": 1 / epoch} for epoch in (1, 2, 3)]


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    (tmp_path / "work").mkdir()
    (tmp_path / "spare").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "spare"))


@contextmanager
def training(before=lambda epoch: None, out="run", after=lambda epoch: None):
    """A run of three epochs: `before` and `after` are called around each, and around the end (4).
    Gives what it said and what it kept."""
    said = []
    with new_run(out, "test", said.append) as run:
        run.config({"sizes": [3, 2]})
        run.histograms(0, 0, {"weights": {}})
        for line in LINES:
            before(line["epoch"])
            run.metrics(line)
            run.histograms(line["epoch"], line["step"], {"weights": {}})
            after(line["epoch"])
        before(4)
        run.model(WEIGHTS)
        run.summary({"reason": "finished", "steps": 30})
        run.doubt(WEIGHTS)
        after(4)
        yield said, run.finish()


def check_whole(folder):
    """All files of the training are in the folder, whole, and nothing else."""
    assert sorted(path.name for path in folder.iterdir()) == sorted(FILES)
    assert read_lines(folder / "metrics.jsonl") == (LINES, [])
    steps = [line["step"] for line in read_lines(folder / "histograms.jsonl")[0]]
    assert steps == [0, 10, 20, 30]
    assert json.loads((folder / "config.json").read_text()) == {"sizes": [3, 2]}
    assert json.loads((folder / "summary.json").read_text())["reason"] == "finished"
    found = load_file(folder / "model.safetensors")
    assert all(found[name].tobytes() == array.tobytes() for name, array in WEIGHTS.items())


def test_a_run_leaves_its_files_and_no_lock():
    with training() as (said, kept):
        assert (kept.folder, kept.names) == (Path("run"), list(FILES))
        assert not said
    check_whole(Path("run"))


# --- a write fails -------------------------------------------------------------------------------


class Disk:
    """Has no room for the files of these names, as far as they are in the run's folder."""

    def __init__(self, monkeypatch, error):
        self.names, self.error = set(), error
        write, open = run_folder.write, Path.open
        monkeypatch.setattr(run_folder, "write", lambda *args: self.check(write, *args))
        monkeypatch.setattr(Path, "open", lambda *args, **rest: self.check(open, *args, **rest))

    def check(self, opening, path, *args, **rest):
        is_read = args == ("r",) or rest.get("mode") == "rb"
        if path.name in self.names and path.parent.name == "run" and not is_read:
            raise OSError(self.error, os.strerror(self.error), str(path))
        return opening(path, *args, **rest)


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EIO])
@pytest.mark.parametrize("first", [1, 2, 3, 4])
@pytest.mark.parametrize("name", FILES)
def test_a_file_that_cannot_be_written_for_a_while_is_written_again(
    monkeypatch, name, first, error
):
    disk = Disk(monkeypatch, error)

    def before(epoch):
        disk.names = {name} if epoch == first else set()

    def after(epoch):
        disk.names = set()

    with training(before, after=after) as (said, kept):
        assert kept.folder == Path("run") and kept.names == list(FILES)
    check_whole(Path("run"))
    # What is not written in that epoch is not missed in it.
    assert len(said) in {0, 2}
    for words, start in zip(said, ("cannot write", "written again:"), strict=False):
        assert words.startswith(f"{start} run/{name}")
    if name == "metrics.jsonl" and first < 4:
        assert said[0] == f"cannot write run/{name}: {os.strerror(error)}; training goes on"


@pytest.mark.parametrize("name", [name for name in FILES if name != "model.safetensors"])
def test_a_file_that_can_never_be_written_is_not_named_as_written(monkeypatch, name):
    disk = Disk(monkeypatch, errno.ENOSPC)
    with training(lambda epoch: disk.names.add(name)) as (said, kept):
        expected = [each for each in FILES if each != name]
        if name == "config.json":  # it was there before the disk was full
            expected = list(FILES)
        assert (kept.folder, kept.names) == (Path("run"), expected)
    assert sum(name in words for words in said) == (name != "config.json")


def test_a_model_that_does_not_fit_goes_to_a_fresh_folder_with_all_the_rest(monkeypatch, tmp_path):
    disk = Disk(monkeypatch, errno.ENOSPC)
    disk.names = {"model.safetensors"}
    with training() as (said, kept):
        pass
    assert kept.folder.parent == tmp_path / "spare" and kept.names == list(FILES)
    check_whole(kept.folder)
    assert said == ["cannot write run/model.safetensors: No space left on device"]


@pytest.mark.parametrize("refused", [1, 2, 3])
def test_where_the_fresh_folder_goes(monkeypatch, tmp_path, refused):
    """The system's temporary folder, the current one, home; then words."""
    shutil.rmtree(tmp_path / "spare")
    places = [tmp_path / "spare", tmp_path / "work", tmp_path / "home"]
    monkeypatch.setenv("HOME", str(places[2]))
    for place in places[refused:]:
        place.mkdir(exist_ok=True)
    real = run_folder.write

    def full(path, content):
        if path.parent.name == "run" or any(place in path.parents for place in places[:refused]):
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        real(path, content)

    with new_run("run", "test", lambda words: None) as run:
        monkeypatch.setattr(run_folder, "write", full)
        run.model(WEIGHTS)
        if refused == 3:
            with pytest.raises(InputError, match=r"can be saved nowhere \(tried run; .*TMPDIR"):
                run.finish()
            monkeypatch.setattr(run_folder, "write", real)  # there is room again
            assert run.finish().folder == Path("run")
        else:
            kept = run.finish()
            assert kept.folder.parent == places[refused]
            assert load_file(kept.folder / "model.safetensors")["count"] == 7
    left = [path for place in places for path in place.glob("chainrule-run-*")]
    assert len(left) == (refused < 3)  # no empty one where it failed


class Full:
    """A file that takes half of what is written."""

    def __init__(self, file):
        self.file = file

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.file.close()

    def write(self, content):
        self.file.write(content[: len(content) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")


def test_half_a_line_does_not_stay(monkeypatch):
    real = Path.open

    def before(epoch):
        if epoch == 2:
            monkeypatch.setattr(Path, "open", lambda path, mode: Full(real(path, mode)))

    def after(epoch):
        monkeypatch.setattr(Path, "open", real)
        if epoch == 2:
            assert read_lines(Path("run/metrics.jsonl")) == (LINES[:1], [])

    with training(before, after=after) as (said, kept):
        assert kept.names == list(FILES)
    assert said == [
        "cannot write run/metrics.jsonl: No space left on device; training goes on",
        "cannot write run/histograms.jsonl: No space left on device; training goes on",
        "written again: run/metrics.jsonl",
        "written again: run/histograms.jsonl",
    ]
    check_whole(Path("run"))


def test_a_closed_terminal_does_not_end_a_training(monkeypatch):
    def closed(words):
        raise BrokenPipeError

    Disk(monkeypatch, errno.ENOSPC).names = {"metrics.jsonl"}
    with new_run("run", "test", closed) as run:
        run.metrics(LINES[0])


# --- a file or the folder is removed, or changed ------------------------------------------------


def cut(path):
    path.write_bytes(path.read_bytes()[:-3])


def longer(path):
    with path.open("ab") as file:
        file.write(b"{}\n")


@pytest.mark.parametrize("change", [Path.unlink, cut, longer, lambda path: path.write_bytes(b"")])
@pytest.mark.parametrize("when", [1, 2, 3, 4])
@pytest.mark.parametrize("name", FILES)
def test_a_file_that_was_changed_is_made_whole_again(name, when, change):
    def after(epoch):
        path = Path("run", name)
        if epoch == when and path.exists():
            change(path)

    with training(after=after) as (_, kept):
        assert kept.names == list(FILES)
    check_whole(Path("run"))


@pytest.mark.parametrize("name", FILES)
def test_a_byte_that_was_changed_is_made_good_in_the_end(name):
    def after(epoch):
        if epoch == 4:
            content = Path("run", name).read_bytes()
            Path("run", name).write_bytes(content[:-2] + b"#" + content[-1:])

    with training(after=after):
        pass
    check_whole(Path("run"))


@pytest.mark.parametrize("when", [1, 2, 3, 4])
def test_the_folder_was_removed(when, tmp_path):
    """It is not made again: it may be a disk that is gone, and would come back over it."""
    with training(lambda epoch: epoch == when and shutil.rmtree("run")) as (said, kept):
        assert kept.folder.parent == tmp_path / "spare" and kept.names == list(FILES)
    check_whole(kept.folder)
    assert not Path("run").exists()
    assert [words.split(";")[0] for words in said] == [
        "cannot write run: No such file or directory"  # once, not of each file
    ]


@pytest.mark.parametrize("when", [1, 2, 3, 4])
@pytest.mark.parametrize("later", [0, 1])
def test_the_folder_was_removed_and_made_again(when, later):
    def before(epoch):
        if epoch == when:
            shutil.rmtree("run")
        if epoch == min(when + later, 4):
            Path("run").mkdir()

    with training(before) as (said, kept):
        assert (kept.folder, kept.names) == (Path("run"), list(FILES))
    check_whole(Path("run"))
    assert sum(words.startswith("cannot") for words in said) == sum("again" in w for w in said)


def test_the_folder_is_a_file_now(tmp_path):
    def before(epoch):
        if epoch == 2:
            shutil.rmtree("run")
            Path("run").write_text("precious")

    with training(before) as (_, kept):
        check_whole(kept.folder)
    assert Path("run").read_text() == "precious"


def test_a_pipe_in_the_place_of_a_file_is_not_waited_for():
    def after(epoch):
        if epoch == 2:
            Path("run/metrics.jsonl").unlink()
            os.mkfifo("run/metrics.jsonl")

    with training(after=after) as (said, kept):
        assert kept.names == [name for name in FILES if name != "metrics.jsonl"]
    assert said == ["cannot write run/metrics.jsonl: not a regular file; training goes on"]


@pytest.mark.parametrize("ended", [False, True])
def test_another_run_in_a_folder_that_was_made_again_is_not_written_over(ended, tmp_path):
    def other():
        with new_run("run", "test", print) as run:
            run.config({"sizes": [1, 1] if ended else [3, 2]})
            run.model({"other": np.ones(1)})
            yield
        yield

    steps = other()

    def before(epoch):
        if epoch == 2:
            shutil.rmtree("run")
            next(steps)
            if ended:
                next(steps)

    with training(before) as (said, kept):
        assert kept.folder.parent == tmp_path / "spare"
    check_whole(kept.folder)
    assert list(load_file("run/model.safetensors")) == ["other"]
    assert ("another run is there now" if ended else "writes into this folder") in said[0]
    steps.close()


# --- real disks ----------------------------------------------------------------------------------


def mounts(*command):
    """Whether a command of mount's succeeds."""
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


@pytest.fixture
def disk():
    """A small file system."""
    disk = Path("disk").absolute()
    disk.mkdir()
    if not mounts("mount", "-t", "tmpfs", "-o", "size=64k", "none", str(disk)):
        pytest.skip("only root may mount a file system")
    yield disk
    while mounts("umount", "-l", str(disk)):
        pass


def fill():
    """Leave no byte on the disk."""
    with suppress(OSError), Path("disk/filling").open("wb", buffering=0) as file:
        while file.write(bytes(4096)):
            pass


def empty():
    Path("disk/filling").unlink(missing_ok=True)


@pytest.mark.parametrize("when", [1, 2, 3, 4])
def test_a_full_disk(disk, when, tmp_path):
    with training(lambda epoch: epoch == when and fill(), "disk/run") as (said, kept):
        assert kept.folder.parent == tmp_path / "spare"
    check_whole(kept.folder)
    assert all("No space left on device" in words for words in said)
    for name, count in (("metrics.jsonl", when - 1), ("histograms.jsonl", when)):
        lines, damaged = read_lines(Path("disk/run", name))  # what had fitted is whole
        assert len(lines) >= count and not damaged


@pytest.mark.parametrize("when", [1, 2, 3])
def test_a_full_disk_that_has_room_again(disk, when):
    def before(epoch):
        empty()
        if epoch == when:
            fill()

    with training(before, "disk/run") as (_, kept):
        assert kept.folder == Path("disk/run")
    check_whole(Path("disk/run"))


@pytest.mark.parametrize("when", [1, 2, 3, 4])
@pytest.mark.parametrize("again", [False, True])
def test_a_disk_that_can_only_be_read(disk, when, again, tmp_path):
    def before(epoch):
        if epoch == when:
            # Over itself: the lock is open, and nothing open for writing can become read-only.
            assert mounts("mount", "--bind", str(disk), str(disk))
            assert mounts("mount", "-o", "remount,bind,ro", str(disk))

    def after(epoch):
        if again and epoch == when:
            assert mounts("umount", str(disk))

    with training(before, "disk/run", after) as (said, kept):
        assert kept.folder == (Path("disk/run") if again else kept.folder)
        assert again or kept.folder.parent == tmp_path / "spare"
    check_whole(kept.folder)
    assert "Read-only file system" in said[0]


def test_to_go_on_with_a_run_that_can_only_be_read_is_refused(disk):
    with training(out="disk/run"):
        pass
    save("disk/run/checkpoints", {}, {"step": 10})
    assert mounts("mount", "-o", "remount,ro", str(disk))
    message = "--resume: expected to be able to write disk/run, found: Read-only file system"
    with pytest.raises(InputError, match=message), resume("disk/run", print):
        pass


def test_a_start_on_a_full_disk_is_refused_and_leaves_nothing(disk):
    fill()
    with (
        pytest.raises(InputError, match=r"--out: .*config.json, found: No space left on device"),
        training(out="disk/a/run"),
    ):
        pass
    assert [path.name for path in Path("disk").iterdir()] == ["filling"]


# --- begun ---------------------------------------------------------------------------------------


def test_what_learned_nothing_leaves_nothing():
    with suppress(KeyboardInterrupt), new_run("a/b/run", "test", print) as run:
        run.config({})
        run.histograms(0, 0, {})
        raise KeyboardInterrupt
    assert not list(Path().iterdir())


@pytest.mark.parametrize("learn", ["epoch", "checkpoint", "model"])
def test_nothing_is_removed_once_something_was_learned(learn):
    with suppress(RuntimeError), new_run("run", "test", print) as run:
        run.config({})
        match learn:
            case "epoch":
                run.metrics(LINES[0])
            case "checkpoint":
                run.checkpoints().put({"w": np.ones(2)}, {"step": 3})
            case "model":
                run.model(WEIGHTS)
        raise RuntimeError
    names = {path.name for path in Path("run").iterdir()}
    extra = {"epoch": set(), "checkpoint": {"checkpoints"}, "model": {"model.safetensors"}}
    assert names == {"config.json", "metrics.jsonl"} | extra[learn]
    assert learn != "checkpoint" or os.listdir("run/checkpoints") == ["000000000003"]


def test_a_file_of_somebody_else_stays_in_a_run_that_learned_nothing():
    with new_run("a/run", "test", print):
        Path("a/run/notes").write_text("precious")
    assert [str(path) for path in Path().rglob("*")] == ["a", "a/run", "a/run/notes"]


@pytest.mark.parametrize("name", [*FILES, "checkpoints"])
def test_a_folder_with_a_run_in_it_is_not_taken(name):
    Path("run").mkdir()
    Path("run", name).write_text("precious")
    message = f"without a run in it, found run/{name}; name another"
    with pytest.raises(InputError, match=message), new_run("run", "test", print):
        pass
    assert [path.read_text() for path in Path("run").iterdir()] == ["precious"]


def killed_at(number):
    """Whether a run that begins, and ends before it has learned, made so many changes to the disk:
    a process of its own is killed just before the next one."""
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1] == signal.SIGKILL
    count = 0

    def hook(event, arguments):
        nonlocal count
        is_open = event == "open" and arguments[2] & (os.O_CREAT | os.O_RDWR)
        if is_open or event in ("os.mkdir", "os.rename", "os.remove", "os.rmdir"):
            count += 1
            if count > number:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
    with new_run("run", "test", print) as run:
        run.config({"sizes": [3, 2]})
        run.histograms(0, 0, {})
    os._exit(0)


def test_a_run_that_was_killed_before_it_learned_is_taken_over_or_goes_on():
    """Else its folder is of no use to anybody until it is removed by hand."""
    number, found = 0, set()
    while killed_at(number):
        names = sorted(os.listdir("run") if Path("run").exists() else ())
        found.add(tuple(name for name in names if not name.startswith(".writing")))
        opening = resume if "config.json" in names else new_run
        arguments = ("run", print) if opening is resume else ("run", "test", print)
        with opening(*arguments):
            pass
        shutil.rmtree("run", ignore_errors=True)
        number += 1
    assert not Path("run").exists()
    claimed = (".lock", "metrics.jsonl")
    assert found >= {(), (".lock",), claimed, (".lock", "config.json", "metrics.jsonl")}


@pytest.mark.parametrize("beside", ["a line", "a link", "a pipe", *FILES[1:3], "checkpoints"])
def test_a_claim_is_taken_over_only_where_nothing_was_learned(beside):
    Path("run").mkdir()
    file = Path("run/metrics.jsonl")
    match beside:
        case "a line":
            file.write_text(json.dumps(LINES[0]) + "\n")
        case "a link":
            Path("elsewhere").touch()
            file.symlink_to("../elsewhere")
        case "a pipe":
            os.mkfifo(file)
        case name:
            file.touch()
            Path("run", name).touch()
    message = "without a run in it, found run/"
    with pytest.raises(InputError, match=message), new_run("run", "test", print):
        pass
    assert os.path.lexists(file)


def test_two_runs_of_one_second_do_not_meet(monkeypatch):
    monkeypatch.setattr("time.strftime", lambda form: "-now")
    with new_run(None, "test", print) as one, new_run(None, "test", print) as other:
        assert (one.path, other.path) == (Path("runs/test-now"), Path("runs/test-now-2"))


def test_a_run_in_a_folder_where_one_goes_on_is_told_who_holds_it():
    with new_run("run", "test", print) as run:
        run.config({})
        for opening in (new_run("run", "test", print), resume("run", print)):
            with pytest.raises(InputError, match=f"process {os.getpid()} on .*, since 20"), opening:
                pass
        run.metrics(LINES[0])
        assert run.finish().names == ["config.json", "metrics.jsonl"]


def test_what_a_kill_left_is_removed_when_the_folder_is_opened():
    Path("run").mkdir()
    Path("run/.writing-0123456789abcdef").write_text("half")
    with new_run("run", "test", print):
        assert sorted(os.listdir("run")) == [".lock", "metrics.jsonl"]


def test_numbers_that_json_does_not_have_do_not_end_a_training():
    with new_run("run", "test", print) as run:
        run.metrics({"epoch": 1, "step": np.int64(2), "loss": np.float32("nan"), "lr": np.inf})
        run.histograms(1, 2, {"weights": {"0": {"counts": np.arange(2), "mean": np.nan}}})
    assert Path("run/metrics.jsonl").read_text() == (
        '{"epoch": 1, "step": 2, "loss": null, "lr": null}\n'
    )
    (line,), _ = read_lines(Path("run/histograms.jsonl"))
    assert line["weights"]["0"] == {"counts": [0, 1], "mean": None}


# --- checkpoints ---------------------------------------------------------------------------------


@pytest.mark.parametrize("again", [False, True])
def test_checkpoints_of_a_folder_that_was_removed(again):
    said = []
    with new_run("run", "test", said.append) as run:
        run.config({})
        writer = run.checkpoints()
        for step in (1, 2, 3):
            if step == 2:
                shutil.rmtree("run")
            if step == 3 and again:
                Path("run").mkdir()
            writer.put({"w": np.full(3, step)}, {"step": step})
            run.wait()
    assert said[0] == "cannot write run/checkpoints: No such file or directory; training goes on"
    assert said[1:] == ["written again: run/checkpoints"] * again
    assert Path("run").exists() == again
    if again:
        assert newest("run/checkpoints")[0].step == 3


def test_checkpoints_on_a_full_disk(disk):
    said = []
    with new_run("disk/run", "test", said.append) as run:
        run.config({})
        writer = run.checkpoints()
        for step in (1, 2, 3):
            fill() if step == 2 else empty()
            writer.put({"w": np.full(300, step)}, {"step": step})
            run.wait()
    assert [words.split(": ")[0] for words in said] == [
        "cannot write disk/run/checkpoints", "written again"
    ]  # fmt: skip
    assert sorted(os.listdir("disk/run/checkpoints")) == ["000000000001", "000000000003"]


def test_a_checkpoint_comes_after_the_lines_that_lead_to_it(monkeypatch):
    """Else a run that goes on after a power cut has a gap in its figures."""
    events = []
    monkeypatch.setattr(run_folder, "sync", lambda path: events.append(path.name))
    with new_run("run", "test", print) as run:
        writer = run.checkpoints()
        monkeypatch.setattr(checkpoints, "write_folder", lambda path, _: events.append(path.name))
        run.metrics(LINES[0])
        writer.put({}, {"step": 10})
    assert events == ["metrics.jsonl", "histograms.jsonl", "000000000010"]


# --- gone on with --------------------------------------------------------------------------------


def everything():
    return {each: each.read_bytes() for each in Path().rglob("*") if each.is_file()}


@pytest.fixture
def killed():
    """A run that was killed after its third epoch, with checkpoints after each."""
    with new_run("run", "test", print) as run:
        run.config({"sizes": [3, 2]})
        run.histograms(0, 0, {"weights": {}})
        for line in LINES:
            run.metrics(line)
            run.histograms(line["epoch"], line["step"], {"weights": {}})
            save("run/checkpoints", {"w": np.full(2, line["step"])}, {"step": line["step"]})
    with open("run/metrics.jsonl", "a") as file:
        file.write('{"epoch": 4, "step": 40}\n{"epoch": 5, "st')
    return Path("run")


def test_a_run_goes_on_from_its_newest_checkpoint(killed):
    said = []
    with resume("run", said.append) as resumed:
        run, config, checkpoint = resumed
        resumed.begin()
        assert config == {"sizes": [3, 2]}
        assert checkpoint.step == 30 and (checkpoint.arrays["w"] == 30).all()
        assert read_lines(killed / "metrics.jsonl") == (LINES, [])
        run.metrics({"epoch": 4, "step": 40, "train_loss": 0.1})
        run.model(WEIGHTS)
        kept = run.finish()
    assert len(read_lines(killed / "metrics.jsonl")[0]) == 4
    never = ("summary.json", "doubt.safetensors")
    assert kept.names == [name for name in FILES if name not in never]
    assert not said and not (killed / ".lock").exists()


def test_a_damaged_newest_checkpoint_is_said_and_the_one_before_it_is_used(killed):
    file = killed / "checkpoints/000000000030/state.safetensors"
    file.write_bytes(file.read_bytes()[:-1])
    said = []
    with resume("run", said.append) as resumed:
        run, _, checkpoint = resumed
        resumed.begin()
        assert checkpoint.step == 20
        assert read_lines(killed / "metrics.jsonl")[0] == LINES[:2]
        assert [line["step"] for line in read_lines(killed / "histograms.jsonl")[0]] == [0, 10, 20]
        writer = run.checkpoints()
        writer.put({"w": np.full(2, 30)}, {"step": 30})
    (words,) = said
    assert words.startswith(f"passed over: {file}: ")
    with resume("run", said.append) as (_, _, checkpoint):
        assert checkpoint.step == 30  # the damaged one is gone
    assert len(said) == 1


@pytest.mark.parametrize("inside", [False, True])
def test_a_run_goes_on_from_the_checkpoint_that_is_named(killed, monkeypatch, inside):
    path = "run/checkpoints/000000000010"
    if inside:
        monkeypatch.chdir("run/checkpoints")
        path = "000000000010/"
    with resume(path, print) as resumed:
        run, _, checkpoint = resumed
        resumed.begin()
        assert checkpoint.step == 10
        assert run.path.samefile(killed if not inside else "..")
        assert read_lines(run.path / "metrics.jsonl")[0] == LINES[:1]
    with resume(str(run.path), print) as (_, _, checkpoint):
        assert checkpoint.step == 10  # killed at once: it still goes on from there


def test_a_run_that_went_on_has_all_its_lines_in_the_fresh_folder(killed, tmp_path):
    with resume("run", lambda words: None) as resumed:
        run = resumed.run
        resumed.begin()
        shutil.rmtree("run")
        run.model(WEIGHTS)
        run.doubt(WEIGHTS)
        run.summary({"reason": "finished"})
        kept = run.finish()
    check_whole(kept.folder)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("none", "none: expected a run's folder, or one of its checkpoints, found nothing"),
        ("run/config.json", "found a file"),
        ("empty", "empty: expected a run's folder, .* found no config.json in it"),
        ("run/checkpoints/000000000099", "found nothing"),
        ("run/checkpoints/hollow", "hollow/state.json: expected a whole checkpoint"),
    ],
)
def test_what_cannot_go_on_is_said_and_untouched(killed, path, message):
    for name in ("empty", "run/checkpoints/hollow"):
        Path(name).mkdir()
    before = everything()
    with pytest.raises(InputError, match=message), resume(path, print):
        pass
    assert before == everything()


def test_until_it_begins_a_run_that_could_go_on_is_as_it_was(killed):
    """A mistyped option after --resume, or a dataset that is gone, costs no later checkpoint."""
    Path("run/summary.json").write_text("{}")
    before = everything()
    with resume("run/checkpoints/000000000010", print) as resumed:
        assert resumed.checkpoint.step == 10
    assert everything() == before
    with resume("run/checkpoints/000000000010", print) as resumed:
        resumed.begin()
    with resume("run", print) as resumed:
        assert resumed.checkpoint.step == 10
    assert not Path("run/summary.json").exists()  # it has not ended any more


def test_a_run_without_a_checkpoint_goes_on_from_its_beginning(killed):
    """It was killed before the first: `train --out` refuses the folder, so --resume must not."""
    shutil.rmtree(killed / "checkpoints")
    with resume("run", print) as resumed:
        assert resumed.checkpoint is None
        resumed.begin()
        resumed.run.histograms(0, 0, {"weights": {}})
    assert Path("run/metrics.jsonl").read_bytes() == b""
    assert [line["step"] for line in read_lines(killed / "histograms.jsonl")[0]] == [0]


def test_the_last_checkpoint_goes_to_the_fresh_folder_too(tmp_path):
    """Else what was rescued could not go on."""
    with new_run("run", "test", lambda words: None) as run:
        run.config({"sizes": [3, 2]})
        writer = run.checkpoints()
        for line in LINES:
            run.metrics(line)
            writer.put({"w": np.full(2, line["step"])}, {"step": line["step"]})
            run.wait()
        shutil.rmtree("run")
        run.model(WEIGHTS)
        kept = run.finish()
    assert kept.names == ["model.safetensors", "config.json", "metrics.jsonl", "checkpoints"]
    assert not kept.missing
    with resume(str(kept.folder), print) as resumed:
        assert resumed.checkpoint.step == 30


@pytest.mark.parametrize("is_gone", [False, True])
def test_the_last_checkpoint_is_tried_again_in_the_end(disk, is_gone):
    """And named only where it is there."""
    with new_run("disk/run", "test", lambda words: None) as run:
        run.config({})
        writer = run.checkpoints()
        fill()
        writer.put({"w": np.ones(2)}, {"step": 10})
        run.wait()
        empty()
        run.model(WEIGHTS)
        if is_gone:
            shutil.rmtree("disk/run/checkpoints")
            Path("disk/run/checkpoints").write_text("in the way")
        kept = run.finish()
    assert kept.folder == Path("disk/run")
    assert ("checkpoints" in kept.names) == (not is_gone)
    assert kept.missing == ["checkpoints"] * is_gone


def test_all_checkpoints_damaged_is_one_line(killed):
    for file in killed.glob("checkpoints/*/state.json"):
        file.write_text("{}")
    with pytest.raises(InputError) as caught, resume("run", print):
        pass
    assert str(caught.value).count("state.json: ") == 3 and "\n" not in str(caught.value)


@pytest.mark.parametrize("read", [read_object, read_lines])
def test_what_is_no_regular_file_is_not_waited_for(read):
    os.mkfifo("pipe")
    with pytest.raises(InputError, match="found: not a regular file"):
        read(Path("pipe"))
    with pytest.raises(InputError, match="not a regular file"):
        read(Path("/dev/zero"))


def test_a_file_beyond_its_bound_is_not_read():
    with open("long", "wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(InputError, match=r"found: 1,099,511,627,776 bytes, of which .* at most"):
        read_object(Path("long"))
