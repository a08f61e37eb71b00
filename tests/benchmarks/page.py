"""The studio's page in headless Chromium, software rendering: how soon it learns, whether it halts.

All 70,000 digits, the network that the page begins with. Times are divided by what they may be at
most. A task is what the page's main thread does without a stop; whoever clicks meanwhile waits.
"""

from __future__ import annotations

import json
import math
import shutil
import sys
import tempfile
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any, NamedTuple

from tests.benchmarks import harness
from tests.benchmarks.browser.page import CHROMIUM, FLAGS
from tests.benchmarks.studio import server

ROUNDS = 3
GOAL, QUICK_GOAL = 97.5, 80  # % of the test set
GPU = ["--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
# So that the memory is measured at once, and not after the next collection of garbage.
MEMORY = ["--enable-blink-features=ForceEagerMeasureMemory"]
TRACED = ["disabled-by-default-devtools.timeline", "blink.user_timing"]
MARK = "the page"

OPENED = f"{GOAL} %, after opening"
STARTED = f"{GOAL} %, after Start"
OPENING = "longest task, from opening to there"
LEARNING = "longest task, while it learns on"
LOADING = "longest task, while Data loads"
COMPUTING = ", computing"
ORDER = "new order of 70,000, by loss"
SCORE = "score of all 70,000, in the worker"
FRAMES = "frame, zooming and panning"
POINTED = "a neuron of 784-512-512-10, to its numbers"
WATCHED = "lost of a second of learning, while Network watches"
PAINT = "first paint"
STROKE = "drawing: a move answered, with what speaks for it"
NEAREST = "drawing: the nearest of 60,000"
FLIP = "drawing: the smallest change that turns it"
Figures = dict[str, list[float]]
AIMS = {
    OPENED: None, STARTED: 5.0, OPENING: 0.05, OPENING + COMPUTING: None, LEARNING: 0.05,
    LEARNING + COMPUTING: None, LOADING: 0.05, LOADING + COMPUTING: None, ORDER: 0.016,
    SCORE: 1.5, FRAMES: 0.033, POINTED: 0.016, WATCHED: 0.1,
    PAINT: 0.5, STROKE: 0.016, NEAREST: 0.2, FLIP: 0.3,
}  # fmt: skip
BYTES = {"memory": 300e6, "script": 150e3}

WATCH = """
globalThis.said = []; // by workers, and when
globalThis.textures = 0; // bytes
globalThis.learned = 0; // steps
globalThis.Worker = class extends Worker {
  constructor(...given) {
    super(...given);
    this.addEventListener("message", ({ data: { kind, split, layer, losses } }) => {
      if (kind === "steps") learned += losses.length;
      said.push([kind, split ?? "", performance.now() / 1000]);
      for (const { length } of layer?.levels ?? []) textures += length;
    });
  }
};
"""
REACHED = """goal => new Promise((done) => {
  const list = document.getElementById("progress");
  const look = () => {
    if (!(parseFloat(list.querySelector("dd")?.textContent) >= goal)) return;
    watching.disconnect();
    done(performance.now() / 1000);
  };
  const watching = new MutationObserver(look);
  watching.observe(list, { childList: true, subtree: true, characterData: true });
  look();
})"""
START = f"""async goal => {{
  const start = performance.now() / 1000;
  document.getElementById("go").click();
  return await ({REACHED})(goal) - start;
}}"""
SORTED = """async count => {
  const sort = document.querySelector("[name=sort]");
  const times = [];
  for (let i = 0; i < 2 * count; i++) {
    sort.value = i % 2 ? "loss" : "index";
    const start = performance.now();
    sort.dispatchEvent(new Event("change", { bubbles: true }));
    if (i % 2) times.push((performance.now() - start) / 1000);
    for (let frame = 0; frame < 3; frame++) await new Promise(requestAnimationFrame);
  }
  return times;
}"""
# From all to a few and back, about a place that wanders; then to and fro by a finger.
MOVED = """async count => {
  const canvas = document.getElementById("digits");
  const { left, top, width, height } = canvas.getBoundingClientRect();
  canvas.setPointerCapture = () => {}; // of a pointer that there is not
  const at = (x, y) => ({ clientX: left + x * width, clientY: top + y * height, bubbles: true });
  const tell = (kind, more) =>
    canvas.dispatchEvent(new PointerEvent(kind, { pointerId: 1, ...more }));
  const act = (i) => {
    const turn = 2 * Math.PI * i / count;
    const place = at(0.5 + 0.3 * Math.sin(3 * turn), 0.5 + 0.3 * Math.cos(3 * turn));
    if (i === 3 * count / 4) tell("pointerdown", place);
    if (i >= 3 * count / 4) return tell("pointermove", place);
    canvas.dispatchEvent(new WheelEvent("wheel", { ...place, deltaY: -90 * Math.sin(2 * turn) }));
  };
  said.length = 0;
  for (let i = 0; i < count; i++) {
    act(i);
    await new Promise(requestAnimationFrame);
  }
  tell("pointerup", at(0.5, 0.5));
  const drawn = said.filter(([kind]) => kind === "drawn").map(([, , at]) => at);
  return drawn.slice(1).map((at, i) => at - drawn[i]);
}"""
# How long it takes, and not when the screen has its turn; keys lead to another neuron each time.
POINTED_AT = """async count => {
  const [aside, canvas] = ["#network aside", "#net"].map((each) => document.querySelector(each));
  const [title, sum] = ["neuron-title", "formula"].map((id) => document.getElementById(id));
  const press = (key) => canvas.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
  globalThis.requestAnimationFrame = (draw) => setTimeout(draw);
  const times = [];
  for (let i = 0; i < count; i++) {
    const [start, before] = [performance.now(), title.textContent];
    await new Promise((done) => {
      const watching = new MutationObserver(() => {
        if (title.textContent === before || sum.hidden) return;
        watching.disconnect();
        done();
      });
      watching.observe(aside, { attributes: true, childList: true, subtree: true });
      press(i === 0 || i === count >> 1 ? "ArrowLeft" : i % 2 ? "ArrowDown" : "ArrowUp");
    });
    times.push((performance.now() - start) / 1000);
    await new Promise((done) => setTimeout(done, 50)); // the screen has its turn
  }
  return times;
}"""
SCORED = """() => {
  const ended = said.findLastIndex(([kind]) => kind === "ended");
  const all = said.slice(ended).find(([kind, split]) => kind === "score" && split === "train");
  return ended >= 0 && all ? all[2] - said[ended][2] : 0;
}"""
HELD = "async () => textures + (await performance.measureUserAgentSpecificMemory()).bytes"
# From what a person does to what that changes.
DRAWN = """() => {
  globalThis.took = { bars: [], nearest: [], flip: [] };
  let start = 0;
  for (const kind of ["pointermove", "pointerup", "click"]) {
    addEventListener(kind, (event) => { start = event.timeStamp; }, { capture: true });
  }
  for (const id of Object.keys(took)) {
    const part = document.getElementById(id);
    const look = () => part.textContent && took[id].push((performance.now() - start) / 1000);
    const options = { attributes: true, attributeFilter: ["data-exact"] };
    new MutationObserver(look).observe(part, { subtree: true, childList: true, ...options });
  }
}"""
FIRST = "() => performance.getEntriesByType('paint')[0].startTime / 1000"


@contextmanager
def tabs() -> Iterator[Any]:
    """A browser without a window. SystemExit where there is none."""
    if find_spec("playwright") is None:
        sys.exit("The page needs playwright: `pip install -e '.[test]'` brings it.")
    from playwright.sync_api import sync_playwright

    path = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if path is None:
        sys.exit(f"The page runs in a browser, and there is none of {', '.join(CHROMIUM)}.")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=[*FLAGS, *GPU, *MEMORY])
        yield browser
        browser.close()


