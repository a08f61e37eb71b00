"""The view in which people draw: what the network is shown of a drawing, and the page itself."""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from models.mnist.image import ImageError
from models.mnist.novelty import Novelty
from models.mnist.reading import find, prepare
from tests.few import few
from tests.viz.conftest import findings
from tests.viz.studio.client import TOKEN
from tests.viz.studio.page.hand import DIGITS
from viz.studio.engine.modules import module

FEW = few()
NOVELTY = Novelty.fit(FEW.train, FEW.test, FEW.scale)
HERE = Path(__file__).parent
LARGE, SMALL = 280, 140  # pixels of a drawing, as in the page; and those that take less time
SMALL_SCREEN = {"width": 390, "height": 844}
UNIT = 2  # parts of a pixel in which strokes are measured

Stroke = dict[str, Any]


def stroke(points: NDArray[np.float64], wide: float, erases: bool = False) -> Stroke:
    """points: (n, 2) or (n, 3): pixels from the left and the top, and how strongly it presses."""
    press = points[:, 2] if points.shape[1] > 2 else np.full(len(points), 15)
    rows = zip(*np.rint(UNIT * points[:, :2]).T.tolist(), press.tolist(), strict=True)
    return {
        "erases": erases,
        "wide": round(wide),
        "points": [{"x": x, "y": y, "press": int(each)} for x, y, each in rows],
    }


def curve(drawn: np.random.Generator) -> NDArray[np.float64]:
    """A smooth line within the unit square."""
    at, phase = np.linspace(0, 1, int(drawn.integers(2, 40))), drawn.uniform(0, 7, 2)
    swing, turns = drawn.uniform(0.1, 0.5, 2), drawn.uniform(0, 9, 2)
    return 0.5 + swing * np.sin(at[:, None] * turns + phase)


def drawing(drawn: np.random.Generator, number: int, side: int) -> list[Stroke]:
    """One to three strokes of a thin, thick or usual pen in some place, or in a corner; by turns
    tall or wide, pressed harder and less hard, with a dot or with dirt, erased in part."""
    size = side * drawn.uniform(0.12, 0.95) * drawn.uniform(0.3, 1, 2) ** (number % 3)
    corner = drawn.uniform(0, 1, 2) if number % 4 else drawn.integers(0, 2, 2)
    wide = side * (drawn.uniform(0.01, 0.25) if number % 5 else drawn.uniform(0.06, 0.1))

    def line() -> NDArray[np.float64]:
        return corner * (side - size) + size * curve(drawn)

    strokes = [stroke(line(), wide) for _ in range(drawn.integers(1, 4))]
    if number % 6 == 1:
        strokes += [stroke(drawn.uniform(0, side, (1, 2)), side * drawn.uniform(0.01, 0.09))]
    if number % 6 == 2:
        strokes += [stroke(line(), wide * drawn.uniform(0.1, 0.5), erases=True)]
    if number % 6 == 3:
        pressed = line()
        strokes += [stroke(np.c_[pressed, drawn.integers(0, 16, len(pressed))], wide)]
    return strokes


def symmetric(side: int) -> list[list[Stroke]]:
    """Of these, the last bit of a sum decides where they lie."""
    lines = [
        (side * wide, side / 2 + side * np.outer([-length, length], along))
        for wide in (0.03, 0.082, 0.086, 0.09, 0.14)
        for length in (0, 0.07, 0.22, 0.39)
        for along in ((0, 1), (1, 1))
    ]
    return [[stroke(line, wide)] for wide, line in lines]


