"""The debugger's page where it is shown: on phones, in the dark, in a frame that opens later."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from autograd import Value
from viz.debugger import Debugger, debug
from viz.debugger.page import notebook, render

WAITING = """() => {
  const colour = (text, over = [0, 0, 0]) => {
    const [r, g, b, a = 1] = text.match(/[\\d.]+/g).map(Number);
    return [r, g, b].map((each, i) => a * each + (1 - a) * over[i]);
  };
  const light = (rgb) => rgb.map((each) => each / 255)
    .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const card = colour(getComputedStyle(document.querySelector("#graph")).backgroundColor);
  return [...document.querySelectorAll("#canvas .node")].map((node) => {
    const box = colour(getComputedStyle(node.querySelector("path, polygon")).fill, card);
    const text = colour(getComputedStyle(node.querySelector("text")).fill, box);
    const opacity = Number(getComputedStyle(node).opacity);
    const [dim, bright] = [box, text]
      .map((each) => light(each.map((c, i) => opacity * c + (1 - opacity) * card[i])))
      .sort((a, b) => a - b);
    return (bright + 0.05) / (dim + 0.05);
  });
}"""
SMALL = """() => [...document.querySelectorAll("button, select, input, summary")]
  .filter((each) => each.checkVisibility())
  .filter((each) => each.offsetWidth < 44 || each.offsetHeight < 44)
  .map((each) => each.outerHTML)"""
GAPS = """() => {
  const window = document.querySelector("#canvas").getBoundingClientRect();
  const picture = document.querySelector("#canvas g.graph").getBoundingClientRect();
  const gaps = [picture.left - window.left, window.right - picture.right,
                picture.top - window.top, window.bottom - picture.bottom];
  return gaps.map((each, i) => Math.max(0, each) / (i < 2 ? window.width : window.height));
}"""


def chain(length: int) -> Value:
    x, y = Value(0.5, name="x"), Value(-0.5, name="y")
    for _ in range(length):
        x = (x * y).tanh()
    return x


@pytest.fixture
def phone(browser: Any, tmp_path: Any) -> Any:
    """`phone(root, width, height)` opens the debugger there, in the dark, to a finger."""
    contexts = []

    def open(root: Any, width: int, height: int, scheme: str = "dark") -> Any:
        path = tmp_path / "page.html"
        path.write_text(render(debug(root)._page()), encoding="utf-8")
        context = browser.new_context(
            offline=True, viewport={"width": width, "height": height}, has_touch=True,
            is_mobile=True, color_scheme=scheme, reduced_motion="reduce",
        )  # fmt: skip
        contexts.append(context)
        tab = context.new_page()
        tab.goto(path.as_uri())
        tab.wait_for_selector("#count:not(:empty)")
        tab.wait_for_timeout(100)  # two frames: a window that has changed is aimed again
        return tab

    yield open
    for context in contexts:
        context.close()


@pytest.mark.parametrize("size", [(360, 740), (390, 844), (820, 1180), (844, 390)])
@pytest.mark.parametrize("length", [1, 8])
def test_on_a_phone_it_opens_on_the_picture(phone: Any, size: tuple[int, int], length: int) -> None:
    """Else a third of the window is blank, or the controls are too small for a finger."""
    tab = phone(chain(length), *size)
    assert tab.evaluate("document.documentElement.scrollWidth") <= size[0]
    left, right, top, bottom = tab.evaluate(GAPS)  # as shares of the window
    assert top + bottom < 0.3
    assert left + right < 0.1 or abs(left - right) < 0.1  # a small graph is in the middle
    assert tab.locator("#canvas .ring.sender").is_visible()
    assert tab.evaluate(SMALL) == []
    tab.tap("[data-do=last]")
    tab.tap("[data-do=backward]")
    assert tab.text_content("#count").startswith("Step 1 of")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_what_a_node_says_can_be_read_at_each_step(phone: Any, scheme: str) -> None:
    """Else nodes that wait are grey on grey. 4.5 is what WCAG asks of text."""
    tab = phone(chain(2), 390, 844, scheme)
    for _ in range(6):
        assert min(tab.evaluate(WAITING)) >= 4.5
        tab.keyboard.press("n")
    assert tab.locator("#canvas .pending").count() == 0


@pytest.mark.parametrize("hide", ["<details>{}</details>", "<div hidden>{}</div>"])
def test_in_a_frame_that_is_shown_later_all_is_in_its_place(page: Any, hide: str) -> None:
    """Else a ring surrounds nothing, as nothing has a size there: in an exported notebook, too."""
    text = "A paragraph."
    page.set_content(hide.format(notebook(Debugger("", [(chain(2), "One", text)] * 2)._page())))
    frame = page.frame_locator("iframe")
    frame.locator("#count:not(:empty)").wait_for(state="attached")
    frame.locator("body").evaluate("document.querySelector('[data-do=next]').click()")
    page.evaluate("Object.assign(document.body.firstChild, {open: true, hidden: false})")
    ring, node = frame.locator("#canvas .ring.sender"), frame.locator("#n2")
    ring.wait_for()
    around, inside = ring.bounding_box(), node.bounding_box()
    assert around["x"] < inside["x"] < inside["x"] + 20 < around["x"] + around["width"]
    assert around["y"] < inside["y"] < inside["y"] + 20 < around["y"] + around["height"]
    assert frame.locator("#lessons").is_visible()  # as in a window of that width


def test_another_pass_or_lesson_chosen_before_it_is_shown(page: Any) -> None:
    """Else the picture is that of another lesson than the text."""
    made = Debugger("", [(chain(1), "One", ""), (chain(3), "Two", "")])._page()
    page.set_content(f"<details>{notebook(made)}</details>")
    frame: Callable[..., Any] = page.frame_locator("iframe").locator
    frame("#count:not(:empty)").wait_for(state="attached")
    frame("body").evaluate("document.querySelector('#lesson-next').click()")
    page.evaluate("document.body.firstChild.open = true")
    frame("#canvas .ring").wait_for()
    assert frame("#lesson-title").text_content() == "Two"
    assert frame("#canvas .node").count() == len(made["traces"][1]["nodes"])
