"""The studio's page in a browser, driven as a person drives it."""

from __future__ import annotations

import re
import time
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tests.few import few
from tests.viz.conftest import findings
from tests.viz.studio.client import TOKEN, client
from viz.studio.page import CODE, files

FEW = few()  # 2,000 and 500 digits: all of them take seconds on a machine that does much else
SMALL = {"width": 390, "height": 844}
LINK = re.compile(
    r'<a href="((?:code|studio)/[^"]+)" target="_blank" rel="noopener">'
    r"<code>(\w+)</code> in (.*?)</a>"
)


def loaded(tab: Any, address: str, state: str = "") -> Any:
    tab.goto(f"{address}#view=data{state}")
    return drawn(tab)


def drawn(tab: Any) -> Any:
    """Wait until all examples are here, and on the canvas."""
    tab.locator("#classes li").first.wait_for()
    tab.locator("#loading").wait_for(state="hidden")
    return tab


def facts(tab: Any) -> dict[str, str]:
    """What is said of the chosen example, whatever the network answers."""
    texts = tab.locator("#facts > *").all_inner_texts()  # at once: an answer may come in between
    said = dict(zip(texts[::2], texts[1::2], strict=True))
    return {name: said[name] for name in ("class", "set", "index")}


def test_each_name_is_of_one_element():
    """Else a style or a script that means the one changes the other."""
    names = re.findall(r'\bid="([^"]+)"', files()[""].read_text(encoding="utf-8"))
    assert len(names) > 50 and len(names) == len(set(names))


def test_every_file_of_the_page_is_served_as_it_was_at_the_start_and_nothing_else(monkeypatch):
    """An update under a server that runs would give a page of two versions, and none that works."""
    with client() as made:
        monkeypatch.setattr(Path, "read_bytes", lambda path: b"")
        for name in files():
            answer = made.get(f"/{name}")
            assert answer.status_code == 200 and answer.content and answer.headers["etag"]
            known = {"If-None-Match": answer.headers["etag"]}
            assert made.get(f"/{name}", headers=known).status_code == 304
            whole = made.get(f"/{name}", headers={"Accept-Encoding": "identity"})
            assert (
                whole.content == answer.content and whole.headers["etag"] != known["If-None-Match"]
            )
        for name in CODE:
            answer = made.get(f"/code/{name}.txt")
            assert answer.headers["content-type"].startswith("text/plain")
            assert answer.headers["x-content-type-options"] == "nosniff"
        others = ["viz/cli.py", "studio/page/__init__.py", "page/../cli.py", "%2e%2e/cli.py"]
        for name in (*others, "code/viz/cli.py.txt", "code/models/../viz/cli.py.txt"):
            assert made.get(f"/{name}").status_code == 404


def test_each_sentence_leads_to_code_in_which_what_it_names_is():
    """A function that has another name now would be looked for in vain."""
    links = LINK.findall(files()[""].read_text(encoding="utf-8"))
    for address, name, file in links:
        found = files()[address]
        assert found.as_posix().endswith(f"/{file}"), address
        text = found.read_text(encoding="utf-8")
        assert re.search(
            rf"^ *(export )?(async )?(def|function|class) {name}\b", text, re.MULTILINE
        ), name
    leads = {address for address, _, _ in links}
    assert {f"code/{name}.txt" for name in CODE} < leads and len(links) > 12


def test_the_counts_of_the_classes_are_those_of_the_set(tab, address):
    """Whichever class is shown; of answers, order.js has the counts."""
    loaded(tab, address)
    labels = {"train": FEW.train.labels, "test": FEW.test.labels}
    labels[""] = np.concatenate([*labels.values()])
    tab.locator("[name=label]").select_option("3")
    for split, said in (("", "of all sets"), ("test", "of test"), ("train", "of train")):
        tab.locator("[name=split]").select_option(split)
        tab.locator("#counted", has_text=said).wait_for()
        texts = tab.locator("#classes .count").all_inner_texts()
        counts = [int(text.replace(",", "")) for text in texts]
        assert counts == np.bincount(labels[split]).tolist()


def test_an_index_leads_to_its_example(tab, address):
    """And nothing beside it moves."""
    loaded(tab, address, "&split=test")
    places = [tab.locator(part).bounding_box() for part in ("#classes", "#digits")]
    for index in (0, 77, 499):
        tab.locator("[name=index]").fill(str(index))
        tab.locator("[name=index]").press("Enter")
        label = FEW.classes[FEW.test.labels[index]]
        tab.locator("#facts dd", has_text=str(index)).first.wait_for()
        assert facts(tab) == {"class": label, "set": "test", "index": str(index)}
    tab.locator("#unanswered", has_text="one learns in Train").wait_for()
    assert places == [tab.locator(part).bounding_box() for part in ("#classes", "#digits")]
    bottom = places[1]["y"] + places[1]["height"]
    for part in ("#shown", "#zoom"):
        assert tab.locator(part).bounding_box()["y"] >= bottom, f"{part} covers the last rows"


