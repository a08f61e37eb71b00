"""Tables: what is written is read back, and what is no table is refused with its line."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import data
from tests.data.written import table, whole

NUMBERS = [
    st.integers(0, 255),
    st.integers(-(10**6), 10**6),
    st.floats(width=32, allow_nan=False, allow_infinity=False),
]
CLASSES = [
    st.integers(-3, 12).map(str),
    st.sampled_from(["cat", "dog, big", 'the "owl"', "a;b", "class_1", "ő"]),
]


@st.composite
def tables(draw):
    """(rows, labels, place of the labels): at least two rows of a class."""
    width = draw(st.integers(1, 5))
    numbers = draw(st.sampled_from(NUMBERS))
    row = st.lists(numbers, min_size=width, max_size=width)
    drawn = draw(st.lists(st.tuples(row, draw(st.sampled_from(CLASSES))), min_size=1, max_size=8))
    rows = [row for row, _ in drawn for _ in range(2)]
    labels = [label for _, label in drawn for _ in range(2)]
    return rows, labels, draw(st.integers(0, width))


@given(
    drawn=tables(),
    has_header=st.booleans(),
    delimiter=st.sampled_from(",;\t"),
    style=st.sampled_from(["", "bom", "blank", "crlf"]),
)
def test_what_is_written_is_read_back(drawn, has_header, delimiter, style):
    """Else a column is shifted, a header is an example, or a number changes."""
    rows, labels, place = drawn
    cells = [[*row[:place], label, *row[place:]] for row, label in zip(rows, labels, strict=True)]
    names = [f"name {i}" for i in range(len(cells[0]))]
    with tempfile.TemporaryDirectory() as folder:
        path = table(Path(folder, "t.csv"), cells, names if has_header else None, delimiter)
        text = path.read_bytes().replace(b"\r\n", b"\r\n" if style == "crlf" else b"\n")
        text = b"\xef\xbb\xbf" + text if style == "bom" else text
        path.write_bytes(text + b"\n\n" if style == "blank" else text)
        mine = data.load(path, label=names[place] if has_header else place)
        found, places = whole(mine)
    expected = np.array(rows, np.float32)
    assert np.array_equal(found, expected)
    is_bytes = ((expected >= 0) & (expected <= 255) & (expected == np.rint(expected))).all()
    assert found.dtype == (np.uint8 if is_bytes else np.float32)
    assert [mine.classes[place] for place in places] == labels


SOUND = "x,y,kind\n1,2,a\n3,4,b\n5,6,a\n7,8,b\n"


@given(place=st.integers(0, len(SOUND) - 1), byte=st.integers(0, 255), cut=st.booleans())
def test_a_damaged_table_is_read_or_refused(place, byte, cut):
    """Else damage ends in a traceback."""
    content = bytearray(SOUND.encode())
    content[place] = byte
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "t.csv")
        path.write_bytes(content[:place] if cut else content)
        try:
            data.load(path)
        except data.DataError as error:
            assert str(error).isprintable()


@pytest.mark.parametrize("label", ["kind", None, 2, -1, "2", "-1"])
def test_the_label_is_found_by_name_and_by_place(tmp_path, label):
    """Else a command line, which has texts alone, cannot say a place."""
    (tmp_path / "t.csv").write_text(SOUND)
    assert data.load(tmp_path / "t.csv", label=label).classes == ("a", "b")


def test_the_label_is_any_column(tmp_path):
    path = table(tmp_path / "t.csv", [["a", 1, 2], ["b", 3, 4]] * 2, ["kind", "x", "y"])
    assert data.load(path, label="kind").shape == data.load(path, label=0).shape == (2,)


def test_a_name_that_is_a_number_is_a_name_first(tmp_path):
    """Else pandas's names 0, 1, ... lead to other columns where the columns are moved."""
    path = table(tmp_path / "t.csv", [[8, 9, "a"], [8, 9, "b"]] * 2, ["2", "0", "one"])
    with pytest.raises(data.DataError, match="column 2, from 0, 'a': only the column of labels"):
        data.load(path, label="0")


@pytest.mark.parametrize("label", [0, "0"])
def test_a_place_is_none_of_the_cells(tmp_path, label):
    """Else where no header is, a 0 in the first row is taken for the column's name."""
    path = table(tmp_path / "t.csv", [[7, 0, 3], [8, 0, 3]] * 2)
    assert data.load(path, label=label).classes == ("7", "8")


def test_a_name_may_be_a_number_of_no_column(tmp_path):
    """Else a table of years cannot say which of them it is to learn."""
    path = table(tmp_path / "t.csv", [[7, 300, 3], [8, 300, 3]] * 2, [2018, 2019, 2020])
    assert data.load(path, label="2018").classes == ("7", "8")


def test_a_header_of_numbers_is_known_by_the_name_of_its_label(tmp_path):
    """Else what pandas writes of an array has an example more, of a class called target."""
    rows = [[i, 300, i % 2] for i in range(4)]
    path = table(tmp_path / "t.csv", rows, [0, 1, "target"])
    for label in (None, "target", 2):
        mine = data.load(path, label=label)
        assert mine.classes == ("0", "1") and len(mine.train) + len(mine.test) == 4


def test_no_row_is_taken_for_a_header(tmp_path):
    """Else the first example is lost."""
    path = table(tmp_path / "t.csv", [[1, 2, "a"], [3, 4, "b"]] * 2)
    assert len(whole(data.load(path))[1]) == 4


