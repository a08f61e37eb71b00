"""What is handed in by mistake is called what it is, with what to do, in one line."""

import json
import pickle

import numpy as np
import pytest

import data
from data import DataError

HTML = b"<!DOCTYPE html><html><body>Moved</body></html>"


def idx(path, array):
    """An IDX file of bytes."""
    array = np.asarray(array, np.uint8)
    sizes = np.array(array.shape, ">u4").tobytes()
    path.write_bytes(bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes())
    return path


@pytest.fixture
def files(tmp_path):
    """Files of all sorts, by name."""
    (tmp_path / "page.csv").write_bytes(HTML)
    (tmp_path / "page.npz").write_bytes(HTML)
    (tmp_path / "page-idx3-ubyte").write_bytes(HTML)
    (tmp_path / "table.npz").write_text("1,2,cat\n3,4,dog\n")
    (tmp_path / "table.csv").write_text("1,2,cat\n3,4,dog\n5,6,cat\n7,8,dog\n")
    (tmp_path / "list.json").write_text(json.dumps({"x": [1, 2], "y": [0, 1]}))
    (tmp_path / "arrays.pkl").write_bytes(pickle.dumps([1]))
    np.savez(tmp_path / "whole.npz", x=np.ones((4, 2)), y=np.array([0, 1, 0, 1]))
    whole = (tmp_path / "whole.npz").read_bytes()
    (tmp_path / "cut.npz").write_bytes(whole[: len(whole) // 2])
    idx(tmp_path / "images", np.zeros((4, 2, 2)))
    idx(tmp_path / "labels", [0, 1, 0, 1])
    (tmp_path / "nan.csv").write_text("1,2,cat\n1,nan,cat\n")
    (tmp_path / "huge.csv").write_text("1,2,cat\n1,1e999,cat\n")
    (tmp_path / "ragged.csv").write_text("1,2,cat\n1,2,3,cat\n")
    (tmp_path / "bare.csv").write_text("1,2,cat\n1,2,\n")
    (tmp_path / "head.csv").write_text("a,b,c\n")
    (tmp_path / "folder").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["page.csv"], "found a page or XML: .* get that again"),
        (["page.npz"], "found a page or XML: .* get that again"),
        (["page-idx3-ubyte", "labels"], "found a page or XML: .* get that again"),
        (["table.npz"], "expected .npz, .* get it or save it again; a table is called .csv"),
        (["list.json"], "found JSON: save it as CSV"),
        (["arrays.pkl"], "found a pickle"),
        (["cut.npz"], "expected a whole .npz file, .* get it or save it again"),
        (["labels", "images"], "images come first, then labels"),
        (["table.csv", "table.csv"], "found 31 2c; of any other format give one file or folder"),
        (["folder", "table.csv"], "found a folder; of any other format give one"),
        (["mnist", "table.csv"], "expected one dataset, found mnist and 1 more"),
        (["nan.csv"], "line 2: .*'nan': fill it in, or leave the row out"),
        (["huge.csv"], "line 2: .*'1e999': fill it in, or leave the row out"),
        (["ragged.csv"], "line 2: expected 3 cells .* quote what holds a comma"),
        (["bare.csv"], "line 2: expected a label, found '': fill it in"),
        (["head.csv"], "found none after the header: is this the whole file"),
    ],
)
def test_it_is_called_what_it_is(files, names, said):
    source = [name if name == "mnist" else files / name for name in names]
    with pytest.raises(DataError, match=said) as error:
        data.load(*source)
    assert "\n" not in str(error.value)


def test_the_sound_ones_are_read(files):
    assert len(data.load(files / "table.csv").classes) == 2
    assert data.load(files / "images", files / "labels").shape == (2, 2)
    assert data.load(files / "whole.npz").shape == (2,)
