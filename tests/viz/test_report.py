"""`python -m viz report`: the numbers on the page are those of the files and of the engine.

The trainings are of a few digits, for a moment.
"""

import base64
import io
import json
import shutil
import sys
from html import unescape
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import data
from models.command_line import InputError
from models.mnist.checkpoint import load, load_temperature
from models.mnist.cli import main
from models.mnist.scoring import probabilities, score
from models.training.text import epoch_count, percent
from tests.few import (
    few,
    few_digits,  # noqa: F401  (used by every test)
)
from viz import cli
from viz.report import report_command
from viz.report.charts import curves, spread
from viz.report.pictures import LEVELS, first_weights
from viz.report.runs import Histogram, read_runs

TRAININGS = {
    "relu": ["--hidden", "16", "--epochs", "3", "--validation", "500"],
    "deep": ["--hidden", "12", "8", "8", "--activation", "tanh", "--epochs", "2", "--lr", "0.1",
             "--validation", "500"],
    "direct": ["--hidden", "--epochs", "2", "--validation", "0"],
    "stopped": ["--hidden", "8", "--epochs", "9", "--stop-at", "0.3", "--validation", "500"],
}  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with a run for each of TRAININGS, and one that diverged."""
    folder = tmp_path_factory.mktemp("runs")
    common = ["train", "--batch-size", "100", "--out"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data, "load", lambda *source, **how: few())
        for name, options in TRAININGS.items():
            assert main([*common, str(folder / name), *options]) == 0
        wild = ["--lr", "1e30", "--schedule", "constant", "--hidden", "8", "--validation", "500"]
        assert main([*common, str(folder / "diverged"), *wild]) == 2
    return folder


@pytest.fixture
def run(trained, tmp_path):
    """A copy of the run "relu", to be damaged."""
    return Path(shutil.copytree(trained / "relu", tmp_path / "relu"))


def written(*folders) -> str:
    """The text of the report about these folders, without plotly's script."""
    assert report_command([str(folder) for folder in folders], "report.html") == 0
    return unescape(Path("report.html").read_text().partition("<script>")[0])


def lines(folder: Path, name: str):
    return [json.loads(line) for line in (folder / name).read_text().splitlines()]


def tables(page, selector: str = "body") -> dict[str, list[list[str]]]:
    """The tables there by their captions, as rows of the cells' texts."""
    script = """selector => [...document.querySelectorAll(selector + ' table')].map(table => [
        table.caption.textContent,
        [...table.rows].map(row => [...row.cells].map(cell => cell.textContent))])"""
    return dict(page.evaluate(script, selector))


def open_all(page):
    """Everything unfolded, and every chart drawn."""
    page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true; })")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate("[...document.querySelectorAll('.chart')].every(chart => chart.data)")


def chart(page, title: str):
    """The data and the axes of the chart whose label begins with this."""
    return page.evaluate(
        """title => { const {data, layout} = document.querySelector(
            `.chart[aria-label^="${title}"]`);
            return {data, x: layout.xaxis.type, y: layout.yaxis.type}; }""",
        title,
    )


# --- in a browser --------------------------------------------------------------------------------


def test_the_numbers_of_several_runs(page, trained, tmp_path):
    names = ["relu", "deep", "direct"]
    written(*(trained / name for name in names))
    page.goto((tmp_path / "report.html").as_uri())
    open_all(page)
    found = tables(page)

    head, *rows = found["What differs"]
    for name, row in zip(names, rows, strict=True):
        shown = dict(zip(head, row, strict=True))
        model, _ = load(str(trained / name))
        expected = score(model, few().test, 10, 255.0)
        summary = json.loads((trained / name / "summary.json").read_text())
        assert expected.accuracy == summary["test_accuracy"]
        assert shown["run"] == name
        assert shown["test accuracy"] == percent(expected.accuracy)
        assert shown["test errors"] == str(expected.count - expected.right)
        assert shown["test loss"] == f"{expected.loss:.4g}"
        assert shown["validation accuracy"] == percent(summary.get("validation_accuracy"))
        assert shown["training time"] == f"{summary['training_seconds']:.1f} s"
    assert [row[head.index("--lr")] for row in rows] == ["0.2", "0.1", "0.2"]
    assert [row[head.index("network")] for row in rows] == [
        "784-16-10 relu", "784-12-8-8-10 tanh", "784-10 relu"
    ]  # fmt: skip
    assert ["--batch-size", "100"] in found["Settings that all of them share"]
    assert not any(row[0] == "--lr" for row in found["Settings that all of them share"])

    _, *rows = found["After each epoch"]
    expected = [
        [name, str(line["epoch"]), f"{line['train_loss']:.4g}"]
        for name in names
        for line in lines(trained / name, "metrics.jsonl")
    ]
    assert [row[:3] for row in rows] == expected