@pytest.mark.parametrize("form", ["%d", "%.18e", "%.1f"])
def test_numbers_for_labels_are_named_as_people_write_them(tmp_path, form):
    """Else np.savetxt makes of class 5 one called 5.000000000000000000e+00."""
    rows = np.array([[1.5, 10], [2.5, 9]] * 2)
    np.savetxt(tmp_path / "t.csv", rows, delimiter=";", fmt=["%g", form])
    assert data.load(tmp_path / "t.csv").classes == ("9", "10")
    np.savetxt(tmp_path / "t.csv", rows, delimiter=",", fmt=form)
    assert data.load(tmp_path / "t.csv", label=0, held_out=0.5).classes in (
        ("1.5", "2.5"), ("1", "2"), ("2",)
    )  # fmt: skip


def test_long_numbers_for_labels_stay_apart(tmp_path):
    """Else classes named by serial numbers become one, where float64 ends."""
    serial = [str(2**53), str(2**53 + 1)]
    path = table(tmp_path / "t.csv", [[1, name] for name in serial * 2])
    assert data.load(path).classes == tuple(serial)


def test_many_rows_of_several_kinds_are_one_array(tmp_path, monkeypatch):
    """Else a table that is read in pieces is of the last piece's type, or in another order."""
    monkeypatch.setattr("data.formats.csv.PIECE", 20)
    rows = [[i, i / 2 if i > 50 else i, i % 2] for i in range(100)]
    images, labels = whole(data.load(table(tmp_path / "t.csv", rows)))
    assert images.dtype == np.float32 and images.tolist() == [row[:2] for row in rows]
    assert labels.tolist() == [row[2] for row in rows]


BAD = {
    "blank": ("\n\n", "expected a table, found blank lines alone"),
    "one column": ("a\nb\n", "line 1: expected columns separated by commas, semicolons or tabs"),
    "header alone": ("x,y,kind\n", "expected rows of numbers, found none after the header"),
    "short row": ("1,2,a\n3,b\n", "line 2: expected 3 cells as in line 1, found 2"),
    "long row": ("x,y,k\n\n1,2,a\n1,2,a,\n", "line 4: expected 3 cells as in line 1, found 4"),
    "text": ("x,y,k\n1,two,a\n", "line 2: expected finite .* in column 1, from 0, 'two'"),
    "text, late": ("1,2,a\n1,0x2,a\n", "line 2: expected finite .* in column 1, from 0, '0x2'"),
    "underscore": ("1,2,a\n1,1_0,a\n", "line 2: .* in column 1, from 0, '1_0'"),
    "nan": ("1,2,a\nnan,2,a\n", "line 2: expected finite numbers, found in column 0"),
    "infinity": ("1,2,a\n1,-inf,a\n", "line 2: expected finite numbers, found in column 1"),
    "large": ("1,2,a\n1,1e39,a\n", "line 2: expected finite numbers, found in column 1"),
    "missing": ("1,2,a\n1,,a\n", "line 2: .* column 1, from 0, an empty one: fill it in"),
    "comma": ("1.5;2;a\n1;2,5;a\n", "line 2: .* column 1, from 0, '2,5': write it with a point"),
    "no label": ("1,2,a\n1,2, \n", "line 2: expected a label, found ''"),
    "nan label": ("1,2,3\n1,2,NaN\n", "line 2: expected a label, found 'NaN'"),
    "escape": ("1,2,a\n1,2,\x1b[2J\n", "line 2: expected a label, found "),
    "names": ("x,x,k\n1,2,a\n", "line 1: expected different names of columns, found 'x' twice"),
    "unnamed": (",x,k\n0,2,a\n", "line 1: expected a name for each column, found none for .* 0"),
    "quote": ('1,2,a\n1,"2,a\n', "line 2: expected CSV, found: unexpected end of data"),
    "quoted": ('1,"2\n",a\n1,"2"3,a\n', "line 3: expected CSV, found: ',' expected after '\"'"),
    "long cell": ("1,2,a\n1,2," + "a" * 200_000, "line 2: expected CSV, found: field larger"),
    "one example": ("1,2,a\n1,2,b\n1,2,a\n", "found one of 'b'"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_is_said_with_its_line(tmp_path, name):
    """Else a table of a million rows has to be searched by hand."""
    content, message = BAD[name]
    path = tmp_path / "t.csv"
    path.write_text(content)
    with pytest.raises(data.DataError, match=message) as caught:
        data.load(path)
    assert str(caught.value).startswith(f"{path}: ")


@pytest.mark.parametrize("content", [b"1,2,\xe9\n", "1,2,a\n".encode("utf-16"), b"\xff"])
def test_another_encoding_is_refused(tmp_path, content):
    """Else names of classes are mangled, or a spreadsheet's UTF-16 is a traceback."""
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(data.DataError, match=r"line 1 or soon after: expected text in UTF-8, .*as"):
        data.load(tmp_path / "t.csv")


@pytest.mark.parametrize(
    ("label", "message"),
    [
        ("sort", "label: no column is named 'sort': there are 'x', 'y', 'kind'"),
        (3, "label: expected a place from 0 to 2, found 3"),
        (-4, "label: expected a place from 0 to 2, found -4"),
        ("7", "label: no column is named '7': there are"),
        ("9" * 5000, "label: no column is named '99"),
        ("x", "line 2: expected finite numbers, found in column 2, from 0, 'a'"),
    ],
)
def test_a_label_that_is_no_column_is_refused(tmp_path, label, message):
    (tmp_path / "t.csv").write_text(SOUND)
    with pytest.raises(data.DataError, match=message):
        data.load(tmp_path / "t.csv", label=label)
