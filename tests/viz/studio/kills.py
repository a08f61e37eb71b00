"""Clients that read and write weights, while the studio is killed -9 again and again.

    python -m tests.viz.studio.kills [KILLS] [CLIENTS]

Every write adds 1 to the "step" of the version that it read and names that version, so that the
versions on disk must count on by 1: a lost update would count twice to the same number. After each
kill all that was acknowledged has to be there, byte for byte, and nothing that nobody wrote.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

from models.mnist.checkpoint import read_snapshot
from tests.viz.studio.process import Client, started
from tests.viz.studio.test_weights import content
from viz.studio.weights.versions import listed

KILLS, CLIENTS = 20, 64
FILE = "application/vnd.safetensors"


class Run:
    """What the clients of one studio did, life after life."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, 0
        self.lock, self.over = threading.Lock(), threading.Event()
        self.sent: set[str] = set()  # digests of all that was ever written
        self.told: dict[int, str] = {}  # that were acknowledged, by version
        self.counts: Counter[str] = Counter()

    def work(self, me: int) -> None:
        """Read, write, and go on where the studio has come back."""
        choose = random.Random(me)
        while not self.over.is_set():
            port = self.port
            with closing(Client(port, 10)) as client:
                while port == self.port and not self.over.is_set():
                    try:
                        self.exchange(client, choose)
                    except (OSError, http.client.HTTPException):
                        self.counts["cut off"] += 1
                        time.sleep(0.1)

    def exchange(self, client: Client, choose: random.Random) -> None:
        status, headers, body = client.ask("GET", "/api/weights", Accept=FILE)
        assert status == 200 and headers["etag"] == f'"{hashlib.sha256(body).hexdigest()}"'
        snapshot = read_snapshot(body, "what was read")
        self.counts["read"] += 1
        if choose.random() < 0.8:
            return
        written = content(snapshot.step + 1, writer=choose.random())
        with self.lock:  # before it is sent: it may be on disk without an answer
            self.sent.add(hashlib.sha256(written).hexdigest())
        sent = {"Content-Type": FILE, "If-Match": headers["etag"]}
        status, headers, body = client.ask("PUT", "/api/weights", written, **sent)
        assert status in (200, 412), body
        with self.lock:
            self.counts["written" if status == 200 else "conflicts"] += 1
            if status == 200:
                self.told[json.loads(body)["version"]] = headers["etag"].strip('"')

    @property
    def written(self) -> int:
        """How many writes were acknowledged."""
        return self.counts["written"]

    def check(self) -> None:
        """What is on disk after a kill."""
        versions = listed(self.folder / "runs/.studio/weights")
        found = {version.number: version.sha256 for version in versions}
        lost = [n for n in self.told if n >= versions[0].number and found.get(n) != self.told[n]]
        assert not lost, f"acknowledged, and lost: {lost}"
        steps = []
        for version in versions:
            body = version.path.read_bytes()
            assert hashlib.sha256(body).hexdigest() == version.sha256, "not whole"
            assert version.cause == "seed" or version.sha256 in self.sent, "nobody wrote it"
            steps.append(read_snapshot(body, str(version.path)).step)
        assert steps == list(range(steps[0], steps[0] + len(steps))), f"a lost update: {steps}"
        assert [*found] == list(range(versions[0].number, versions[0].number + len(found)))
        self.counts["versions checked"] += len(versions)


def kills(folder: Path, count: int = KILLS, clients: int = CLIENTS, writes: int = 15) -> Run:
    """Kill a studio so many times, each time after about so many writes."""
    run, failures, choose = Run(folder), list[BaseException](), random.Random(0)

    def work(me: int) -> None:
        try:
            run.work(me)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=[me]) for me in range(clients)]
    try:
        for life in range(count):
            with started(folder) as (process, run.port):
                if life == 0:
                    [thread.start() for thread in threads]
                due, limit = run.written + choose.randint(1, 2 * writes), time.monotonic() + 60
                while run.written < due and not failures and time.monotonic() < limit:
                    time.sleep(0.01)
                time.sleep(choose.uniform(0, 0.05))  # in the middle of another one
                process.kill()
                process.wait()
                run.check()
    finally:
        run.over.set()
        [thread.join() for thread in threads if thread.ident]
    if failures:
        raise failures[0]
    return run


def main() -> None:
    """Print a summary."""
    count, clients = (int(word) for word in (*sys.argv[1:], KILLS, CLIENTS)[:2])
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        run = kills(Path(folder), count, clients)
        seconds = time.perf_counter() - start
    print(
        f"{count} kills, {clients} clients, {seconds:.0f} s; on disk only whole versions that were"
    )
    print("written, each after the one that its writer read; no acknowledged write was lost")
    for name, number in sorted(run.counts.items()):
        print(f"  {number:8,} {name}")


if __name__ == "__main__":
    main()
