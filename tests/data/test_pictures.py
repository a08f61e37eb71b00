"""Folders of pictures: what is drawn is read back, and what does not belong is named."""

import io
import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

import data
from tests.data.written import pictures, whole

GREY = np.arange(12, dtype=np.uint8).reshape(3, 4)
COLOUR = np.arange(36, dtype=np.uint8).reshape(3, 4, 3)


@given(
    shape=st.sampled_from([(1, 1), (3, 4), (3, 4, 3)]),
    counts=st.dictionaries(
        st.sampled_from(["10", "9", "cat", "Dog", "a b", "ő"]), st.integers(2, 4), min_size=1
    ),
    content=st.data(),
    suffix=st.sampled_from(["png", "bmp", "tiff"]),
)
def test_what_is_drawn_is_read_back(shape, counts, content, suffix):
    """Else a picture is of another class, turned, or in another order on another machine."""
    drawn = {
        name: [content.draw(hnp.arrays(np.uint8, shape)) for _ in range(count)]
        for name, count in counts.items()
    }
    with tempfile.TemporaryDirectory() as folder:
        mine = data.load(pictures(Path(folder, "all"), drawn, suffix))
        images, labels = whole(mine)
    assert mine.name == "all" and mine.shape == shape and images.dtype == np.uint8
    names = sorted(drawn)
    assert mine.classes == (("9", "10") if names == ["10", "9"] else tuple(names))
    assert [mine.classes[label] for label in labels] == [n for n in names for _ in drawn[n]]
    assert np.array_equal(images, np.concatenate([drawn[name] for name in names]))


def test_folders_train_and_test(tmp_path):
    """Else the test pictures are trained on."""
    pictures(tmp_path / "train", {"a": [GREY] * 3, "b": [GREY + 1] * 2})
    pictures(tmp_path / "test", {"a": [GREY + 2], "b": [GREY + 3]})
    mine = data.load(tmp_path)
    assert (len(mine.train), len(mine.test), mine.scale) == (5, 2, 12.0)
    assert mine.test.images[:, 0, 0].tolist() == [2, 3]


def test_classes_called_train_and_test_are_classes(tmp_path):
    """Else trains cannot be told from tests."""
    pictures(tmp_path, {"train": [GREY] * 2, "test": [GREY] * 2})
    assert data.load(tmp_path).classes == ("test", "train")


def test_hidden_files_are_passed_over(tmp_path):
    """Else what a desktop leaves behind makes a folder unreadable."""
    pictures(tmp_path, {"a": [GREY] * 2})
    (tmp_path / ".git").mkdir()
    (tmp_path / "a" / ".DS_Store").write_bytes(b"\0")
    assert data.load(tmp_path).classes == ("a",)


def drawn(mode, **saved):
    """The array that a PNG of that mode is read as."""
    file = io.BytesIO()
    Image.new(mode, (2, 1), **saved).save(file, "PNG")
    with tempfile.TemporaryDirectory() as folder:
        for name in ("1", "2"):
            Path(folder, "a").mkdir(exist_ok=True)
            Path(folder, "a", f"{name}.png").write_bytes(file.getvalue())
        return whole(data.load(folder))[0][0]


def test_modes_become_grey_or_colour():
    """Else a palette's numbers are trained on, or transparent pixels are whatever lies below."""
    for mode, colour, expected in [
        ("1", 1, 255),
        ("L", 7, 7),
        ("LA", (7, 255), 7),
        ("LA", (0, 0), 255),
        ("LA", (0, 51), 204),
        ("RGB", (1, 2, 3), [1, 2, 3]),
        ("RGBA", (1, 2, 3, 255), [1, 2, 3]),
        ("RGBA", (1, 2, 3, 0), [255, 255, 255]),
        ("I;16", 7, 7),
    ]:
        found = drawn(mode, color=colour)
        assert found.dtype == np.uint8, mode
        assert found[0, 1].tolist() == expected, mode


