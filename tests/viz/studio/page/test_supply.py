"""Examples on their way to the canvas of Data, and what is said while they are not there: a slow
server, one that went away, and graphics that are missing or lost."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.few import few
from tests.viz.studio.page.conftest import served
from tests.viz.studio.page.test_page import drawn, facts, find, loaded, pixels

FEW = few()


def test_while_digits_load_it_is_said_how_many_are_here_and_an_empty_selection_says_so(
    tab, address
):
    """A layer of 1,024 is seen as soon as it is there, and classes of a block that is."""
    held: list[Any] = []
    free: list[bool] = []
    tab.context.route(
        "**/test/blocks/**", lambda route: route.continue_() if free else held.append(route)
    )
    tab.goto(f"{address}#view=data&split=test&label=3")
    tab.locator("#none", has_text="Still loading").wait_for()
    tab.locator("#shown", has_text="0 shown · 1,024 of 2,500 pictures are here").wait_for()
    tab.locator("[name=split]").select_option("train")
    tab.locator("#none").wait_for(state="hidden")
    tab.locator("[name=split]").select_option("test")
    free.append(True)
    for route in held:
        route.continue_()
    tab.locator("#none").wait_for(state="hidden")
    tab.locator("#shown", has_text=f"{np.sum(FEW.test.labels == 3)} shown").wait_for()
    tab.locator("#data summary").click()
    said = "of 2 blocks 2 are here, 0 on their way; their pictures take 5 MB"
    tab.locator("#held", has_text=said).wait_for()
    workers = [worker.url for worker in tab.workers]
    assert not any("reader" in url for url in workers), "its copy of all examples is still here"
    # What is in sight comes first: the test set, of which a layer needs nothing of the other.
    tab.goto("about:blank")
    tab.context.unroute("**/test/blocks/**")
    asked: list[str] = []

    def answer(route: Any) -> None:
        asked.append(route.request.url)
        if "/test/" in asked[-1]:
            route.continue_()

    tab.context.route("**/blocks/**", answer)
    tab.goto(f"{address}#view=data&split=test&zoom=100&x=10&y=12")
    tab.locator("#shown", has_text="· 452 of 2,500 pictures are here").wait_for()
    assert "/test/" in asked[0]


def test_what_a_server_that_went_away_owes_comes_when_it_is_back(browser, tmp_path):
    """A block on its way, which the button asks for again; a picture, by itself. In a tab of its
    own: a refused connection is an error on the console."""
    held: list[Any] = []
    tab = browser.new_context().new_page()
    tab.route("**/test/blocks/**", lambda route: held.append(route))
    with served(tmp_path) as port:
        tab.route("**/api/server", lambda route: route.abort())
        tab.goto(f"http://127.0.0.1:{port}#view=data")
        tab.locator("#problem", has_text="the server does not answer").wait_for()
        tab.unroute("**/api/server")  # before anything is there it is asked again, too
        tab.locator("#shown", has_text="1,024 of 2,500 pictures are here").wait_for()
    held.pop().continue_()
    tab.unroute("**/test/blocks/**")
    tab.locator("#problem", has_text="the server does not answer").wait_for()
    tab.locator("#shown", has_text="others are asked for again").wait_for()
    tab.locator("#digits").press("Home")
    assert facts(tab)["class"] == FEW.classes[FEW.train.labels[0]]
    tab.wait_for_timeout(1200)  # the first time it is asked for again, in vain
    with served(tmp_path, port):
        tab.locator("#again").click()
        drawn(tab)
        tab.locator("#picture[src]").wait_for()
        tab.locator("#problem").wait_for(state="hidden")
    tab.locator("#digits").press("End")
    tab.locator("#problem", has_text="the server does not answer").wait_for()
    before = tab.locator("#picture.old").get_attribute("src")  # it is not seen
    with served(tmp_path, port):
        tab.locator("#problem").wait_for(state="hidden")
    assert tab.locator("#picture:not(.old)").get_attribute("src") != before
    tab.context.close()


def changed(tab: Any, file: str, before: str, after: str) -> None:
    """Have the page fetch a module of its own with other words in it."""

    def answer(route: Any) -> None:
        found = route.fetch()
        assert before in found.text()
        headers = {k: v for k, v in found.headers.items() if not k.startswith("content-encod")}
        route.fulfill(body=found.text().replace(before, after), headers=headers)

    tab.context.route(f"**/{file}", answer)


@pytest.mark.parametrize(
    ("file", "before", "after", "words"),
    [
        ("painter.js", "Atlas(canvas,", "Atlas({ getContext: () => null },", "has no WebGL2"),
        ("stage.js", "canvas.transferControlToOffscreen()", "canvas.none()", "draws in no worker"),
    ],
)
def test_without_graphics_all_else_is_there_and_the_stage_says_why_it_is_empty(
    tab, address, file, before, after, words
):
    changed(tab, file, before, after)
    loaded(tab, address)
    tab.locator("#unseen", has_text=words).wait_for()
    find(tab, 3)
    assert facts(tab)["class"] == FEW.classes[FEW.train.labels[3]]
    tab.locator("#loading").wait_for(state="hidden")


def test_lost_graphics_are_said_and_the_examples_come_back(tab, address):
    gone = 'self.lose = () => atlas?.gl.getExtension("WEBGL_lose_context");\nfunction draw() {'
    changed(tab, "painter.js", "function draw() {", gone)
    loaded(tab, address, "&zoom=100&x=3&y=3")
    before = pixels(tab)
    painter = next(each for each in tab.workers if each.url.endswith("painter.js"))
    painter.evaluate("() => { self.gone = lose(); self.gone.loseContext(); }")
    tab.locator("#unseen", has_text="took the graphics memory away").wait_for()
    painter.evaluate("() => self.gone.restoreContext()")
    tab.locator("#unseen").wait_for(state="hidden")
    tab.locator("#loading").wait_for()
    assert (pixels(tab) == before).all()
