"""The page without a server: from a host of files, and from a disk."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import data
from models.mnist.checkpoint import load
from models.mnist.scoring import score
from tests.few import few
from tests.viz.conftest import findings
from tests.viz.studio.page.test_page import LINK
from tests.viz.studio.page.test_race import raced
from tests.viz.studio.page.test_training import learned, made, put, said, shows, weights
from viz.studio.engine.modules import module
from viz.studio.export import tree
from viz.studio.export.command import Options, export_command

FEW = few()
NETWORKS = "widths 32; depth 0-1; optimizer sgd"  # without the page's usual one
USUAL = "widths 128; depth 1; optimizer sgd"


class Host(SimpleHTTPRequestHandler):
    """A host of files that knows few types, and no headers."""

    def guess_type(self, path: Any) -> str:
        types = {".html": "text/html", ".js": "text/javascript", ".css": "text/css"}
        return types.get(Path(path).suffix, "text/plain")

    def log_message(self, *_: Any) -> None:
        pass


def exported(place: Path, networks: str, **instead: Any) -> Path:
    """The folder, with an export in `a/blog`, and one in the file one.html."""
    (place / "a").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tree, "_modules", lambda names, tell: ((n, module(n)) for n in names))
        for name, value in instead.items():
            patch.setattr(*{"load": (data, "load"), "level": (tree, "LEVEL")}[name], value)
        for name, is_one in (("a/blog", False), ("one.html", True)):
            export_command(Options(str(place / name), networks, None, None, is_one))
    return place


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Few digits, and few networks."""
    place = tmp_path_factory.mktemp("host")
    return exported(place, NETWORKS, load=lambda *source, **how: few())


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All digits, packed in a second, and the usual network."""
    return exported(tmp_path_factory.mktemp("host"), USUAL, level=1)


@contextmanager
def hosted(folder: Path) -> Iterator[str]:
    """The address of its export, on a host of files."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Host, directory=folder))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/a/blog/"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def site(folder: Path) -> Iterator[str]:
    with hosted(folder) as address:
        yield address


