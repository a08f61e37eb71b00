"""The chart of lines, alone on a page, as a person uses it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.viz.page.bundle import page_of

STYLE = """[hidden] { display: none !important } #chart { position: relative;
width: 600px; height: 240px }
canvas { width: 100%; height: 100% } .chart-tip { position: absolute; white-space: pre; margin: 0 }
.chart-tip { pointer-events: none } .chart-legend, .chart-none { position: absolute; margin: 0 }"""
LINES = """last => chart.set(["train", "test"].map((name, i) => {
  const x = Array.from({ length: 101 }, (_, step) => step);
  return { name, colour: "red", x, y: x.map((step) => step === 100 ? last : i + 1 / (1 + step)) };
}))"""


@pytest.fixture
def chart(page: Any, tmp_path: Path) -> Any:
    """A page with a chart, globalThis.chart, and a count of how often its table was written."""
    body = f'<style>{STYLE}</style><div id="chart"></div>'
    code = """
        globalThis.chart = new Chart(byId("chart"), "Loss by step", { x: "step", y: "loss" });
        globalThis.tables = 0;
        new MutationObserver(() => tables += 1).observe(chart.table, { childList: true });
        """
    page.goto(page_of(tmp_path, body, {"chart.js": "Chart", "dom.js": "byId"}, code))
    page.wait_for_function("globalThis.chart")
    return page


def drawn(tab: Any) -> None:
    tab.evaluate("() => new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")


def test_an_empty_chart_says_so(chart: Any) -> None:
    assert chart.locator(".chart-none").inner_text() == "no steps yet"
    chart.evaluate(LINES, 0.5)
    drawn(chart)
    assert chart.locator(".chart-none").is_hidden()
    assert chart.evaluate("chart.scales.x") == {"low": 0, "high": 100, "log": False}


def test_a_line_that_is_over_says_nothing_of_what_comes_after(chart: Any) -> None:
    """Else its last number stands beside those of the others as if it were measured."""
    chart.evaluate(
        """() => chart.set([101, 11].map((count, i) => {
          const x = Array.from({ length: count }, (_, step) => step);
          return { name: `line ${i}`, colour: "red", x, y: x.map(() => i + 0.25) };
        }))"""
    )
    chart.locator("td", has_text="0.25").first.wait_for(state="attached")
    rows = chart.locator("#chart tr").all_text_contents()
    assert rows[1:4] == ["00.251.25", "40.251.25", "80.251.25"]
    assert all(row.endswith("0.25") and not row.endswith("1.25") for row in rows[4:])


def test_the_table_is_not_written_again_and_again(chart: Any) -> None:
    """Else each picture of a training, and each move of the mouse, is a long task."""
    chart.evaluate(LINES, 0.5)
    chart.locator("td", has_text="0.5").last.wait_for(state="attached")
    before = chart.evaluate("tables")
    chart.mouse.move(200, 100)
    chart.mouse.move(400, 100, steps=10)
    drawn(chart)
    assert chart.evaluate("tables") == before, "for a hover alone"
    for i in range(40):
        chart.evaluate(LINES, i)
    chart.locator("td", has_text="39").last.wait_for(state="attached")
    assert chart.evaluate("tables") < before + 20


def test_the_tip_stands_beside_what_is_looked_at(chart: Any) -> None:
    chart.evaluate(LINES, 0.5)
    canvas = chart.locator("canvas").bounding_box()
    for share in (0.15, 0.45, 0.6, 0.95):
        x = canvas["x"] + share * canvas["width"]
        chart.mouse.move(x, canvas["y"] + 60)
        drawn(chart)
        tip = chart.locator(".chart-tip").bounding_box()
        assert canvas["x"] <= tip["x"] and tip["x"] + tip["width"] <= canvas["x"] + canvas["width"]
        assert tip["x"] > x or tip["x"] + tip["width"] < x, "it covers what is looked at"


def test_a_drag_shows_a_part_and_a_new_chart_shows_all(chart: Any) -> None:
    chart.evaluate(LINES, 0.5)
    drawn(chart)

    def drag(end: str) -> Any:
        chart.mouse.move(200, 100)
        chart.mouse.down()
        chart.mouse.move(400, 100)
        chart.evaluate(end)
        chart.mouse.up()
        return chart.evaluate("chart.range")

    cancel = "() => { chart.canvas.dispatchEvent(new PointerEvent('pointercancel')) }"
    assert drag(cancel) is None, "a drag that the browser ended goes on"
    low, high = drag("() => {}")
    assert 0 < low < high < 100
    chart.evaluate("() => { chart.setFloor(0.25); chart.clear() }")
    chart.evaluate(LINES, 0.5)
    drawn(chart)
    assert chart.evaluate("[chart.range, chart.at, chart.scales.x.high]") == [None, None, 100]
    assert chart.evaluate("chart.scales.y.low") < 0.25
