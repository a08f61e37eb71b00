"""The API against its own description: python -m tests.viz.studio.api --examples 1000

It asks what the description allows and what it forbids, follows the links from one answer to the
next question, and holds every answer against what is described: status, headers, body. Streams of
events are left out, which it would read to their end.
"""

from __future__ import annotations

import argparse
import io
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import schemathesis
from fastapi.testclient import TestClient
from hypothesis import strategies as st
from PIL import Image
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema

import data
from viz.studio.app import create
from viz.studio.engine.pictures import KINDS
from viz.studio.studio import Studio
from viz.studio.weights import untrained

TOKEN = "only-for-the-tests"
# What can be said only with the request at hand: If-Match is no list of tags (400), another version
# is served (409, 412), none was named (428), it is too large (413), it is no network (422).
DEPENDS = [
    "2xx",
    "304",
    "400",
    "401",
    "403",
    "404",
    "406",
    "409",
    "412",
    "413",
    "422",
    "428",
    "503",
]
REFUSED = ["400", "401", "403", "404", "405", "406", "409", "412", "413", "415", "422", "428"]
# What is there; by chance it would hardly be asked for.
THERE: dict[str, list[Any]] = {"dataset": ["mnist"], "size": [1, 128], "If-Match": ["*"]}
THERE |= {name: [0, 1, 2] for name in ("index", "number", "label", "version")}
DIGITS = data.load("mnist")
NETWORK = untrained([784, 4, 10], "relu", DIGITS.describe(), seed=1)
IMAGE = DIGITS.test.images[0].tobytes()
BODIES = {
    "application/vnd.safetensors": [NETWORK, NETWORK[:-1], b""],
    "application/octet-stream": [IMAGE, IMAGE + b"\7\0", 2 * IMAGE + b"\7\0\1\0", NETWORK, b""],
}


def picture(kind: str) -> bytes:
    """A digit as a file of this kind of pictures."""
    file = io.BytesIO()
    Image.fromarray(DIGITS.test.images[0]).save(file, kind)
    return file.getvalue()


for kind in KINDS:
    BODIES[f"image/{kind.lower()}"] = [picture(kind), b"none"]
for media, bodies in BODIES.items():
    schemathesis.openapi.media_type(media, st.sampled_from(bodies))


@dataclass
class Found:
    """What came of it. asked: the operations. done: those that were ever answered by 2xx.
    statuses: how often each was answered. wrong: sentences."""

    asked: set[str] = field(default_factory=set)
    done: set[str] = field(default_factory=set)
    statuses: Counter[int] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


def trained(folder: Path) -> dict[str, list[Any]]:
    """Have a small job done in this folder; gives by which names it is there."""
    writing = {"Authorization": f"Bearer {TOKEN}", "If-Match": "*"}
    with TestClient(create(Studio(TOKEN, folder=folder)), base_url="http://localhost") as client:
        recipe = {"epochs": 1, "hidden": [4]}
        job = client.post("/api/retrain", json=recipe, headers=writing).headers["location"]
        while (said := client.get(job).json())["state"] in ("queued", "running"):
            time.sleep(0.1)
        kept = client.get(f"/api/runs/{said['id']}/checkpoints").json()
    return {"run": [said["id"]], "id": [said["id"]], "step": [each["step"] for each in kept]}


def tried(folder: Path, examples: int, seed: int = 1) -> Found:
    """Ask a studio, whose files are in `folder`, so many questions of each kind and operation."""
    config = configured({**THERE, **trained(folder)}, examples, seed)
    studio = Studio(TOKEN, folder=folder, hosts=("testserver",))
    schema = schemathesis.openapi.from_asgi("/api/openapi.json", create(studio), config=config)
    found = Found()
    for event in from_schema(schema).execute():
        note(event, found)
    return found


def configured(there: dict[str, list[Any]], examples: int, seed: int) -> SchemathesisConfig:
    """What is asked, and what may be answered. there: values of parameters that are there."""
    drawn = {name: {"dictionary": name, "probability": 0.7} for name in there}
    any_version = {"If-Match": drawn.pop("If-Match")}
    return SchemathesisConfig.from_dict(
        {
            "seed": seed,
            "continue-on-failure": True,
            "headers": {"Authorization": f"Bearer {TOKEN}"},
            "generation": {
                "max-examples": examples,
                "database": "none",
                "dictionaries": {"integer": {"dictionary": "index", "probability": 0.5}},
            },
            "phases": {"coverage": {"unexpected-methods": ["OPTIONS"]}},
            "checks": {
                "positive_data_acceptance": {"expected-statuses": DEPENDS},
                "negative_data_rejection": {"expected-statuses": REFUSED},
            },
            "dictionaries": {name: {"values": values} for name, values in there.items()},
            "parameters": drawn,
            "operations": [
                {"include-path-regex": "/events$", "enabled": False},
                # To delete a job is to cancel it: what it learned is still there.
                {"include-path-regex": "/jobs/", "checks": {"use_after_free": {"enabled": False}}},
                # Not of retrain: networks of any size would learn, for any time.
                {"include-path-regex": "/(weights|rollback|train)$", "parameters": any_version},
            ],
        }
    )


def note(event: events.EngineEvent, found: Found) -> None:
    """Note what an event of schemathesis tells."""
    if isinstance(event, events.NonFatalError):
        found.wrong.append(f"{event.label}: {event.value}")
    if isinstance(event, events.FatalError):
        found.wrong.append(str(event.exception))
    if not isinstance(event, events.ScenarioFinished):
        return
    cases = event.recorder.cases
    for name, interaction in event.recorder.interactions.items():
        if interaction.response is not None:
            status, label = interaction.response.status_code, cases[name].value.operation.label
            found.statuses[status] += 1
            found.asked.add(label)
            if status < 300:
                found.done.add(label)
    for checks in event.recorder.checks.values():
        for check in checks:
            if check.failure_info is not None:
                failure = check.failure_info.failure
                said = f"{event.recorder.label}: {failure.title}: {failure.message}"
                found.wrong.append(f"{said}\n{check.failure_info.code_sample}")


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--examples", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = tried(Path(folder), options.examples, options.seed)
    for sentence in sorted({*found.wrong}):
        print(sentence, end="\n\n")
    print(f"{found.statuses.total():,} requests:", end=" ")
    print(", ".join(f"{count:,} of {status}" for status, count in sorted(found.statuses.items())))
    print(f"{len(found.done)} of {len(found.asked)} operations were ever done; not:", end=" ")
    print(", ".join(sorted(found.asked - found.done)) or "none")
    print(f"{len(found.wrong)} answers that are not as described")
    sys.exit(bool(found.wrong))


if __name__ == "__main__":
    main()
