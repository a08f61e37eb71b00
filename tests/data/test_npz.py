"""Archives of arrays: what NumPy saves is read back, and what is not as it seems is refused."""

import io
import tempfile
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import data
from tests.data.written import whole

NAMES = [("x", "y"), ("images", "labels"), ("data", "target"), ("x_train", "y_train")]
SAVES = [np.savez, np.savez_compressed]
numbers = st.sampled_from(["?", "u1", "i2", ">i4", "u8", "f2", "<f4", ">f8"]).flatmap(
    lambda dtype: hnp.arrays(
        np.dtype(dtype),
        hnp.array_shapes(min_dims=2, max_dims=4, max_side=4),
        elements={"allow_nan": False, "allow_infinity": False} if "f" in dtype else None,
    )
)


@given(
    images=numbers,
    names=st.sampled_from(NAMES),
    save=st.sampled_from(SAVES),
    labels=st.sampled_from(["<i8", ">i4", "u1", "<U7", ">U7", "S3"]),
    order=st.sampled_from("CF"),
)
def test_what_is_saved_is_read_back(images, names, save, labels, order):
    """Else a type, a byte order, an order of axes or a name is read wrongly."""
    images = np.concatenate([images, images])
    own = np.full(len(images), 7).astype(labels)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "d.npz")
        save(path, **{names[0]: np.asarray(images, order=order), names[1]: own})
        wide = np.abs(images.astype(float)).max() > np.finfo(np.float32).max
        if wide:
            with pytest.raises(data.DataError, match="finite numbers in float32"):
                data.load(path)
            return
        mine = data.load(path)
        found, places = whole(mine)
    expected = images[..., 0] if images.ndim == 4 and images.shape[3] == 1 else images
    assert np.array_equal(found, expected.astype(np.float32)) and found.flags.c_contiguous
    assert mine.classes == ("7",) and not places.any()


@pytest.mark.parametrize("save", SAVES)
def test_four_arrays_have_a_test_set(tmp_path, save):
    """Else Keras's files are split anew."""
    x, y = np.full((3, 2, 2), 9, np.uint8), np.array([1, 0, 1])
    save(tmp_path / "d.npz", x_train=x, y_train=y, x_test=x[:1] + 1, y_test=y[:1])
    mine = data.load(tmp_path / "d.npz")
    assert (len(mine.train), len(mine.test), mine.scale) == (3, 1, 9.0)
    assert mine.test.images.tolist() == [[[10, 10], [10, 10]]]


def saved(**arrays):
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def archive(members, method=zipfile.ZIP_DEFLATED):
    """A zip file of such bytes by such names."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as written:
        for name, content in members:
            written.writestr(name, content)
    return file.getvalue()


def npy(header, content=b""):
    text = header.encode()
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + content


def header(descr="'|u1'", shape="(4, 2)", fortran="False"):
    return f"{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}, }}\n"


Y = npy(header("'|u1'", "(4,)"), b"\0\0\1\1")
X = npy(header(), bytes(8))


def pair(x, y=Y, method=zipfile.ZIP_DEFLATED):
    return archive([("x.npy", x), ("y.npy", y)], method)


ones = np.ones((4, 2))
BAD = {
    "objects": (saved(x=ones, y=np.array(["a", None] * 2)), r"y.npy: .*in a pickle, which could"),
    "missing": (saved(x=ones), r"expected arrays named x_train, .* and no others; found 'x'$"),
    "extra": (saved(x=ones, y=ones, z=ones), r"and no others; found 'x', 'y', 'z'$"),
    "half": (saved(x_train=ones, y_train=ones, x_test=ones), r"and no others; found 'x_test', "),
    "none": (saved(), r"and no others; found none"),
    "outside": (archive([("../x.npy", X), ("y.npy", Y)]), r"and no others; found '../x', 'y'"),
    "no npy": (pair(b"text", Y), r"x.npy: expected an array, as np.savez writes it, found b'text'"),
    "text": (archive([("x.txt", X)]), r"and no others; found 'x.txt'"),
    "complex": (saved(x=ones * 1j, y=[0, 0, 1, 1]), r"array of numbers or texts, .* '<c16'"),
    "date": (saved(x=ones, y=np.zeros(4, "M8[D]")), r"array of numbers or texts, .* '<M8\[D\]'"),
    "fields": (saved(x=np.zeros(4, "i4,f4"), y=ones), r"array of numbers or texts, .*type \[\("),
    "float labels": (saved(x=ones, y=ones[:, 0]), r"y: expected labels of shape \(n,\), integers"),
    "one-hot": (saved(x=ones, y=ones.astype(int)), r"y: expected labels of shape \(n,\)"),
    "counts": (saved(x=ones, y=[0, 1]), r"found 4 images in .*: x and 2 labels in .*: y"),
    "latin": (saved(x=ones, y=np.array([b"\xe9"] * 4)), r"'utf-8' codec can't decode"),
    "no header": (pair(npy("{")), r"expected an array's header, found '\{'"),
    "shape": (pair(npy(header(shape="(4, -2)"))), r"expected an array's header"),
    "deep": (pair(npy("(" * 9000)), r"expected an array's header"),
    "long": (pair(npy(header(), bytes(9))), r"x.npy: trailing bytes: expected 8 bytes .* found 9"),
    "short": (pair(npy(header(), bytes(7))), r"x.npy: truncated: expected 8 bytes .* found 7"),
    "huge": (pair(npy(header(shape="(4, 999999999999)"))), r"truncated: expected 3999999999996 by"),
    "axes": (pair(npy(header(shape=f"({'1,' * 99})"), b"a")), r"expected a shape NumPy can hold"),
    "void": (pair(npy(header(shape=f"(0, {2**70})"))), r"expected a shape NumPy can hold"),
    "no size": (pair(npy(header("'<U0'"))), r"expected an array of numbers or texts, .* '<U0'"),
    "subarray": (pair(npy(header("'(2,)u1'"), bytes(16))), r"array of numbers or texts"),
    "character": (
        pair(X, npy(header("'<U1'", "(4,)"), b"\xff" * 16)),
        r"found a character that does not exist",
    ),
    "bzip2": (pair(X, Y, zipfile.ZIP_BZIP2), r"x.npy: expected it stored or deflated"),
    "no zip": (b"PK\x03\x04 and no more", r"expected a whole .npz file, found: File is not a zip"),
}


@pytest.mark.parametrize("name", BAD)
def test_each_defect_is_named_in_one_line(tmp_path, name):
    """Else a pickle runs, memory is filled, or a user does not learn what to save instead."""
    content, message = BAD[name]
    path = tmp_path / "d.npz"
    path.write_bytes(content)
    with pytest.raises(data.DataError, match=message) as caught:
        data.load(path)
    assert str(path) in str(caught.value) and str(caught.value).isprintable()


def test_a_name_that_is_there_twice_is_refused(tmp_path):
    """Else which of the two is read is anyone's guess."""
    with pytest.warns(UserWarning, match="Duplicate"):
        content = archive([("x.npy", X), ("x.npy", X), ("y.npy", Y)])
    (tmp_path / "d.npz").write_bytes(content)
    with pytest.raises(data.DataError, match="expected each array once, found two named 'x'"):
        data.load(tmp_path / "d.npz")


