"""The view of the network, held against Python on the weights that the page gives away."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np

from autograd import Tensor, Value, cross_entropy, gradients
from models.mlp import MLP
from models.mnist.checkpoint import load
from models.mnist.scoring import inputs
from tests.few import few
from tests.viz.conftest import findings
from viz.expression import parse

FEW = few()  # of all sets the training examples come first: test 0 is digit 2000
FIRST = len(FEW.train)
TWO = "hidden=40,20&activation=tanh&step=20"


def network(tab: Any, address: str, state: str, step: int) -> Any:
    """The view, where the training waits at this step."""
    tab.goto(f"{address}#view=network&{state}")
    tab.locator("#net-of", has_text=f"at step {step}:").wait_for()
    tab.locator("#net-go", has_text=re.compile("Go on|Start")).wait_for()
    return tab


def weights(tab: Any, folder: Path) -> MLP:
    """The model of the file that is downloaded."""
    tab.locator("nav [data-view=train]").click()
    with tab.expect_download() as waited:
        tab.locator("[data-weights=download]").click()
    waited.value.save_as(folder / "page.safetensors")
    tab.locator("nav [data-view=network]").click()
    model, _ = load(str(folder / "page.safetensors"))
    model.eval()
    return model


def find(tab: Any, layer: int, neuron: int) -> None:
    """Choose a neuron by its number, and wait for what is known of it."""
    tab.locator("#find-layer").select_option(str(layer))
    tab.locator("#find-neuron").fill(str(neuron))
    tab.locator("#find-neuron").press("Enter")
    names = {0: f"Pixel {neuron} of", 3: f"Class {neuron}, layer 3"}
    name = names.get(layer, f"Layer {layer}, neuron {neuron} of")
    tab.locator("#neuron-title", has_text=name).wait_for()


def exact(tab: Any, name: str) -> float:
    """A number that is shown, with all its digits."""
    number = tab.locator(f"#neuron-facts dt:text-is('{name}') + dd")
    return float(number.get_attribute("data-exact"))


def computed(tab: Any, what: str) -> float:
    """What the debugger computes by the command that is shown."""
    line = shlex.split(tab.locator(f"#{what}-command code").inner_text())
    assert line[:4] == ["python", "-m", "viz", "debug"] and line[5] == "--at"
    values = {name: Value(float(value)) for name, value in (each.split("=") for each in line[6:])}
    return float(parse(line[4])(values).data)


def stepped(tab: Any, what: str) -> tuple[float, dict[str, tuple[float, float]]]:
    """The last step of the debugger's page that a link opens: what is computed; and of each leaf
    its value and its gradient."""
    errors: list[str] = []
    tab.context.on("console", lambda it: errors.append(it.text) if it.type == "error" else None)
    with tab.context.expect_page() as opened:
        tab.locator(f"#{what}-steps a").click()
    page = opened.value
    page.locator("#count", has_text="Step 1 of").wait_for()
    alone = "[origin, opener, crossOriginIsolated]"
    assert page.evaluate(alone) == ["null", None, False], "it could reach the studio"
    page.keyboard.press("End")
    value = float(page.locator("#table tr").last.locator("td").first.inner_text())
    page.locator("[data-do=backward]").click()
    page.keyboard.press("End")
    rows = [row.locator("th, td").all_inner_texts() for row in page.locator("#table tr").all()]
    assert not errors and not findings(page)
    page.close()
    leaves = [(name.removesuffix("leaf"), *numbers) for name, *numbers in rows if "leaf" in name]
    return value, {name: (float(of), float(slope)) for name, of, slope in leaves}


def passes(model: MLP, image: Any, label: int) -> tuple[list[Any], list[Any]]:
    """What each layer gives, and the gradient of the loss by what its Linear gives."""
    x = inputs(image[None], 255.0).astype(np.float64)
    wide = MLP([784, *(layer.size for layer in model.parameters()[1::2])], "tanh", dtype=np.float64)
    wide.load_state_dict(model.state_dict())
    outputs = wide.outputs(Tensor(x, requires_grad=True))
    deltas = gradients(cross_entropy(outputs[-1], np.array([label])), outputs[::2])
    given = [*outputs[1::2], outputs[-1]]
    return [each.data[0] for each in given], [each.data[0] for each in deltas]


def test_what_is_shown_of_a_neuron_is_what_python_computes(tab, address, tmp_path):
    """float32 keeps 7 digits: of what a layer gives the largest one has 1e-6 of error, and its
    gradient, on which two layers more have worked, 1e-5."""
    index = 17
    network(tab, address, f"{TWO}&digit={FIRST + index}&backward=1&layer=1&neuron=7", 20)
    model = weights(tab, tmp_path)
    label = int(FEW.test.labels[index])
    outputs, deltas = passes(model, FEW.test.images[index], label)
    tests = model.outputs(inputs(FEW.test.images, 255.0))
    over = [*(each.data for each in tests[1::2]), tests[-1].data]
    arrays = model.state_dict()
    tab.locator("#debug summary").click()
    for layer, neuron in ((1, 7), (1, 39), (2, 0), (3, 4)):
        find(tab, layer, neuron)
        tab.locator("#excited", has_text="Over 500 test examples").wait_for()
        given, delta = outputs[layer - 1], deltas[layer - 1]
        shown = exact(tab, "logit" if layer == 3 else "activation")
        np.testing.assert_allclose(shown, given[neuron], rtol=1e-5, atol=1e-6 * abs(given).max())
        atol = 1e-5 * abs(delta).max()
        np.testing.assert_allclose(exact(tab, "delta"), delta[neuron], rtol=1e-5, atol=atol)
        assert np.float32(exact(tab, "bias")) == arrays[f"{2 * layer - 2}.bias"][neuron]
        rows = [row.locator("th, td").all_inner_texts() for row in tab.locator("#terms tr").all()]
        names, numbers = [row[0] for row in rows], [float(row[1]) for row in rows]
        total = names.index("sum")
        assert round(sum(numbers[:total]), 8) == numbers[total], "what is shown does not add up"
        value = numbers[total] if layer == 3 else np.tanh(numbers[total])
        unit = 10.0 ** -len(rows[total][1].partition(".")[2])
        assert abs(value - shown) <= 0.51 * unit and abs(numbers[-1] - shown) <= 0.51 * unit
        tables = tab.locator("#neuron table").evaluate_all("all => all.map(each => each.id)")
        assert tables == ["backprop", "formula"], "in Backward its own sum comes first"
        back = [
            float(each) for each in tab.locator("#backprop-terms td:nth-child(2)").all_inner_texts()
        ]
        assert round(sum(back[: -1 if layer == 3 else -2]), 8) == back[-1 if layer == 3 else -2]
        every = over[layer - 1][:, neuron]
        said = tab.locator("#excited").evaluate("each => ({...each.dataset})")
        wanted = {"low": every.min(), "mean": every.mean(), "high": every.max()}
        for name, want in wanted.items():
            np.testing.assert_allclose(float(said[name]), want, rtol=1e-4, atol=1e-5)
        best = tab.locator("#best button").first.get_attribute("title")
        assert best.startswith(f"Test {every.argmax()}, class {FEW.test.labels[every.argmax()]}")
        np.testing.assert_allclose(computed(tab, "neuron"), given[neuron], rtol=1e-5, atol=1e-5)
    logits = outputs[-1]
    loss = np.log(np.exp(logits).sum()) - logits[label]
    np.testing.assert_allclose(computed(tab, "loss"), loss, rtol=1e-5)
    # Class 4 has no activation function, so that its sum changes with a weight by its input; the
    # debugger shows four digits.
    value, leaves = stepped(tab, "neuron")
    np.testing.assert_allclose(value, outputs[-1][4], rtol=6e-4)
    strongest = int(np.argmax(abs(arrays["4.weight"][4] * outputs[1])))
    given = outputs[1][strongest]
    assert leaves[f"w{strongest}"][1] == leaves[f"neuron{strongest}"][0]
    np.testing.assert_allclose(
        leaves[f"w{strongest}"], (arrays["4.weight"][4, strongest], given), rtol=6e-4
    )
    value, leaves = stepped(tab, "loss")
    np.testing.assert_allclose(value, loss, rtol=6e-4)
    of_logits = [leaves[f"logit{i}"][1] for i in range(10)]
    np.testing.assert_allclose(of_logits, deltas[-1], rtol=6e-4)
    with tab.context.expect_page() as code:  # what it is computed by
        tab.locator("#net-backward a").first.click()
    assert "def backward(images" in code.value.locator("pre").inner_text()
    code.value.close()
    answer = int(outputs[-1].argmax())
    right = " ✓ Right." if answer == label else f" ✗ Wrong: it is {label}."
    assert tab.locator("#verdict").inner_text() == f"Answer: {answer}.{right}"
    find(tab, 0, 400)
    tab.locator("#neuron-facts dt", has_text="mean without sign").wait_for()
    column = arrays["0.weight"][:, 400]
    wanted = (column.min(), column.max(), column.mean(), abs(column).mean())
    for name, want in zip(("least", "greatest", "mean", "mean without sign"), wanted, strict=True):
        np.testing.assert_allclose(exact(tab, name), want, rtol=1e-5)
    slope = column.astype(np.float64) @ deltas[0]
    atol = 1e-5 * abs(column * deltas[0]).sum()
    np.testing.assert_allclose(exact(tab, "slope of the loss"), slope, rtol=1e-5, atol=atol)
    rows = tab.locator("#backprop-terms td:nth-child(2)").all_inner_texts()
    back = [float(each) for each in rows]
    assert round(sum(back[:-1]), 8) == back[-1]
    legend = tab.locator("#net-legend")
    tab.locator("#net-controls button", has_text="Show the strongest now").click()
    shown = "delta. Shown: the 32 strongest of a layer for this image at step 20."
    legend.filter(has_text=shown).wait_for()
    tab.locator("[data-way=forward]").click()
    tab.locator("#backprop").wait_for(state="hidden")
    assert legend.inner_text().startswith("Lines: its weights.")
    assert not tab.locator("#neuron-facts dt", has_text="slope").count()
    facts = tab.locator("#neuron-facts dd").all_inner_texts()
    assert facts[:2] == ["row 14, column 8", f"{FEW.test.images[index].ravel()[400]} of 255"]


def test_pointer_keys_and_address_lead_to_neurons(tab, address):
    network(tab, address, f"{TWO}&layer=2&neuron=3", 20)
    title = tab.locator("#neuron-title")
    title.filter(has_text="Layer 2, neuron 3 of 0 to 19").wait_for()
    box = tab.locator("#net").bounding_box()
    seen = []
    for x in range(0, int(box["width"]), 9):  # from the image to the classes
        tab.mouse.move(box["x"] + x, box["y"] + box["height"] / 2 + 9)  # between no two rows
        tab.wait_for_timeout(17)
        text = title.inner_text()
        if not seen or seen[-1] != text:
            seen.append(text)
    kinds = [each.partition(",")[0].partition(" ")[0] for each in seen]
    order = [kind for i, kind in enumerate(kinds) if i == 0 or kinds[i - 1] != kind]
    assert order[:2] == ["Layer", "Pixel"] and order[-2:] == ["Class", "Layer"], seen
    assert len([each for each in seen if each.startswith("Pixel")]) == 28, "each pixel of a row"
    x, y = box["x"] + 120, box["y"] + box["height"] / 2 + 9  # on the image
    tab.mouse.move(x, y)
    title.filter(has_text="Pixel").wait_for()
    tab.wait_for_timeout(100)
    pixel = title.inner_text()
    tab.mouse.wheel(0, -900)  # nearer, about the pointer
    tab.wait_for_timeout(100)
    tab.mouse.move(x - 20, y)
    tab.mouse.move(x, y)
    tab.wait_for_timeout(100)
    assert title.inner_text() == pixel
    tab.wait_for_timeout(300)
    assert "camera=" in tab.url
    tab.locator("#net-zoom [data-do=fit]").click()
    tab.mouse.click(box["x"] + 5, box["y"] + 5)  # beside all
    said = re.fullmatch(r"Answer: (\d)\..*", tab.locator("#verdict").inner_text())
    assert said
    title.filter(has_text=f"Class {said[1]}, layer 3").wait_for()
    tab.locator("#net").focus()
    tab.keyboard.press("ArrowLeft")
    tab.keyboard.press("ArrowDown")
    spoken = tab.locator("#spoken").inner_text()
    assert re.fullmatch(r"Layer 2, neuron \d+ of 0 to 19: -?[\d.e-]+", spoken)
    tab.keyboard.press("Enter")
    tab.keyboard.press("Tab")  # away: what was chosen stays
    title.filter(has_text=spoken.partition(":")[0]).wait_for()
    tab.keyboard.press("b")
    tab.keyboard.press("r")
    tab.wait_for_timeout(400)
    text = tab.locator("#net-of").inner_text()
    assert "loss" in text and "test 0," not in text
    tab.reload()
    tab.locator("#net-of", has_text=text).wait_for()
    title.filter(has_text=spoken.partition(":")[0]).wait_for()
    tab.locator("#find-neuron").fill("20")
    tab.locator("#find-layer").select_option("2")
    tab.locator("#find-neuron").press("Enter")
    told = tab.locator("#find-range")
    told.filter(has_text="expected a number from 0 to 19, found 20").wait_for()
    tab.locator("#find-layer").select_option("1")
    told.wait_for(state="hidden")
    tab.get_by_placeholder("0 to 39").wait_for()
    title.filter(has_text=spoken.partition(":")[0]).wait_for()


def test_it_moves_while_it_learns_and_any_depth_is_drawn(tab, address):
    network(tab, address, "hidden=&step=5&layer=1&neuron=3", 5)
    title = tab.locator("#neuron-title", has_text="Class 3, layer 1")
    title.wait_for()
    tab.locator("#net-image").wait_for()
    tab.locator("#net-sure").wait_for(state="hidden")
    for scheme in ("light", "dark"):
        tab.emulate_media(color_scheme=scheme)
        assert not findings(tab)
    tab.set_viewport_size({"width": 390, "height": 844})
    assert not findings(tab)
    assert tab.locator("body").evaluate("body => body.scrollWidth") <= 390
    tab.goto(f"{address}#view=network&hidden=300,100&layer=1&neuron=300")
    lacks = tab.locator("#problem", has_text="there is no neuron 300 in layer 1 of this network")
    lacks.wait_for()
    tab.goto(f"{address}#view=network&hidden=300,100&layer=1&neuron=299&digit={FIRST}")
    lacks.wait_for(state="hidden")
    tab.locator("#neuron-title", has_text="Layer 1, neuron 299 of 0 to 299").wait_for()
    tab.locator("#net-go", has_text="Start").click()
    said = set()
    for _ in range(100):
        said.add(tab.locator("#net-of").inner_text())
        if len(said) > 4:
            break
        tab.wait_for_timeout(100)
    assert len(said) > 4, "what is shown does not move with the training"
    # So do the statistics, over a sample; in a pause all examples are looked at.
    excited, steps = tab.locator("#excited", has_text=re.compile(r"Over \d+ of 500 test")), set()
    for _ in range(100):
        steps.add(re.findall(r"at step ([\d,]+)", excited.inner_text())[0])
        if len(steps) > 2:
            break
        tab.wait_for_timeout(100)
    assert len(steps) > 2, "the statistics stand still"
    tab.locator("#best button").nth(7).wait_for()
    tab.mouse.move(1, 1)
    said, start = [], tab.evaluate("performance.now()")
    while tab.evaluate("performance.now()") < start + 2500:
        said.append(tab.locator("#excited").inner_text())
    assert len(set(said)) <= 4, "they change more than once a second: who can click them?"
    tab.locator("#best button").nth(2).focus()
    held = tab.locator("#best").inner_text()
    tab.wait_for_timeout(1500)
    assert tab.locator("#best").inner_text() == held, "what has the focus changes"
    tab.locator("#net-go").click()
    tab.locator("#net-go", has_text="Go on").wait_for()
    excited = tab.locator("#excited", has_text="Over 500 test examples")
    step = re.findall(r"at step [\d,]+", excited.inner_text())[0]
    assert step in tab.locator("#net-of").inner_text()
    tab.locator("#best button").nth(3).click()  # a test example that excites it
    index = tab.locator("#best button").nth(3).get_attribute("title").partition(",")[0].split()[1]
    tab.locator("#net-of", has_text=f"test {index}, at step").wait_for()
    # A digit that it is sure of, and right: backward has little to show, and leads to wrong ones.
    sure = tab.locator("#net-sure button")
    tab.locator("[data-way=backward]").click()
    for _ in range(60):
        tab.wait_for_timeout(100)
        loss = re.search(r"loss ([\d.e-]+)", tab.locator("#net-of").inner_text())
        assert loss and sure.is_visible() == (float(loss[1]) <= 0.05)
        if sure.is_visible():
            break
        tab.locator("#net-controls [data-do=random]").click()
    sure.click()
    tab.locator("#data [name=wrong]:checked").wait_for()
    assert tab.locator("#data [name=split]").input_value() == "test"
