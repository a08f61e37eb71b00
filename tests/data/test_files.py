"""Files are there whole or not at all, and nobody's part is taken away while it is written."""

import os
import stat
from pathlib import Path

import pytest

from data import files
from data.files import clear, flock, write, write_folder


@pytest.fixture
def broken(monkeypatch):
    """A disk that is full after some bytes."""
    real = Path.write_bytes

    def full(path, content):
        real(path, content[: len(content) // 2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)


def test_a_file_is_replaced_and_nothing_is_left_beside_it(tmp_path):
    for content in ("text", b"bytes", bytearray(b"array")):
        write(tmp_path / "file", content)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"array"]


def test_a_full_disk_leaves_what_was_there(tmp_path, broken):
    with open(tmp_path / "file", "w") as file:
        file.write("precious")
    with pytest.raises(OSError, match="No space left"):
        write(tmp_path / "file", "other")
    with pytest.raises(OSError, match="No space left"):
        write_folder(tmp_path / "folder", {"a": b"1234"})
    assert [path.read_text() for path in tmp_path.iterdir()] == ["precious"]


def test_everything_is_on_the_disk_before_it_is_renamed(tmp_path, monkeypatch):
    """Else a power cut leaves an empty file under the new name."""
    events, fsync, rename, replace = [], os.fsync, Path.rename, Path.replace

    def synced(descriptor):
        events.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        fsync(descriptor)

    def renamed(real):
        return lambda *paths: (events.append("rename"), real(*paths))

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "rename", renamed(rename))
    monkeypatch.setattr(Path, "replace", renamed(replace))
    write(tmp_path / "file", "text")
    assert events == ["file", "rename", "folder"]
    events.clear()
    write_folder(tmp_path / "folder", {"a": b"1", "b": b"2"})
    assert events == ["file", "file", "folder", "rename", "folder"]


def test_files_have_the_permissions_that_the_user_wants(tmp_path):
    before = os.umask(0o027)
    try:
        write(tmp_path / "file", "text")
        write_folder(tmp_path / "folder", {"a": b"1"})
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.rglob("*")}
    assert modes == {"file": 0o640, "folder": 0o750, "a": 0o640}


def test_a_link_stays_one_and_what_is_no_file_is_refused(tmp_path):
    (tmp_path / "link").symlink_to("file")
    write(tmp_path / "link", "text")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "file").read_text() == "text"
    os.mkfifo(tmp_path / "pipe")
    for name in ("pipe", "."):
        with pytest.raises(OSError, match="not a regular file"):
            write(tmp_path / name, "text")
    with pytest.raises(OSError, match="not a regular file"):
        write("/dev/null", "text")
    with pytest.raises(FileNotFoundError):
        write(tmp_path / "none" / "file", "text")
    with pytest.raises(ValueError, match="null"):
        write("a\0b", "text")


def test_a_folder_that_holds_something_is_not_replaced(tmp_path):
    write_folder(tmp_path / "folder", {"a": b"precious"})
    with pytest.raises(OSError, match="not empty"):
        write_folder(tmp_path / "folder", {"a": b"other"})
    assert [path.read_bytes() for path in tmp_path.rglob("a")] == [b"precious"]
    assert os.listdir(tmp_path) == ["folder"]


def test_a_folder_of_folders_is_replaced_where_that_is_asked_for(tmp_path, monkeypatch):
    folder = tmp_path / "folder"
    write_folder(folder, {"a": b"1", "b/c/d": b"2"})
    assert (folder / "b/c/d").read_bytes() == b"2"
    write_folder(folder, {"b/e": b"3"}, replaces=True)
    assert [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()] == [b"3"]
    rename, asked = Path.rename, []

    def second(path, to):
        asked.append(path)
        if len(asked) == 2:
            raise OSError(28, "no space")
        return rename(path, to)

    monkeypatch.setattr(Path, "rename", second)
    with pytest.raises(OSError, match="no space"):
        write_folder(folder, {"a": b"4"}, replaces=True)
    assert [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()] == [b"3"]
    assert os.listdir(tmp_path) == ["folder"]


def test_clear_removes_what_was_left_but_nothing_that_is_being_written(tmp_path):
    (tmp_path / ".writing-00000000000000aa").write_text("left by a kill")
    (tmp_path / ".writing-00000000000000ab").mkdir()
    (tmp_path / ".writing-00000000000000ab" / "a").write_text("left by a kill")
    (tmp_path / ".writing-notes").write_text("somebody's")
    with files._part(tmp_path, os.O_RDWR | os.O_CREAT | os.O_EXCL) as part:
        with files._part(tmp_path, os.O_RDONLY) as folder:
            clear(tmp_path)
            assert set(tmp_path.iterdir()) == {part, folder, tmp_path / ".writing-notes"}
            folder.rename(tmp_path / "folder")
        part.rename(tmp_path / "file")
    clear(tmp_path)
    clear(tmp_path / "none")
    assert sorted(os.listdir(tmp_path)) == [".writing-notes", "file", "folder"]


def test_where_nothing_can_be_locked_what_may_be_in_use_stays(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "flock", lambda descriptor: None)
    (tmp_path / ".writing-00000000000000aa").write_text("left by a kill")
    clear(tmp_path)
    assert len(list(tmp_path.iterdir())) == 1
    write(tmp_path / "file", "text")
    assert (tmp_path / "file").read_text() == "text"


def test_a_part_that_is_cleared_before_it_was_locked_is_begun_anew(tmp_path, monkeypatch):
    """`clear` may come between the making of a part and its lock."""
    cleared = []

    def late(descriptor):
        if not cleared:
            cleared.append(True)
            clear(tmp_path)
        return flock(descriptor)

    monkeypatch.setattr(files, "flock", late)
    monkeypatch.setattr(files, "_remove_if_left", lambda part: part.unlink())
    write(tmp_path / "file", "text")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["text"]
