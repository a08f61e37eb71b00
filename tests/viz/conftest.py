"""What tests of pages need: a real browser, and deno, which checks and runs their JavaScript.

Playwright drives the Chromium that the system has. `page` is a fresh tab, offline. The test fails
if a script on it fails, if anything is written to the console as an error (a blocked script or
style is), or if a request leaves the file.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
# For each window Chromium would start two processes, for pages of its address bar that nobody sees.
# It obeys the last list alone, so Playwright's is in this one.
FEATURES_OFF = (
    "WebUIOmniboxPopup,WebUIOmniboxAimPopup,"
    "AvoidUnnecessaryBeforeUnloadCheckSync,DestroyProfileOnBrowserClose,HttpsUpgrades,"
    "HttpsFirstBalancedModeAutoEnable,LensOverlay,MediaRouter,PaintHolding,"
    "ThirdPartyStoragePartitioning,AvoidCorsURLLoaderRestartOnRedirect,OptimizationHints,"
    "NetworkTimeServiceQuerying,AimEnabled,PreconnectToSearch"
)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium, started once for each worker of the tests."""
    missing = "the pages are tested in a browser: pip install -e '.[test]'"
    playwright = pytest.importorskip("playwright.sync_api", reason=missing)
    path = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if path is None:
        pytest.skip(f"the pages are tested in a browser, and there is none of {CHROMIUM}")
    with playwright.sync_playwright() as driver:
        # In a container there are neither the rights for a sandbox nor a large /dev/shm.
        flags = ["--no-sandbox", "--disable-dev-shm-usage", f"--disable-features={FEATURES_OFF}"]
        chromium = driver.chromium.launch(executable_path=path, args=flags)
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """An empty tab of 1400 x 900 without a network; give it a file by `page.goto(path.as_uri())`.

    `page.emulate_media(color_scheme="dark", reduced_motion="reduce")` and
    `page.set_viewport_size({"width": 390, "height": 844})` change it as it stands.
    """
    context = browser.new_context(offline=True, viewport={"width": 1400, "height": 900})
    context.set_default_timeout(5000)
    tab = context.new_page()
    errors: list[str] = []
    requests: list[str] = []
    tab.on("pageerror", lambda error: errors.append(str(error)))
    tab.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
    tab.on("request", lambda request: requests.append(request.url))
    yield tab
    context.close()
    assert not errors, errors
    left = [url for url in requests if not url.startswith(("file:", "data:", "blob:", "about:"))]
    assert not left, left


def findings(tab: Any) -> list[str]:
    """What axe finds on a page now that is serious or critical, one line each; [] is good."""
    from axe_playwright_python.sync_playwright import Axe

    violations = Axe().run(tab).response["violations"]
    return [
        f"{each['id']}: {node['target']} {node['html'][:120]}"
        for each in violations
        if each["impact"] in ("serious", "critical")
        for node in each["nodes"]
    ]


@pytest.fixture
def axe() -> Any:
    """`axe(page)` gives the serious and critical findings of an accessibility check, [] at best."""
    pytest.importorskip("axe_playwright_python", reason="axe: pip install -e '.[test]'")
    return findings


@pytest.fixture(scope="session")
def deno() -> Callable[..., None]:
    """`deno("check", "viz", NAME="value")` runs it in the repository; the test fails if it does."""
    missing = "JavaScript is checked by deno: pip install -e '.[dev]'"
    path = pytest.importorskip("deno", reason=missing).find_deno_bin()

    def run(command: str, *arguments: str, **variables: str) -> None:
        line = [path, command, "--quiet", "--config", ".deno.json", *arguments]
        environment = {**os.environ, "NO_COLOR": "1", "DENO_NO_UPDATE_CHECK": "1", **variables}
        root = Path(__file__).parents[2]
        done = subprocess.run(
            line, cwd=root, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr

    return run
