"""The report takes any dataset: its shape, its classes and their names, and several in one page.

The networks are untrained: what the page says of them has to be right, not good.
"""

import json
import re
import tempfile
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings

import data
from tests.few import CLASSES, ODD_NAMES, SHAPES, drawn, run_of
from viz.report import report_command
from viz.report.page import render
from viz.report.pictures import first_weights
from viz.report.runs import read_runs

VOID = {"meta", "img", "input", "br"}


class Reader(HTMLParser):
    """Whether each element ends, and which elements there are."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open, self.tags, self.text = [], set(), ""
        self.feed(page)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, text):
        self.text += text


@pytest.fixture
def loads(monkeypatch, tmp_path):
    """Makes `data.load` give these datasets by their names."""
    monkeypatch.chdir(tmp_path)

    def loads(*datasets):
        known = {dataset.name: dataset for dataset in datasets}

        def load(name, **how):
            if name not in known:
                raise data.DataError(f"{name}: cannot be read: No such file or directory")
            return known[name]

        monkeypatch.setattr(data, "load", load)
        return [str(run_of(each, tmp_path / f"run-{each.name}")) for each in datasets]

    return loads


@settings(max_examples=40, deadline=None)
@given(SHAPES, CLASSES)
def test_a_page_of_any_dataset(shape, classes):
    dataset = drawn(shape, classes, count=2 * len(classes), name="\x1b<b>leaves")
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(data, "load", lambda *source, **how: dataset)
        page = render(read_runs([str(run_of(dataset, Path(folder, "run")))]), "")
    page.encode(errors="backslashreplace")
    found = Reader(page)
    assert not {"blink", "i", "u"} & found.tags
    assert "\x1b" not in page and len(page) < 3e6
    charts = json.loads(re.search(r'id="charts">(.*?)</script>', page)[1])
    (accuracy,) = [each["linear"] for each in charts.values()]
    assert len(accuracy["data"][0]["y"]) == len(classes)


def test_a_page_of_many_classes_lists_what_is_confused_most(loads):
    names = [f"class {i}" for i in range(400)]
    (run,) = loads(drawn((5,), names, count=800))
    page = Reader(render(read_runs([run]), ""))
    assert "of 400 classes, the pairs confused most often" in page.text
    assert "says class 7" not in page.text


def test_two_datasets_in_one_page(page, axe, loads, tmp_path):
    """Each network is scored on the test set of its own."""
    leaves = drawn((4, 5, 3), ["oak", "<b>elm</b>", "a rather long name of a tree"], name="leaves")
    table = drawn((4,), [f"kind {i}" for i in range(12)], name="table", count=96)
    assert report_command(loads(leaves, table), "report.html") == 0
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto((tmp_path / "report.html").as_uri())
    page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true; })")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    text = page.inner_text("body")
    assert "leaves (30 test examples) and table (48 test examples)" in text
    assert "the test set of each network's own dataset" in text
    assert "Examples of shape (4,) are no pictures" in text
    assert page.locator(".weights").count() == 1
    ticks = page.locator(".chart[aria-label^='Accuracy of each class'] .xtick").all_text_contents()
    assert ticks[:3] == ["oak", "<b>elm</b>", "a rather long n…"]
    assert len(ticks) == 15
    rows = page.locator("table.confusion").nth(0).locator("tbody tr")
    assert rows.nth(1).locator("th").inner_text() == "<b>elm</b>"
    assert page.locator(".mistakes .numbers").count() > 0
    assert page.locator(".mistakes img").count() > 0
    assert not errors
    assert axe(page) == []


def test_two_runs_on_one_dataset_share_a_chart(loads, tmp_path):
    leaves = drawn((4, 5), ["oak", "elm"], name="leaves")
    (run,) = loads(leaves)
    other = run_of(leaves, tmp_path / "other", hidden=(6,))
    page = Reader(render(read_runs([run, str(other)]), ""))
    assert page.text.count("Accuracy of each class") == 1
    assert "learned of leaves (30 test examples). Test figures are of its test set" in page.text


def test_a_dataset_that_is_gone_leaves_the_rest_of_the_page(loads, monkeypatch):
    runs = loads(drawn((4, 5), ["oak", "elm"], name="leaves"), drawn((4,), ["a", "b"], name="gone"))
    loads_one = data.load

    def load(name, **how):
        if name == "gone":
            raise data.DataError("gone.csv: cannot be read: No such file or directory")
        return loads_one(name, **how)

    monkeypatch.setattr(data, "load", load)
    page = Reader(render(read_runs(runs), ""))
    assert "its dataset, gone, cannot be loaded: gone.csv: cannot be read" in page.text
    assert "put it back, and make this page again" in page.text
    assert "learned of leaves (30 test examples)." in page.text


def test_a_config_of_half_a_surrogate_pair_is_written(loads, tmp_path):
    """Else such a setting ends the report with a UnicodeEncodeError."""
    (run,) = loads(drawn((4, 5), ODD_NAMES, name="leaves"))
    config = Path(run, "config.json")
    config.write_text(json.dumps(json.loads(config.read_text()) | {"settings": {"lr": "\ud800"}}))
    assert report_command([run], "report.html") == 0
    assert "\\ud800" in Path("report.html").read_text()


def test_weights_of_colours_are_colours():
    weight = np.zeros((1, 2, 2, 3), np.float32)
    weight[0, 0, 0], weight[0, 1, 1] = [1, -1, 0], [-1, 1, 1]
    found = first_weights(weight.reshape(1, -1), (2, 2, 3), by_norm=False)
    assert (found.width, found.columns, found.scale) == (2, 1, 1.0)


def test_large_pictures_make_no_large_page():
    weight = np.ones((4, 512 * 512), np.float32)
    found = first_weights(weight, (512, 512), by_norm=True)
    assert found.neurons == [0, 1]