@pytest.fixture
def visit(browser: Any) -> Iterator[Any]:
    """Opens an address in a tab that may ask for what lies below it alone, and may not fail."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    context.set_default_timeout(20_000)
    tab = context.new_page()
    errors: list[str] = []
    tab.on("pageerror", lambda error: errors.append(str(error)))
    tab.on("console", lambda it: errors.append(it.text) if it.type == "error" else None)
    asked: list[str] = []
    context.on("request", lambda it: asked.append(it.url))

    def opened(address: str, state: str = "") -> Any:
        tab.goto(f"{address}{state}")
        return tab

    yield opened
    own = tab.url.partition("#")[0]
    context.close()
    assert not errors, errors
    left = [url for url in asked if not url.startswith((own, "blob:", "data:"))]
    assert not left, left


def paused(tab: Any) -> Any:
    tab.locator("#go", has_text="Pause").click()
    tab.locator("[data-do=reset]").click()
    return made(tab)


def test_a_folder_on_any_host_trains_and_shows_the_examples(visit, site, tmp_path):
    """It begins with the nearest network that it has to the usual one."""
    tab = paused(visit(site))
    assert tab.locator("#problem").is_hidden()
    shows(tab, "weights", "25,450")
    shown = learned(tab, "epoch", 3)
    assert float(shown["test accuracy"].split()[0]) > 80
    path, _, _ = weights(tab, tmp_path)
    model, described = load(str(path))
    found = score(model, FEW.test, 10, described.scale)
    assert f"{100 * found.accuracy:.2f} %" == shown["test accuracy"]
    tab.locator("#race summary").click()
    assert [row[0].strip() for row in raced(tab)] == ["WebAssembly", "relaxed WebAssembly"]
    told = tab.locator("#race [role=status]")
    assert "Without C: this page has no server" in told.inner_text()
    assert told.locator("code").inner_text() == "python -m viz studio"
    tab.locator("nav [data-view=data]").click()
    tab.locator("#classes li").nth(9).wait_for()
    tab.locator("[name=index]").fill("2123")
    tab.locator("[name=index]").press("Enter")
    tab.locator("#facts dd", has_text=re.compile("^123$")).wait_for()
    assert FEW.classes[FEW.test.labels[123]] in tab.locator("#facts dd").all_inner_texts()
    tab.locator("#picture[src]").wait_for()
    shot = Image.open(BytesIO(tab.locator("#picture").screenshot())).convert("L").resize((28, 28))
    shown, wanted = 255.0 - np.asarray(shot, np.float64), FEW.test.images[123].astype(np.float64)
    assert np.corrcoef(shown.ravel(), wanted.ravel())[0, 1] > 0.9  # its edges are blurred


def test_what_was_not_exported_is_shown_and_refused_with_the_command(visit, site):
    tab = paused(visit(site))
    put(tab, "hidden", "300, 100")
    said_so = tab.locator("#wrong-setting", has_text="was exported without 300, 100")
    said_so.wait_for()
    assert '--architectures "widths 100,300; depth 2"' in said_so.inner_text()
    put(tab, "batch", "16")
    tab.locator("#wrong-setting", has_text='"widths 32; depth 1; batch 16"').wait_for()
    put(tab, "batch", "128")
    tab.locator("#wrong-setting", has_text="was exported without 300, 100").wait_for()
    command = said_so.locator("code")
    assert command.inner_text().startswith('python -m viz export DIR --architectures "widths')
    assert tab.locator("#offered code").inner_text().endswith("--weights runs/first")
    assert tab.locator("option[value=tanh], option:text-is('tanh')").is_disabled()
    offered = tab.locator("#widths datalist option").evaluate_all(
        "all => all.map((it) => it.value)"
    )
    assert offered == ["32"]
    tab.locator("#more[aria-disabled=true]").press("Enter")
    tab.locator("#wrong-setting", has_text='"widths 16,100,300; depth 3"').wait_for()
    tab.locator("#widths button").click()
    shows(tab, "weights", "7,850")
    assert tab.locator("#more").get_attribute("aria-disabled") == "false"
    assert tab.locator("#wrong-setting").is_hidden()
    assert "that it was exported with" in tab.locator("#offered").inner_text()
    tab.locator("[data-weights=fetch][aria-disabled=true]").press("Enter")
    tab.locator("#problem", has_text="python -m viz export DIR --weights runs/first").wait_for()
    assert not findings(tab)


def test_a_link_to_what_was_not_exported_says_so(visit, site):
    tab = visit(site, "#view=train&hidden=300")
    shows(tab, "weights", "25,450")
    tab.locator("#go", has_text="Pause").click()
    tab.locator("#problem", has_text="was exported without 300").wait_for()
    put(tab, "hidden", "")
    shows(tab, "weights", "7,850")
    assert tab.locator("#problem").is_hidden()


def test_a_visited_page_works_without_a_network_and_no_server_has_such_a_worker(
    visit, site, address
):
    tab = visit(site)
    shows(tab, "weights", "25,450")
    tab.evaluate("async () => { await navigator.serviceWorker.ready; }")
    (kept,) = tab.evaluate("caches.keys()")
    assert site in kept
    tab.context.set_offline(True)
    tab.reload()
    paused(tab)
    assert float(learned(tab, "epoch", 2)["test accuracy"].split()[0]) > 70
    put(tab, "hidden", "")
    shows(tab, "weights", "7,850")
    tab.context.set_offline(False)
    tab.evaluate("name => caches.delete(name)", kept)  # as a browser does that is short of room
    tab.wait_for_timeout(400)  # the address is written a moment later
    tab.reload()
    shows(tab, "weights", "7,850")
    assert tab.request.get(f"{address}worker.js").status == 404


def test_a_folder_has_the_code_that_its_sentences_lead_to_and_a_file_has_the_names(folder):
    """A file has none of the others beside it: a link there would lead to nothing."""
    text = (folder / "a/blog/index.html").read_text()
    links = LINK.findall(text)
    assert links and all((folder / "a/blog" / address).is_file() for address, _, _ in links)
    alone = (folder / "one.html").read_text()
    assert (
        not re.search('href="(code|studio)/', alone) and "<code>step</code> in models/web" in alone
    )


def test_a_file_on_a_disk_trains_and_shows_the_examples(visit, folder):
    tab = paused(visit((folder / "one.html").as_uri()))
    assert float(learned(tab, "epoch", 3)["test accuracy"].split()[0]) > 80
    put(tab, "hidden", "")
    shows(tab, "weights", "7,850")
    # Of what `variant` tries, that has relaxed vectors alone is so long: without them none races.
    tab.evaluate("() => { const is = WebAssembly.validate; "
                 "WebAssembly.validate = (bytes) => bytes.length < 40 && is(bytes); }")  # fmt: skip
    tab.locator("#race summary").click()
    assert [row[0].strip() for row in raced(tab)] == ["WebAssembly"]
    assert (
        "Without relaxed WebAssembly: this browser has none"
        in tab.locator("#race [role=status]").inner_text()
    )
    tab.locator("nav [data-view=data]").click()
    tab.locator("#classes li").nth(9).wait_for()
    assert said(tab)["epoch"] == "0.00"
    tab.locator("nav [data-view=network]").click()
    tab.locator("#neuron-title", has_text=re.compile(r"Class \d, layer 1")).wait_for()
    tab.locator("#neuron-command code", has_text="python -m viz debug").wait_for()
    assert "this page has no server" in tab.locator("#debug").inner_text()
    assert tab.locator("#neuron-steps").is_hidden() and tab.locator("#loss-steps").is_hidden()
    tab.locator("nav [data-view=draw]").click()
    tab.locator("#sheet").click()
    tab.locator("#taken", has_text="None of these.").wait_for()  # a dot
    tab.locator("#nearest button").nth(7).wait_for()


def learns_to(goal: float, tab: Any) -> None:
    """It begins by itself, and stops there."""
    tab.locator("#doing", has_text="stopped by itself").wait_for(timeout=60_000)
    assert float(said(tab)["test accuracy"].split()[0]) >= goal


def test_a_folder_with_all_digits_learns_97_percent(visit, whole):
    with hosted(whole) as address:
        learns_to(97, visit(address, "#view=train&accuracy=97"))


def test_a_file_with_a_fifth_of_the_digits_learns_95_5_percent(visit, whole):
    learns_to(95.5, visit((whole / "one.html").as_uri(), "#view=train&accuracy=95.5"))