def test_a_palette_is_colour(tmp_path):
    (tmp_path / "a").mkdir()
    for name in "12":
        Image.fromarray(COLOUR).quantize(12).save(tmp_path / "a" / f"{name}.png")
    assert np.array_equal(whole(data.load(tmp_path))[0][0], COLOUR)


def test_greys_of_more_than_8_bits_are_kept(tmp_path):
    """Else a scan of 16 bits is cut to bytes, or fails."""
    deep = GREY.astype(np.uint16) * 5000
    pictures(tmp_path, {"a": [deep] * 2})
    mine = data.load(tmp_path)
    assert mine.scale == 55000.0 and np.array_equal(whole(mine)[0][0], deep)
    assert whole(mine)[0].dtype == np.float32
    assert data.load(tmp_path, size=(2, 2)).shape == (2, 2)


def test_a_camera_held_upright_is_upright(tmp_path):
    """Else photographs lie on their sides, and are of mixed sizes."""
    (tmp_path / "a").mkdir()
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn clockwise
    for name in "12":
        Image.fromarray(GREY).save(tmp_path / "a" / f"{name}.png", exif=exif)
    assert np.array_equal(whole(data.load(tmp_path))[0][0], np.rot90(GREY, -1))


@pytest.mark.parametrize("shape", [(3, 4), (3, 4, 3)])
def test_size_resizes_pictures_of_any_size(tmp_path, shape):
    """Else a folder of photographs cannot be read."""
    flat = [np.full((n, 9 - n, *shape[2:]), 9, np.uint8) for n in (1, 3, 8)]
    mine = data.load(pictures(tmp_path / "p", {"a": flat}), size=(5, 2))
    assert mine.shape == (5, 2, *shape[2:]) and (whole(mine)[0] == 9).all()


def test_a_picture_of_that_size_is_left_as_it_is(tmp_path):
    mine = data.load(pictures(tmp_path / "p", {"a": [GREY] * 2}), size=(3, 4))
    assert np.array_equal(whole(mine)[0][0], GREY)


# -- what does not belong --------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path):
    return pictures(tmp_path / "all", {"a": [GREY] * 3, "b": [GREY] * 3})


def text(path):
    path.write_text("no picture")


def animation(path):
    frames = [Image.fromarray(GREY + n) for n in (0, 99)]
    frames[0].save(path.with_suffix(".gif"), save_all=True, append_images=frames[1:])


def truncated(path):
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (99, 99), np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:5000])


def damaged(path):
    Image.fromarray(GREY).save(path)
    content = bytearray(path.read_bytes())
    content[45] ^= 1
    path.write_bytes(content)


def save(array):
    return lambda path: Image.fromarray(array).save(path)


