"""What a page draws by a seed is what NumPy draws."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
TAIL = 3.6541528853610088  # beyond it a normal number is drawn in another way
COUNT = 20_000


def test_a_page_draws_the_numbers_of_numpy(deno: Callable[..., None], tmp_path: Path) -> None:
    """Else a seed gives another network on the page than in Python. Bit for bit, as float32: of the
    elementary functions browsers give the last bit of a float64 as they like. (12 million numbers
    of 120 seeds were compared once.)"""
    chosen = np.random.default_rng(16).integers(0, 2**32, 24)
    seeds = [0, 1, 2, 2**16, 2**31 - 1, 2**31, 2**32 - 1, *map(int, chosen)]
    path = tmp_path / "drawn.bin"
    paths = [f"--allow-write={tmp_path}", str(HERE / "draw.js"), str(path)]
    deno("run", "--no-remote", "--no-check", *paths, json.dumps(seeds), str(COUNT))
    found = np.fromfile(path, np.float32).reshape(len(seeds), 2, COUNT)
    for seed, (normal, uniform) in zip(seeds, found, strict=True):
        generator = np.random.default_rng(seed)
        np.testing.assert_array_equal(normal, generator.standard_normal(COUNT).astype(np.float32))
        wanted = generator.uniform(-0.3, 0.3, COUNT).astype(np.float32)
        np.testing.assert_array_equal(uniform, wanted)
    assert (abs(found[:, 0]) > TAIL).sum() > 50, "the tail was not drawn from"
