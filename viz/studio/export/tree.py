"""The files of the API: what GET answers, each in a file of its name. JSON ends in .json; examples
are packed by gzip, and end in .bin, which no host takes for something to unpack.
"""

from __future__ import annotations

import gzip
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from typing import Any
from urllib.parse import quote

import numpy as np

from data import Examples
from data.examples import digest
from viz.studio.datasets import SPLITS, Served, Split
from viz.studio.engine.modules import Module, made_of, module

__all__ = ["Tell", "api"]

Files = dict[str, bytes]
Tell = Callable[[str], None]  # says what is being done

BLOCK, BYTES = 4000, 4_000_000  # examples of a block, as page/blocks.js has them
LEVEL = 7  # of gzip: 9 takes 18 s for MNIST, this 4 s for 0.6 % more (an Intel Xeon)
SAFE = "!~*'()"  # besides letters and digits, what encodeURIComponent leaves as it is


def api(
    served: Served, names: Sequence[str], samples: int | None, weights: bytes | None, tell: Tell
) -> Files:
    """All files, by their path. names: of the architectures that the page can train. samples: so
    many examples of all sets together, evenly chosen; None for all. weights: a file of them."""
    splits = {name: _part(served, name, samples) for name in SPLITS}
    counted = {
        name: {"count": len(split), "sha256": split.sha256} for name, split in splits.items()
    }
    whole = served.description
    folder = quote(served.name, safe=SAFE)
    said = {"version": 1, "writable": False, "datasets": [served.name]}
    files = {
        "server.json": _json(
            {**said, "architectures": list(names), "weights": weights is not None}
        ),
        "datasets.json": _json([served.name]),
        f"datasets/{folder}.json": _json({**whole, "splits": counted, "whole": whole["splits"]}),
    }
    if weights is not None:
        files["weights.safetensors"] = weights
    if novelty := served.novelty():
        made = made_of(novelty, whole["shape"], whole["scale"])
        files[f"datasets/{folder}/novelty/manifest.json"] = made.manifest
        files[f"datasets/{folder}/novelty/module.wasm"] = made.wasm
    for name, split in splits.items():
        tell(f"{served.name}: {len(split):,} {name} examples")
        place = f"samples/{folder}/{name}"
        files |= {f"{place}/{path}": content for path, content in _examples(split, whole)}
    # Fused multiply-adds make a training a third faster, and not every browser has them.
    kinds = [f"{name}{kind}" for name in names for kind in ("", "_relaxed")]
    for name, made in _modules(kinds, tell):
        files[f"modules/{name}/manifest.json"] = made.manifest
        files[f"modules/{name}/module.wasm"] = made.wasm
    return files


def _json(said: Any) -> bytes:
    return json.dumps(said).encode()


def _part(served: Served, name: str, samples: int | None) -> Split:
    """A set, or its share of so many examples: at least one of it."""
    split = served.split(name)
    total = sum(len(served.split(each)) for each in SPLITS)
    count = len(split)
    if samples is None or samples >= total:
        return split
    wanted = max(1, round(samples * count / total))
    rows = np.arange(wanted) * count // wanted
    images, labels = split.images[rows], split.labels[rows]
    sha256 = digest(Examples(images, labels.astype(np.int64)))
    return Split(images, labels, sha256, split.classes)


def _examples(split: Split, described: dict[str, Any]) -> Iterator[tuple[str, bytes]]:
    size = split.images[:1].size
    block = max(1, min(BLOCK, BYTES // size))
    for number in range(-(-len(split) // block)):
        content = split.block(slice(number * block, (number + 1) * block))
        yield f"blocks/{block}/{number}.bin", gzip.compress(content, LEVEL, mtime=0)
    if described["thumbnail"]["shape"] != described["shape"]:  # else the blocks have them
        yield "thumbnails.bin", split.thumbnails


def _modules(names: Sequence[str], tell: Tell) -> Iterator[tuple[str, Module]]:
    """The modules, made by as many processes as there are CPUs."""
    # Not forked: a fork of a process with threads may wait forever for a lock of one.
    workers = max(1, min(os.cpu_count() or 1, len(names)))
    pool = ProcessPoolExecutor(workers, get_context("spawn"))
    try:
        with _without_interrupts():
            made = pool.map(module, names)
        for number, (name, each) in enumerate(zip(names, made, strict=True), 1):
            tell(f"module {number} of {len(names)}: {name}")
            yield name, each
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """What is started here never hears Ctrl-C: it is this process's, which ends the others, and
    hears it afterwards."""
    if sys.platform == "win32":
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
