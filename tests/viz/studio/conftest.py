"""What the tests of the studio's server need beside those of its page."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def free(request: pytest.FixtureRequest) -> Iterator[None]:
    """No event loop runs here but the test's own. Playwright leaves its one as if it ran, for all
    tests of a process that come after one with a browser: asyncio then refuses another."""
    if "browser" in request.fixturenames:
        yield
        return
    loop = asyncio._get_running_loop()
    asyncio._set_running_loop(None)
    yield
    asyncio._set_running_loop(loop)
