"""A part of MNIST, for tests that train whole networks; and datasets of any other kind, with runs
that learned nothing from them."""

import hashlib
import json
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import strategies as st
from safetensors.numpy import save_file

import data
from data import Examples
from data.datasets import load
from models.mlp import MLP


@cache
def few():
    """The first 2,000 training images and 500 test images."""
    mnist = load("mnist")
    return stand_in(
        "mnist",
        mnist.train.take(np.arange(2000)),
        mnist.test.take(np.arange(500)),
        mnist.classes,
        mnist.scale,
    )


@pytest.fixture(autouse=True)
def few_digits(monkeypatch, tmp_path):
    """For a module that imports this: every dataset is the few digits, and the folder is new."""
    monkeypatch.setattr(data, "load", lambda *source, **how: few())
    monkeypatch.chdir(tmp_path)


def stand_in(name: str, train: Examples, test: Examples, classes, scale: float):
    """What `data.load(name)` would give of these examples."""

    def describe():
        return {
            "name": name,
            "shape": list(train.images.shape[1:]),
            "classes": list(classes),
            "splits": {"train": _split(train), "test": _split(test)},
            "scale": scale,
            "source": {"source": [name]},
        }

    return SimpleNamespace(
        name=name,
        shape=train.images.shape[1:],
        classes=tuple(classes),
        scale=scale,
        train=train,
        test=test,
        describe=describe,
    )


def drawn(shape, classes, count: int = 60, seed: int = 0, name: str = "drawn", dtype=np.uint8):
    """A dataset of noise around a picture of each class, which a network tells apart at once."""
    generator = np.random.default_rng(seed)
    centres = generator.integers(40, 200, (len(classes), *shape))

    def examples(n: int) -> Examples:
        labels = np.arange(n) % len(classes)
        noise = generator.integers(-40, 40, (n, *shape))
        return Examples((centres[labels] + noise).astype(dtype), labels.astype(np.int64))

    return stand_in(name, examples(count), examples(count // 2), classes, 255.0)


def _split(examples: Examples):
    content = examples.images.tobytes() + examples.labels.tobytes()
    return {"count": len(examples), "sha256": hashlib.sha256(content).hexdigest()}


# --- datasets of any kind -------------------------------------------------------------------------

ODD_NAMES = [
    "plain", "two words", "T-shirt/top", "お茶", "é̂", "<b>bold</b>", "&amp;", "'\"`", "%s {0} \\n",
    "\x1b[31mred\x1b[0m", "\x1b]0;title\x07", "a\nb", "a\r\tb", "\x00", "\x9b31m", "\u202eright",
    "\ud800", "x" * 5000, "茶" * 300, "\x1b" * 500,
]  # fmt: skip
NAMES = st.one_of(st.sampled_from(ODD_NAMES), st.text(max_size=30), st.from_regex(r"[0-9]{1,3}"))
SHAPES = st.one_of(
    st.tuples(st.integers(1, 70)),
    st.tuples(st.integers(1, 12), st.integers(1, 100)),
    st.tuples(st.integers(1, 12), st.integers(1, 12), st.sampled_from([1, 3, 2])),
)
CLASSES = st.lists(NAMES, min_size=2, max_size=40, unique=True)


def run_of(dataset, folder: Path, hidden=(3,)) -> Path:
    """The folder of a run on a dataset, as far as evaluate, predict and show read it."""
    described = dataset.describe()
    sizes = [int(np.prod(dataset.shape)), *hidden, len(dataset.classes)]
    folder.mkdir()
    config = {"sizes": sizes, "activation": "relu", "dataset": described, "settings": {}}
    (folder / "config.json").write_text(json.dumps(config))
    save_file(MLP(sizes).state_dict(), folder / "model.safetensors")
    return folder