BAD = {
    "a/x.txt": (text, r"x.txt: expected a picture \(PNG, JPEG, GIF, .*\): move it away"),
    "a/Thumbs.db": (text, r"Thumbs.db: expected a picture"),
    "a/empty.png": (Path.touch, r"empty.png: expected a picture"),
    "README.txt": (text, r"README.txt: expected a folder of pictures for each class, found a file"),
    "a/inner": (Path.mkdir, r"inner: expected a picture, found a folder"),
    "c": (Path.mkdir, r"c: expected pictures, found none: add some, or remove the folder"),
    "a/x.png": (save(COLOUR), r"x.png: .* picture in grey as .*000.png is, found one in colour"),
    "a/w.png": (save(GREY.T.copy()), r"expected 3 x 4 pixels as .* has, found 4 x 3: give a size"),
    "a/deep.png": (save(GREY.astype(np.uint16)), r"found one in grey of more than 8 bits"),
    "a/cut.png": (truncated, r"cut.png: damaged .*[Tt]runcated.*: replace it, or move"),
    "a/bad.png": (damaged, r"bad.png: damaged "),
    "a/film": (animation, r"film.gif: .*expected one picture, found 2 frames: save each"),
    "a/lost.png": (lambda path: path.symlink_to("nowhere"), r"lost.png: .*no file that can be re"),
    "a/loop.png": (lambda path: path.symlink_to("loop.png"), r"loop.png: .*no file that can be r"),
    "loop": (lambda path: path.symlink_to("."), r"loop/a: expected a picture, found a folder"),
    "c/one.png": (save(GREY), r"found one of 'c': add examples, leave it out"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_does_not_belong_is_named(folder, name):
    """Else it is left out without a word, trained on, or a traceback."""
    make, message = BAD[name]
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    make(path)
    with pytest.raises(data.DataError, match=message) as caught:
        data.load(folder)
    assert str(caught.value).isprintable()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with a name here")
def test_a_pipe_is_not_waited_for(folder):
    """Else loading hangs for ever."""
    os.mkfifo(folder / "a" / "pipe.png")
    with pytest.raises(data.DataError, match=r"pipe.png: .*no file that can be read"):
        data.load(folder)


def test_a_bomb_is_not_unpacked(folder, monkeypatch):
    """Else a picture of kilobytes takes gigabytes."""
    for limit in (5, 11):  # up to twice its limit, Pillow only warns
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        with pytest.raises(data.DataError, match=f"at most {limit} pixels, found more"):
            data.load(folder)


def test_pictures_that_do_not_fit_are_refused(folder, monkeypatch):
    """Else a folder too large ends in a traceback."""

    def full(*_):
        raise MemoryError

    monkeypatch.setattr(np, "empty", full)
    with pytest.raises(data.DataError, match="6 pictures of 3 x 4 pixels in grey do not fit into"):
        data.load(folder)


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(data.DataError, match="expected a folder of pictures for each class, found"):
        data.load(tmp_path)


def test_train_and_test_have_the_same_classes(tmp_path):
    """Else a class is never tested, or never learned."""
    pictures(tmp_path / "train", {"a": [GREY], "b": [GREY]})
    pictures(tmp_path / "test", {"a": [GREY]})
    with pytest.raises(data.DataError, match="same classes in train and test, found 'b' in one"):
        data.load(tmp_path)
    shutil.copytree(tmp_path / "train", tmp_path / "val")
    with pytest.raises(data.DataError, match=r"val: expected nothing beside train and test: move"):
        data.load(tmp_path)


def test_test_pictures_are_like_those_to_train_with(tmp_path):
    pictures(tmp_path / "train", {"a": [GREY]})
    pictures(tmp_path / "test", {"a": [COLOUR]})
    with pytest.raises(
        data.DataError, match=r"test/a/000.png: expected a picture in grey as .*tra"
    ):
        data.load(tmp_path)


def content(suffix):
    file = io.BytesIO()
    Image.fromarray(GREY).save(file, suffix)
    return file.getvalue()


SOUND = {suffix: content(suffix) for suffix in ("png", "jpeg", "gif", "bmp", "tiff", "webp", "ppm")}


@pytest.mark.parametrize("suffix", SOUND)
@given(place=st.integers(min_value=0), bit=st.integers(0, 7), cut=st.booleans())
def test_damage_is_refused_or_read(suffix, place, bit, cut):
    """Else it ends in a traceback. Of these formats only PNG has checksums: there, what is read is
    what was written."""
    sound = SOUND[suffix]
    damaged = bytearray(sound)
    damaged[place % len(damaged)] ^= 1 << bit
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "a").mkdir()
        Path(folder, "a", "2").write_bytes(sound)
        Path(folder, "a", "1").write_bytes(sound[: place % len(sound)] if cut else damaged)
        try:
            images = whole(data.load(folder, size=(3, 4)))[0]
        except data.DataError as error:
            assert str(error).isprintable()
        else:
            assert suffix != "png" or (images == GREY).all()


def test_a_size_that_would_fill_memory_is_refused_first(folder):
    """Linux hands out memory that it does not have, and ends the process when it is written."""
    with pytest.raises(data.DataError, match=r"size: expected at most .* found 100000 x 100000"):
        data.load(folder, size=(100_000, 100_000))
