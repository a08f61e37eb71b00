"""Training on the studio's page: every control is driven, and what came of it is looked at."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pytest

from models.mnist.checkpoint import load
from models.mnist.scoring import score
from models.runs.arrays import unpack
from tests.few import few
from tests.viz.conftest import findings

FEW = few()


def opened(tab, address: str):
    """The page, where it waits for what is asked of it."""
    tab.goto(f"{address}#view=data")  # only in Train it begins by itself
    tab.locator("[data-view=train]").click()
    tab.locator("#progress dd").nth(2).filter(has_text="%").wait_for()
    return tab


def said(tab) -> dict[str, str]:
    names = tab.locator("#progress dt").all_inner_texts()
    return dict(zip(names, tab.locator("#progress dd").all_inner_texts(), strict=True))


def learned(tab, what: str, times: int = 1) -> dict[str, str]:
    """What is said after a button was pressed, and the training has paused again."""
    for _ in range(times):
        before = said(tab)["step"]
        tab.locator(f"[data-do={what}]").click()
        tab.wait_for_timeout(50)
        tab.locator("#go", has_text="Go on").wait_for()
        for _ in range(100):
            if said(tab)["step"] != before:
                break
            tab.wait_for_timeout(50)
    tab.wait_for_timeout(300)
    return said(tab)


def weights(tab, tmp_path: Path):
    """The file that is downloaded: its arrays, and what it says of itself."""
    with tab.expect_download() as waited:
        tab.locator("[data-do=download]").click()
    path = tmp_path / "page.safetensors"
    waited.value.save_as(path)
    return path, *unpack(path.read_bytes())


def put(tab, name: str, value: str) -> None:
    tab.locator(f"#settings [name={name}]").fill(value)
    tab.locator(f"#settings [name={name}]").press("Tab")


def losses(tab) -> list[list[str]]:
    """The rows of the chart of the loss, as a screen reader has them."""
    return [row.locator("th, td").all_inner_texts() for row in tab.locator("#loss tr").all()]


def test_it_begins_by_itself_and_accuracy_rises(tab, address):
    tab.goto(address)
    tab.locator("#progress dd").nth(2).filter(has_text="9").wait_for()
    for _ in range(100):
        if float(said(tab)["test accuracy"].split()[0].replace("…", "0")) > 85:
            break
        tab.wait_for_timeout(100)
    else:
        pytest.fail(f"it does not learn: {said(tab)}")
    tab.locator("#go", has_text="Pause").click()
    tab.locator("#go", has_text="Go on").wait_for()
    tab.wait_for_timeout(300)
    step = said(tab)["step"]
    tab.wait_for_timeout(500)
    assert said(tab)["step"] == step, "a paused training goes on"


def test_a_downloaded_file_scores_in_python_what_the_page_says(tab, address, tmp_path):
    opened(tab, address)
    shown = learned(tab, "epoch", 2)
    path, arrays, told = weights(tab, tmp_path)
    assert json.loads(told["step"]) == int(shown["step"].replace(",", "")) == 30
    model, described = load(str(path))
    found = score(model, FEW.test, 10, described.scale)
    assert f"{100 * found.accuracy:.2f} %" == shown["test accuracy"]
    assert found.wrong == int(shown["wrong"])
    assert "optimizer.velocity.0" in arrays


def test_the_matrix_has_the_wrong_ones_off_its_diagonal_and_leads_to_them(tab, address):
    opened(tab, address)
    shown = learned(tab, "epoch")
    texts = tab.locator("#confusion td button").all_inner_texts()
    counts = np.array([0 if text == "·" else int(text) for text in texts]).reshape(10, 10)
    assert counts.sum() == 500 and counts.sum(1).tolist() == np.bincount(FEW.test.labels).tolist()
    assert counts.sum() - counts.trace() == int(shown["wrong"])
    np.fill_diagonal(counts, 0)
    label, answer = divmod(int(counts.argmax()), 10)
    tab.locator("#confusion td button").nth(10 * label + answer).click()
    tab.locator("#shown", has_text=f"{counts.max()} shown").wait_for()
    tab.locator("[name=answer]").select_option("")
    tab.locator("[name=label]").select_option("")
    tab.locator("[name=wrong]").check()
    tab.locator("#shown", has_text=f"{shown['wrong']} shown").wait_for()


def test_a_rate_of_0_leaves_the_weights_as_they_were(tab, address, tmp_path):
    opened(tab, address)
    learned(tab, "step", 2)
    _, before, _ = weights(tab, tmp_path)
    put(tab, "rate", "0")
    learned(tab, "step", 3)
    _, after, _ = weights(tab, tmp_path)
    for name in ("0.weight", "0.bias", "2.weight", "2.bias"):
        assert (before[name] == after[name]).all()
    put(tab, "rate", "0.1")
    learned(tab, "step")
    _, after, _ = weights(tab, tmp_path)
    assert (before["0.weight"] != after["0.weight"]).any(), "the rate does not reach the worker"


def test_what_is_set_while_it_learns_reaches_the_worker(tab, address, tmp_path):
    opened(tab, address)
    put(tab, "momentum", "0")
    put(tab, "decay", "0.01")
    learned(tab, "step")
    _, arrays, _ = weights(tab, tmp_path)
    assert (arrays["optimizer.momentum"], arrays["optimizer.weight_decay"]) == (0, 0.01)


def test_another_network_begins_anew(tab, address):
    opened(tab, address)
    for name, value, parameters, steps in (
        *[("hidden", "32, 16", "25,818", "15"), ("hidden", "", "7,850", "15")],
        ("batch", "16", "7,850", "125"),
    ):
        learned(tab, "step")
        put(tab, name, value)
        tab.locator("#progress div", has_text="weights").filter(has_text=parameters).wait_for()
        tab.locator("#progress div", has_text="step").filter(has_text="0").first.wait_for()
        assert learned(tab, "epoch")["step"] == steps


def test_every_choice_learns(tab, address):
    opened(tab, address)
    for name, choice in (("activation", "tanh"), ("optimizer", "adamw")):
        tab.locator(f"#settings [name={name}]").select_option(choice)
        tab.locator("#progress dd").nth(2).filter(has_text="%").wait_for()
        first = float(said(tab)["test accuracy"].split()[0])
        assert float(learned(tab, "epoch", 2)["test accuracy"].split()[0]) > first + 5, choice


def test_the_same_seed_begins_and_goes_on_the_same_and_another_does_not(tab, address):
    opened(tab, address)
    learned(tab, "step", 2)
    first = losses(tab)
    tab.locator("[data-do=reset]").click()
    tab.locator("#progress dd").nth(2).filter(has_text="%").wait_for()
    learned(tab, "step", 2)
    assert losses(tab) == first
    tab.locator("[data-do=seed]").click()
    tab.locator("#progress dd").nth(2).filter(has_text="%").wait_for()
    learned(tab, "step", 2)
    assert losses(tab) != first


def test_a_rate_that_is_too_high_is_said_and_nothing_is_lost(tab, address, tmp_path):
    opened(tab, address)
    learned(tab, "epoch")
    _, before, _ = weights(tab, tmp_path)
    put(tab, "rate", "1e6")
    tab.locator("[data-do=epoch]").click()
    tab.locator("#problem", has_text="the rate is too high").wait_for()
    assert "in epoch 2, step " in tab.locator("#problem").inner_text()
    _, after, _ = weights(tab, tmp_path)
    assert (before["0.weight"] == after["0.weight"]).all()


def test_a_setting_that_makes_no_sense_is_said(tab, address):
    """Which ones do, settings.test.js says."""
    opened(tab, address)
    put(tab, "hidden", "5000")
    tab.locator("#wrong-setting", has_text="hidden: expected at most 8 widths").wait_for()
    put(tab, "hidden", "50")
    tab.locator("#wrong-setting").wait_for(state="hidden")


def test_keys_alone_train(tab, address):
    opened(tab, address)
    tab.locator("main").focus()
    tab.keyboard.press("s")
    tab.locator("#go", has_text="Go on").wait_for()
    tab.keyboard.press("Space")
    tab.locator("#go", has_text="Pause").wait_for()
    tab.keyboard.press("Space")
    tab.locator("#go", has_text="Go on").wait_for()


def test_the_weights_are_sent_to_the_server_with_the_token_alone(tab, address):
    from tests.viz.studio.client import TOKEN

    opened(tab, address)
    assert tab.locator("[data-do=send]").is_hidden()
    tab.goto(f"{address}#token={TOKEN}")
    tab.reload()
    tab.locator("[data-do=send]").wait_for()
    tab.locator("#go", has_text="Pause").click()
    tab.locator("#go", has_text="Go on").wait_for()
    time.sleep(0.3)
    tab.locator("[data-do=send]").click()
    tab.locator("#doing", has_text="the server serves them as version").wait_for()


def test_axe_finds_nothing_serious_in_train_and_it_fits_a_phone(tab, address):
    opened(tab, address)
    learned(tab, "epoch")
    for scheme in ("light", "dark"):
        tab.emulate_media(color_scheme=scheme)
        assert not findings(tab)
    tab.set_viewport_size({"width": 390, "height": 844})
    assert not findings(tab)
    assert tab.locator("body").evaluate("body => body.scrollWidth") <= 390
