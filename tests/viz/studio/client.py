"""A client of a studio in this process, for the tests of its routes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from fastapi.testclient import TestClient

from viz.studio.app import create
from viz.studio.studio import Studio

TOKEN = "only-for-the-tests"
WRITING = {"Authorization": f"Bearer {TOKEN}"}
JSON = {"Accept": "application/json"}
BINARY = {"Accept": "application/octet-stream"}


@contextmanager
def client(**how) -> Iterator[TestClient]:
    """A client of the studio that is made `how` the fields of Studio say."""
    with TemporaryDirectory() as folder:
        studio = Studio(TOKEN, **{"folder": Path(folder), **how})
        with TestClient(create(studio), base_url="http://localhost") as made:
            yield made


def refused(answer, status: int, where: str) -> str:
    """The sentence of an error; its body has the one shape that all have."""
    assert answer.status_code == status, answer.text
    assert set(answer.json()) == {"error"}
    said = answer.json()["error"]
    assert set(said) == {"status", "where", "expected", "found", "message"}
    assert (said["status"], said["where"]) == (status, where), said
    assert said["message"] == f"{where}: expected {said['expected']}, found {said['found']}"
    return said["message"]