def test_curves_are_the_metrics_on_each_kind_of_axes(page, trained, tmp_path):
    written(trained / "relu", trained / "direct")
    page.goto((tmp_path / "report.html").as_uri())
    page.wait_for_selector(".chart .main-svg")
    metrics = lines(trained / "relu", "metrics.jsonl")
    for kind, x, y in [("log", "linear", "log"), ("log-log", "log", "log"), ("linear",) * 3]:
        page.get_by_role("radio", name=kind, exact=True).check()
        for quantity in ("loss", "accuracy"):
            found = chart(page, quantity.capitalize())
            assert (found["x"], found["y"]) == (x, y)
            validation, train, direct = found["data"]  # the run "direct" has no validation
            assert (validation["name"], train["name"], direct["name"]) == ("relu", "relu", "direct")
            assert validation["line"]["dash"] == "solid" and train["line"]["dash"] == "dot"
            assert validation["line"]["color"] == train["line"]["color"] != direct["line"]["color"]
            assert train["x"] == validation["x"] == [1, 2, 3]
            for part, trace in (("validation", validation), ("train", train)):
                values = np.array([line[f"{part}_{quantity}"] for line in metrics])
                if quantity == "accuracy" and y == "log":
                    values = 1 - values
                # 1 - accuracy is rounded to twelve digits.
                np.testing.assert_allclose(trace["y"], values, atol=1e-12)


def test_charts_follow_the_colours_of_the_page(page, trained, tmp_path):
    """Else they are black on black once the evening comes."""
    written(trained / "direct")
    page.goto((tmp_path / "report.html").as_uri())
    # Not page.wait_for_function: it runs text as a script, which the page's policy forbids.
    expect = pytest.importorskip("playwright.sync_api").expect
    tick = page.locator(".chart .xtick text").first
    expect(tick).to_have_css("fill", "rgb(27, 31, 36)")
    page.emulate_media(color_scheme="dark")
    expect(tick).to_have_css("fill", "rgb(230, 233, 236)")


def test_confusions_and_mistakes_are_the_engines(page, trained, tmp_path):
    written(trained / "relu")
    page.goto((tmp_path / "report.html").as_uri())
    open_all(page)
    run = str(trained / "relu")
    model, test = load(run)[0], few().test
    expected = score(model, test, 10, 255.0)
    _, *rows = tables(page)["Rows: the label. Columns: the answer."]
    assert [[int(cell) for cell in row[1:-1]] for row in rows] == expected.confusion.tolist()
    assert [row[-1] for row in rows] == [percent(share) for share in expected.class_accuracy]
    (dots,) = chart(page, "Accuracy of each class")["data"]
    assert dots["y"] == expected.class_accuracy

    chances = probabilities(model, test.images, 255.0, load_temperature(run))
    wrong = np.flatnonzero(chances.argmax(1) != test.labels)
    assert f"{len(wrong)} of 500 wrong" in page.inner_text("#s5 + p + details summary")
    surest = wrong[np.argsort(-chances[wrong].max(1), kind="stable")][:24]
    cards = page.query_selector_all(".mistakes li")
    assert len(cards) == 24
    for n, card in zip(surest, cards, strict=True):
        label, answer = test.labels[n], chances[n].argmax()
        says = (
            f"{label} ({percent(chances[n][label])}), read as {answer} ({percent(max(chances[n]))})"
        )
        assert card.inner_text().strip().endswith(f"#{n}: {says}")
        source = card.query_selector("img").get_attribute("src").partition(",")[2]
        picture = Image.open(io.BytesIO(base64.b64decode(source)))
        assert (np.asarray(picture) == test.images[n]).all()
        spoken = card.query_selector("svg").get_attribute("aria-label")
        assert spoken == "probabilities " + ", ".join(
            f"{i}: {percent(chance)}" for i, chance in enumerate(chances[n])
        )
        heights = [float(bar.get_attribute("height")) for bar in card.query_selector_all("rect")]
        np.testing.assert_allclose(heights, np.maximum(0.5, 70 * chances[n]), atol=0.051)
    _, *rows = tables(page)["Probabilities of the mistakes of relu"]
    assert rows[0][1:] == [str(test.labels[surest[0]]), *map(percent, chances[surest[0]].tolist())]


