"""Each benchmark runs, in its smallest form, and prints what it says it prints.

No time is looked at. If one of these fails, a change elsewhere has broken a benchmark, which would
otherwise be seen only when somebody wants its figures.
"""

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PEERS = {
    "eager": ["torch"],
    "scalar": ["micrograd"],
    "cold": ["torch", "jax", "sklearn"],
    "trainer": [],
    "importing": [],
    "cost": [],
    "jit": ["torch", "jax", "sklearn"],
    "widths": ["jax"],
    "load": ["jax"],
    "compiling": ["jax"],
    "browser": ["playwright"],
}


@pytest.mark.slow
@pytest.mark.parametrize("name", PEERS)
def test_prints_json(name: str) -> None:
    missing = [peer for peer in PEERS[name] if find_spec(peer) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)} (the extra [bench])")
    result = subprocess.run(
        [sys.executable, "-m", f"tests.benchmarks.{name}", "--quick", "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    assert report["machine"]["cpu"] and report["machine"]["versions"]["numpy"]
    rows = report["rows"]
    assert rows[0]["ratio"] is None and len(rows) >= 1 + len(PEERS[name])
    assert any(row["aim"] and row["ratio"]["median"] > 0 for row in rows)
    assert all(row["seconds"]["min"] > 0 for row in rows)
