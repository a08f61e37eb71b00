"""The studio's server under load: one sample, blocks, a sample while a network learns, memory.

32 connections that ask as fast as they are answered (http_load.py), against a route of FastAPI that
returns constant bytes, served in the same way. `--requests` says how many requests are answered
before the memory of the server is looked at again.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from tests.benchmarks import harness

CONNECTIONS, SECONDS = 32, 3.0
SAMPLES = "/api/samples/mnist/train"
TOKEN = "only-for-the-benchmark"
CONSTANT = {"binary": 786, "JSON": 3_300}  # bytes, as many as a sample has
# requests a second, their p99 in seconds, and the time of the constant bytes by ours
LEARNING = "sample while a network learns"
AIMS: dict[str, tuple[int | None, float | None]] = {
    "sample, binary": (2000, 0.02),
    "sample, JSON": (1500, 0.02),
    "block of 128": (500, None),
    LEARNING: (None, 0.06),
}
RATIO = 0.6


def get(path: str, media: str = "application/octet-stream") -> str:
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: {media}\r\n\r\n"


BINARY = [get(f"{SAMPLES}/{7 * i}") for i in range(1000)]
AS_JSON = [get(f"{SAMPLES}/{7 * i}", "application/json") for i in range(1000)]
BLOCKS = [get(f"{SAMPLES}/blocks/128/{i}") for i in range(400)]
# What a client may ask, and what none should.
MIXED = [
    *BINARY[:20], *AS_JSON[:20], *BLOCKS[:4], get(f"{SAMPLES}/random"), get("/api/datasets"),
    get("/api/samples/none/train/0"), get("/nowhere"), get(f"{SAMPLES}/x"),
    "POST /api/train HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}",
    f"GET {SAMPLES}/0 HTTP/1.1\r\nHost: elsewhere\r\n\r\n",
]  # fmt: skip


# --- the two servers ------------------------------------------------------------------------------


def serve_constant() -> None:
    """Constant bytes, as the studio's server serves its routes."""
    from fastapi import FastAPI

    from models.training.signals import ENDING, noted
    from viz.studio.address import listen, url
    from viz.studio.server import serve

    app = FastAPI(openapi_url=None)
    for name, size in CONSTANT.items():
        app.add_api_route(f"/{name}", constant(size))
    with noted(ENDING) as received, listen("127.0.0.1", 0) as listener:
        ready = partial(print, url(listener, "127.0.0.1", ""), flush=True)
        serve(app, listener, received, ready, lambda: None)


def constant(size: int) -> Callable[[], Any]:
    """A route that has nothing to do."""
    from fastapi import Response

    content = bytes(size)

    async def route() -> Response:
        return Response(content)

    return route