def test_layers_over_time_are_the_histograms(page, trained, tmp_path):
    written(trained / "deep")
    page.goto((tmp_path / "report.html").as_uri())
    open_all(page)
    looks = lines(trained / "deep", "histograms.jsonl")
    assert [look["epoch"] for look in looks] == [0, 1, 2]
    heat, mean = chart(page, "Weights")["data"]
    first = [look["weights"]["0.weight"] for look in looks]
    assert heat["x"] == mean["x"] == [0, 1, 2]
    assert mean["y"] == [each["mean"] for each in first]
    assert heat["y"][0] == min(each["low"] for each in first)
    assert heat["y"][-1] == max(each["high"] for each in first)
    shares = np.array(heat["z"], float)
    # Each of 60 cells is written with three digits.
    within = [sum(each["counts"]) / (784 * 12) for each in first]
    np.testing.assert_allclose(np.nansum(shares, 0), within, rtol=5e-3)
    norms = chart(page, "Length of the gradient")["data"]
    assert [trace["name"] for trace in norms] == ["layer 0", "layer 2", "layer 4", "layer 6"]
    assert norms[1]["y"] == [look["gradients"]["2.weight"]["norm"] for look in looks]
    units = chart(page, "Units with the same output")["data"]
    assert [trace["name"] for trace in units] == [f"layer {i} (tanh)" for i in (1, 3, 5)]
    (numbers,) = [rows for caption, rows in tables(page).items() if caption.startswith("deep;")]
    head, first_row, *_ = numbers
    assert first_row[:3] == ["0", "0.weight, weights", f"{first[0]['mean']:.4g}"]
    assert len(numbers) == 1 + 3 * (8 + 8 + 7)
    assert head[2:] == ["mean", "std", "min", "max", "norm", "constant", "flat"]


