"""Benchmarks are run by hand: pytest neither imports them nor looks for doctests in them."""

from pathlib import Path

collect_ignore = [
    path.name for path in Path(__file__).parent.iterdir() if not path.name.startswith("test_")
]