class Tab:
    """The page, newly opened. bytes: of what it has fetched, as it was sent, the API's left out."""

    def __init__(self, browser: Any, address: str) -> None:
        self.browser, self.address = browser, address
        self.tab = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
        self.tab.add_init_script(WATCH)
        self.fetched: list[Any] = []
        self.tab.on("requestfinished", lambda it: self.fetched.append(it))

    @property
    def bytes(self) -> int:
        """What a worker asks for again the browser has: none of it is sent a second time."""
        own = (each for each in self.fetched if each.url.startswith("http"))
        bodies = (each.sizes()["responseBodySize"] for each in own if "/api/" not in each.url)
        return sum(bodies)

    def open(self, view: str) -> None:
        self.tab.goto(f"{self.address}#view={view}", wait_until="domcontentloaded")

    def do(self, script: str, given: Any = None) -> Any:
        return self.tab.evaluate(script, given)

    def click(self, button: str) -> None:
        self.tab.locator(f"[data-do={button}]:visible").click()

    def loaded(self) -> None:
        """Wait until all examples are drawn."""
        self.tab.locator("#classes li").first.wait_for()
        self.tab.locator("#loading").wait_for(state="hidden")

    @contextmanager
    def traced(self, figures: Figures, name: str) -> Iterator[None]:
        """What happens meanwhile: its longest task, and the one that computed longest."""
        self.browser.start_tracing(page=self.tab, categories=TRACED)
        yield
        self.do("mark => { performance.mark(mark); }", MARK)  # by which its thread is known
        found = tasks(json.loads(self.browser.stop_tracing())["traceEvents"])
        figures[name].append(max(each.whole for each in found))
        figures[name + COMPUTING].append(max(each.computing for each in found))

    def scored(self) -> float:
        """The seconds of the score of all, after a training has ended; waits for it."""
        while not (found := self.do(SCORED)):
            self.tab.wait_for_timeout(50)
        return float(found)

    def close(self) -> None:
        self.tab.context.close()