def lying():
    """An archive whose directory agrees with the array's header on gigabytes."""
    x = npy(header(shape=f"({2**31 - 2}, 1)"), bytes(64))
    content = bytearray(pair(x))
    entry = content.index(b"PK\x01\x02")
    content[entry + 20 : entry + 28] = (2**31).to_bytes(4, "little") * 2
    return bytes(content)


def test_a_bomb_fills_no_memory(tmp_path):
    """Else a file of kilobytes that claims gigabytes, or holds them, takes the machine down."""
    bombs = {
        "holds": pair(X + bytes(2**26)),
        "claims": pair(npy(header(shape=f"({2**31}, 2)"), bytes(64))),
        "claims twice": lying(),
        "lies": pair(X).replace(len(X).to_bytes(4, "little"), (2**31).to_bytes(4, "little")),
    }
    for name, content in bombs.items():
        (tmp_path / name).write_bytes(content)
        tracemalloc.start()
        try:
            with pytest.raises(data.DataError):
                data.load(tmp_path / name)
            assert tracemalloc.get_traced_memory()[1] < 2**21, name
        finally:
            tracemalloc.stop()


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@given(place=st.integers(min_value=0), bit=st.integers(0, 7), cut=st.booleans())
def test_damage_is_found_or_does_no_harm(method, place, bit, cut):
    """Else a damaged download is trained on, or ends in a traceback."""
    sound = pair(npy(header(), bytes(range(8))), Y, method)
    content = bytearray(sound)
    content[place % len(content)] ^= 1 << bit
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "d.npz")
        path.write_bytes(sound[: place % len(sound)] if cut else content)
        try:
            images, labels = whole(data.load(path))
        except data.DataError as error:
            assert str(error).isprintable()
        else:
            assert images.tobytes() == bytes(range(8)) and labels.tolist() == [0, 0, 1, 1]


def test_what_is_not_packed_is_mapped(tmp_path):
    """Else a million images are copied into memory to look at one."""
    np.savez(tmp_path / "d.npz", x=np.zeros((100, 1000, 100), np.uint8), y=np.arange(100) % 2)
    tracemalloc.start()
    try:
        mine = data.load(tmp_path / "d.npz")
        mine.train.take(np.arange(2))
        # A piece of a megabyte to look for the greatest, and one to find the checksum.
        assert tracemalloc.get_traced_memory()[1] < 2.5 * 2**20
    finally:
        tracemalloc.stop()
    assert not mine.train.base[0].flags.writeable
