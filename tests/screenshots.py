"""What the studio looks like, and what it says of ten digits: `python -m tests.screenshots FOLDER`.

Starts a studio, has its page learn MNIST to 97.5 % in headless Chromium, draws the ten digits of
`tests/viz/studio/page/hand.py`, and prints of each what the network takes it for, what speaks for
that and against, and the smallest change that turns the answer. Of Train, Network and Draw a
picture is written: light, dark, and as a phone has it.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.benchmarks.browser.page import CHROMIUM, FLAGS
from tests.benchmarks.studio import server
from tests.viz.studio.page.hand import DIGITS

LEARNS = "view=train&hidden=128&accuracy=97.5"
SIZES = {"": (1280, 800), "-phone": (390, 844)}
GPU = ["--use-angle=swiftshader", "--enable-unsafe-swiftshader"]


def draw(tab: Any, digit: list[str]) -> None:
    """Draw a digit's strokes, by the mouse."""
    paper = tab.locator("#sheet").bounding_box()
    for stroke in digit:
        numbers = [float(number) / 100 for number in stroke.split()]
        places = [
            (paper["x"] + x * paper["width"], paper["y"] + y * paper["height"])
            for x, y in zip(numbers[::2], numbers[1::2], strict=True)
        ]
        tab.mouse.move(*places[0])
        tab.mouse.down()
        for place in places[1:]:
            tab.mouse.move(*place, steps=6)
        tab.mouse.up()


def answers(tab: Any) -> None:
    """Draw each of the ten digits, and print what is said of it."""
    for number, digit in enumerate(DIGITS):
        if number:
            tab.locator("[data-draw=clear]").click()
        draw(tab, digit)
        tab.locator("#taken", has_text="%").wait_for()
        tab.locator("#nearest button").nth(7).wait_for()
        tab.locator("[data-draw=flip]").click()
        change = tab.locator("#flip", has_text="makes it answer").inner_text()
        said = (tab.locator(f"#{name}").inner_text() for name in ("taken", "reason"))
        print(f"{number}: {' '.join([*said, change])}".replace("\n", " "))


def pictures(tab: Any, folder: Path, name: str) -> None:
    """A picture of what is shown, in each size and light."""
    for size, (width, height) in SIZES.items():
        tab.set_viewport_size({"width": width, "height": height})
        for scheme in ("light", "dark"):
            tab.emulate_media(color_scheme=scheme)
            tab.wait_for_timeout(500)
            file = folder / f"{name}-{scheme}{size}.png"
            tab.screenshot(path=file, full_page=bool(size))
            print(file)
    tab.set_viewport_size(dict(zip(("width", "height"), SIZES[""], strict=True)))


def main() -> None:
    """Write the pictures into the folder that is named."""
    from playwright.sync_api import sync_playwright

    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "pictures")
    folder.mkdir(parents=True, exist_ok=True)
    command = ["viz", "studio", "--no-browser", "--port", "0"]
    with (
        tempfile.TemporaryDirectory() as empty,
        server(empty, *command) as (port, _),
        sync_playwright() as playwright,
    ):
        chromium = next(filter(None, map(shutil.which, CHROMIUM)), None)
        if chromium is None:
            sys.exit(f"The pictures are taken in a browser: install one of {', '.join(CHROMIUM)}.")
        browser = playwright.chromium.launch(executable_path=chromium, args=[*FLAGS, *GPU])
        tab = browser.new_page(viewport=dict(zip(("width", "height"), SIZES[""], strict=True)))
        tab.set_default_timeout(60_000)
        address = f"http://127.0.0.1:{port}/"
        tab.goto(f"{address}#{LEARNS}")
        tab.locator("#go").click()
        tab.locator("#go", has_text="Go on").wait_for()
        pictures(tab, folder, "train")
        tab.locator("nav [data-view=network]").click()
        tab.locator("#verdict", has_text="Answer:").wait_for()
        pictures(tab, folder, "network")
        tab.locator("nav [data-view=draw]").click()
        tab.locator("#drawing").wait_for()
        answers(tab)
        pictures(tab, folder, "draw")
        browser.close()


if __name__ == "__main__":
    main()
