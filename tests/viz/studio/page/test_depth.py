"""Back through a training and its forks, where it stops by itself, why it failed, and how its
layers fare: each by what came of it."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

import viz
from autograd import Tensor, cross_entropy
from autograd.optim import SGD
from autograd.random import order
from models.mlp import MLP
from models.mnist.train import centred
from tests.few import few
from tests.viz.studio.page.test_training import (
    again,
    learned,
    losses,
    made,
    opened,
    put,
    said,
    shows,
    weights,
)
from viz.diagram.health import COLOURS

FEW = few()
FOLDER = Path(viz.__path__[0])
SMALL = "#view=train&hidden=&batch=16"  # 125 steps an epoch, of 7,850 weights


def stand(tab, step: int) -> None:
    """At a step that was learned, once the page shows the network of it."""
    tab.locator("#when").fill(str(step))
    shows(tab, "step", str(step))
    tab.locator("#doing:empty").wait_for(state="attached")


def legend(tab) -> dict[str, tuple[str, bool]]:
    """Of each line its colour, and whether it is marked as the one that is shown."""
    tab.wait_for_timeout(300)  # charts are drawn ten times a second
    entries = tab.locator("#loss .chart-legend span").evaluate_all(
        "all => all.map((it) => [it.textContent, it.style.getPropertyValue('--of'), it.className])"
    )
    return {name: (colour, mark == "strong") for name, colour, mark in entries}


def same(one: dict, other: dict) -> bool:
    return one.keys() == other.keys() and all((one[name] == other[name]).all() for name in one)


def test_back_to_any_step_and_on_gives_the_same_bits(tab, address, tmp_path):
    """Across the places that are kept, an epoch's end, and a rate that was changed on the way."""
    opened(tab, address + SMALL)
    learned(tab, "epoch")
    put(tab, "rate", "0.01")
    assert learned(tab, "epoch")["step"] == "250"
    _, last, _ = weights(tab, tmp_path)
    seen = {}
    for step in (110, 130, 250):
        stand(tab, step)
        tab.wait_for_timeout(300)
        seen[step] = weights(tab, tmp_path)[1], said(tab)["test accuracy"]
        rate = tab.locator("[name=rate]").input_value()
        assert rate == ("0.1" if step < 125 else "0.01"), "the form is of another step"
    assert same(seen[250][0], last)
    assert len({accuracy for _, accuracy in seen.values()}) > 1, "figures are of another step"
    stand(tab, 110)
    _, found, told = weights(tab, tmp_path)
    assert same(found, seen[110][0]) and told["step"] == "110"
    # As many steps as an epoch has, from where it stands: past its end, and past what was known.
    tab.locator("[data-do=newest]").press("Enter")
    shows(tab, "step", "250")
    assert tab.evaluate("document.activeElement.id") == "when", "the focus is lost"
    stand(tab, 110)
    for step in (235, 360):
        assert learned(tab, "epoch")["step"] == str(step)
    stand(tab, 250)
    assert same(weights(tab, tmp_path)[1], last)
    assert tab.locator("#at").inner_text() == "step 250 of 360"
    tab.wait_for_timeout(1500)
    again(tab)  # and back: the rate that was changed on the way is in the address
    tab.locator("#left button", has_text="at step 250").click()
    shows(tab, "step", "250")
    tab.locator("#go", has_text="Go on").wait_for()
    assert same(weights(tab, tmp_path)[1], last)
    assert tab.locator("[name=rate]").input_value() == "0.01"
    tab.goto(f"{address}{SMALL}&step=90000")  # one that is left while it is learned again
    again_to = tab.locator("#doing", has_text="learning again up to step 90,000")
    again_to.wait_for()
    for view in ("network", "draw", "train"):  # whose answers are of earlier steps meanwhile
        tab.locator(f"nav [data-view={view}]").click()
        again_to.wait_for()
    tab.locator("[data-do=reset]").click()
    tab.locator("#left button", has_text="at step 90,000").wait_for()
    tab.locator("#dismiss").click()
    assert tab.locator("#left").is_hidden() and tab.evaluate("history.state") is None