@pytest.mark.parametrize(("scheme", "width"), [("light", 1400), ("dark", 390)])
def test_it_is_accessible_and_fits(page, axe, trained, tmp_path, scheme, width):
    written(trained / "direct", trained / "diverged")
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 844})
    page.goto((tmp_path / "report.html").as_uri())
    if scheme == "light":  # once is enough for all the tables: it takes seconds
        open_all(page)
    page.wait_for_selector(".chart .main-svg")
    assert axe(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    levels = page.evaluate("[...document.querySelectorAll('h1,h2,h3,h4')].map(h => +h.tagName[1])")
    assert levels[0] == 1 and all(b - a <= 1 for a, b in pairwise(levels))


def test_what_a_finger_presses_is_large_enough(browser, trained, tmp_path):
    """Else one opens another section than one meant."""
    written(trained / "relu")
    context = browser.new_context(
        offline=True, viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True
    )
    tab = context.new_page()
    tab.goto((tmp_path / "report.html").as_uri())
    small = """[...document.querySelectorAll("nav a, summary, fieldset label")]
        .filter((each) => each.checkVisibility() && each.getBoundingClientRect().height < 44)
        .map((each) => each.textContent)"""
    assert tab.evaluate(small) == []
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390
    context.close()


def test_a_run_may_be_called_anything(page, trained, tmp_path):
    """Else a folder's name would be a script, or a link within a chart's legend."""
    name = '<img src=x onerror=alert(1)><a href="x">&amp;'
    shutil.copytree(trained / "relu", tmp_path / name)
    config = tmp_path / name / "config.json"
    config.write_text(config.read_text().replace('"one-cycle"', '"</script><b>one"'))
    written(name, trained / "direct")
    page.on("dialog", lambda dialog: pytest.fail(dialog.message))
    page.goto((tmp_path / "report.html").as_uri())
    open_all(page)
    head, row, *_ = tables(page)["What differs"]
    assert row[0] == name
    assert row[head.index("--schedule")] == "</script><b>one"
    assert not page.query_selector_all("img[src=x], main a")
    assert page.text_content(".chart .legendtext") == name


# --- files ---------------------------------------------------------------------------------------


def test_weights_are_the_colours():
    weight = np.random.default_rng(0).standard_normal((70, 784)).astype(np.float32)
    found = first_weights(weight, (28, 28), by_norm=True)
    norms = np.linalg.norm(weight, axis=1)
    assert len(found.neurons) == 64
    assert norms[found.neurons].tolist() == sorted(norms.tolist(), reverse=True)[:64]
    picture = Image.open(io.BytesIO(base64.b64decode(found.source.partition(",")[2])))
    assert picture.size == (found.width, found.width) == (8 * 29 - 1,) * 2
    pixels = np.asarray(picture).astype(int)
    for i, neuron in enumerate(found.neurons):
        top, left = 29 * (i // 8), 29 * (i % 8)
        levels = pixels[top : top + 28, left : left + 28].ravel() - LEVELS
        expected = np.clip(weight[neuron] / found.scale, -1, 1)
        np.testing.assert_allclose(levels / LEVELS, expected, atol=0.51 / LEVELS)
    red, _, blue = np.moveaxis(np.asarray(picture.convert("RGB")).astype(int), -1, 0)
    strong = np.abs(pixels - LEVELS) > LEVELS // 2
    assert ((red > blue) == (pixels > LEVELS))[strong & (pixels <= 2 * LEVELS)].all()


@given(
    st.lists(st.integers(0, 1000), min_size=1, max_size=40).filter(any),
    st.floats(-1e6, 1e6), st.floats(0, 1e6), st.integers(0, 1000),
)  # fmt: skip
def test_no_entry_is_lost_between_cells(counts, low, width, beyond):
    histogram = Histogram(counts, {"low": low, "high": low + width, "beyond": beyond})
    edges = np.linspace(low - 1, low + width + 1, 61)
    shares = spread(histogram, edges)
    assert (shares >= 0).all()
    within = sum(counts) / (sum(counts) + (beyond if low + width > low else 0))
    assert shares.sum() == pytest.approx(within, rel=1e-12)  # sums of 60


def test_it_ends_before_its_time(trained):
    text = written(trained / "stopped", trained / "diverged")
    summary = json.loads((trained / "stopped" / "summary.json").read_text())
    assert summary["epochs"] < 9
    assert (
        f"Ended after {epoch_count(summary['epochs'])} of 9 epochs: it had reached --stop-at 0.3"
        in text
    )
    assert "Diverged after 0 of 13 epochs: epoch 1, step 2: the loss became" in text
    stopped, diverged = read_runs([str(trained / name) for name in ("stopped", "diverged")])
    assert [line.epochs for line in stopped.metrics][-1] == summary["epochs"]
    assert stopped.snapshots[-1].epochs == summary["epochs"]
    assert not diverged.metrics and len(diverged.snapshots) == 1


def test_a_killed_training(run):
    (run / "summary.json").unlink()
    (run / "model.safetensors").unlink()
    for name in ("metrics.jsonl", "histograms.jsonl"):
        content = (run / name).read_bytes()
        (run / name).write_bytes(content[:-40])
    text = written(run)
    assert (
        "summary.json: expected a file that a training writes, found: No such file or directory"
        in text
    )
    assert "What needs the weights is left out." in text
    assert "metrics.jsonl: line 3 is damaged or half written, and left out." in text
    assert "histograms.jsonl: line 4 is damaged or half written, and left out." in text
    assert "There is no network to ask." in text
    (found,) = read_runs([str(run)])
    assert [line.epochs for line in found.metrics] == [1, 2]
    assert [look.epochs for look in found.snapshots] == [0, 1, 2]


def test_an_older_run_without_histograms(run):
    (run / "histograms.jsonl").unlink()
    text = written(run)
    assert "This run's folder holds no histograms (histograms.jsonl)" in text
    assert "Most confident mistakes" in text and 'class="mistakes"' in text


def test_losses_that_are_no_numbers(run):
    metrics = lines(run, "metrics.jsonl")
    metrics[1]["train_loss"] = float("nan")  # written as NaN, which json.loads takes
    metrics[2]["validation_loss"] = None
    (run / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in metrics))
    text = written(run)
    assert "Train loss is no finite number after 2 epochs: a gap in the chart." in text
    assert "Validation loss is no finite number after 3 epochs: a gap in the chart." in text


@pytest.mark.parametrize(
    "content",
    ["", "null", "[]", "3", '{"step": -1}', '{"epoch": 1e999, "step": 1}', "[" * 100_000, "\0\xff",
     '{"epoch": "1", "step": 1}', '{"epoch": true, "step": 1}', '{"epoch": 1, "step": 1}',
     '{"epoch": 1, "step": 1' + "0" * 400 + "}",
     '{"epoch": 1, "step": 1, "train_loss": [], "weights": 3}',
     '{"epoch": 1, "step": 1, "gradients": {"a": {"counts": [-1]}}}\n{"epoch": 0, "step": 3}',
     '{"epoch": 1, "step": 1e99, "steps": 1e-99, "epochs": 1e99, "train_loss": 1e300}',
     '{"epoch": 1, "step": 1, "weights": {"0.weight": {"counts": [1], "low": -1e308, '
     '"high": 1e308}, "²\u0663.weight": {"counts": [1' + "0" * 99 + ']}}}',
     '{"epoch": 1, "step": 1, "weights": {"0.weight": {"counts": [0], "low": 2, "high": 1}}}',
     '{"epoch": 1, "step": 1, "outputs": {"0": {"counts": [1], "low": "a", "constant": {}}}}'],
)  # fmt: skip
def test_lines_of_anything(run, content):
    (run / "metrics.jsonl").write_text(content)
    (run / "histograms.jsonl").write_text(content)
    (run / "summary.json").write_text(content)
    assert "Confusion matrix" in written(run)


def test_a_damaged_checkpoint(run):
    weights = run / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    text = written(run)
    assert "model.safetensors: expected a whole safetensors file" in text
    assert "There are no weights to show." in text


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "expected the folder of a training, found nothing"),
        (lambda path: path.write_text(""), "expected the folder of a training, found a file"),
        (
            lambda path: path.mkdir(),
            "config.json: expected a file that a training writes, found: No such",
        ),
        (lambda path: config(path, "{"), "config.json: expected JSON, found"),
        (lambda path: config(path, "[]"), "config.json: expected a JSON object, found []"),
        (lambda path: config(path, "{}"), 'expected a list of "sizes" and an object of "settings"'),
    ],
)
def test_what_is_no_run_is_one_line(trained, tmp_path, capsys, make, message):
    make(tmp_path / "other")
    assert cli.main(["report", str(trained / "relu"), "other"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: other") and message in error
    assert error.count("\n") == 1
    assert not Path("report.html").exists()


def config(path, text):
    path.mkdir()
    (path / "config.json").write_text(text)


def test_the_command_writes_one_file_in_one_step(trained, tmp_path, capsys):
    (tmp_path / "report.html").write_text("older")
    assert cli.main(["report", str(trained / "relu")]) == 0
    size = (tmp_path / "report.html").stat().st_size
    assert capsys.readouterr().out == f"wrote report.html ({size / 1e6:.1f} MB)\n"
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
    assert cli.main(["report", str(trained / "relu"), "-o", "none/report.html"]) == 2
    assert "none/report.html: expected to be able to write it" in capsys.readouterr().err


def test_the_page_is_named_as_one(trained, tmp_path, capsys):
    """Else a mistyped -o overwrites what is no page."""
    assert cli.main(["report", str(trained / "relu"), "-o", "notes.txt"]) == 2
    assert "expected a name that ends in .html, found 'notes.txt'" in capsys.readouterr().err
    assert not (tmp_path / "notes.txt").exists()


def test_of_one_epoch_training_and_validation_are_told_apart(trained):
    """Else they are two points of one form and colour."""
    traces = curves(read_runs([str(trained / "relu")]), "loss")["linear"]["data"]
    assert [trace["marker"]["symbol"] for trace in traces] == ["circle", "circle-open"]


def test_without_plotly_one_sentence_says_what_to_install(trained, monkeypatch):
    monkeypatch.setitem(sys.modules, "plotly.offline", None)
    with pytest.raises(
        InputError, match=r"plotly .*: pip install -e '\.\[report\]' in Chainrule's folder"
    ):
        report_command([str(trained / "relu")], "report.html")


def test_two_runs_of_one_name_are_told_apart(trained, tmp_path):
    for folder in ("one", "other"):
        shutil.copytree(trained / "relu", tmp_path / folder / "run")
    assert [run.name for run in read_runs(["one/run", "other/run"])] == ["one/run", "other/run"]
