"""The page in a frame of another site's page: one view, and never the token."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import pytest

from tests.viz.studio.client import TOKEN


@pytest.fixture
def framed(browser: Any, address: str, blog: int) -> Iterator[Callable[..., Any]]:
    """`framed(query)` opens a page of another site, and gives its frame with the studio."""
    context = browser.new_context(viewport={"width": 1000, "height": 800})
    context.set_default_timeout(20_000)
    tab = context.new_page()
    failed: list[str] = []
    tab.on("pageerror", lambda error: failed.append(str(error)))

    def opened(query: str, host: str = "localhost") -> Any:
        tab.goto(f"http://{host}:{blog}/post?{quote(address + query)}")
        return tab.frame_locator("iframe")

    yield opened
    context.close()
    assert not failed, failed


def test_a_view_trains_in_a_frame_of_a_page_that_may(framed):
    frame = framed(f"?embed=train#token={TOKEN}")
    row = frame.locator("#progress dd").first
    row.filter(has_text=re.compile(r"[89]\d\.\d\d %")).wait_for()
    assert frame.locator("header").is_hidden() and frame.locator("#data").is_hidden()
    assert frame.locator("[data-weights=send]").is_hidden(), "a click there could be stolen"
    link = frame.locator("#whole").get_attribute("href")
    assert link.startswith("/#view=train"), "it leads out of the frame"
    view, below = (frame.locator(part).bounding_box() for part in ("#train", "#whole"))
    assert below["y"] >= view["y"] + view["height"], "the link lies on the charts"
    frame.locator("#confusion td button").first.click()
    frame.locator("#data").wait_for()
    frame.locator("#back").click()
    frame.locator("#train").wait_for()
    assert frame.locator("#back").is_hidden()


def test_data_shows_in_a_frame(framed):
    frame = framed("?embed=data&more=1#label=3")
    frame.locator("#classes li").first.wait_for()
    assert frame.locator("header").is_hidden() and frame.locator("#train").is_hidden()


def test_no_other_page_may_frame_it(framed):
    """Not even one of the same machine, by another name."""
    frame = framed("?embed=train", host="127.0.0.1")
    frame.locator("body").wait_for(state="attached")
    assert frame.locator("#progress").count() == 0


def test_what_is_no_view_is_the_whole_page(tab, address):
    for query in ("?embed=", "?embed=nothing", "?embed=__proto__"):
        tab.goto(f"{address}{query}")
        tab.locator("header").wait_for()
