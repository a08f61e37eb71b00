"""The chart of lines, alone on a page, as a person uses it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.viz.page.bundle import page_of

STYLE = """[hidden] { display: none !important } #chart { position: relative;
width: 600px; height: 240px }
canvas { width: 100%; height: 100%; touch-action: pan-y }
.chart-tip { position: absolute; white-space: pre; margin: 0 }
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
        globalThis.chart = new Chart(byId("chart"), "Loss by step", { x: "step", unit: " %" });
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


def test_a_number_stands_at_the_step_where_it_was_measured_alone(chart: Any) -> None:
    """Else that of another step, or the last one of a line that is over, looks as if it were."""
    chart.evaluate(
        """() => chart.set([1, 10].map((every, i) => {
          const x = Array.from({ length: i ? 3 : 101 }, (_, k) => every * k);
          return { name: `line ${i}`, colour: "red", x, y: x.map(() => i + 0.25) };
        }))"""
    )
    chart.locator("td", has_text="0.25").first.wait_for(state="attached")
    rows = [
        tuple(row.locator("th, td").all_text_contents()) for row in chart.locator("#chart tr").all()
    ]
    assert rows[0] == ("step", "line 0", "line 1")
    assert rows[-1] == ("100", "0.25 %", "") and len(rows) <= 31
    assert [row for row in rows if row[2]][1:] == [
        (step, "0.25 %", "1.25 %") for step in ("0", "10", "20")
    ]
    chart.locator("canvas").focus()
    seen = {}
    for _ in range(101):
        chart.keyboard.press("ArrowLeft")
        drawn(chart)
        step, *said = chart.locator(".chart-tip").text_content().splitlines()
        seen[step] = said
    assert seen["step 10"] == ["line 0 0.25 %", "line 1 1.25 %"]
    assert seen["step 17"] == ["line 0 0.25 %", "line 1 1.25 % at 20"]
    assert seen["step 60"] == ["line 0 0.25 %"]


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
        assert tip["y"] < canvas["y"] + 60  # the lines lie below
    chart.evaluate(
        """() => chart.set([{ name: "test", colour: "red", x: [...Array(101).keys()],
          y: [...Array(101).keys()].map((step) => 100 - 50 / (1 + step)) }])"""
    )
    for share in (0.2, 0.9):
        chart.mouse.move(canvas["x"] + share * canvas["width"], canvas["y"] + 60)
        drawn(chart)
        assert chart.locator(".chart-tip").bounding_box()["y"] > canvas["y"] + 100, (
            "it covers a line"
        )


def test_a_finger_reads_and_shows_a_part(chart: Any) -> None:
    """A tap shows what was measured there until something else is touched; a finger that rests
    reads on, one that does not shows a part; a button, all."""
    chart.evaluate(LINES, 0.5)
    drawn(chart)
    canvas = chart.locator("canvas").bounding_box()
    touch = chart.context.new_cdp_session(chart)

    def send(kind: str, *places: float) -> None:
        points = [{"x": canvas["x"] + x, "y": canvas["y"] + 90} for x in places]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
        drawn(chart)

    def drag(rest: int) -> Any:
        send("touchStart", 200)
        chart.wait_for_timeout(rest)
        for x in (220, 260, 300):
            send("touchMove", x)
        send("touchEnd")
        return chart.evaluate("chart.range")

    tip, everything = chart.locator(".chart-tip"), chart.locator(".chart-all")
    send("touchStart", 319)
    send("touchEnd")
    chart.wait_for_timeout(100)
    assert tip.is_visible() and tip.text_content().startswith("step 50\n")
    assert drag(400) is None and everything.is_hidden()
    assert tip.is_visible() and tip.text_content().startswith("step 46\n")
    low, high = drag(0)
    assert 25 < low < 30 and 44 < high < 48
    everything.click()
    assert chart.evaluate("chart.range") is None and everything.is_hidden()
    assert chart.evaluate("document.activeElement === chart.canvas"), "the focus is lost"
    touch.send(
        "Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": 5, "y": 500}]}
    )
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    drawn(chart)
    assert tip.is_hidden()


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
    chart.evaluate("() => { chart.setLimits(0.25, 1); chart.clear() }")
    chart.evaluate(LINES, 0.5)
    drawn(chart)
    assert chart.evaluate("[chart.range, chart.at, chart.scales.x.high]") == [None, None, 100]
    assert chart.evaluate("chart.scales.y.low") < 0.25
