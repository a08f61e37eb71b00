"""The command that writes an export: what is in it, and what is refused."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import data
from models.command_line import InputError
from models.mnist.checkpoint import load
from tests.few import drawn, few, run_of
from tests.viz.studio.client import client
from viz.cli import main
from viz.studio.engine import modules
from viz.studio.export import tree
from viz.studio.export.command import Options, export_command

ONE = "28x28-10_relu_sgd_128"
OPTIONS = ("--architectures", "depth 0; optimizer sgd")


@pytest.fixture(autouse=True)
def few_digits(monkeypatch, tmp_path):
    """The few digits, and a folder of this test's own; modules are made in this process."""
    monkeypatch.setattr(data, "load", lambda *source, **how: few())
    monkeypatch.setattr(
        tree, "_modules", lambda names, tell: ((n, modules.module(n)) for n in names)
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_folder_has_the_answers_of_the_server(few_digits, capsys):
    assert main(["export", "site", *OPTIONS]) == 0
    assert "wrote site: " in capsys.readouterr().out
    found = files(few_digits / "site")
    assert set(json.loads(found["files.json"])) == set(found)
    with client() as studio:
        for name in (
            f"modules/{ONE}/manifest",
            "datasets/mnist",
            "datasets/mnist/novelty/manifest",
        ):
            said, answer = json.loads(found[f"api/{name}.json"]), studio.get(f"/api/{name}").json()
            said.pop("whole", None)
            assert said == answer
        wasm = studio.get(f"/api/modules/{ONE}/module.wasm").content
        assert found[f"api/modules/{ONE}/module.wasm"] == wasm
        headers = {"Accept": "application/octet-stream"}
        for split in ("train", "test"):
            block = f"samples/mnist/{split}/blocks/4000/0"
            answer = studio.get(f"/api/{block}", headers=headers).content
            assert gzip.decompress(found[f"api/{block}.bin"]) == answer
    said = json.loads(found["api/server.json"])
    assert (said["writable"], said["architectures"], said["weights"]) == (False, [ONE], False)


def test_the_same_export_has_the_same_bytes_and_another_another_name(few_digits):
    """Else browsers keep what has changed, or fetch anew what has not."""
    for name, more in (("a", []), ("b", []), ("c", ["--samples", "100"])):
        assert main(["export", name, *OPTIONS, *more]) == 0
    a, b, c = (files(few_digits / name) for name in "abc")
    assert a == b and a["worker.js"] != c["worker.js"]
    assert a["page/dom.js"] == c["page/dom.js"]


def test_samples_are_a_share_of_each_set_evenly_chosen(few_digits):
    assert main(["export", "site", *OPTIONS, "--samples", "100"]) == 0
    found = files(few_digits / "site")
    said = json.loads(found["api/datasets/mnist.json"])
    assert [said["splits"][name]["count"] for name in ("train", "test")] == [80, 20]
    assert said["whole"] == few().describe()["splits"]
    block = gzip.decompress(found["api/samples/mnist/test/blocks/4000/0.bin"])
    rows = np.arange(20) * 25
    assert block[: 20 * 784] == few().test.images[rows].tobytes()
    assert np.frombuffer(block[20 * 784 :], "<u2").tolist() == few().test.labels[rows].tolist()


def test_weights_go_with_the_page_and_so_does_their_dataset(few_digits, monkeypatch):
    odd = drawn((40, 30), ["a", "b"], name="two words/ü")
    monkeypatch.setattr(data, "load", lambda *source, **how: odd)
    run_of(odd, few_digits / "run")
    assert main(["export", "site", *OPTIONS, "--weights", "run"]) == 0
    found = files(few_digits / "site")
    (few_digits / "w.safetensors").write_bytes(found["api/weights.safetensors"])
    model, described = load("w.safetensors")
    assert described.name == "two words/ü" and model is not None
    folder = "two%20words%2F%C3%BC"
    assert f"api/datasets/{folder}.json" in found
    assert f"api/samples/{folder}/test/thumbnails.bin" in found  # 40 pixels are more than 32
    assert json.loads(found["api/server.json"])["architectures"] == [
        "40x30-2_relu_sgd_128", "40x30-3-2_relu_sgd_128",  # the run's own
    ]  # fmt: skip


def test_numbers_that_are_no_bytes_are_shown_and_not_learned_from(few_digits, monkeypatch):
    odd = drawn((7,), ["a", "b"], dtype=np.float32)
    monkeypatch.setattr(data, "load", lambda *source, **how: odd)
    assert main(["export", "site"]) == 0
    assert json.loads((few_digits / "site/api/server.json").read_text())["architectures"] == []


# --- where it is written --------------------------------------------------------------------------


def test_an_export_is_replaced_and_all_else_is_left(few_digits):
    assert main(["export", "site", *OPTIONS]) == 0
    before = files(few_digits / "site")
    assert main(["export", "site", *OPTIONS, "--samples", "50"]) == 0
    assert files(few_digits / "site").keys() == before.keys()
    assert files(few_digits / "site") != before
    (few_digits / "site/CNAME").write_text("example.com")
    (few_digits / "empty").mkdir()
    assert main(["export", "empty", *OPTIONS]) == 0
    assert sorted(each.name for each in few_digits.iterdir()) == ["empty", "site"]
    refused("site", "found CNAME too")
    assert (few_digits / "site/CNAME").exists()


def refused(path: str, said: str, **options) -> None:
    given = {"architectures": OPTIONS[1], "weights": None, "samples": None, "single_file": False}
    with pytest.raises(InputError, match=said):
        export_command(Options(path, **{**given, **options}))


def test_what_is_no_place_for_an_export_is_refused(few_digits):
    (few_digits / "other").mkdir()
    (few_digits / "other/notes.txt").write_text("mine")
    (few_digits / "list").mkdir()
    (few_digits / "list/files.json").write_text('["notes.txt"]')
    (few_digits / "file").write_text("mine")
    before = files(few_digits)
    refused("other", "a new folder, or an export, found another folder")
    refused("list", "a new folder, or an export")
    refused("file", "found a file")
    refused(".", "another folder than the one that you are in")
    refused("a\0b", "null")
    refused("a\0b.html", "null", single_file=True)
    refused("none/site", "within one that is there")
    refused("site", "ends in .html", single_file=True)
    refused("other/a.html/b.html", "folder that is there", single_file=True)
    refused("site", "2 examples or more, found 1", samples=1)
    refused("site", "--samples: .* found -3", samples=-3)
    refused("site", "--weights: ", weights="none")
    refused("site", "--architectures: ", architectures="width 3")
    assert files(few_digits) == before


def test_an_export_that_is_interrupted_leaves_nothing(few_digits, monkeypatch):
    def interrupted(names, tell):
        raise KeyboardInterrupt

    monkeypatch.setattr(tree, "_modules", interrupted)
    assert main(["export", "site", *OPTIONS]) == 130
    assert not list(few_digits.iterdir())


def test_a_single_file_is_small_and_asks_for_nothing(few_digits):
    assert main(["export", "page.html", "--single-file", *OPTIONS]) == 0
    text = (few_digits / "page.html").read_text()
    assert "default-src 'none'" in text and "import.meta" not in text
    assert 'src="' not in text and '<link rel="stylesheet' not in text


def test_it_needs_no_server_and_makes_modules_in_processes_of_its_own(few_digits):
    """FastAPI is an extra; and Ctrl-C ends the others with the first. In a process without the
    stand-ins of these tests."""
    code = (
        "import sys\n"
        "sys.modules.update(dict.fromkeys(['fastapi', 'uvicorn', 'starlette', 'pydantic']))\n"
        "if __name__ == '__main__':\n"
        "    from viz.cli import main\n"
        f"    sys.exit(main(['export', 'site', '--samples', '300', *{OPTIONS!r}]))\n"
    )
    (few_digits / "run.py").write_text(code)
    done = subprocess.run(
        [sys.executable, "run.py"], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert f"api/modules/{ONE}/module.wasm" in files(few_digits / "site")
