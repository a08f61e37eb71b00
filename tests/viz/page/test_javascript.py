"""The modules that pages share: their types, what deno's tests say, and files as Python's.

The module that the JavaScript tests load is module.wat beside them, assembled here.
"""

from __future__ import annotations

import base64
import json
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import SafetensorError
from safetensors.numpy import load, save

from autograd import cross_entropy, jit, random
from autograd.compiler import wasm
from autograd.optim import SGD
from models.mlp import MLP
from tests.viz.page.bundle import page_of
from viz.page import script

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
DTYPES = ("bool", "uint8", "int8", "int16", "uint16", "int32", "uint32", "float32", "float64")
DTYPES += ("int64", "uint64")
# Where a page is stricter than Python: what is ambiguous, or no part of the format.
STRICTER = re.compile("stands twice|more than texts|not a tensor's members|expected one of BOOL")

Deno = Callable[..., None]


@pytest.fixture(scope="module")
def module() -> bytes:
    wasmtime = pytest.importorskip("wasmtime")
    return bytes(wasmtime.wat2wasm((HERE / "module.wat").read_text()))


# --- deno ----------------------------------------------------------------------------------------


def test_types(deno: Deno) -> None:
    """Else the types in the comments say what is not so."""
    deno("check", "--no-remote", "viz", "tests")


def test_lint(deno: Deno) -> None:
    deno("lint", "viz", "tests")


def test_what_the_tests_in_javascript_say(deno: Deno, module: bytes, tmp_path: Path) -> None:
    (tmp_path / "module.wasm").write_bytes(module)
    allowed = ["--no-check", "--allow-read", "--allow-env=MODULE"]
    deno("test", *allowed, "tests", MODULE=str(tmp_path / "module.wasm"))


@pytest.mark.parametrize(
    "path",
    [path for room in ("viz", "tests") for path in (ROOT / room).rglob("*.js")],
    ids=lambda path: path.relative_to(ROOT).as_posix(),
)
def test_a_module_is_checked_and_nothing_in_it_is_of_any_type(path: Path) -> None:
    """Else deno passes it without having looked."""
    text = path.read_text()
    assert text.startswith("// @ts-check\n")
    assert re.findall(r"\{[^{}]*\bany\b[^{}]*\}|@ts-(?:ignore|expect|nocheck)", text) == []


# --- one script ----------------------------------------------------------------------------------


def test_a_script_holds_each_module_once_after_what_it_imports(tmp_path: Path) -> None:
    (tmp_path / "a.js").write_text('import { c } from "./c.js";\nexport const a = c;\n')
    (tmp_path / "b.js").write_text('import {\n  a,\n} from "./a.js";\nexport const b = a;\n')
    (tmp_path / "c.js").write_text('export const c = "export c";\n')
    found = script(tmp_path / "b.js", tmp_path / "c.js")
    c, a, b = (
        found.index(text) for text in ('const c = "export c";', "const a = c;", "const b = a;")
    )
    assert c < a < b and found.count("const c =") == 1
    (tmp_path / "d.js").write_text("export const c = 4;\n")
    later = 'export async function e() {\n  const { c } = await import("./c.js");\n}\n'
    (tmp_path / "e.js").write_text(later)
    found = script(tmp_path / "e.js")
    assert "const { c } = $0;" in found and found.index('const c = "export c";') < found.index(
        "= $0"
    )
    other = script(tmp_path / "b.js", instead={tmp_path / "c.js": tmp_path / "d.js"})
    assert "export c" not in other and "const c = 4;" in other


@pytest.mark.parametrize(
    "text",
    [
        'import * as c from "./c.js";', 'import c from "./c.js";', "export default 1;",
        "export let a = 1;", "export { a };", 'export * from "./c.js";', 'import "./c.js";',
        "const here = import.meta.url;", 'import { a } from "./a.js";',
    ],
)  # fmt: skip
def test_what_cannot_be_part_of_one_script_is_refused(tmp_path: Path, text: str) -> None:
    """Else a page is written that no browser runs."""
    (tmp_path / "a.js").write_text(f"{text}\n")
    (tmp_path / "c.js").write_text("export const c = 1;\n")
    with pytest.raises(ValueError, match=r"a\.js: "):
        script(tmp_path / "a.js")


def training() -> tuple[Any, MLP, SGD]:
    """A step of training, and what holds its states."""
    model = MLP([12, 8, 3], seed=0)
    optimizer = SGD(model.parameters(), lr=0.1, momentum=0.9)

    @jit
    def step(x: Any, y: Any) -> dict[str, Any]:
        loss = cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return {"loss": loss}

    return step, model, optimizer


def numbers(content: bytes) -> str:
    return f"Uint8Array.of({','.join(map(str, content))})"


