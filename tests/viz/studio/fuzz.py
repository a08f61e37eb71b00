"""Uploads of weights that cannot be right, to a studio in a process of its own.

    python -m tests.viz.studio.fuzz [COUNT]

Each must be refused with 4xx and a sentence, what is served must stay, and no process of the studio
may take 500 MB.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import closing

from tests.viz.studio.mutants import FILE, WHOLE, Mutant, mutants
from tests.viz.studio.process import Client, peak, started

COUNT = 2000
MOST = 500  # MB


def complaint(mutant: Mutant, status: int, body: bytes) -> str:
    """What is wrong with the answer to a mutant; empty where it is as it should be."""
    try:
        said = json.loads(body)["error"]
        sentence = f"{said['where']}: expected {said['expected']}, found {said['found']}"
    except (ValueError, KeyError, TypeError):
        return f"{mutant.kind}: {status}, and no sentence: {body[:200]!r}"
    if not 400 <= status < 500 or said["status"] != status or said["message"] != sentence:
        return f"{mutant.kind}: {status} {said}"
    if not said["expected"] or not said["found"] or len(sentence) > 1000:
        return f"{mutant.kind}: {sentence}"
    return ""


def fuzz(folder: str, sent: Iterable[Mutant]) -> tuple[Counter[str], list[str], dict[int, float]]:
    """How many were refused by each status; what is wrong; and the peaks of memory, in MB."""
    counts, wrong = Counter[str](), list[str]()
    with started(folder) as (process, port), closing(Client(port)) as client:
        named = {"Content-Type": FILE, "If-Match": "*"}
        status, headers, body = client.ask("PUT", "/api/weights", WHOLE, **named)
        assert status == 200, body
        tag = headers["etag"]
        for mutant in sent:
            named = {**mutant.headers, "If-Match": tag, "Connection": "close"}
            status, _, body = client.ask("PUT", "/api/weights", mutant.body, **named)
            counts[str(status)] += 1
            if words := complaint(mutant, status, body):
                wrong.append(words)
        if client.ask("GET", "/api/weights")[2] != WHOLE:
            wrong.append("what is served has changed")
        return counts, wrong, peak(process.pid)


def main() -> None:
    """Print a summary."""
    count = int((*sys.argv[1:], COUNT)[0])
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        counts, wrong, peaks = fuzz(folder, mutants(count))
    print(
        f"{count:,} uploads in {time.perf_counter() - start:.0f} s, {len(wrong)} not as they should"
    )
    for status, number in sorted(counts.items()):
        print(f"  {number:6,} refused with {status}")
    print(f"peak memory of each process, MB: {', '.join(f'{mb:.0f}' for mb in peaks.values())}")
    for words in wrong[:20]:
        print(f"  {words}")
    if wrong or max(peaks.values()) > MOST:
        sys.exit(1)


if __name__ == "__main__":
    main()
