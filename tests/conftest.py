"""How much hypothesis tries, what runs first, and by how many workers.

`fixed` (the default) tries the same examples each time, for CI; `long` tries many:
python -m pytest --hypothesis-profile=long
"""

import gc
import os
from collections.abc import Generator, Iterator

import pytest
from hypothesis import settings

# Idle threads of BLAS would spin on a core that another worker needs (models.mnist has it so too).
# Read by NumPy, which is not imported yet, and by what the tests start.
os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "4")

settings.register_profile(
    "fixed", max_examples=25, deadline=None, derandomize=True, database=None, print_blob=False
)
settings.register_profile("long", max_examples=2000, deadline=None, database=None, print_blob=True)
settings.load_profile("fixed")


@pytest.fixture(scope="module", autouse=True)
def young() -> Iterator[None]:
    """What the tests before have left is not looked through whenever a test collects garbage: among
    thousands of modules and examples that takes a second, and some collect for each example."""
    gc.freeze()
    yield
    gc.unfreeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A wrong derivative rule fails hundreds of tests: those that name it run first. Then the slow
    ones, so that in the end no worker waits for another's last test."""
    items.sort(key=lambda item: [not item.get_closest_marker(mark) for mark in ("rules", "slow")])


@pytest.hookimpl(optionalhook=True, wrapper=True)
def pytest_xdist_auto_num_workers() -> Generator[None, int, int]:
    """One more than cores: a third of its time a test waits, for a process, a page or a signal."""
    return (yield) + 1


def pytest_report_teststatus(report: pytest.TestReport) -> tuple[str, str, str] | None:
    """And name it at once: pytest's own words come at the end, after minutes."""
    if report.failed and "rules" in getattr(report, "keywords", ()):  # none, of a collection
        return "failed", f"\nF {report.nodeid}\n", "FAILED"
    return None