class Task(NamedTuple):
    """Seconds from its begin to its end, and of them those in which it computed: the others it
    waited for a core, or for the graphics."""

    whole: float
    computing: float


def tasks(events: Sequence[dict[str, Any]]) -> list[Task]:
    """Every task on the main thread of the page, from a trace."""
    page = next((each["pid"], each["tid"]) for each in events if each["name"] == MARK)
    own = (each for each in events if (each["pid"], each["tid"]) == page)
    return [
        Task(each.get("dur", 0) / 1e6, each.get("tdur", 0) / 1e6)
        for each in own if each["name"] == "RunTask"
    ]  # fmt: skip


def train(page: Tab, figures: Figures, goal: float) -> None:
    """Open Train, which begins to learn, until it knows enough."""
    with page.traced(figures, OPENING):
        page.open("train")
        figures[OPENED].append(page.do(REACHED, goal))
    figures[PAINT].append(page.do(FIRST))
    page.click("go")
    page.tab.locator("#go", has_text="Go on").wait_for()


def again(page: Tab, figures: Figures, goal: float) -> None:
    """Begin again, when all is there."""
    page.click("reset")
    page.tab.locator("#go", has_text="Start").wait_for()
    page.tab.wait_for_timeout(1000)
    figures[STARTED].append(page.do(START, goal))
    with page.traced(figures, LEARNING):
        page.tab.wait_for_timeout(3000)
    page.click("go")


def score(page: Tab, figures: Figures) -> None:
    """Learn a step, and then nothing."""
    page.scored()
    page.do("said.length = 0")
    page.click("step")
    figures[SCORE].append(page.scored())


def browse(page: Tab, figures: Figures, frames: int) -> None:
    """Open Data, in a page that has scored all examples."""
    page.tab.locator("nav [data-view=data]").click()
    page.loaded()
    page.click("fit")
    figures[ORDER] += page.do(SORTED, 5)
    figures[FRAMES] += page.do(MOVED, frames)


def draw(page: Tab, figures: Figures, moves: int) -> None:
    """Draw a wave, and have the answer to it turned."""
    page.tab.locator("nav [data-view=draw]").click()
    page.tab.locator("#sheet").wait_for()
    box = page.tab.locator("#sheet").bounding_box()
    page.do(DRAWN)
    mouse = page.tab.mouse
    for i in range(moves + 1):
        wave = 0.5 + 0.2 * math.sin(12 * i / moves)
        mouse.move(
            box["x"] + box["width"] * (0.2 + 0.6 * i / moves), box["y"] + box["height"] * wave
        )
        if i == 0:
            mouse.down()
        page.tab.wait_for_timeout(50)
    mouse.up()
    page.tab.locator("#nearest button").nth(7).wait_for()
    page.tab.locator("[data-draw=flip]").click()
    page.tab.locator("#flip:not(:empty)").wait_for()
    took = page.do("() => took")
    figures[STROKE] += took["bars"][1:-1]
    figures[NEAREST].append(took["nearest"][-1])
    figures[FLIP].append(took["flip"][-1])