def python_prepares(sheet: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
    """The drawing saved as a picture, with paper around it."""
    picture = np.pad(255 - sheet, len(sheet) // 2, constant_values=255)
    try:
        return prepare(picture)
    except ImageError:
        return None


@pytest.fixture(scope="module")
def made(deno: Callable[..., None], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with what draw.js makes of drawings and of a network."""
    folder = tmp_path_factory.mktemp("draw")
    drawings = [{"side": side, "strokes": strokes} for side, strokes in cases()]
    said = {"shape": [28, 28], "scale": 255, "drawings": drawings}
    (folder / "drawings.json").write_text(json.dumps(said))
    network = module("6x6-5-3_tanh_sgd_4")
    (folder / "module.wasm").write_bytes(network.wasm)
    (folder / "manifest.json").write_bytes(network.manifest)
    allowed = [f"--allow-read={folder}", f"--allow-write={folder}"]
    deno("run", "--no-remote", "--no-check", *allowed, str(HERE / "draw.js"), str(folder))
    return folder


def cases() -> list[tuple[int, list[Stroke]]]:
    """200 drawings, and then ten digits; and their sides."""
    drawn = np.random.default_rng(5)
    sides = [LARGE if number % 4 == 0 else SMALL for number in range(160)]
    found = [(side, drawing(drawn, number, side)) for number, side in enumerate(sides)]
    found += [(LARGE, each) for each in symmetric(LARGE)]
    hand = [[np.array(way.split(), float).reshape(-1, 2) for way in digit] for digit in DIGITS]
    return found + [(LARGE, [stroke(2.8 * way, 24) for way in ways]) for ways in hand]


def test_page_and_python_prepare_drawings_to_the_same_numbers(made: Path) -> None:
    """Else the network answers here what it does not answer there. To the last bit."""
    sides = [side for side, _ in cases()]
    assert len(sides) == 200 + len(DIGITS)
    ends = np.cumsum(np.square(sides))
    sheets = np.split(np.fromfile(made / "sheets", np.uint8), ends[:-1])
    found = np.fromfile(made / "examples", np.uint8).reshape(len(sides), -1)
    prepared = 0
    for number, (sheet, (is_digit, *example)) in enumerate(zip(sheets, found, strict=True)):
        wanted = python_prepares(sheet.reshape(sides[number], -1))
        assert is_digit == (wanted is not None), number
        assert wanted is None or (wanted.ravel() == example).all(), number
        prepared += is_digit
    assert 190 < prepared < 210, "some are too small, or flat"


def test_ten_digits_of_a_hand_are_like_examples_of_their_class(made: Path) -> None:
    """Else what is drawn is made into something that no network has seen."""
    found = np.fromfile(made / "examples", np.uint8).reshape(-1, 1 + 28 * 28)[-len(DIGITS) :, 1:]
    train = FEW.train.images.reshape(-1, 28 * 28).astype(np.int64)
    for digit, example in enumerate(found):
        nearest = np.square(train - example).sum(1).argsort()[:5]
        assert np.bincount(FEW.train.labels[nearest]).argmax() == digit


def test_ten_digits_of_a_hand_are_like_a_class(made: Path) -> None:
    found = np.fromfile(made / "examples", np.uint8).reshape(-1, 1 + 28 * 28)[-len(DIGITS) :, 1:]
    share = NOVELTY.share(found.reshape(-1, 28, 28), FEW.scale)
    assert share.min() > 0.05, "else it says perhaps"


def test_what_speaks_for_a_class_is_how_its_logit_moves(made: Path) -> None:
    """1e-3: the differences are of 16 levels of 255, over which tanh is not straight."""
    said = json.loads((made / "said.json").read_text())
    slopes, differences = np.array(said["slopes"]), np.array(said["differences"]).T
    assert slopes.shape == differences.shape == (3, 36)
    assert abs(slopes - differences).max() < 1e-3 * abs(slopes).max()


def test_the_smallest_change_changes_the_answer_by_less_than_ten_tries(made: Path) -> None:
    said = json.loads((made / "said.json").read_text())
    before, after = said["taken"]
    assert 0 <= after != before
    tries = [each for each in said["tries"] if each is not None]  # JSON has no infinity
    assert len(tries) > 3 and 0 < said["distance"] < min(tries)


def test_what_pushes_an_answer_is_what_a_step_on_it_would_do(made: Path) -> None:
    """In the last layer alone, where it is exact but for float32."""
    said = json.loads((made / "said.json").read_text())
    np.testing.assert_allclose(said["moves"], said["pushes"], rtol=1e-3, atol=1e-6)


# --- the page ------------------------------------------------------------------------------------

SEVEN = [(0.0, 0.0), (0.5, 0.0), (0.25, 0.4), (0.2, 0.75)]
LEARNS = "#view=train&hidden=32&accuracy=85"


class Paper:
    """The view, and a hand that draws there: places are parts of the paper's side."""

    def __init__(self, tab: Any) -> None:
        self.tab = tab
        self.box = tab.locator("#sheet").bounding_box()

    def at(self, x: float, y: float) -> tuple[float, float]:
        return self.box["x"] + x * self.box["width"], self.box["y"] + y * self.box["height"]

    def draw(self, *places: tuple[float, float]) -> None:
        mouse = self.tab.mouse
        mouse.move(*self.at(*places[0]))
        mouse.down()
        for place in places[1:]:
            mouse.move(*self.at(*place), steps=4)
        mouse.up()

    def does(self, name: str) -> None:
        self.tab.locator(f"[data-draw={name}]").click()

    def ink(self) -> int:
        """Pixels that are drawn, once that is on the screen."""
        self.tab.wait_for_timeout(100)
        count: int = self.tab.locator("#sheet").evaluate(
            """(canvas) => {
              const { width, height } = canvas;
              const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
              return new Uint32Array(data.buffer).filter((each, _, all) => each !== all[0]).length;
            }"""
        )
        return count

    def part(self) -> tuple[float, float, float]:
        """Where what is seen of it begins, and how many times as large as its pad it is."""
        there = self.tab.locator("#sheet").bounding_box()
        size, side = there["width"] / self.box["width"], there["width"]
        x, y = (round((self.box[axis] - there[axis]) / side, 3) for axis in "xy")
        return x, y, round(size, 2)

    def under(self, place: tuple[float, float]) -> tuple[float, float]:
        """The place of the whole that is seen at one of the pad."""
        x, y, size = self.part()
        return x + place[0] / size, y + place[1] / size

    def wheels(self, place: NDArray[np.float64], by: float) -> None:
        self.tab.mouse.move(*self.at(*place))
        self.tab.keyboard.down("Control")
        self.tab.mouse.wheel(0, by)
        self.tab.keyboard.up("Control")

    def pans(self, start: NDArray[np.float64], end: NDArray[np.float64]) -> None:
        self.tab.mouse.move(*self.at(*start))
        self.tab.mouse.down(button="middle")
        self.tab.mouse.move(*self.at(*end), steps=2)
        self.tab.mouse.up(button="middle")

    def middle(self) -> NDArray[np.float64]:
        """Of all ink, where it is in the pad."""
        self.tab.wait_for_timeout(100)
        found: list[float] = self.tab.locator("#sheet").evaluate(
            """(canvas) => {
              const { width, height } = canvas;
              const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
              let [all, x, y] = [0, 0, 0];
              for (let i = 0; i < width * height; i++) {
                const ink = Math.abs(data[4 * i] - data[0]);
                all += ink;
                x += ink * (i % width + 0.5);
                y += ink * (Math.floor(i / width) + 0.5);
              }
              const box = canvas.getBoundingClientRect();
              return [box.x + box.width * x / all / width, box.y + box.height * y / all / height];
            }"""
        )
        return (found - np.array(self.at(0, 0))) / self.box["width"]

    def taken(self) -> str:
        """What it is taken for, in words."""
        self.tab.wait_for_timeout(250)
        said: str = self.tab.locator("#taken").inner_text()
        return said

    def exact(self) -> list[float]:
        """The probabilities."""
        self.tab.wait_for_timeout(250)
        shares = self.tab.locator("#bars .share")
        found: list[str] = shares.evaluate_all("all => all.map((one) => one.dataset.exact)")
        return [float(each) for each in found]

    def shares(self) -> str:
        said: str = "".join(self.tab.locator("#bars .share").all_inner_texts())
        return said


def said_of_network(tab: Any, begin: str) -> str:
    """What Network says of what it shows, once that begins so."""
    about = tab.locator("#net-of", has_text=re.compile(f"^{begin} ?"))
    said: str = about.inner_text()
    return said


def opened(tab: Any, address: str) -> Paper:
    """Once the network has learned, and waits."""
    tab.goto(f"{address}{LEARNS}")
    tab.locator("#doing", has_text="stopped by itself").wait_for()
    tab.locator("nav [data-view=draw]").click()
    tab.locator("#taken", has_text="Draw here").wait_for()  # the view is fetched
    return Paper(tab)


def files(picture: NDArray[np.uint8]) -> dict[str, Any]:
    """As a person chooses it."""
    content = BytesIO()
    Image.fromarray(picture).save(content, "PNG")
    return {"name": "digit.png", "mimeType": "image/png", "buffer": content.getvalue()}


def shown(tab: Any) -> NDArray[np.int64]:
    """What the network sees, as it is painted."""
    read = """(canvas) => {
      const { width, height } = canvas;
      return [...canvas.getContext("2d").getImageData(0, 0, width, height).data];
    }"""
    return np.array(tab.locator("#seen").evaluate(read)).reshape(28, 28, 4)[..., 0]


def shades(example: NDArray[np.uint8]) -> NDArray[np.int64]:
    """How an example is painted: the red of paper and ink."""
    return np.rint(255 - 235 * (example / 255)).astype(np.int64)


def test_a_hand_draws_and_the_network_answers(tab, address):
    paper = opened(tab, address)
    assert paper.taken().startswith("Draw here") and paper.ink() == 0
    assert not tab.locator("#dismiss").is_visible(), "what Train says is there alone"
    # The same digit has the same answer in the corners and in the middle.
    said = set()
    for left, top in ((0.1, 0.1), (0.45, 0.1), (0.1, 0.2), (0.45, 0.2), (0.25, 0.15)):
        if said:
            paper.does("clear")
        paper.draw(*((left + x / 1.1, top + y / 1.1) for x, y in SEVEN))
        said.add(paper.taken().partition("(")[0])
        assert tab.locator("#spoken").inner_text() == tab.locator("#taken").inner_text()
    assert said == {"It takes this for 7 "}
    by = tab.locator("#by").inner_text()
    assert re.search(r"step \d+ of its training, right for 8\d\.\d", by)
    # An answer goes with the drawing, and does not come back a moment later.
    paper.does("clear")
    assert paper.taken().startswith("Draw here") and not paper.shares() and paper.ink() == 0
    paper.does("undo")
    assert paper.taken().startswith("It takes this for 7") and "%" in paper.shares()
    # What speaks for the answer, and for another class.
    reason = tab.locator("#reason")
    for label, press in ((7, None), (2, 2), (7, 2)):
        if press is not None:
            tab.locator("#bars button").nth(press).click()
        said = reason.filter(has_text=f"for {label}: +").inner_text()
        assert ("Press its bar again" in said) == (label == 2), "else nobody knows how to let go"
    # The examples that are most like it: none is nearer than the last of them.
    nearest = tab.locator("#nearest button")
    nearest.nth(7).wait_for()
    titles = nearest.evaluate_all("all => all.map((one) => one.title)")
    found = [int(re.findall(r"train (\d+)", title)[0]) for title in titles]
    seen = np.rint((255 - shown(tab)) * (255 / 235))  # as it is painted: half a level off, at most
    apart = np.sqrt(np.square(FEW.train.images - seen).sum((1, 2)))
    assert abs(np.sort(apart)[:8] - apart[found]).max() < 28
    # What it loses without each pixel is about what the gradient says.
    tab.locator("[data-draw=without]").click()
    said_alike = tab.locator("#without-says", has_text="correlation of").inner_text()
    assert float(said_alike.rsplit(" ", 1)[1].rstrip(".")) > 0.8
    for label in (2, 7):  # of the class that is asked now
        tab.locator("#bars button").nth(2).click()
        tab.locator("#without-says", has_text=f"logit of {label} loses").wait_for()
    # The smallest change of it that the network takes for something else.
    tab.locator("[data-draw=flip]").click()
    said_of = tab.locator("#flip", has_text="makes it answer")
    assert "answer 7" not in said_of.inner_text()
    part = re.search(r"(\d+) of 784 pixels, each by ([\d.]+)\s%", said_of.inner_text())
    assert part and 0 < int(part[1]) < 784 and 0 < float(part[2]) < 50
    # What pushes the answer: digits of its class, and then others.
    tab.locator("[data-draw=pushes]").click()
    tab.locator("#pushes-say", has_text="of all 2,000").wait_for()
    pushed = tab.locator("#pushed button")
    whose = "".join(said.split()[0] for said in pushed.all_inner_texts())
    assert whose[:4] == "7777" and "7" not in whose[4:] and len(whose) == 8
    for i, (sign, word) in enumerate([("+", "up")] * 4 + [("\u2212", "down")] * 4):
        assert pushed.nth(i).inner_text().split()[1].startswith(sign), "which way it pushes"
        assert f"pushes it {word} by" in pushed.nth(i).get_attribute("aria-label")
    # It goes on, and the answer with it.
    step = tab.locator("#by").inner_text()
    tab.locator("#draw-go", has_text="Go on").click()
    tab.locator("#by").filter(has_not_text=step).wait_for()
    tab.locator("#draw-go", has_text="Pause").click()
    tab.locator("#draw-go", has_text="Go on").wait_for()
    # A lesson makes my label more probable; without it all is as before, to the last bit.
    before = paper.exact()
    assert tab.locator("[name=lesson]").input_value() == "7", "what it answers, until one chooses"
    tab.locator("[name=lesson]").select_option("3")
    for times in (1, 2):
        tab.locator("#lesson button").first.click()
        word = "one step" if times == 1 else "one more step"
        taught = tab.locator("#taught", has_text=f"after {word} at rate 0.1")
        costs = r"right for ([\d.]+\s%) of .* before, for ([\d.]+\s%) after"
        cost = re.search(costs, taught.inner_text())
        after = paper.exact()
        assert after[3] > 1.5 * before[3]
        # What it says beside its step is of the network that was taught.
        lessons = "1 lesson" if times == 1 else "2 lessons"
        by = tab.locator("#by", has_text=f"and {lessons}, right for ").inner_text()
        assert cost and f"right for {cost[2]} of" in by, (taught.inner_text(), by)
    tab.locator("[data-draw=unteach]").click()
    assert tab.evaluate("document.activeElement.textContent") == "One step", "the other one goes"
    tab.locator("[data-draw=unteach]").wait_for(state="hidden")
    assert paper.exact() == before and "lesson" not in tab.locator("#by").inner_text()
    # Nor is the drawing, from then on, what it was taught as.
    paper.does("watch")
    said_of_network(tab, "your drawing")
    assert tab.locator("#verdict").inner_text() == "Answer: 7."
    tab.go_back()
    assert paper.exact() == before and tab.locator("[name=lesson]").input_value() == "7"
    # A click paints; a release outside ends the stroke. The class that was asked about is let go.
    tab.locator("#bars button").nth(2).click()
    reason.filter(has_text="for 2:").wait_for()
    paper.does("clear")
    paper.draw((0.5, 0.5))
    dot = paper.ink()
    assert dot > 300
    # It is like no class, whatever the network says, and that is said too.
    told = re.fullmatch(r"None of these\. If one, (\d) \(.*\)\.", paper.taken())
    assert told and np.argmax(paper.exact()) == int(told[1])
    assert f"for {told[1]}: +" in reason.inner_text() and "Press" not in reason.inner_text()
    assert tab.locator("#bars [aria-pressed=true]").count() == 0
    assert tab.locator("#spoken").inner_text() == told[0]
    furthest = "Its strokes are further from every class than those of all the test set."
    assert tab.locator("#novel").inner_text() == furthest
    assert not findings(tab)
    tab.locator("#pen").fill("60")
    paper.draw((0.5, 0.5))
    assert paper.ink() > 4 * dot, "a wider pen"
    paper.does("undo")
    tab.locator("#pen").fill("24")
    paper.draw((0.7, 0.5), (1.2, 0.5))
    line = paper.ink()
    tab.mouse.move(*paper.at(0.2, 0.9), steps=3)
    assert paper.ink() == line > dot
    # The eraser takes away, and can be taken back.
    tab.keyboard.press("e")
    paper.draw((0.5, 0.45), (0.5, 0.55))
    assert paper.ink() < line
    tab.keyboard.press("Control+z")
    assert paper.ink() == line
    tab.keyboard.press("Control+Shift+Z")
    assert paper.ink() < line
    tab.keyboard.press("e")
    # A second finger pans and does not draw; the stroke of the first one is withdrawn.
    paper.does("clear")
    paper.draw((0.2, 0.5), (0.3, 0.5))
    ink = paper.ink()
    paper.does("undo")
    hand = tab.context.new_cdp_session(tab)

    def touch(kind: str, *places: tuple[float, float], first: int = 0) -> None:
        at = [paper.at(*place) for place in places]
        points = [{"x": x, "y": y, "id": i} for i, (x, y) in enumerate(at, first)]
        hand.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
        tab.wait_for_timeout(20)  # moves are told before the next frame

    touch("touchStart", (0.2, 0.2))
    touch("touchMove", (0.22, 0.2))
    assert paper.ink() > 0
    touch("touchStart", (0.22, 0.2), (0.8, 0.8))
    for step in range(1, 20):
        touch("touchMove", (0.22 + step / 100, 0.2), (0.8 + step / 100, 0.8))
    touch("touchEnd")
    assert paper.ink() == 0 and paper.part() == (0, 0, 1), (
        "all of it is seen: there is no other part"
    )
    paper.wheels(np.array([0.5, 0.5]), -600)
    before = paper.under((0.4, 0.4)), paper.under((0.6, 0.5))
    touch("touchStart", (0.4, 0.4))
    touch("touchStart", (0.4, 0.4), (0.6, 0.5))
    touch("touchMove", (0.41, 0.4), (0.6, 0.5))
    touch("touchMove", (0.35, 0.35), (0.65, 0.5))
    after = paper.under((0.35, 0.35)), paper.under((0.65, 0.5))
    assert np.abs(np.subtract(before, after)).max() < 0.005, "a finger has another place under it"
    size = paper.part()[2]
    assert 3 < size < 4
    touch("touchEnd", (0.35, 0.35))  # of the first
    touch("touchMove", (0.55, 0.6), first=1)
    touch("touchEnd", (0.55, 0.6), first=1)
    place = paper.under((0.55, 0.6))
    assert np.abs(np.subtract(place, after[1])).max() < 0.005 and paper.part()[2] == size
    assert paper.ink() == 0
    paper.does("redo")
    assert paper.ink() == ink, "what was undone before"
    touch("touchStart", (0.4, 0.2))
    touch("touchMove", (0.4, 0.6))
    touch("touchEnd")
    assert paper.ink() > ink, "one finger draws"
    # A hand rests, and a pen draws all the same.
    paper.does("clear")
    touch("touchStart", (0.8, 0.8))
    x, y = paper.at(0.3, 0.3)
    pen = {"x": x, "y": y, "button": "left", "clickCount": 1, "pointerType": "pen", "force": 0.5}
    hand.send("Input.dispatchMouseEvent", {"type": "mousePressed", **pen})
    touch("touchMove", (0.7, 0.8))
    hand.send("Input.dispatchMouseEvent", {"type": "mouseReleased", **pen})
    touch("touchEnd")
    assert paper.ink() > 0 and np.abs(paper.middle() - 0.3).max() < 0.005
    # Whatever part of the paper is seen, a pen paints where it is.
    drawn = np.random.default_rng(17)
    for _ in range(12):
        paper.does("clear")
        paper.wheels(drawn.uniform(0.1, 0.9, 2), drawn.uniform(-900, 500))
        paper.pans(drawn.uniform(0.1, 0.9, 2), drawn.uniform(0.1, 0.9, 2))
        place = drawn.uniform(0.2, 0.8, 2)
        paper.draw(tuple(place))
        assert (
            abs(paper.middle() - place).max() < 0.005
        )  # half of a half pixel of the sheet, at 4 times
        seen = paper.part()
    paper.taken()
    before = shown(tab)
    tab.keyboard.press("0")
    assert paper.part() == (0, 0, 1) != seen
    assert (shown(tab) == before).all(), "what the network sees is of the drawing, not of the view"


def test_keys_alone_draw_and_a_link_brings_the_drawing_back(tab, address):
    paper = opened(tab, address)
    tab.locator("#sheet").focus()
    spoken = tab.locator("#spoken")
    tab.keyboard.press("ArrowUp")
    assert spoken.inner_text() == "row 14, column 15"
    for key in ["ArrowUp"] * 8 + [" "] + ["ArrowDown"] * 15:
        tab.keyboard.press(key)
    assert spoken.inner_text() == "row 21, column 15, ink, drawing"
    tab.keyboard.press(" ")
    said, ink = paper.taken(), paper.ink()
    assert said.startswith("It takes this for 1") and spoken.inner_text() == said
    tab.keyboard.press("ArrowRight")
    assert paper.ink() == ink, "the pen was lifted"
    tab.locator("#sheet").focus()
    for key in ["+"] * 3 + ["ArrowLeft"] * 12 + ["ArrowUp"] * 3:
        tab.keyboard.press(key)
        cell, pad = (tab.locator(name).bounding_box() for name in ("#cell", "#pad"))
        for start, side in ("x", "width"), ("y", "height"):
            assert -1 < cell[start] - pad[start] < pad[side] - cell[side] + 1, "out of sight"
    assert paper.part()[2] == 3.38
    tab.keyboard.press("0")
    assert paper.part()[2] == 1
    time.sleep(0.4)  # the address is written a moment later
    tab.reload()
    tab.locator("#taken", has_text=said).wait_for()  # the network is learned again up to its step
    assert paper.ink() == ink
    # Network shows it on its way: the same numbers, after a reload too, and while it learns.
    paper.does("watch")
    step = said_of_network(tab, "your drawing, at step")
    for again in (False, True):
        if again:
            time.sleep(0.4)
            tab.reload()
        tab.locator("#net-of", has_text=step.partition(":")[0]).wait_for()
        tab.locator("#neuron-title", has_text="Class 1").wait_for()
        fact = tab.locator("#neuron-facts dt:text-is('probability') + dd")
        most = float(fact.get_attribute("data-exact"))
        assert tab.locator("#verdict").inner_text() == "Answer: 1."
        assert tab.locator("#loss-steps").is_hidden(), "of what should be, nothing is known"
    tab.locator("#net").focus()
    tab.keyboard.press("b")
    tab.locator("#unmeant a").click()  # it has to be told what it is
    assert most == max(paper.exact()) and paper.ink() == ink
    tab.locator("[name=lesson]").select_option("3")
    paper.does("watch")
    tab.locator("#verdict", has_text="Wrong: it is 3.").wait_for()
    assert "loss" in said_of_network(tab, "your drawing") and tab.locator("#unmeant").is_hidden()
    assert "logit3" in tab.locator("#loss-steps a").get_attribute("href")
    assert tab.locator("#neuron-facts dt", has_text="delta").is_visible()
    tab.locator("#net-go").click()
    tab.locator("#net-of").filter(has_not_text=step.partition(":")[0]).wait_for()
    tab.locator("#net-go").click()
    tab.keyboard.press("r")
    assert "test " in said_of_network(tab, "test")
    tab.locator("nav [data-view=draw]").click()
    paper.does("undo")
    assert paper.ink() == 0
    # The example in hand, as it is in the set.
    tab.goto(f"{address}{LEARNS.replace('train', 'draw')}&digit=7")
    paper.does("take")
    tab.locator("#made-how", has_text="train 7, as it is in the set").wait_for()
    tab.wait_for_timeout(250)
    assert (shown(tab) == shades(FEW.train.images[7])).all()
    # How new it is, as Python says.
    (share,) = 100 * NOVELTY.share(FEW.train.images[7:8], FEW.scale)
    said_new = re.search(r"([\d.]+)\u00a0% of the test set", tab.locator("#novel").inner_text())
    assert said_new and abs(float(said_new[1]) - share) < 100 / len(FEW.test) + 0.1
    # One that has learned next to nothing says so.
    tab.goto(f"{address}#view=draw&hidden=32&digit=7&rate=0.00001&step=1")
    tab.locator("#by", has_text="At step 1 of its training, right for").wait_for()
    tab.locator("#taken", has_text="It only guesses as yet").wait_for()
    # A picture, without a server that prepares it; and two digits in one, with such a server.
    picture = np.pad(
        255 - FEW.test.images[:2].repeat(4, 1).repeat(4, 2),
        ((0, 0), (40, 40), (40, 40)),
        constant_values=255,
    )
    field = tab.locator("#picture-file")
    field.set_input_files(files(picture[0]))
    tab.locator("#made-how", has_text="No server prepares").wait_for()
    paper.does("watch")
    said_of_network(tab, "your drawing")
    time.sleep(0.4)
    tab.reload()  # no address has a picture
    tab.locator("#problem", has_text="there is no drawing to show").wait_for()
    said_of_network(tab, "train 7")
    tab.locator("nav [data-view=draw]").click()
    tab.locator("#problem").wait_for(state="hidden")
    field.set_input_files(files(picture[0]))
    tab.locator("#made-how", has_text="No server prepares").wait_for()
    assert paper.taken().startswith("It")
    alike = np.corrcoef(shown(tab).ravel(), shades(FEW.test.images[0]).ravel())[0, 1]
    assert alike > 0.98
    assert tab.locator("#unlinked").is_visible() and tab.locator("#linked").is_hidden()
    # What was wrong there is not said elsewhere.
    field.set_input_files({"name": "no.png", "mimeType": "image/png", "buffer": b"no picture"})
    tab.locator("#problem", has_text="expected a picture").wait_for()
    tab.locator("nav [data-view=network]").click()
    tab.locator("#problem").wait_for(state="hidden")
    tab.locator("nav [data-view=draw]").click()
    # One that is pasted, and one that is dropped beside the paper.
    for kind, event in (
        ("clipboardData", "ClipboardEvent('paste'"),
        ("dataTransfer", "DragEvent('drop'"),
    ):
        paper.does("clear")
        assert paper.taken().startswith("Draw here")
        content = base64.b64encode(files(picture[1])["buffer"]).decode()
        tab.evaluate(
            f"""async (content) => {{
              const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
              const data = new DataTransfer();
              data.items.add(new File([bytes], "digit.png", {{ type: "image/png" }}));
              const how = {{ {kind}: data, bubbles: true, cancelable: true }};
              document.getElementById("how").dispatchEvent(new {event}, how));
            }}""",
            content,
        )
        tab.locator("#made-how", has_text="No server prepares").wait_for()
        assert paper.taken().startswith("It")
    for scheme in ("light", "dark"):
        tab.emulate_media(color_scheme=scheme)
        assert not findings(tab)
    tab.set_viewport_size(SMALL_SCREEN)
    assert not findings(tab)
    assert tab.locator("body").evaluate("body => body.scrollWidth") <= SMALL_SCREEN["width"]
    tab.goto("about:blank")
    tab.emulate_media(color_scheme="light")
    tab.goto(f"{address}#view=draw&drawing=damaged!&token={TOKEN}")
    tab.locator("#problem", has_text="the drawing in the address is damaged").wait_for()
    field.set_input_files(files(np.hstack([*picture])))
    tab.locator("#made-how", has_text="By the server").wait_for()
    for digit in find(np.hstack([*picture])):
        tab.wait_for_timeout(250)
        assert (shown(tab) == shades(digit.pixels)).all()
        paper.does("next")
