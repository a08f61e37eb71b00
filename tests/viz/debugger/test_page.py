"""The debugger's page, driven in a browser: what is on the screen is what the engine says.

A failure on the console and a request that leaves the file fail every test here (conftest.py).
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from autograd import Tensor, Value, gradients, logsumexp, primitive
from autograd.primitives.primitive import TABLE
from models.neuron import MLP
from viz.backprop import record
from viz.debugger import Debugger, debug
from viz.debugger.page import notebook, render

NUMBERS = ("upstream", "local", "contribution", "before", "after")
HOSTILE = ("</script><script>a=1", '"><img src=x onerror=a()', "<!-- <script>")

LOOK = """() => {
  const text = (selector) => document.querySelector(selector).textContent;
  const shown = (cell) => [cell.textContent, cell.dataset.exact ?? null];
  const primitives = [...document.querySelectorAll("#table tr")];
  return {
    count: text("#count"), sentence: text("#sentence"), rule: text("#rule"),
    pressed: text("#views [aria-pressed=true]"),
    figures: Object.fromEntries([...document.querySelectorAll("[data-figure]")].map(
      (cell) => [cell.dataset.figure, shown(cell)])),
    values: Object.fromEntries(primitives.map((primitive) => [primitive.dataset.node,
        shown(primitive.cells[1])])),
    gradients: Object.fromEntries(primitives.map((primitive) => [primitive.dataset.node,
        shown(primitive.cells[2])])),
    current: document.querySelector("#table tr[aria-current]")?.dataset.node,
    picture: Object.fromEntries([...document.querySelectorAll("#canvas [data-gradient]")].map(
      (label) => [label.dataset.gradient, label.textContent])),
    rings: document.querySelectorAll("#canvas .ring").length,
  };
}"""


# --- pages ---------------------------------------------------------------------------------------


def neuron() -> Value:
    a, b, c = Value(2.0, name="a"), Value(-3.0, name="b"), Value(6.5, name="c")
    return (a * b + c).tanh()


def page_of(root: Any) -> dict[str, Any]:
    return debug(root)._page()


def lesson() -> dict[str, Any]:
    text = "First paragraph.\n\n<b>Second</b> paragraph."
    steps = [(neuron(), "One", text), (Value(2.0, "x").exp(), "Two", "")]
    return Debugger("Two steps", steps)._page()


@pytest.fixture
def opened(page: Any, tmp_path: Any) -> Any:
    """`opened(data, address)` writes a page, opens it, and gives the tab."""

    def open(data: dict[str, Any] | str, address: str = "") -> Any:
        path = tmp_path / "page.html"
        html = data if isinstance(data, str) else render(data)
        path.write_text(html, encoding="utf-8")
        page.goto("about:blank")  # else a new address alone would not load the file again
        page.goto(path.as_uri() + address)
        page.wait_for_selector("#count:not(:empty)")
        return page

    return open


def same(shown: list[Any], text: str | None, exact: Any) -> bool:
    """Whether a cell shows this short text, and holds this number to the last bit."""
    if shown[1] is None or exact is None:
        return shown == [text or "", exact]
    return shown[0] == text and (shown[1] == str(exact) or float(shown[1]) == float(exact))


# --- every number --------------------------------------------------------------------------------


def assert_shows(look: dict[str, Any], data: dict[str, Any], view: str, step: int) -> None:
    """That a look at the page shows what the first `step` events of a view have told."""
    events = [each for each in data["events"] if each["view"] == view]
    now, past = events[step - 1], events[:step]
    assert look["count"] == f"Step {step} of {len(events)}"
    assert look["sentence"] == now["text"]
    assert look["current"] == now["node"]
    assert (now["formula"] or "") in look["rule"] and (now["numbers"] or "") in look["rule"]
    # Else a rule is written in two letters that nothing explains.
    meant = "g is the upstream gradient, out this node's value" in look["rule"]
    assert meant == (now["kind"] == "send" and now["formula"] is not None)
    for key in NUMBERS:
        if now[key] is not None:
            assert same(look["figures"][key], now[key], now["exact"][key]), (view, step, key)
    told = {each["node"] for each in past}
    running = {each["node"]: each for each in past if each["kind"] == "accumulate"}
    for node in data["nodes"]:
        name = node["id"]
        value = (node["value"], node["exact"]) if view == "backward" or name in told else ("", None)
        assert same(look["values"][name], *value), (view, step, name)
        latest = running.get(name, {"after": "", "exact": {"after": None}})
        gradient = "constant" if node["constant"] else latest["after"]
        assert same(look["gradients"][name], gradient, latest["exact"]["after"]), (view, step, name)
        if latest["exact"]["after"] is not None or not latest["after"]:
            line = latest["after"] and f"grad {latest['after']}"
            assert look["picture"][name] == line, (view, step, name)


def walk(tab: Any, data: dict[str, Any], view: str) -> None:
    """Step through a view by keyboard to its end and back, looking at each step."""
    tab.keyboard.press(view[0])
    steps = sum(each["view"] == view for each in data["events"])
    looks = []
    for step in range(1, steps + 1):
        looks.append(tab.evaluate(LOOK))
        assert_shows(looks[-1], data, view, step)
        tab.keyboard.press("ArrowRight")
    assert tab.evaluate(LOOK) == looks[-1]  # at the end it stays
    for look in reversed(looks[:-1]):
        tab.keyboard.press("ArrowLeft")
        assert tab.evaluate(LOOK) == look
    tab.keyboard.press("End")
    assert tab.evaluate(LOOK) == looks[-1]
    tab.keyboard.press("Home")
    assert tab.evaluate(LOOK) == looks[0]


def test_every_step_forward_and_back_shows_the_engines_numbers(opened: Any) -> None:
    """Else the debugger shows something other than what was computed."""
    root = neuron()
    data = page_of(root)
    tab = opened(data)
    for view in ("forward", "backward"):
        walk(tab, data["traces"][0], view)
    tab.keyboard.press("b")
    tab.keyboard.press("End")
    look = tab.evaluate(LOOK)
    nodes = record(root).nodes
    for i, (node, gradient) in enumerate(zip(nodes, gradients(root, nodes), strict=True), 1):
        assert float(look["values"][f"n{i}"][1]) == node.data
        assert float(look["gradients"][f"n{i}"][1]) == gradient


def test_every_step_of_a_graph_of_tensors_and_constants(opened: Any) -> None:
    """Else what has no short number is left out, or shown as something else."""
    x = Tensor(np.arange(12.0).reshape(4, 3), name="x")
    w = Tensor(np.linspace(-1.0, 1.0, 6).reshape(3, 2), requires_grad=True, name="w")
    data = page_of(((x @ w).relu() * 0.5).sum())
    tab = opened(data, "#node=n3")
    assert tab.locator("#entry tbody tr").count() == 3
    assert "Entry [" in tab.text_content("#entry h3")
    assert "x[" in tab.text_content("#entry tbody")
    for view in ("forward", "backward"):
        walk(tab, data["traces"][0], view)


def test_numbers_beyond_json(opened: Any) -> None:
    """Else a page whose gradient overflows, where one most wants to look, does not open."""
    x = Value(0.0, name="x")
    data = page_of(x.log() * 1e308 * x)
    tab = opened(data, "#view=backward")
    walk(tab, data["traces"][0], "backward")
    tab.keyboard.press("End")
    assert tab.evaluate(LOOK)["gradients"]["n1"] == ["nan", "nan"]
    with pytest.raises(ValueError, match="JSON"):
        render({"title": "", "traces": [float("nan")]})


# --- what one can do -----------------------------------------------------------------------------


def step_of(tab: Any) -> str:
    return str(tab.text_content("#count"))


def until(tab: Any, true: Callable[[], bool]) -> None:
    """Wait for it. (playwright's own way evaluates text on the page, which the page forbids.)"""
    for _ in range(500):
        if true():
            return
        tab.wait_for_timeout(10)
    raise AssertionError("it did not become true")


def test_the_address_holds_the_state(opened: Any) -> None:
    """Else a link to a step opens another one, or a reload loses it."""
    data = lesson()
    tab = opened(data, "#trace=1&view=backward&step=4&watch=n2&node=n3")
    before = tab.evaluate(LOOK)
    assert before["count"] == "Step 4 of 17" and before["pressed"] == "Backward"
    assert tab.text_content("#watched-name") == "b"
    assert tab.text_content("#selected-title") == "c"
    tab.keyboard.press("ArrowRight")
    tab.keyboard.press("ArrowRight")
    wanted = "#trace=1&view=backward&step=6&node=n3&watch=n2"
    until(tab, lambda: tab.url.endswith(wanted))
    look = tab.evaluate(LOOK)
    tab.reload()
    tab.wait_for_selector("#count:not(:empty)")
    assert tab.evaluate(LOOK) == look
    tab.evaluate("location.hash = '#trace=2'")  # as typed, or by the browser's back button
    until(tab, lambda: tab.text_content("#lesson-title") == "Two")
    assert step_of(tab) == "Step 1 of 2"
    for odd in ("#trace=99&view=<b>&step=-5&watch=<img>", "#step=1e999&trace=x", "#%00&&=="):
        opened(data, odd)
        assert step_of(tab).startswith("Step ")


def test_run_to_a_node_and_watch_it_by_keyboard(opened: Any) -> None:
    """Else one steps through hundreds of events to see the few at the node in question."""
    root = neuron()
    data = page_of(root)
    tab = opened(data, "#view=backward")
    events = [each for each in data["traces"][0]["events"] if each["view"] == "backward"]
    steps = [i for i, each in enumerate(events, 1) if "n2" in (each["node"], each.get("to"))]
    tab.keyboard.press("r")
    assert "Select a node first" in tab.text_content("#message")
    tab.focus("#table button[tabindex='0']")  # where the tab key arrives: the current node
    for _ in range(4):
        tab.keyboard.press("ArrowUp")
    assert tab.evaluate("document.activeElement.textContent") == "b"
    assert tab.text_content("#selected-title") == "b"
    tab.keyboard.press("w")
    assert tab.locator("#marks .watched").count() == len(steps)
    for step in steps:
        tab.keyboard.press("r")
        assert step_of(tab) == f"Step {step} of {len(events)}"
    shown = tab.get_attribute("#watched-gradient", "data-exact")
    assert float(shown) == gradients(root, [root.args[0].args[0].args[1]])[0]
    tab.keyboard.press("r")
    assert "Nothing more happens to b" in tab.text_content("#message")
    for step in steps[-2::-1]:
        tab.keyboard.press(",")
        assert step_of(tab) == f"Step {step} of {len(events)}"
    tab.keyboard.press(".")
    assert step_of(tab) == f"Step {steps[1]} of {len(events)}"
    tab.keyboard.press("w")
    tab.keyboard.press("Escape")
    assert tab.is_hidden("#watching") and tab.is_hidden("#selected")


def test_play_steps_and_pauses_without_motion_where_none_is_wanted(opened: Any, page: Any) -> None:
    """Else it starts by itself, or moves before someone whom that makes sick."""
    page.emulate_media(reduced_motion="reduce")
    tab = opened(page_of(neuron()), "#view=backward&step=2")
    moving = "getComputedStyle(document.querySelector('#canvas .active path')).animationName"
    assert tab.text_content("#play") == "Play" and step_of(tab) == "Step 2 of 17"
    tab.select_option("#speed", "20")
    tab.focus("#speed")
    tab.keyboard.press("ArrowRight")  # the list of speeds keeps this key for itself
    assert step_of(tab) == "Step 2 of 17"
    tab.evaluate("document.activeElement.blur()")
    tab.keyboard.press(" ")
    until(tab, lambda: int(step_of(tab).split()[1]) >= 4)  # on a busy machine it is soon past it
    assert tab.text_content("#play") == "Pause"
    tab.keyboard.press(" ")
    assert tab.text_content("#play") == "Play"
    tab.keyboard.press("Home")
    tab.keyboard.press("ArrowRight")
    tab.keyboard.press("ArrowRight")
    assert tab.evaluate(moving) == "none"
    page.emulate_media(reduced_motion="no-preference")
    assert tab.evaluate(moving) == "run"
    tab.keyboard.press(" ")
    until(tab, lambda: step_of(tab) == "Step 17 of 17")
    assert tab.text_content("#play") == "Play"  # and at the end it stops


def test_the_picture_zooms_moves_and_selects(opened: Any) -> None:
    """Else a large graph cannot be read, or a node in it not be reached."""
    tab = opened(page_of(neuron()), "#view=backward&step=3")
    box = "document.querySelector('#canvas > svg').getAttribute('viewBox')"
    fitted = tab.evaluate(box)
    tab.keyboard.press("+")
    near = tab.evaluate(box)
    assert float(near.split()[2]) == pytest.approx(float(fitted.split()[2]) / 1.25)
    canvas = tab.locator("#canvas").bounding_box()
    middle = canvas["x"] + canvas["width"] / 2, canvas["y"] + 40
    tab.mouse.move(*middle)
    tab.mouse.down()
    tab.mouse.move(middle[0] - 50, middle[1], steps=3)
    tab.mouse.up()
    moved = tab.evaluate(box)
    assert float(moved.split()[0]) > float(near.split()[0])
    tab.mouse.wheel(0, -200)
    until(tab, lambda: float(tab.evaluate(box).split()[2]) < float(moved.split()[2]))
    before = tab.evaluate(box).split()
    for key, axis, sign in (("Left", 0, -1), ("Right", 0, 1), ("Up", 1, -1), ("Down", 1, 1)):
        tab.keyboard.press(f"Shift+Arrow{key}")
        after = tab.evaluate(box).split()
        assert (float(after[axis]) - float(before[axis])) * sign > 0
        assert after[1 - axis] == before[1 - axis]
        before = after
    assert step_of(tab) == "Step 3 of 17"
    tab.keyboard.press("0")
    assert tab.evaluate(box) == fitted
    tab.click("#n5 text >> nth=0")
    assert tab.text_content("#selected-title") == "a * b + c"
    assert tab.locator("#canvas .ring.selected").count() == 1
    kinds = tab.evaluate("[...document.querySelectorAll('.ring')].map(r => r.classList[1])")
    assert sorted(kinds) == ["receiver", "selected", "sender"]
    assert tab.locator("#canvas .edge.active").get_attribute("id") == "n5-n6-1"


def test_keys_are_those_of_the_terminal(opened: Any) -> None:
    """Else who knows one debugger gets lost in the other. Each pass stays where it was left."""
    tab = opened(page_of(neuron()))
    tab.keyboard.press("n")
    tab.keyboard.press("n")
    tab.keyboard.press("b")
    assert step_of(tab) == "Step 1 of 17"
    tab.keyboard.press("n")
    tab.keyboard.press("f")
    assert step_of(tab) == "Step 3 of 6"
    tab.keyboard.press("p")
    tab.keyboard.press("f")
    assert step_of(tab) == "Step 2 of 6"
    tab.keyboard.press("b")
    assert step_of(tab) == "Step 2 of 17"


def test_constants_and_what_does_not_open_are_said(opened: Any) -> None:
    """Else a constant is a leaf in the title alone, and an array that does not open is empty."""
    x = Tensor([1.0, 2.0], requires_grad=True, name="x")
    tab = opened(page_of(logsumexp(x) * 0.5), "#node=n2")
    assert tab.text_content("#event-title") == "A leaf"
    assert "logsumexp cannot be opened" in tab.text_content("#entry")
    assert tab.locator("#entry table").count() == 0
    tab.keyboard.press("n")
    tab.keyboard.press("n")
    assert tab.text_content("#event-title") == "A constant"


def test_lessons_by_keyboard_and_by_mouse(opened: Any) -> None:
    """Else a lesson ends after its first step."""
    tab = opened(lesson())
    paragraphs = ["First paragraph.", "<b>Second</b> paragraph."]
    assert tab.locator("#lesson-text p").all_text_contents() == paragraphs
    tab.keyboard.press("]")
    assert tab.text_content("#lesson-title") == "Two"
    assert tab.text_content("#lessons [aria-current]") == "Two"
    assert tab.locator("#table tr").count() == 2
    tab.keyboard.press("]")
    assert tab.text_content("#lesson-title") == "Two"
    tab.keyboard.press("[")
    assert tab.text_content("#lesson-title") == "One"
    tab.click("#lessons button >> nth=1")
    assert tab.text_content("#lesson-title") == "Two" and tab.is_disabled("#lesson-next")
    tab.click("#lesson-back")
    assert tab.text_content("#lesson-title") == "One"
    assert opened(page_of(neuron())).is_hidden("#lesson")  # one graph needs no list


@pytest.fixture
def wrong() -> Iterator[Any]:
    """A primitive whose rule has lost a factor of 2."""
    yield primitive("square", "x * x", np.square, lambda g, out, x: g * x, on_float=lambda x: x * x)
    del TABLE["square"]


def test_a_rule_that_is_wrong_is_red_and_in_words(opened: Any, wrong: Any) -> None:
    """Else a wrong rule passes unseen, or is seen only by those who see red."""
    x, y = Value(3.0, name="x"), Value(5.0, name="y")
    data = page_of(wrong(x) * y)
    tab = opened(data, "#view=forward")
    assert tab.text_content("#problems") == "✗ 2 checks differ"  # the rule's, and x's gradient
    tab.keyboard.press("e")
    assert "square(x) sends" in tab.text_content("#sentence")
    said = tab.text_content("#check")
    assert "✗ differs" in said and "expected 30, found 15.0" in said and "by 15" in said
    assert "✗ differs" in tab.text_content("#table tr[data-node=n3]")
    assert "expected 30" in tab.text_content("[aria-live]")  # it is spoken, too
    for selector, what in (("#check strong", "color"), (".ring.receiver", "stroke")):
        colour = tab.eval_on_selector(selector, f"each => getComputedStyle(each).{what}")
        red, green, blue = map(int, re.findall(r"\d+", colour))
        assert red > 3 * max(green, blue), (selector, colour)
    assert tab.locator("#marks .wrong").count() == 2
    tab.keyboard.press("Home")
    assert tab.locator(".ring.wrong").count() == tab.locator("tr.wrong").count() == 0


# --- for everyone --------------------------------------------------------------------------------


def test_the_keys_and_the_help(opened: Any) -> None:
    """Else it is a page for the mouse alone."""
    tab = opened(page_of(neuron()))
    tab.keyboard.press("Tab")
    focused = "getComputedStyle(document.activeElement).outlineStyle"
    assert tab.evaluate(focused) == "solid"
    tab.keyboard.press("?")
    assert tab.is_visible("#help") and tab.locator("#keys tr").count() == 20
    tab.keyboard.press("ArrowRight")  # does nothing behind the dialog
    tab.keyboard.press("Escape")
    assert tab.is_hidden("#help") and step_of(tab) == "Step 1 of 6"
    tab.click("#ask")
    tab.click("#help button")
    assert tab.is_hidden("#help")
    tab.keyboard.press("Control+b")  # the browser's own
    assert tab.text_content("#views [aria-pressed=true]") == "Forward"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_serious_for_axe(opened: Any, page: Any, axe: Any, scheme: str) -> None:
    """Else some cannot read it, or not work it."""
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    data = lesson()
    first = data["traces"][0]
    sends = [each for each in first["events"] if each["kind"] == "send"]
    sends[1]["check"].update(agrees=False)
    rows = [{"term": "x * w", "numbers": "0.2 * 1.5", "value": "0.3"}]
    first["nodes"][3]["entry"] = {
        "index": "[0]",
        "value": "0.3",
        "rows": rows,
        "rest": "more",
    }
    tab = opened(data, "#view=backward&step=6&node=n4&watch=n2")
    assert axe(tab) == []
    tab.keyboard.press("?")
    assert axe(tab) == []
    tab.keyboard.press("Escape")
    tab.keyboard.press("f")
    tab.set_viewport_size({"width": 390, "height": 844})
    assert axe(tab) == []


def test_no_window_is_too_narrow_or_too_wide(opened: Any) -> None:
    """Else one has to scroll sideways, or the steps are out of reach."""
    data = lesson()
    tab = opened(data, "#view=backward&step=6&node=n4&watch=n2")
    for width in (360, 900, 901, 1600):
        tab.set_viewport_size({"width": width, "height": 800})
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
        assert tab.locator("#transport").bounding_box()["y"] < 800
        assert tab.locator("#canvas").bounding_box()["height"] > 150


# --- what is in the file -------------------------------------------------------------------------


def hostile() -> dict[str, Any]:
    x, y, z = (Value(2.0, name=name) for name in HOSTILE)
    return Debugger(HOSTILE[0], [(x * y + z, HOSTILE[1], HOSTILE[2])])._page()


def test_a_hostile_name_is_shown_as_it_is(opened: Any, page: Any) -> None:
    """Else a name from somewhere else runs as a program in the reader's browser."""
    page.on("dialog", lambda dialog: pytest.fail(dialog.message))
    tab = opened(hostile(), "#node=n1&watch=n2")
    assert tab.text_content("h1") == tab.title() == HOSTILE[0]
    assert tab.locator("#table th button").all_text_contents()[:3] == list(HOSTILE)
    assert tab.text_content("#selected-title") == HOSTILE[0]
    assert tab.text_content("#watched-name") == HOSTILE[1]
    assert tab.text_content("#lesson-text") == HOSTILE[2]
    assert tab.locator("img").count() == 0 and tab.locator("script").count() == 2
    assert "</script>" in tab.text_content("#n1")  # the picture's text


def test_in_a_notebook_it_lives_in_a_frame_of_its_own(page: Any) -> None:
    """Else it would not run there, or could read the notebook around it."""
    page.set_content(notebook(hostile()))
    frame = page.frame_locator("iframe")
    frame.locator("#count:not(:empty)").wait_for()
    assert frame.locator("h1").text_content() == HOSTILE[0]
    frame.locator("[data-do=next]").click()
    assert frame.locator("#count").text_content() == "Step 2 of 5"
    assert page.evaluate("document.querySelector('iframe').contentDocument") is None


def test_a_page_asks_for_nothing_and_stays_small(opened: Any) -> None:
    """Else it cannot be sent to someone, or tells someone who opens it."""
    network = MLP(4, [11, 6, 1])
    data = page_of(network([Value(0.1 * i) for i in range(4)]))
    assert len(data["traces"][0]["nodes"]) > 350
    html = render(data)
    assert len(html.encode()) < 1_500_000
    assert html == render(copy.deepcopy(data))
    assert not re.findall(r"""(?:src|href)=|url\(|@import|https?://(?!www\.w3\.org/)""", html)
    assert "default-src 'none'" in html
    tab = opened(html, "#view=backward&step=700")
    look = tab.evaluate(LOOK)
    assert_shows(look, data["traces"][0], "backward", 700)
    box = tab.locator(f"#{look['current']}").bounding_box()
    canvas = tab.locator("#canvas").bounding_box()  # the window went where the node is
    assert canvas["x"] < box["x"] < canvas["x"] + canvas["width"]
    assert box["height"] > 15
