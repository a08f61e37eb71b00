"""The studio's page in a browser, driven as a person drives it."""

from __future__ import annotations

import time
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image

from tests.few import few
from tests.viz.conftest import findings
from tests.viz.studio.client import TOKEN, client
from viz.studio.page import files

FEW = few()  # 2,000 and 500 digits: all of them take seconds on a machine that does much else
SMALL = {"width": 390, "height": 844}


def loaded(tab: Any, address: str, state: str = "") -> Any:
    tab.goto(f"{address}#view=data{state}")
    tab.locator("#classes li").first.wait_for()
    return tab


def facts(tab: Any) -> dict[str, str]:
    """What is said of the chosen example, whatever the network answers."""
    names = tab.locator("#facts dt").all_inner_texts()
    said = dict(zip(names, tab.locator("#facts dd").all_inner_texts(), strict=True))
    return {name: said[name] for name in ("class", "set", "index")}


def test_every_file_of_the_page_is_served_and_nothing_else():
    with client() as made:
        for name in files():
            answer = made.get(f"/{name}")
            assert answer.status_code == 200 and answer.headers["etag"]
            known = {"If-None-Match": answer.headers["etag"]}
            assert made.get(f"/{name}", headers=known).status_code == 304
        for name in ("viz/cli.py", "studio/page/__init__.py", "page/../cli.py", "%2e%2e/cli.py"):
            assert made.get(f"/{name}").status_code == 404


def test_the_counts_of_the_classes_are_those_of_the_data(tab, address):
    loaded(tab, address)
    counts = [
        int(text.replace(",", "")) for text in tab.locator("#classes .count").all_inner_texts()
    ]
    labels = np.concatenate([FEW.train.labels, FEW.test.labels])
    assert counts == np.bincount(labels).tolist()


def test_an_index_leads_to_its_example(tab, address):
    loaded(tab, address, "&split=test")
    for index in (0, 77, 499):
        tab.locator("[name=index]").fill(str(index))
        tab.locator("[name=index]").press("Enter")
        label = FEW.classes[FEW.test.labels[index]]
        tab.locator("#facts dd", has_text=str(index)).first.wait_for()
        assert facts(tab) == {"class": label, "set": "test", "index": str(index)}


def test_a_wrong_index_is_said(tab, address):
    loaded(tab, address, "&split=test")
    for typed in ("500", "x", "-1", "1.5"):
        tab.locator("[name=index]").fill(typed)
        tab.locator("[name=index]").press("Enter")
        field = tab.locator("[name=index]:invalid")
        field.wait_for()
    assert tab.locator("#chosen").is_hidden()


def test_a_class_is_shown_alone_and_then_all_again(tab, address):
    loaded(tab, address)
    seven = tab.locator("#classes button").nth(7)
    seven.click()
    assert seven.get_attribute("aria-pressed") == "true"
    digits = tab.locator("#digits")
    digits.focus()
    for key in ("Home", "ArrowRight", "End", "ArrowLeft", "r"):
        digits.press(key)
        assert facts(tab)["class"] == "7"
    seven.click()
    assert seven.get_attribute("aria-pressed") == "false"


def test_a_click_chooses_what_is_under_it_and_a_drag_does_not(tab, address):
    """At this zoom the first example lies in the middle of the canvas."""
    loaded(tab, address, "&zoom=100&x=0.5&y=0.5")
    box = tab.locator("#digits").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    tab.mouse.move(x, y)
    tab.mouse.down()
    tab.mouse.move(x - 100, y, steps=5)  # the second one is there now
    tab.mouse.up()
    assert tab.locator("#chosen").is_hidden()
    tab.mouse.click(x, y)
    assert facts(tab)["index"] == "1"
    tab.mouse.wheel(0, -300)
    tab.mouse.click(x, y)
    assert facts(tab)["index"] == "1"  # zoomed about the pointer


def test_keys_alone_lead_to_an_example_and_it_is_spoken(tab, address):
    loaded(tab, address)
    tab.locator("#digits").focus()
    for key in ("Home", "ArrowRight", "ArrowRight"):
        tab.keyboard.press(key)
    label = FEW.classes[FEW.train.labels[2]]
    assert facts(tab) == {"class": label, "set": "train", "index": "2"}
    assert tab.locator("#spoken").inner_text() == f"{label}: train 2"


def test_a_reload_and_a_link_show_the_same(tab, address):
    loaded(tab, address, "&sort=class&label=3&split=test")
    tab.locator("#digits").focus()
    tab.keyboard.press("Home")
    before = facts(tab)
    time.sleep(0.4)  # the address is written a moment later
    tab.reload()
    tab.locator("#classes li").first.wait_for()
    assert facts(tab) == before
    assert tab.locator("[name=sort]").input_value() == "class"


def test_the_token_goes_from_the_address(tab, address):
    tab.goto(f"{address}#view=data&token={TOKEN}")
    tab.locator("#classes li").first.wait_for()
    time.sleep(0.4)
    assert TOKEN not in tab.url


def test_the_picture_is_that_of_the_examples(tab, address):
    """The canvas, looked at pixel by pixel where the first example lies."""
    loaded(tab, address, "&zoom=320&x=0.5&y=0.5")
    shot = Image.open(BytesIO(tab.locator("#digits").screenshot())).convert("L")
    grey = 255.0 - np.asarray(shot, np.float64)
    height, width = grey.shape
    # In a square of 32 pixels, each of ten of the screen's: their middles.
    rows = [round(height / 2 - 160 + 10 * i + 5) for i in range(2, 30)]
    columns = [round(width / 2 - 160 + 10 * i + 5) for i in range(2, 30)]
    shown = grey[np.ix_(rows, columns)]
    wanted = FEW.train.images[0].astype(np.float64)
    assert np.corrcoef(shown.ravel(), wanted.ravel())[0, 1] > 0.999


def test_axe_finds_nothing_serious_and_it_fits_a_phone(tab, address):
    loaded(tab, address, "&digit=5")
    for scheme in ("light", "dark"):
        tab.emulate_media(color_scheme=scheme)
        assert not findings(tab)
    tab.set_viewport_size(SMALL)
    assert not findings(tab)
    assert tab.locator("body").evaluate("body => body.scrollWidth") <= SMALL["width"]