def point(page: Tab, figures: Figures, neurons: int) -> None:
    """Open Network, where a training waits, and look at one neuron after the other."""
    page.open("network&hidden=512,512&step=1")
    page.tab.locator("#net-of", has_text="at step 1:").wait_for()
    page.tab.locator("#excited", has_text="Over 10,000").wait_for()
    figures[POINTED] += page.do(POINTED_AT, neurons)


def watch(page: Tab, figures: Figures) -> None:
    """Learn, by turns with nobody asking anything and with Network open on a neuron."""
    page.open("network&layer=1&neuron=3&step=1")
    page.tab.locator("#excited", has_text="Over 10,000").wait_for()
    page.click("go")
    for _ in range(ROUNDS):
        speeds = []
        for view in ("draw", "network"):
            page.tab.locator(f"nav [data-view={view}]").click()
            page.tab.wait_for_timeout(1000)
            steps, start = page.do("[learned, performance.now()]")
            page.tab.wait_for_timeout(2000)
            then, end = page.do("[learned, performance.now()]")
            speeds.append((then - steps) / (end - start))
        figures[WATCHED].append(max(0.0, 1 - speeds[1] / speeds[0]))


def measure(browser: Any, address: str, options: Namespace) -> tuple[Figures, dict[str, float]]:
    """Everything, in as many rounds as that takes; and bytes, of the last one. Quickly, what needs
    no second training and no second tab."""
    figures: Figures = {name: [] for name in AIMS}
    sizes: dict[str, float] = {}
    for _ in range(ROUNDS):
        page = Tab(browser, address)
        train(page, figures, QUICK_GOAL if options.quick else GOAL)
        if not options.quick:
            again(page, figures, GOAL)
        score(page, figures)
        browse(page, figures, 20 if options.quick else 240)
        sizes = {"memory": page.do(HELD), "script": page.bytes}
        draw(page, figures, 10 if options.quick else 60)
        page.close()
        if options.quick:
            break
        page = Tab(browser, address)
        with page.traced(figures, LOADING):
            page.open("data")
            page.loaded()
        page.close()
        page = Tab(browser, address)
        point(page, figures, 60)
        page.close()
        page = Tab(browser, address)
        watch(page, figures)
        page.close()
    return {name: seconds for name, seconds in figures.items() if seconds}, sizes


def line(name: str, seconds: list[float]) -> dict[str, Any]:
    """A line of the table: times, by what they may be."""
    row = harness.row(name, seconds, aim=AIMS[name] and 1.0, **{"at most": ""})
    if AIMS[name]:
        row["ratio"] = harness.spread([each / AIMS[name] for each in seconds])
        row["at most"] = f"{AIMS[name] * 1000:,.0f} ms"
    late = sorted(seconds)[int(0.95 * (len(seconds) - 1))]
    row["95 % within"] = f"{1000 * late:.0f} ms" if len(seconds) > 5 else ""
    return row


def told(sizes: dict[str, float]) -> str:
    """The sizes, in words."""
    memory, script = (
        f"{sizes[name]:,.0f} bytes ({'met' if sizes[name] < most else 'missed'}: {most:,.0f})"
        for name, most in BYTES.items()
    )
    return f"JS heap, buffers and textures: {memory}. Page, scripts and style, as sent: {script}."


def main() -> None:
    options = harness.arguments(str(__doc__))
    studio = ("viz", "studio", "--no-browser", "--port", "0", "--token", "only-for-the-benchmark")
    with (
        tempfile.TemporaryDirectory() as folder,
        server(folder, *studio) as (port, _),
        tabs() as browser,
    ):
        figures, sizes = measure(browser, f"http://127.0.0.1:{port}/", options)
        chromium = browser.version
    on = harness.machine("fastapi", "uvicorn") | {"threads": 1}
    on["versions"]["Chromium"] = chromium
    rows = [line(name, seconds) for name, seconds in figures.items()]
    harness.report("page: the studio's, with 70,000 digits", rows, on, options, told(sizes))


if __name__ == "__main__":
    main()