def test_a_fork_learns_by_its_own_numbers_beside_the_first(tab, address, tmp_path):
    opened(tab, address + SMALL)
    learned(tab, "epoch")
    _, first, _ = weights(tab, tmp_path)
    stand(tab, 60)
    assert legend(tab)["test"] == ("var(--accent)", False)
    put(tab, "rate", "0.01")  # what came after step 60 has happened by another rate: a fork
    tab.locator("#doing", has_text="B goes on from step 60 of A").wait_for()
    tab.locator("[data-do=fork]").click()
    tab.locator("#doing", has_text="B has learned nothing of its own yet").wait_for()
    ends = tab.locator("#when").evaluate("({ min, value, max }) => [min < value, value === max]")
    assert ends == [True, True], "it looks like a training at its first step"
    assert learned(tab, "epoch")["step"] == "185"
    _, ended, _ = weights(tab, tmp_path)
    stand(tab, 125)
    _, forked, _ = weights(tab, tmp_path)
    assert (first["0.weight"] != forked["0.weight"]).any()
    assert [round(float(each["optimizer.rate"]), 6) for each in (first, forked)] == [0.1, 0.01]
    assert legend(tab) == {
        "A train": ("var(--accent)", False),
        "A test": ("var(--accent)", False),
        "B train": ("var(--third)", False),
        "B test": ("var(--third)", True),
    }
    head, *rows = losses(tab)
    assert head == ["step", "A train", "A test", "B train", "B test"]
    assert rows[-1][2] != rows[-1][4]
    stand(tab, 90)
    tab.locator("#train").press("f")  # another fork, of the fork, by the same numbers
    tab.locator("#branches li", has_text="C: from step 90 of B").wait_for()
    assert learned(tab, "epoch")["step"] == "215"
    stand(tab, 185)
    assert same(weights(tab, tmp_path)[1], ended)
    tab.locator("#branches button", has_text="A: from the beginning").click()
    shows(tab, "step", "125")
    tab.locator("#doing:empty").wait_for(state="attached")
    assert same(weights(tab, tmp_path)[1], first)
    assert tab.locator("[name=rate]").input_value() == "0.1"
    for _ in range(2):
        tab.locator("#branches button[aria-label^=Delete]").first.click()
    assert tab.evaluate("document.activeElement.id") == "undo", "the focus is lost"
    shows(tab, "step", "215")
    stand(tab, 185)
    assert same(weights(tab, tmp_path)[1], ended)
    assert legend(tab)["test"] == ("var(--accent)", False), "one alone is as it was before the fork"
    assert tab.locator("#beside-title, #branches").filter(visible=True).count() == 0
    # The last one that was deleted is back, and shown as it was.
    tab.locator("#undo").press("Enter")
    tab.locator("#branches [aria-pressed=true]", has_text="B: from step 60 of A").wait_for()
    assert tab.evaluate("document.activeElement.textContent").startswith("B:"), "the focus is lost"
    tab.locator("#doing:empty").wait_for(state="attached")
    assert tab.locator("#undo").is_hidden() and tab.locator("#branches li").count() == 2
    assert same(weights(tab, tmp_path)[1], ended)
    assert tab.locator("#at").inner_text() == "step 185 of 185"
    tab.locator("#branches button[aria-label^=Delete]").first.click()
    tab.locator("#undo", has_text="B").wait_for()
    shows(tab, "step", "215")
    tab.locator("#doing:empty").wait_for(state="attached")
    tab.evaluate(
        """() => {  // a fork, and back at once, before it is there
          document.querySelector("[data-do=fork]").click();
          const slider = document.querySelector("#when");
          slider.value = 100;
          slider.dispatchEvent(new Event("input"));
        }"""
    )
    tab.locator("#branches li").nth(1).wait_for()
    shows(tab, "step", "100")
    tab.locator("#doing:empty").wait_for(state="attached")
    assert tab.locator("#undo").is_hidden(), "another one was made"
    assert tab.locator("#branches [aria-pressed=true]").inner_text().startswith("C:")
    _, before, told = weights(tab, tmp_path)
    assert told["step"] == "100"
    tab.wait_for_timeout(400)  # the address is written a moment later
    tab.reload()  # a link to it leads there too: C is B is A, by another rate from step 60 on
    shows(tab, "step", "100")
    tab.locator("#go", has_text="Go on").wait_for()
    assert same(weights(tab, tmp_path)[1], before)