@pytest.mark.parametrize("simd", ["v128", "relaxed"])
def test_a_page_of_one_file_trains_as_python_does(page: Any, tmp_path: Path, simd: str) -> None:
    """Else the modules work under deno alone, or not in one script. 1e-5: the loader
    changes no number, and 40 steps of float32 in another order of sums differ by 1e-6."""
    step, model, optimizer = training()
    drawn = np.random.default_rng(0)
    x, y = drawn.random((50, 12), np.float32), drawn.integers(0, 3, 50).astype(np.int32)
    order = drawn.integers(0, 50, (40, 6)).astype(np.int32)
    epoch = seed = np.zeros((), np.int64)
    entries = {
        "step": (step, (x[:6], y[:6])),
        "loop": (step.loop, ((x, y), order)),
        "draws": (lambda epoch, seed: {"draws": random.draws(epoch, 50, seed)}, (epoch, seed)),
    }
    module = wasm(entries, simd, model=model, optimizer=optimizer)
    states = {name: np.array(t.data, order="C") for name, t in module.states.items()}
    imports = {
        "dom.js": "byId",
        "order.js": "order",
        "safetensors.js": "readSafetensors, writeSafetensors",
        "wasm.js": "load",
    }
    code = f"""
        const module = await load({numbers(module.wasm)}, {json.dumps(module.manifest)});
        module.restore(readSafetensors({numbers(save(states))}).tensors);
        const {{ tensors }} = readSafetensors({numbers(save({"x": x, "y": y, "order": order}))});
        for (const [name, each] of tensors) module.array(name, "loop").write(each.data);
        for await (const step of module.loop("loop", 0, 40));
        tensors.set("losses", module.array("loss", "loop").tensor());
        module.array("epoch", "draws").write([3]);
        module.array("seed", "draws").write([2 ** 32 - 1]);
        module.run("draws");
        const drawn = order(Float32Array.from(module.array("draws", "draws").read(), Number));
        tensors.set("epoch", {{ dtype: "int32", shape: [50], data: drawn }});
        for (const [name, each] of module.snapshot()) tensors.set(name, each);
        const saved = writeSafetensors(tensors, new Map([["step", "40"]]));
        byId("saved").textContent = btoa(String.fromCharCode(...saved));
        """
    page.goto(page_of(tmp_path, '<p id="saved"></p>', imports, code))
    page.wait_for_selector("#saved:not(:empty)")
    found = load(base64.b64decode(page.text_content("#saved")))
    losses = step.loop((x, y), order)["loss"].data
    np.testing.assert_allclose(found["losses"], losses, rtol=1e-5)
    assert found["epoch"].tolist() == random.order(50, seed=2**32 - 1, epoch=3).tolist()
    for name, tensor in module.states.items():
        np.testing.assert_allclose(found[name], tensor.data, atol=1e-5, err_msg=name)


# --- files of tensors ----------------------------------------------------------------------------

# Names above U+FFFF are sorted otherwise by JavaScript, but for those below the surrogates.
TEXTS = st.text(st.characters(max_codepoint=0xD7FF) | st.just("\U0001f642"), max_size=5)


@st.composite
def files(draw: Any) -> bytes:
    """A file as Python writes it, of tensors with any bits."""

    def tensor() -> Any:
        dtype = np.dtype(draw(st.sampled_from(DTYPES)))
        shape = draw(st.lists(st.integers(0, 3), max_size=3))
        size = int(np.prod(shape)) * dtype.itemsize
        data = np.frombuffer(draw(st.binary(min_size=size, max_size=size)), np.uint8)
        return (data % 2 if dtype.kind == "b" else data).view(dtype).reshape(shape)

    names = draw(st.lists(TEXTS, unique=True, min_size=1, max_size=4))
    # Of several texts Python writes a different one first each time.
    metadata = draw(st.none() | st.dictionaries(TEXTS, TEXTS, min_size=1, max_size=1))
    return save({name: tensor() for name in names}, metadata)


@st.composite
def damaged(draw: Any) -> bytes:
    """A file in which some bytes are others, are missing, or are too many."""
    content = bytearray(draw(files()))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(content)))
        content[at : at + draw(st.integers(0, 2))] = draw(
            st.binary(max_size=2)
            | st.sampled_from([b"0", b"1", b'"', b"e", b",", b"[", b" ", b"\xff"])
        )
    return bytes(content)


def through_a_page(deno: Deno, contents: list[bytes]) -> list[bytes | str]:
    """Of each file what a page writes that has read it, or why the page refuses it."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder, f"{i}.safetensors") for i in range(len(contents))]
        for path, content in zip(paths, contents, strict=True):
            path.write_bytes(content)
        allowed = [f"--allow-read={folder}", f"--allow-write={folder}"]
        deno("run", "--no-remote", *allowed, str(HERE / "round_trip.js"), folder)
        found = [(Path(f"{path}.page"), Path(f"{path}.refused")) for path in paths]
        return [page.read_bytes() if page.exists() else no.read_text() for page, no in found]


@settings(max_examples=5)
@given(st.lists(files(), min_size=20, max_size=40))
def test_a_page_reads_and_writes_what_python_does(deno: Deno, contents: list[bytes]) -> None:
    """Else weights that were trained in one cannot be used, or are others, in the other."""
    assert through_a_page(deno, contents) == contents


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    def bits(tensors: dict[str, Any]) -> dict[str, Any]:
        return {name: (t.dtype, t.shape, t.tobytes()) for name, t in tensors.items()}

    return bits(one) == bits(other)


@settings(max_examples=5)
@given(st.lists(damaged(), min_size=20, max_size=40))
def test_a_damaged_file_is_read_as_python_does_or_refused(
    deno: Deno, contents: list[bytes]
) -> None:
    """Else a page shows numbers that are in no file, or breaks where it reads one."""
    for content, answer in zip(contents, through_a_page(deno, contents), strict=True):
        try:
            expected = load(content)
        except (SafetensorError, KeyError, ValueError):
            expected = None
        if isinstance(answer, str):
            assert answer.startswith("Error: safetensors: "), answer
            assert expected is None or STRICTER.search(answer), (answer, content)
        else:
            assert expected is not None and same(load(answer), expected), content
