"""Weights that come into the page and go out of it, as files and from the server."""

from __future__ import annotations

import numpy as np
import pytest

from models.mlp import MLP
from models.mnist.scoring import score
from models.runs.arrays import pack, unpack
from tests.few import few
from tests.viz.conftest import findings
from tests.viz.studio.client import TOKEN
from tests.viz.studio.page.test_training import learned, made, opened, said, shows, weights


def given(tab, arrays, **metadata) -> None:
    """Choose a file of these arrays, as a person does."""
    content = arrays if isinstance(arrays, bytes) else pack(arrays, metadata)
    file = {"name": "given.safetensors", "mimeType": "application/octet-stream"}
    tab.locator("#file").set_input_files({**file, "buffer": content})


def act(tab, what: str) -> None:
    tab.locator(f"[data-weights={what}]").click()


def test_a_training_goes_on_from_a_file_as_if_it_had_never_stopped(tab, address, tmp_path):
    """Weights, momentum, and which examples come next."""
    opened(tab, address)
    learned(tab, "epoch")
    learned(tab, "step", 2)
    path, before, _ = weights(tab, tmp_path)
    content = path.read_bytes()
    learned(tab, "step", 3)
    _, wanted, _ = weights(tab, tmp_path)
    given(tab, content)
    shows(tab, "step", "17")
    _, arrays, told = weights(tab, tmp_path)
    assert told["step"] == "17"
    assert all((arrays[name] == before[name]).all() for name in before)
    learned(tab, "step", 3)
    _, arrays, _ = weights(tab, tmp_path)
    assert arrays.keys() == wanted.keys()
    assert all((arrays[name] == wanted[name]).all() for name in wanted)


def test_the_architecture_follows_the_file_and_a_wrong_one_changes_nothing(tab, address):
    opened(tab, address)
    model = MLP([784, 24, 16, 10], "tanh", seed=3)
    arrays = {name: np.array(array) for name, array in model.state_dict().items()}
    given(tab, arrays, activation="tanh")
    shows(tab, "weights", "19,410")
    tab.locator("#doing", has_text="784-24-16-10, which has not learned").wait_for()
    found = score(model, few().test, 10, 255.0)
    shows(tab, "test accuracy", f"{100 * found.accuracy:.2f} %")
    chosen = tab.locator("#settings [name=hidden], #settings [name=activation]")
    assert chosen.evaluate_all("all => all.map(({ value }) => value)") == ["24", "16", "tanh"]
    for wrong, words in (
        (b"hello", "expected a .safetensors file, such as Download writes"),
        ({**arrays, "0.bias": np.full(24, np.nan, np.float32)}, "expected numbers in 0.bias"),
        ({"0.weight": np.zeros((10, 64), np.float32), "0.bias": np.zeros(10, np.float32)},
         "expected 0.weight to take 784 numbers, as mnist has, found 64"),
    ):  # fmt: skip
        given(tab, wrong)
        tab.locator("#problem", has_text=words).wait_for()
    assert said(tab)["weights"] == "19,410"
    learned(tab, "step")
    assert tab.locator("#problem").is_hidden()


def test_a_token_that_has_become_wrong_is_typed_anew_and_kept_for_the_tab(browser, address):
    context = browser.new_context()  # of its own: a 401 is an error on its console
    context.set_default_timeout(20_000)
    tab = context.new_page()
    tab.goto(f"{address}#hidden=&token=the-one-of-yesterday")
    tab.locator("#go", has_text="Pause").click()
    assert tab.locator("#token").is_hidden()
    act(tab, "send")
    act(tab, "put")
    tab.locator("#problem", has_text="or type its token").wait_for()
    assert not findings(tab)
    tab.keyboard.type(f"http://localhost/#token={TOKEN}")  # the field has the focus
    tab.keyboard.press("Enter")
    tab.locator("#token").wait_for(state="hidden")
    assert tab.locator("#problem").is_hidden()
    tab.keyboard.press("Enter")  # on what was pressed before
    act(tab, "put")
    tab.locator("#doing", has_text="the server serves step").wait_for()
    assert tab.evaluate("[localStorage.length, sessionStorage.token]") == [0, TOKEN]
    assert TOKEN not in tab.url
    context.close()


FORBIDDEN = """Object.defineProperty(window, "sessionStorage", {
  get() { throw new DOMException("", "SecurityError"); },
});"""
FULL = """Storage.prototype.setItem = () => {
  throw new DOMException("", "QuotaExceededError");
};"""


@pytest.mark.parametrize("storage", [FORBIDDEN, FULL])
def test_a_browser_that_keeps_nothing_is_said_and_loses_nothing(tab, address, storage):
    """The token lasts until a reload, and leaves the address at once."""
    tab.add_init_script(storage)
    opened(tab, f"{address}#hidden=16&token={TOKEN}")
    assert TOKEN not in tab.url
    tab.locator("#problem", has_text="after a reload it needs the studio's token").wait_for()
    learned(tab, "step")
    act(tab, "send")
    act(tab, "put")
    tab.locator("#doing", has_text="the server serves step 1").wait_for()
    tab.wait_for_timeout(400)  # the address is written a moment later
    tab.reload()
    shows(tab, "step", "1")
    assert tab.locator("[data-weights=send]").is_hidden()


def test_weights_are_sent_fetched_and_forgotten_with_the_token_alone(tab, address, tmp_path):
    opened(tab, address)
    for name in ("send", "ask"):
        assert tab.locator(f"[data-weights={name}]").is_hidden()
    tab.goto(f"{address}#hidden=16&token={TOKEN}")
    tab.reload()
    tab.locator("#go", has_text="Pause").click()
    tab.locator("[data-do=reset]").click()
    made(tab)
    learned(tab, "step", 2)
    _, sent, _ = weights(tab, tmp_path)
    act(tab, "send")
    act(tab, "put")
    tab.locator("#doing", has_text="the server serves step 2").wait_for()
    learned(tab, "step")
    act(tab, "fetch")
    shows(tab, "step", "2")
    _, arrays, _ = weights(tab, tmp_path)
    assert all((arrays[name] == sent[name]).all() for name in sent)
    act(tab, "ask")
    act(tab, "keep")
    tab.locator("#asking").wait_for(state="hidden")
    tag = tab.request.head(f"{address}api/weights").headers["etag"]
    act(tab, "ask")
    act(tab, "delete")
    tab.locator("#doing", has_text="the server serves an untrained network").wait_for()
    answer = tab.request.get(
        f"{address}api/weights", headers={"Accept": "application/octet-stream"}
    )
    assert answer.headers["etag"] != tag and unpack(answer.body())[1]["step"] == "0"
