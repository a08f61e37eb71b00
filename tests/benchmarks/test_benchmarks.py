"""Each benchmark runs, in its smallest form, and prints what it says it prints.

No time is looked at. If one of these fails, a change elsewhere has broken a benchmark, which would
otherwise be seen only when somebody wants its figures.
"""

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import data
from models.scaling import Link, Rank
from tests.benchmarks.photographs import KINDS, Kind, photographs

ROOT = Path(__file__).parents[2]
PEERS = {
    "eager": ["torch"],
    "scalar": ["micrograd"],
    "cold": ["torch", "jax", "sklearn"],
    "trainer": [],
    "ranks": ["torch"],
    "importing": [],
    "cost": [],
    "jit": ["torch", "jax", "sklearn"],
    "widths": ["jax"],
    "load": ["jax"],
    "compiling": ["jax"],
    "browser": ["playwright"],
    "studio": ["uvloop"],
    "page": ["playwright"],
}


def quickly(name: str) -> Any:
    """What a benchmark prints as JSON when it does the least."""
    result = subprocess.run(
        [sys.executable, "-m", f"tests.benchmarks.{name}", "--quick", "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_photographs_show_their_digits(kind: Kind) -> None:
    """A picture without ink, or that ends within a digit, would be counted as badly read."""
    images = data.load("mnist").test.images[:4]
    for wild in (False, True):
        for picture, labels in photographs(kind, images, np.arange(4), wild):
            assert len(labels) == kind.digits
            assert np.ptp(picture) > 50


@pytest.mark.slow
@pytest.mark.parametrize("name", PEERS)
def test_prints_json(name: str) -> None:
    missing = [peer for peer in PEERS[name] if find_spec(peer) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)} (the extra [bench])")
    report = quickly(name)
    assert report["machine"]["cpu"] and report["machine"]["versions"]["numpy"]
    rows = report["rows"]
    assert rows[0]["ratio"] is None and len(rows) >= 1 + len(PEERS[name])
    assert any(row["aim"] and row["ratio"]["median"] > 0 for row in rows)
    assert all(row["seconds"]["min"] > 0 for row in rows)


@pytest.mark.slow
def test_doubt_counts_what_it_says() -> None:
    found = quickly("doubt")
    for table in found["reliability"].values():
        assert sum(each["answers"] for each in table) == 10_000
        right = sum(each["answers"] * each["right"] for each in table) / 10_000
        assert right == pytest.approx(found["accuracy"])
    kinds = found["kinds"]
    assert all(0 <= each["refused"] <= each["doubted"] <= 100 for each in kinds.values())
    letters = [each for name, each in kinds.items() if name.startswith("letter: ")]
    assert sum(each["pictures"] for each in letters) == kinds["letters"]["pictures"] == 52


@pytest.mark.slow
def test_the_constants_of_scaling_are_printed_as_code() -> None:
    """SCALING.md has them as they are printed."""
    command = [sys.executable, "-m", "tests.benchmarks.scaling", "--quick"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    rank, link, _, *compared = run.stdout.splitlines()
    assert eval(rank, {"Rank": Rank}).flops > 0  # what we have printed ourselves
    assert eval(link, {"Link": Link}).bandwidth > 0
    assert len(compared) == 6 and all("predicted" in line for line in compared)