@contextmanager
def server(folder: str, *command: str) -> Iterator[tuple[int, int]]:
    """The port and the process id of a server, that ends with the block."""
    environment = harness.environment() | {"PYTHONPATH": str(harness.ROOT)}
    process = subprocess.Popen(
        [sys.executable, "-m", *command], cwd=folder, env=environment, stdout=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    assert process.stdout
    try:
        found = re.search(r":(\d+)/#", process.stdout.readline())
        yield int(found[1] if found else sys.exit("the server did not start")), process.pid
    finally:
        process.terminate()
        process.wait()


# --- what is measured -----------------------------------------------------------------------------


def ask(
    port: int, requests: Sequence[str], connections: int, seconds: float, most: int = 10**9
) -> dict[str, Any]:
    """What a client in a process of its own sees."""
    asked = {"port": port, "requests": requests, "connections": connections, "seconds": seconds}
    result = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.http_load"], cwd=harness.ROOT, check=True,
        input=json.dumps(asked | {"most": most}), stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    found: dict[str, Any] = json.loads(result.stdout)
    return found


@contextmanager
def learning(port: int) -> Iterator[None]:
    """A network learns meanwhile: MNIST, by the defaults, for longer than this lasts."""
    recipe = {"epochs": 10_000, "schedule": "constant"}
    job = tell(port, "POST", "/api/retrain", recipe)["id"]
    while not tell(port, "GET", f"/api/jobs/{job}")["progress"]:
        time.sleep(0.1)
    yield
    tell(port, "DELETE", f"/api/jobs/{job}")


def tell(port: int, method: str, path: str, body: object = None) -> Any:
    """What the studio answers to one who may change things."""
    headers = {"Authorization": f"Bearer {TOKEN}", "If-Match": "*"}
    headers["Content-Type"] = "application/json"
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request(method, path, None if body is None else json.dumps(body), headers)
    with connection.getresponse() as answer:
        return json.load(answer)


def memory(pid: int) -> float:
    """Megabytes that a process has in memory; 0 where the system does not say."""
    with suppress(OSError):
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
    return 0.0


def turns(port: int, constant: int, seconds: float) -> dict[str, Callable[[], dict[str, Any]]]:
    """What takes turns."""

    def of(port: int, requests: Sequence[str]) -> Callable[[], dict[str, Any]]:
        return lambda: ask(port, requests, CONNECTIONS, seconds)

    return {
        **{f"constant, {name}": of(constant, [get(f"/{name}")]) for name in CONSTANT},
        "sample, binary": of(port, BINARY),
        "sample, JSON": of(port, AS_JSON),
        "block of 128": of(port, BLOCKS),
    }


def line(name: str, answers: list[dict[str, Any]], peers: list[dict[str, Any]]) -> dict[str, Any]:
    """A line of the table; its times are of one request, on all connections together."""
    row = harness.row(name, [1 / each["rate"] for each in answers])
    rate, p99 = (
        harness.spread([each[key] for each in answers])["median"] for key in ("rate", "p99")
    )
    least, most = AIMS.get(name, (None, None))
    row["a second"] = f"{rate:,.0f}" + (f" ({aim(rate >= least, f'{least:,}')})" if least else "")
    row["p50"] = f"{1e3 * harness.spread([each['p50'] for each in answers])['median']:.1f} ms"
    row["p99"] = f"{1e3 * p99:.1f} ms" + (
        f" ({aim(p99 <= most, f'{1e3 * most:g}')})" if most else ""
    )
    if peers:
        times = [b["rate"] / a["rate"] for a, b in zip(answers, peers, strict=True)]
        row |= {"ratio": harness.spread(times), "aim": 1 / RATIO}
    assert all(set(each["statuses"]) == {"200"} for each in answers), answers
    return row


def aim(is_met: bool, wanted: str) -> str:
    return f"{wanted} {'met' if is_met else 'missed'}"


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--quick", action="store_true", help="the smallest run")
    parser.add_argument("--requests", type=int, default=100_000, help="for the memory")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    given = options()
    if given.serve:
        serve_constant()
        return
    seconds, most = (0.2, 300) if given.quick else (SECONDS, given.requests)
    studio = ("viz", "studio", "--no-browser", "--port", "0", "--token", TOKEN)
    with (
        tempfile.TemporaryDirectory() as folder,
        server(folder, *studio) as (port, pid),
        server(folder, "tests.benchmarks.studio", "--serve") as (constant, _),
    ):
        rest = memory(pid)
        contestants = turns(port, constant, seconds)
        for turn in contestants.values():
            turn()  # reads the dataset
        rounds = harness.alternate(contestants, given, rounds=5)
        ask(port, MIXED, CONNECTIONS, 1e9, most // 10)
        before = memory(pid)
        mixed = ask(port, MIXED, CONNECTIONS, 1e9, most)
        after = memory(pid)
        with learning(port):
            rounds[LEARNING] = [contestants["sample, binary"]() for _ in rounds["block of 128"]]
    rows = [line(name, rounds[name], rounds.get(f"constant, {name[8:]}", [])) for name in rounds]
    harness.report(
        f"studio: {CONNECTIONS} connections that ask as fast as they are answered",
        rows,
        harness.machine("fastapi", "uvicorn", "uvloop"),
        given,
        "Times are of one request. Memory of the server: "
        f"{rest:.0f} MB at rest, {before:.0f} MB before and {after:.0f} MB after {most:,} requests "
        f"of all kinds, {mixed['rate']:,.0f} a second.",
    )


if __name__ == "__main__":
    main()