def test_a_reload_leads_to_the_step_where_it_stood(tab, address, tmp_path):
    opened(tab, address)
    learned(tab, "epoch")
    learned(tab, "step")
    _, before, _ = weights(tab, tmp_path)
    first = losses(tab)
    tab.reload()
    shows(tab, "step", "16")
    tab.locator("#go", has_text="Go on").wait_for()
    tab.wait_for_timeout(300)
    assert same(weights(tab, tmp_path)[1], before)
    # The test set is looked at before the first step only where it waits there: a row of its own.
    assert first[1][:3] == ["0", "", ""]
    assert [row[:3] for row in losses(tab)] == [row[:3] for row in first if row[0] != "0"]
    left = tab.locator("#left button", has_text="Back to the training before, at step 16")
    tab.wait_for_timeout(700)  # a training of under two seconds is not worth a way back
    put(tab, "hidden", "16")
    shows(tab, "weights", "12,730")
    left.wait_for()
    put(tab, "hidden", "24")  # typed on: what is left is still the first
    shows(tab, "weights", "19,090")
    left.click()
    shows(tab, "step", "16")
    tab.locator("#go", has_text="Go on").wait_for()
    assert tab.evaluate("document.activeElement.id") == "go", "the focus is lost"
    assert same(weights(tab, tmp_path)[1], before)
    tab.locator("#left").wait_for(state="hidden")
    tab.go_forward()
    shows(tab, "weights", "19,090")
    left.wait_for()
    tab.locator("#go").click()  # Back while another learns, too
    tab.locator("#go", has_text="Pause").wait_for()
    tab.go_back()
    shows(tab, "weights", "101,770")
    tab.locator("#go", has_text="Go on").wait_for()
    shows(tab, "step", "16")
    tab.wait_for_timeout(2100)
    again(tab)  # the same settings: the step alone is another
    tab.wait_for_timeout(400)  # the address is written a moment later
    assert "step=" not in tab.url
    left.click()
    shows(tab, "step", "16")
    tab.locator("#go", has_text="Go on").wait_for()
    assert same(weights(tab, tmp_path)[1], before)


def test_it_stops_by_itself_at_an_accuracy_or_a_loss(tab, address):
    opened(tab, address)
    put(tab, "accuracy", "60")
    tab.locator("#go").click()
    tab.locator("#doing", has_text="stopped by itself: the test set reached 60 %").wait_for()
    tab.locator("#go", has_text="Go on").wait_for()
    reached = float(said(tab)["test accuracy"].split()[0])
    assert 60 <= reached < 97
    put(tab, "accuracy", "")
    put(tab, "loss", "0.45")
    tab.locator("#go").click()
    tab.locator("#doing", has_text="a loss of 0.45").wait_for()
    assert float(losses(tab)[-1][3]) <= 0.45
    tab.locator("#go").click()  # who goes on then, goes on
    tab.wait_for_timeout(500)
    assert tab.locator("#go").inner_text() == "Pause"


def failed(rate: float) -> tuple[int, int, str]:
    """The first step in which something is not finite, in which layer, and what: in Python."""
    model = MLP([784, 128, 10], seed=0)
    optimizer = SGD(model.parameters(), rate, 0.9)
    images = (FEW.train.images.reshape(-1, 784) / np.float32(255)).astype(np.float32)
    rows = order(2000, seed=0, epoch=0).reshape(-1)[: 15 * 128].reshape(15, 128)
    for step, chosen in enumerate(rows, 1):
        with np.errstate(all="ignore"):
            outputs = model.outputs(Tensor(images[chosen]))
            for layer, output in enumerate((outputs[1], outputs[2]), 1):
                if not np.isfinite(output.data).all():
                    return step, layer, "gives became"
            loss = cross_entropy(outputs[-1], FEW.train.labels[chosen])
            if not np.isfinite(loss.data):
                return step, 2, "gives was so large that the loss became"
            optimizer.zero_grad()
            loss.backward()
            centred(images.mean(0))(model.parameters())
            optimizer.step()
    raise AssertionError("all is finite")


