"""Networks that learn on the server, seen from the page."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import data
from models.mnist.cli import main
from models.runs.lock import Lock
from tests.few import few
from tests.viz.studio.client import TOKEN
from tests.viz.studio.page.test_training import again, opened, put, shows
from viz.studio.api.jobs import Recipe


@pytest.fixture(scope="module")
def learned_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two epochs, as a terminal makes it."""
    folder = tmp_path_factory.mktemp("run") / "first"
    recipe = ["--hidden", "12", "--epochs", "2", "--batch-size", "100", "--validation", "500"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data, "load", lambda *source, **how: few())
        assert main(["train", *recipe, "--out", str(folder)]) == 0
    return folder


@pytest.fixture
def learning(runs_folder: Path, learned_run: Path) -> Iterator[Path]:
    """That run after its first epoch, as one that still learns."""
    copy = shutil.copytree(learned_run, runs_folder / "first")
    (copy / "summary.json").unlink()
    first, _ = (copy / "metrics.jsonl").read_text().splitlines()
    (copy / "metrics.jsonl").write_text(f"{first}\n")
    with Lock(copy):
        yield copy
    shutil.rmtree(copy)


def test_a_run_is_listed_its_curve_grows_and_the_page_goes_on_from_it(
    tab, address, learning, learned_run
):
    """What stands in metrics.jsonl is what is drawn, also of an epoch that comes later."""
    lines = (learned_run / "metrics.jsonl").read_text().splitlines()
    percents = [f"{100 * json.loads(line)['validation_accuracy']:.4g}" for line in lines]
    again(opened(tab, address))  # of many points the chart's table has some alone
    tab.locator("#runs summary").click()
    row = tab.locator("#run-list tbody tr", has_text="first")
    for text in ("784-12-10 relu", "running", "1 of 2"):
        row.locator("td", has_text=text).wait_for()
    assert row.locator("input").bounding_box()["width"] >= 24, "too small for a finger"
    row.locator("input").check()
    table = tab.locator("#accuracy table")
    table.locator("td", has_text=percents[0]).first.wait_for(state="attached")
    with (learning / "metrics.jsonl").open("a") as file:
        file.write(f"{lines[1]}\n")
    table.locator("td", has_text=percents[1]).first.wait_for(state="attached")
    row.locator("td", has_text="2 of 2").wait_for()
    row.locator("input").uncheck()
    table.locator("th", has_text="first validation").wait_for(state="detached")
    row.locator("[data-do=take]").click()
    shows(tab, "weights", "9,550")


def test_the_settings_of_the_page_are_taught_on_the_server_with_the_token_alone(tab, address):
    opened(tab, address)
    tab.locator("#runs summary").click()
    tab.locator("#no-runs", has_text="There is none yet").wait_for()
    assert tab.locator("#retrain").is_hidden()
    tab.goto(f"{address}#token={TOKEN}&hidden=24,8&activation=tanh&rate=0.05&momentum=0.8&seed=7")
    tab.reload()
    sent = []

    def take(route):
        sent.append(route.request)
        route.fulfill(status=202, json={"id": "taught"})

    tab.route("**/api/retrain", take)
    waits = [{"id": "taught", "state": "queued", "dataset": "mnist"}]
    tab.route("**/api/jobs", lambda route: route.fulfill(json=waits if sent else []))
    tab.locator("#runs summary").click()
    tab.locator("#retrain input").fill("4")
    put(tab, "rate", "fast")
    tab.locator("#retrain button").click()
    tab.locator("#wrong-setting", has_text="Nothing begins before this is mended").wait_for()
    put(tab, "rate", "0.05")
    tab.locator("#retrain button").click()
    tab.locator("#doing", has_text="taught learns on the server").wait_for()
    tab.locator("#run-list td", has_text="queued").wait_for()
    tab.locator("#retrain button").click()
    tab.locator("#problem", has_text="taught learns on the server, one at a time").wait_for()
    assert tab.locator("#doing").inner_text() == "", "what is over stands beside what is wrong"
    (request,) = sent
    assert request.headers["authorization"] == f"Bearer {TOKEN}"
    assert request.headers["if-match"].startswith('"')
    settings = Recipe(**request.post_data_json).settings()
    assert (settings.hidden, settings.activation, settings.epochs) == ((24, 8), "tanh", 4)
    assert (settings.rate, settings.momentum, settings.seed) == (0.05, 0.8, 7)
    assert settings.schedule == "constant"  # as the page learns