def test_filters_that_hide_an_index_are_taken_off_and_put_back(tab, address):
    label = int(FEW.test.labels[3])
    other = (label + 1) % 10
    loaded(tab, address, f"&split=test&label={other}")
    find(tab, 3)
    said = tab.locator("#hid", has_text=f"not among “class {other}”")
    said.wait_for()
    assert facts(tab) == {"class": str(label), "set": "test", "index": "3"}
    assert tab.locator("#shown").inner_text().startswith("500 shown")
    assert tab.locator("[name=index]").input_value() == "3"
    tab.locator("#digits").press("ArrowRight")  # who goes on needs no way back
    said.wait_for(state="hidden")
    tab.locator("[name=label]").select_option(str(other))
    find(tab, 3)
    tab.locator("[data-do=restore]").click()
    assert tab.locator("[name=label]").input_value() == str(other)
    assert tab.locator("[name=split]").input_value() == "test"
    said.wait_for(state="hidden")
    tab.locator("#digits").press("Home")
    assert tab.locator("[name=index]").input_value() == "", "it is not the index of this one"


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


def pixels(tab: Any) -> np.ndarray:
    """The canvas as it is seen, once all examples are on it and it is at rest: where frames are
    slow it moves with fewer pixels, and is drawn once more a moment after."""
    drawn(tab)
    seen = None
    for _ in range(20):
        tab.wait_for_timeout(250)
        shot = tab.locator("#digits").screenshot()
        if shot == seen:
            break
        seen = shot
    return np.asarray(Image.open(BytesIO(shot)).convert("RGB"))


def find(tab: Any, index: int | str) -> None:
    tab.locator("[name=index]").fill(str(index))
    tab.locator("[name=index]").press("Enter")


def test_every_cell_has_its_line(tab, address):
    """Also where edges of cells fall between the screen's pixels, or into the middle of one."""
    for zoom in (25.5, 41.25):
        tab.goto("about:blank")
        loaded(tab, address, f"&zoom={zoom}&x=30.5&y=20")
        seen = pixels(tab)[50:-150, 50:-150]
        for axis in (0, 1):
            lines = np.flatnonzero((seen == (229, 232, 235)).all(2).all(axis))
            assert len(lines) > 5 and abs(np.diff(lines) - zoom).max() < 1, (zoom, axis)


def test_digits_are_seen_first_and_all_of_them_when_asked_for(tab, address):
    """Digits of 40 pixels from the first on, also by another order; all by a key, and then too."""
    loaded(tab, address)
    box = tab.locator("#digits").bounding_box()
    shown = tab.locator("#shown")

    def pointed(x: float, y: float) -> str:
        tab.mouse.move(box["x"] + x, box["y"] + y)
        return tab.locator("#tip").inner_text()

    assert [pointed(20, 20)[4:], pointed(60, 20)[4:]] == ["train 0", "train 1"]
    columns, rows = round(box["width"] / 40), round(box["height"] / 40)
    assert f"2,500 shown, {columns * rows} of them in sight" in shown.inner_text()
    tab.locator("[name=sort]").select_option("class")
    assert pointed(20, 20).startswith("0")
    tab.keyboard.press("0")  # in a field, and so no key of the view
    tab.locator("#digits").press("0")
    tab.locator("#shown", has_text="2,500 shown").filter(has_not_text="sight").wait_for()
    tab.locator("[name=sort]").select_option("ink")
    assert shown.inner_text() == "2,500 shown"
    time.sleep(0.4)
    tab.reload()
    drawn(tab)
    assert shown.inner_text() == "2,500 shown"


