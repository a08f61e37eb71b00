"""A client that asks as fast as it is answered, in a process of its own; `studio.py` starts it.

On asyncio's protocols alone, with as little parsing as can be, so that the server is what is
measured: it takes a quarter of the time that the quickest route takes.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from array import array
from collections.abc import Iterator
from itertools import cycle
from typing import Any

import uvloop

Requests = Iterator[bytes]


class Connection(asyncio.Protocol):
    """Asks, waits for the whole answer, and asks again, until there is an end."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.buffer = b""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.ask()

    def ask(self) -> None:
        self.begun = time.perf_counter()
        self.transport.write(next(self.run.requests))

    def data_received(self, data: bytes) -> None:
        self.buffer = buffer = self.buffer + data if self.buffer else data
        head = buffer.find(b"\r\n\r\n")
        if head < 0:
            return
        place = buffer.find(b"content-length: ", 0, head) + 16
        if len(buffer) < head + 4 + int(buffer[place : buffer.find(b"\r\n", place)]):
            return
        self.buffer = b""
        self.run.answered(buffer, time.perf_counter() - self.begun)
        if self.run.is_over():
            self.transport.close()
        else:
            self.ask()

    def connection_lost(self, error: Exception | None) -> None:
        self.run.left -= 1
        if not self.run.left:
            self.run.over.set()


class Run:
    """So many connections for so many seconds, or until so many requests were answered."""

    def __init__(self, requests: list[bytes], connections: int) -> None:
        self.requests = cycle(requests)
        self.left = connections
        self.times = array("d")
        self.statuses: dict[str, int] = {}
        self.over = asyncio.Event()

    def answered(self, answer: bytes, seconds: float) -> None:
        self.times.append(seconds)
        status = answer[9:12].decode()
        self.statuses[status] = self.statuses.get(status, 0) + 1

    def is_over(self) -> bool:
        return time.perf_counter() > self.end or len(self.times) >= self.most

    async def __call__(self, port: int, seconds: float, most: int) -> dict[str, Any]:
        loop = asyncio.get_running_loop()
        begun = time.perf_counter()
        self.end, self.most = begun + seconds, most
        for _ in range(self.left):
            await loop.create_connection(lambda: Connection(self), "127.0.0.1", port)
        await self.over.wait()
        took = time.perf_counter() - begun
        times = sorted(self.times)
        return {
            "rate": len(times) / took,
            "p50": times[len(times) // 2],
            "p99": times[int(0.99 * len(times))],
            "statuses": self.statuses,
        }


def main() -> None:
    """Reads what to do as JSON from standard input, and prints what came of it."""
    asked = json.load(sys.stdin)
    requests = [text.encode() for text in asked["requests"]]

    async def run() -> dict[str, Any]:
        made = Run(requests, asked["connections"])
        return await made(asked["port"], asked["seconds"], asked["most"])

    print(json.dumps(uvloop.run(run())))


if __name__ == "__main__":
    main()
