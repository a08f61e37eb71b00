"""Training on the studio's page: every control is driven, and what came of it is looked at."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autograd import Tensor, softmax
from models.mnist.checkpoint import load
from models.mnist.scoring import score
from models.runs.arrays import unpack
from tests.few import few
from tests.viz.conftest import findings
from tests.viz.studio.page.test_page import drawn

FEW = few()


def opened(tab, address: str):
    """The page, where it waits for what is asked of it."""
    tab.goto(address)
    tab.locator("#go", has_text="Pause").click()
    return again(tab)


def again(tab, button: str = "reset"):
    """Begun anew."""
    tab.locator(f"[data-do={button}]").click()
    return made(tab)


def made(tab):
    """Wait until the network that was asked for is there: until then the one before is shown."""
    tab.locator("#doing:empty").wait_for(state="attached")
    shows(tab, "step", "0")
    shows(tab, "test accuracy", r".* %")
    return tab


def shows(tab, name: str, text: str) -> None:
    """Wait until the figure of this name is so."""
    row = tab.locator("#progress div", has=tab.locator("dt", has_text=re.compile(f"^{name}$")))
    row.locator("dd", has_text=re.compile(f"^{text}$")).wait_for()


def said(tab) -> dict[str, str]:
    names = tab.locator("#progress dt").all_inner_texts()
    return dict(zip(names, tab.locator("#progress dd").all_inner_texts(), strict=True))


def learned(tab, what: str, times: int = 1) -> dict[str, str]:
    """What is said after a button was pressed, and the training has paused again."""
    for _ in range(times):
        before = said(tab)["step"]
        tab.locator(f"[data-do={what}]").click()
        row = tab.locator("#progress div", has=tab.locator("dt", has_text=re.compile("^step$")))
        row.locator("dd", has_not_text=re.compile(f"^{before}$")).wait_for()
        tab.locator("#go", has_text="Go on").wait_for()
    tab.wait_for_timeout(400)
    return said(tab)


def weights(tab, tmp_path: Path):
    """The file that is downloaded: its arrays, and what it says of itself."""
    with tab.expect_download() as waited:
        tab.locator("[data-weights=download]").click()
    path = tmp_path / "page.safetensors"
    waited.value.save_as(path)
    return path, *unpack(path.read_bytes())


def put(tab, name: str, value: str) -> None:
    """Of the hidden layers all at once: in the field of the first, the only one that is left."""
    field = tab.locator(f"#settings [name={name}]")
    if name == "hidden":
        while field.count() > 1:
            tab.locator("#widths button").last.click()
        if not field.count():
            tab.locator("#more").click()
    field.fill(value)
    field.press("Tab")


def losses(tab) -> list[list[str]]:
    """The rows of the chart of the loss, as a screen reader has them: once a second."""
    tab.wait_for_timeout(1100)
    return [row.locator("th, td").all_inner_texts() for row in tab.locator("#loss tr").all()]


def test_it_begins_by_itself_and_accuracy_rises(tab, address):
    tab.goto(address)
    shows(tab, "test accuracy", r".* %")
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


def test_while_examples_load_it_is_said_how_many_blocks_are_here(tab, address):
    held = []
    tab.route("**/test/blocks/**", lambda route: held.append(route))
    tab.goto(address)
    text = "loading the examples: of 2 blocks 1 are here, 1 on their way"
    tab.locator("#doing", has_text=text).wait_for()
    for route in held:
        route.continue_()
    tab.locator("#go", has_text="Pause").wait_for()
    tab.locator("#memory summary").click()
    tab.locator(
        "#learned-from", has_text="of 2 blocks 2 are here, 0 on their way; they take 2 MB"
    ).wait_for()


def test_a_downloaded_file_scores_in_python_what_the_page_says(tab, address, tmp_path):
    opened(tab, address + "#view=train&digit=2003")
    tab.locator("#answer", has_text="test 3 is taken for").wait_for()
    before = odds(tab)
    shown = learned(tab, "epoch", 2)
    path, arrays, told = weights(tab, tmp_path)
    assert json.loads(told["step"]) == int(shown["step"].replace(",", "")) == 30
    model, described = load(str(path))
    found = score(model, FEW.test, 10, described.scale)
    assert f"{100 * found.accuracy:.2f} %" == shown["test accuracy"]
    assert found.wrong == int(shown["wrong"])
    assert "optimizer.velocity.0" in arrays
    assert abs(odds(tab) - before).max() > 5, "what it answers for the digit in hand stood still"
    image = FEW.test.images[3].reshape(1, -1) / np.float32(described.scale)
    wanted = 100 * softmax(model.eval()(Tensor(image))).data[0]
    assert abs(odds(tab) - wanted).max() < 0.06  # they are shown to a tenth


def odds(tab) -> np.ndarray:
    """How likely the digit in hand is taken for each class, in %."""
    texts = tab.locator("#odds span:last-child").all_inner_texts()
    numbers = [text.split()[0] for text in texts]  # "> 99.9 %" is from 99.95 on
    return np.array([99.975 if number == ">" else float(number) for number in numbers])


def test_the_digit_in_hand_goes_from_view_to_view(tab, address):
    """Filters that hide it are taken off where it is asked for."""
    opened(tab, address)
    tab.locator("#answer", has_text="test 0 is taken for").wait_for()  # with none in hand
    assert tab.locator("#odds .own b").inner_text() == str(FEW.test.labels[0])
    tab.locator("#ask-why [data-view=network]").click()
    tab.locator("#net-of", has_text="test 0").wait_for()
    tab.locator("nav [data-view=data]").click()
    tab.locator("#classes li").first.wait_for()
    tab.locator("[name=index]").fill("2007")
    tab.locator("[name=index]").press("Enter")
    tab.locator("#facts dd", has_text="test").wait_for()
    label = int(FEW.test.labels[7])
    tab.locator("[name=label]").select_option(str((label + 1) % 10))
    tab.locator("#chosen [data-view=train]").click()
    tab.locator("#answer", has_text="test 7 is taken for").wait_for()
    assert tab.locator("#odds .own b").inner_text() == str(label)
    tab.wait_for_timeout(400)
    tab.reload()
    tab.locator("#answer", has_text="test 7 is taken for").wait_for()
    tab.locator("#to-data").click()
    tab.locator("#hid").wait_for()
    tab.locator("#classes li").first.wait_for()
    assert tab.locator("#facts dd").all_inner_texts()[:3] == [str(label), "test", "7"]


def test_the_matrix_has_the_wrong_ones_off_its_diagonal_and_leads_to_them(tab, address):
    opened(tab, address)
    shown = learned(tab, "epoch")
    texts = tab.locator("#confusion td button").all_inner_texts()
    counts = np.array([0 if text == "·" else int(text) for text in texts]).reshape(10, 10)
    assert counts.sum() == 500 and counts.sum(1).tolist() == np.bincount(FEW.test.labels).tolist()
    assert counts.sum() - counts.trace() == int(shown["wrong"])
    np.fill_diagonal(counts, 0)
    label, answer = divmod(int(counts.argmax()), 10)
    tab.locator("#confusion td button").nth(10 * label + answer).press("Enter")
    assert tab.evaluate("document.activeElement.id") == "main", "the focus is lost"
    tab.locator("#shown", has_text=f"{counts.max()} shown").wait_for()
    tab.locator("[name=answer]").select_option("")
    tab.locator("[name=label]").select_option("")
    tab.locator("[name=wrong]").check()
    tab.locator("#shown", has_text=f"{shown['wrong']} shown").wait_for()
    tab.locator("#digits").hover(position={"x": 300, "y": 200})
    tab.locator("#tip", has_text="taken for").wait_for()
    assert tab.locator("#wrong-count").inner_text() == shown["wrong"]
    written = tab.locator("#taken-labels")  # on the tiles, where they are large enough
    inked = """canvas => canvas.getContext("2d")
      .getImageData(0, 0, canvas.width, canvas.height).data.filter((each) => each).length"""
    before = written.evaluate(inked)
    assert before > 100 * int(shown["wrong"]) / 2
    tab.locator("[name=wrong]").uncheck()
    tab.locator("#shown", has_text="500 shown").wait_for()
    tab.wait_for_timeout(100)
    assert 0 < written.evaluate(inked) < before, "right ones are said to be taken for something"
    tab.locator("#digits").press("0")
    for _ in range(3):
        tab.locator("#digits").press("-")
    written.wait_for(state="hidden")
    tab.locator("[name=wrong]").check()
    # A link to them has its network learned again, and none is missed before it has.
    tab.wait_for_timeout(400)  # the address is written a moment later
    held: list[Any] = []
    tab.context.route("**/module.wasm*", lambda route: held.append(route))
    tab.reload()
    said = tab.locator("#none", has_text="A network learns up to step 15")
    said.wait_for()
    drawn(tab)
    assert said.is_visible() and tab.locator("#shown").inner_text().startswith("0 shown")
    while not held:
        tab.wait_for_timeout(50)
    held.pop().continue_()
    tab.locator("#shown", has_text=re.compile(f"^{shown['wrong']} shown")).wait_for()
    tab.locator("#shown", has_not_text="learns").wait_for()
    tab.locator("[name=split]").select_option("train")  # that waits, and so was asked of all sets
    tab.locator("#none").wait_for(state="hidden")
    # A filter alone has one learn, which is asked of all it learns from in a pause.
    tab.goto("about:blank")
    tab.context.unroute("**/module.wasm*")
    tab.goto(f"{address}#view=data&split=train")
    drawn(tab)
    tab.locator("[name=wrong]").check()
    tab.locator("[name=split]").select_option("test")
    tab.locator("#shown", has_text=re.compile(r"\d before: it has learned since")).wait_for()
    tab.locator("[name=split]").select_option("train")
    tab.locator("#none", has_text="of train it is asked when it pauses").wait_for()
    tab.locator("#none button").click()
    tab.locator("#shown", has_text=re.compile(r"^[1-9]\d* shown")).wait_for()


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
        made(tab)
        shows(tab, "weights", parameters)
        assert learned(tab, "epoch")["step"] == steps
    tab.locator("#more").press("Enter")  # by keys alone, from no hidden layer on
    shows(tab, "weights", "101,770")
    tab.keyboard.type("40,20")
    for key in ("Tab", "Tab"):
        tab.keyboard.press(key)
    shows(tab, "weights", "32,430")
    text = tab.locator("#size").inner_text()
    assert text.startswith("784 → 40 → 20 → 10: 32,430 weights and biases; "), text
    # Two for each weight forward, two for its gradient, two for the delta but of the first layer;
    # and some for each of the states and activations.
    products = 6 * 32_360 - 2 * 784 * 40
    million = float(re.search(r"takes ([\d.]+) million", text)[1])
    assert 1 < million * 1e6 / products < 1.2, text
    assert tab.evaluate("document.activeElement.value") == "20"
    tab.keyboard.type("5000")
    tab.keyboard.press("Enter")
    assert tab.locator("#widths [aria-invalid]").input_value() == "5000", "another one is marked"
    tab.keyboard.press("Control+a")
    tab.keyboard.type("20")
    tab.keyboard.press("Enter")
    tab.keyboard.press("Tab")
    tab.keyboard.press("Enter")
    shows(tab, "weights", "31,810")
    assert tab.evaluate("document.activeElement.value") == "40", "the focus is lost"
    tab.keyboard.type("x")
    tab.keyboard.press("Enter")
    tab.locator("#wrong-setting", has_text="Hidden layers: expected at most 8 widths").wait_for()
    assert tab.locator("#widths [aria-invalid]").count() == 1
    tab.keyboard.press("Backspace")
    tab.keyboard.press("Tab")
    shows(tab, "weights", "7,850")
    assert tab.evaluate("document.activeElement.id") == "more", "the focus is lost"


def test_every_choice_learns(tab, address):
    opened(tab, address)
    for name, choice in (("activation", "tanh"), ("optimizer", "adamw")):
        tab.locator(f"#settings [name={name}]").select_option(choice)
        made(tab)
        first = float(said(tab)["test accuracy"].split()[0])
        assert float(learned(tab, "epoch", 2)["test accuracy"].split()[0]) > first + 5, choice


def test_the_same_seed_begins_and_goes_on_the_same_and_another_does_not(tab, address):
    opened(tab, address)
    learned(tab, "step", 2)
    first = losses(tab)
    again(tab)
    learned(tab, "step", 2)
    assert losses(tab) == first
    again(tab, "seed")
    learned(tab, "step", 2)
    assert losses(tab) != first


def test_a_rate_that_is_too_high_is_said_and_nothing_is_lost(tab, address, tmp_path):
    opened(tab, address)
    learned(tab, "epoch")
    _, before, _ = weights(tab, tmp_path)
    put(tab, "rate", "1e6")
    tab.locator("[data-do=epoch]").click()
    tab.locator("#problem", has_text="is too high for this network").wait_for()
    assert "(epoch 2)" in tab.locator("#problem").inner_text()
    assert tab.locator("#settings [aria-invalid]").get_attribute("name") == "rate"
    for where in ("#story", "#memory summary"):  # in sight wherever the page is
        tab.locator(where).scroll_into_view_if_needed()
        box = tab.locator("#problem").bounding_box()
        assert box["y"] > 0 and box["y"] + box["height"] <= 800, where
    tab.locator("#dismiss").press("Enter")
    assert tab.locator("#problem").is_hidden() and tab.locator("#dismiss").is_hidden()
    assert tab.evaluate("document.activeElement.id") == "main", "the focus is lost"
    shows(tab, "step", "15")  # it stands where it stood
    _, after, _ = weights(tab, tmp_path)
    assert (before["0.weight"] == after["0.weight"]).all()
    # A loss that is not yet infinite, but grows, is no place to go back to.
    put(tab, "rate", "3")
    put(tab, "batch", "16")
    made(tab)
    tab.locator("#go").click()
    problem = tab.locator("#problem", has_text="is too high for this network")
    problem.filter(has_text="It stands at step 0 again").wait_for()
    step = re.search(r"At step (\d+)", problem.inner_text())
    assert step and int(step[1]) > 50, "there was no other place to go back to"


def test_a_setting_that_makes_no_sense_is_said(tab, address):
    """Which ones do, settings.test.js says."""
    opened(tab, f"{address}#dataset=nothing&rate=fast")
    problem = tab.locator("#problem", has_text="in the address, rate: expected a number")
    problem.filter(has_text="there is no dataset nothing here: this is mnist").wait_for()
    assert tab.locator("#problem p").count() == 2, "two messages are one line"
    tab.evaluate("location.hash = 'rate=-5'")  # in the address of a page that is open
    tab.locator("#problem", has_text="rate: expected a number, such as 0.1, from 0").filter(
        has_text="found -5"
    ).wait_for()
    put(tab, "hidden", "5000")
    tab.locator("#wrong-setting", has_text="Hidden layers: expected at most 8 widths").wait_for()
    put(tab, "rate", "fast")
    put(tab, "hidden", "50")
    tab.locator("#wrong-setting", has_text="Rate: expected a number").wait_for()
    made(tab)
    for press in ("Space", "s", "e", "f"):
        tab.locator("main").focus()
        tab.keyboard.press(press)
        assert tab.evaluate("document.activeElement.name") == "rate"
        tab.locator("#wrong-setting", has_text="Nothing begins before this is mended").wait_for()
    assert tab.locator("#go").inner_text() == "Start"
    put(tab, "rate", "0.2")
    tab.locator("#wrong-setting").wait_for(state="hidden")
    assert learned(tab, "step")["step"] == "1"


def test_what_is_begun_anew_while_it_learns_has_nothing_of_the_one_before(tab, address):
    """Messages of the old training come late."""
    tab.goto(address)
    shows(tab, "test accuracy", r"9.* %")
    tab.locator("[data-do=reset]").click()
    shows(tab, "step", "0")
    tab.wait_for_timeout(500)
    shown = said(tab)
    assert (shown["step"], shown["time to 97 %"], shown["images/s"]) == ("0", "…", "…")
    assert float(shown["test accuracy"].split()[0]) < 40
    put(tab, "hidden", "16")
    shows(tab, "weights", "12,730")
    assert tab.locator("#go").inner_text() == "Start"


def test_pause_counts_whatever_is_going_on(tab, address):
    opened(tab, address)
    for _ in range(3):
        tab.locator("#go").click()
        tab.locator("#go").click()  # at once: the run waits behind a look at the examples
    tab.locator("#go").click()
    tab.locator("[data-do=epoch]").click()  # while it runs: one more epoch, and then an end
    tab.locator("#go", has_text="Go on").wait_for()
    tab.wait_for_timeout(600)  # figures are drawn ten times a second
    step = said(tab)["step"]
    tab.wait_for_timeout(600)
    assert said(tab)["step"] == step and tab.locator("#go").inner_text() == "Go on"


def test_what_is_set_is_in_the_address_and_back_leads_back(tab, address):
    opened(tab, address)
    put(tab, "hidden", "32, 16")
    shows(tab, "weights", "25,818")
    tab.locator("nav [data-view=data]").click()
    tab.locator("[name=sort]").select_option("ink")
    tab.locator("nav [data-view=train]").click()
    tab.locator("nav [data-view=data]").click()
    assert tab.locator("[name=sort]").input_value() == "ink"
    tab.go_back()
    tab.locator("#train").wait_for()
    tab.wait_for_timeout(400)
    tab.reload()
    shows(tab, "weights", "25,818")


def test_a_server_that_went_away_takes_nothing_with_it(tab, address):
    opened(tab, address)
    learned(tab, "epoch")
    tab.route("**/api/**", lambda route: route.abort())
    put(tab, "hidden", "20")
    tab.locator("#problem", has_text="the server does not answer").wait_for()
    assert tab.locator("[name=hidden]").input_value() == "128"  # what is shown is what is set
    assert learned(tab, "step")["step"] == "16"  # the one before is still there
    tab.locator("[data-do=reset]").click()
    tab.unroute("**/api/**")
    put(tab, "hidden", "24")
    shows(tab, "weights", "19,090")


def test_keys_alone_train(tab, address):
    opened(tab, address)
    tab.locator("main").focus()
    tab.keyboard.press("s")
    tab.locator("#go", has_text="Go on").wait_for()
    tab.keyboard.press("Space")
    tab.locator("#go", has_text="Pause").wait_for()
    tab.keyboard.press("Space")
    tab.locator("#go", has_text="Go on").wait_for()
    cells = tab.locator("#confusion button")
    cells.first.focus()
    for key in ("ArrowLeft", "ArrowDown", "End", "ArrowUp", "Home", "ArrowRight", "ArrowDown"):
        tab.keyboard.press(key)
    assert cells.nth(11).evaluate("cell => cell === document.activeElement && !cell.tabIndex")
    assert tab.locator("#confusion button[tabindex='0']").count() == 1
    tab.keyboard.press("Enter")
    tab.locator("#filters [name=answer]").wait_for()
    chosen = [tab.locator(f"#filters [name={name}]").input_value() for name in ("label", "answer")]
    assert chosen == ["1", "1"]


def test_axe_finds_nothing_serious_in_train_and_it_fits_a_phone(tab, address):
    tab.set_viewport_size(
        {"width": 1280, "height": 2200}
    )  # its layers are shown where one sees them
    opened(tab, address + "#view=train&digit=5")
    learned(tab, "epoch")
    tab.locator("[data-do=fork]").click()
    tab.locator("#branches li").nth(1).wait_for()
    tab.locator("#layers li").nth(1).wait_for()
    for scheme in ("light", "dark"):
        tab.emulate_media(color_scheme=scheme)
        assert not findings(tab)
    tab.set_viewport_size({"width": 390, "height": 844})
    assert not findings(tab)
    small = tab.locator("button, input, select, summary, nav a").evaluate_all(
        """all => all.map((it) => [it.outerHTML, it.getBoundingClientRect()]).filter(
          ([, { width, height }]) => width && Math.min(width, height) < 24).map(([html]) => html)"""
    )
    assert not small, "too small for a finger"
    assert tab.locator("body").evaluate("body => body.scrollWidth") <= 390
