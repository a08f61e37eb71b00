"""A race on the page: who takes part, that all do the same work, and that it harms nothing."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from autograd.compiler.runtime.build import threads
from autograd.random import order
from models.mlp import MLP
from models.mnist.settings import Settings
from models.mnist.train import build_trainer
from tests.few import few
from tests.viz.conftest import findings
from tests.viz.studio.client import TOKEN
from tests.viz.studio.page.test_training import again, learned, opened, said, weights

FEW = few()
STEPS = 15  # of an epoch
NETWORK = "hidden=12&seed=5"
ENTRY = {"dataset": "mnist", "architecture": "28x28-12-10_relu_sgd_128", "steps": STEPS}
WRITING = {"Authorization": f"Bearer {TOKEN}"}


def raced(tab: Any) -> list[list[str]]:
    """The rows of a race, from the press to its end."""
    tab.locator("#race button", has_text="Race").click()
    tab.locator("#race [role=status]", has_text="The fastest is").wait_for(timeout=60_000)
    tab.locator("#race button", has_text="Race").wait_for()
    rows = tab.locator("#race-list tbody tr").all()
    return [row.locator("th, td").all_inner_texts() for row in rows]


def wait_for(tab: Any, held: list[Any]) -> None:
    """Until the server is asked."""
    for _ in range(100):
        if held:
            return
        tab.wait_for_timeout(50)
    raise AssertionError("the server is not asked")


def python_loss() -> float:
    """Of the last step of the first epoch, by Python without a compiler."""
    settings = Settings((12,), "relu", 1, 128, "sgd", 0.1, "constant", momentum=0.9, eager=True)
    model = MLP((784, 12, 10), "relu", 5)
    trainer = build_trainer(settings, model, FEW.train, FEW.scale)
    for batch in order(len(FEW.train), 5, 0)[: STEPS * 128].reshape(STEPS, 128):
        taken = FEW.train.take(batch)
        loss, *_ = trainer._step(taken.images, taken.labels)
    return float(loss.data)


def number(text: str) -> float:
    return float(text.replace(",", ""))


def test_all_do_the_same_work_and_the_training_goes_on_as_if_there_had_been_no_race(
    tab, address, tmp_path
):
    """Its figures are checked against each other: of one lap, images and operations go together."""
    opened(tab, f"{address}#token={TOKEN}&{NETWORK}")
    learned(tab, "epoch")
    tab.locator("#race summary").click()
    rows = raced(tab)
    cores = threads()
    names = ["C", *["C"] * (cores > 1), "WebAssembly", "relaxed WebAssembly"]
    assert [row[0].strip() for row in rows] == names  # this browser has relaxed vectors
    counts = ["1", *[str(cores)] * (cores > 1), "1", "1"]
    assert [row[1] for row in rows] == counts
    wanted = python_loss()
    np.testing.assert_allclose([number(row[4]) for row in rows], wanted, rtol=2e-5)
    speeds, gflops = [], []
    for row in rows:
        speed, span = row[2].split("\n")
        least, most = map(number, span.split(" to "))
        assert 0 < least <= number(speed) <= most
        speeds.append(number(speed))
        gflops.append(number(row[3]))
    operations = np.divide(gflops, speeds) * 1e9  # of an image: forward, and back but to the image
    np.testing.assert_allclose(operations, 4 * 784 * 12 + 6 * 12 * 10, rtol=0.3)
    text = tab.locator("#race [role=status]").inner_text()
    best = names[int(np.argmax(speeds))]
    assert text.startswith(f"The fastest is {best} on ")
    assert f"It was the same work: in {STEPS} steps" in text and "rounding of float32" in text
    bars = tab.locator("#race-list .bar").evaluate_all("all => all.map((it) => it.offsetWidth)")
    np.testing.assert_allclose(
        np.divide(bars, max(bars)), np.divide(speeds, max(speeds)), atol=0.02
    )
    assert not findings(tab)
    tab.set_viewport_size({"width": 390, "height": 844})
    inner, outer = tab.locator("#race .wide").evaluate("it => [it.scrollWidth, it.clientWidth]")
    assert inner <= outer, "a part of the table is beyond the edge of a phone"
    tab.set_viewport_size({"width": 1280, "height": 800})
    learned(tab, "epoch")
    assert said(tab)["step"] == str(2 * STEPS)
    _, after, _ = weights(tab, tmp_path)
    again(tab)
    learned(tab, "epoch", 2)
    _, without, _ = weights(tab, tmp_path)
    assert after.keys() == without.keys()
    for name, array in without.items():
        np.testing.assert_array_equal(after[name], array)


def test_a_race_pauses_what_learns_and_ends_when_that_goes_on_or_a_person_leaves(tab, address):
    opened(tab, f"{address}#token={TOKEN}&{NETWORK}")
    tab.locator("#race summary").click()
    button, says = tab.locator("#race button"), tab.locator("#race [role=status]")
    tab.locator("#go").click()
    tab.locator("#go", has_text="Pause").wait_for()
    held = []
    tab.route("**/api/race", lambda route: held.append(route))
    button.click()
    tab.locator("#go", has_text="Go on").wait_for()
    assert "The training is paused" in says.inner_text()
    wait_for(tab, held)
    button.press("Enter")
    says.filter(has_text="The race was ended").wait_for()
    held.clear()
    button.click()
    wait_for(tab, held)
    tab.locator("#go").click()
    held.pop().continue_()
    says.filter(has_text="The race was ended. The training goes on").wait_for()
    tab.unroute("**/api/race")
    tab.locator("#go", has_text="Pause").click()
    assert len(raced(tab)) >= 3, "what was ended left something behind"
    assert "The training waits" not in says.inner_text()  # it did not learn
    with tab.expect_request("**/api/race"):
        button.click()
    tab.goto("about:blank")
    for _ in range(50):  # the server may be told of the end a moment later
        answer = tab.request.post(f"{address}api/race", data=ENTRY, headers=WRITING)
        if answer.status == 200:
            break
        time.sleep(0.1)
    assert answer.status == 200, answer.text()


def test_without_the_token_c_is_left_out_and_it_is_said_why(tab, address):
    opened(tab, f"{address}#{NETWORK}")
    tab.locator("#race summary").click()
    names = [row[0].strip() for row in raced(tab)]
    assert names == ["WebAssembly", "relaxed WebAssembly"]
    tab.locator("#race [role=status]", has_text="Without C: it is for who has").wait_for()