def test_the_chosen_one_has_a_frame_of_the_same_width_at_any_zoom_until_escape(tab, address):
    """Three pixels: within a large cell, around a small one."""
    loaded(tab, address, "&digit=1")
    for zoom in (9.5, 24, 41.25, 300):
        tab.goto(f"{address}#view=data&zoom={zoom}&x=1.5&y=0.5&digit=1")
        marked = (pixels(tab) == (10, 92, 158)).all(2)
        rows = np.flatnonzero(marked.any(1))
        row = marked[(rows[0] + rows[-1]) // 2]
        edges = np.flatnonzero(np.diff(np.r_[0, row.astype(int), 0]))
        assert np.diff(edges).tolist()[::2] == [3, 3], zoom
        inner = edges[2] - edges[1]
        assert abs(inner - (zoom - 6 if zoom > 24 else zoom)) <= 1, zoom
    tab.keyboard.press("Escape")
    tab.locator("#chosen").wait_for(state="hidden")
    assert not (pixels(tab) == (10, 92, 158)).all(2).any()


def test_any_camera_in_the_address_shows_examples_and_one_that_is_none_is_said(tab, address):
    """Until something else is looked at; all that may be wrong, data.test.js has."""
    for camera in ("&zoom=1e9", "&x=1e9&y=1e9&zoom=30"):
        tab.goto("about:blank")
        loaded(tab, address, camera)
        assert (pixels(tab)[5:-120, 5:-120] == 255).all(2).any(), camera
        said = tab.locator("#problem", has_text="in the address, ")
        said.filter(has_text="zoom: expected cells from 0 to 2500, and 0 to 400 pixels").wait_for()
    tab.keyboard.press("r")
    said.wait_for(state="hidden")


def test_an_index_of_all_sets_leads_to_the_middle_and_does_so_twice(tab, address):
    loaded(tab, address)
    box = tab.locator("#digits").bounding_box()
    middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    for typed, where, index in ((7, "train", "7"), (2499, "test", "499")):
        for _ in range(2):
            find(tab, typed)
            tab.mouse.click(*middle)
            assert (facts(tab)["set"], facts(tab)["index"]) == (where, index)
            texts = tab.locator("#facts > *").all_inner_texts()
            assert texts[texts.index("in all") + 1] == str(typed)
            tab.locator("#zoom [data-do=in]").click()
            tab.locator("[data-do=random]").first.click()
            tab.mouse.click(*middle)
    find(tab, 2500)
    assert "2499 of all: train, then test" in tab.locator("[name=index]").evaluate(
        "field => field.validationMessage"
    )


def test_the_tip_names_what_is_under_the_pointer_now(tab, address):
    loaded(tab, address)
    box = tab.locator("#digits").bounding_box()
    tab.mouse.move(box["x"] + box["width"] / 5, box["y"] + box["height"] / 5)
    for label in ("7", "2"):
        tab.locator("[name=label]").select_option(label)
        tab.locator("#tip", has_text=f"{label} · ").wait_for()
    for _ in range(2):
        tab.locator("nav [data-view=data]").press("-")
    tab.locator("#tip").wait_for(state="hidden")  # all of them are in the middle now


def test_keys_reach_the_view_from_its_links_and_buttons_but_not_from_its_fields(tab, address):
    loaded(tab, address)
    tab.locator("[name=index]").press("r")
    tab.locator("[name=sort]").press("r")
    assert tab.locator("#chosen").is_hidden()
    for where in ("nav [data-view=data]", "#classes button >> nth=3", "#zoom button >> nth=0"):
        tab.locator(where).press("r")
        tab.locator("#chosen").wait_for()
        before = facts(tab)
        tab.locator(where).press("ArrowRight")
        assert facts(tab) == before, "arrows choose on the canvas alone"


def test_what_is_said_stands_in_lines_and_is_painted_in_the_colours_of_the_page(tab, address):
    loaded(tab, address, "&digit=5")
    paint = """async (image) => {
      await image.decode();
      const context = new OffscreenCanvas(1, 1).getContext("2d");
      context.drawImage(image, 0, 0);
      return [...context.getImageData(0, 0, 1, 1).data].slice(0, 3);
    }"""
    for scheme, paper in (("light", [255, 255, 255]), ("dark", [28, 32, 37])):
        tab.emulate_media(color_scheme=scheme)
        tab.wait_for_timeout(100)
        for image in (tab.locator("#picture"), tab.locator("#classes img").first):
            assert image.evaluate(paint) == paper, scheme
    heights = tab.locator("#facts dd").evaluate_all("all => all.map((one) => one.clientHeight)")
    assert len(set(heights)) == 1


def test_axe_finds_nothing_serious_and_it_fits_a_phone(tab, address):
    loaded(tab, address, "&digit=5")
    for scheme in ("light", "dark"):
        tab.emulate_media(color_scheme=scheme)
        assert not findings(tab)
    tab.set_viewport_size(SMALL)
    assert not findings(tab)
    assert tab.locator("body").evaluate("body => body.scrollWidth") <= SMALL["width"]