def test_a_rate_that_is_much_too_high_names_the_first_bad_layer_and_step(tab, address):
    opened(tab, address)
    for rate, written in (("1e6", "1e6"), ("1e4", "10,000"), ("1e9", "1e9")):
        put(tab, "rate", rate)
        tab.locator("#go").click()
        tab.locator("#problem", has_text=f"A rate of {written} is too high").wait_for()
        text = tab.locator("#problem").inner_text()
        found = re.search(r"began in step (\d+): .* layer (\d) of 2 \((.*?)\) (.* became)", text)
        assert found is not None, text
        step, layer, shape, what = found.groups()
        assert (int(step), int(layer), what) == failed(float(rate)), text
        assert shape == ("784 to 128" if layer == "1" else "128 to 10")
        assert "Set a lower rate, such as 0.1," in text
        shows(tab, "step", "0")
        again(tab)


def test_the_layers_fare_as_they_do_in_python_and_cost_nothing_off_the_screen(
    tab, address, tmp_path
):
    tab.set_viewport_size({"width": 1280, "height": 300})
    opened(tab, address)
    learned(tab, "step")
    assert tab.locator("#layers li").count() == 0
    again(tab)
    tab.set_viewport_size({"width": 1280, "height": 2000})
    tab.locator("#layers .word", has_text="healthy").nth(1).wait_for()
    model = MLP([784, 128, 10], seed=0)
    images = (FEW.train.images.reshape(-1, 784) / np.float32(255)).astype(np.float32)
    chosen = order(2000, seed=0, epoch=0)[:128]
    cross_entropy(model(Tensor(images[chosen])), FEW.train.labels[chosen]).backward()
    centred(images.mean(0))(model.parameters())
    for i, layer in enumerate(list(model)[::2]):
        text = tab.locator("#layers li p").nth(i).inner_text()
        size = float(re.search(r"length of its gradient ([\d.]+)", text)[1])
        # Three digits are written.
        assert abs(size - np.linalg.norm(layer.weight.grad.data)) < 6e-3 * size, text
        named = tab.locator("#layers li").nth(i).locator("[data-part=weights] svg")
        low, high = named.get_attribute("aria-label").removeprefix("weights: ").split(" to ")
        held = layer.weight.data.astype(np.float64)
        far = 4 * held.std()
        assert abs(float(low) - max(held.min(), held.mean() - far)) < 6e-3 * abs(float(low))
        assert abs(float(high) - min(held.max(), held.mean() + far)) < 6e-3 * abs(float(high))
    tab.locator("[name=activation]").select_option("tanh")
    made(tab)
    put(tab, "dropout", "0.25")
    made(tab)
    put(tab, "rate", "5")
    learned(tab, "epoch")
    tab.locator("#layers .word", has_text="saturated").wait_for()
    assert tab.locator("#health-at").inner_text() == f"at step {said(tab)['step']}"
    _, watched, _ = weights(tab, tmp_path)
    tab.locator("#go").click()
    for _ in range(5):
        tab.wait_for_timeout(100)
        both = tab.locator("#health-at, #progress div:nth-child(4) dd").all_inner_texts()
        now, at = (int(re.sub(r"\D", "", text)) for text in both)
        assert at <= now, "the layers are ahead of all else"
    tab.locator("#go").click()
    tab.locator("#go", has_text="Go on").wait_for()
    tab.wait_for_timeout(1000)
    assert tab.locator("#health-at").inner_text() == f"at step {said(tab)['step']}"
    tab.set_viewport_size({"width": 1280, "height": 300})
    again(tab)
    learned(tab, "epoch")
    assert same(weights(tab, tmp_path)[1], watched), "to look at the layers changes them"


def test_the_words_have_the_colours_of_the_diagrams():
    style = (FOLDER / "studio/page/style.css").read_text()
    painted = dict(re.findall(r'\[data-word="(.+?)"\] \{ background: (#\w+);', style))
    assert painted == COLOURS
