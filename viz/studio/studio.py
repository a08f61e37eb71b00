"""What the routes work with: the parts of a studio, and how it was started."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

from fastapi import Request

from viz.studio.datasets import Datasets

__all__ = ["Studio", "studio_of"]


@dataclass(eq=False)
class Studio:
    """A studio, as `create` (app.py) makes an application of it.

    token: what may change anything. folder: where the runs lie, and in .studio the studio's own.
    hosts, origins: the further ones that are answered. ending: set when the server ends, so that
    streams do.
    """

    token: str
    datasets: Datasets = field(default_factory=Datasets)
    folder: Path = Path("runs")
    read_only: bool = False
    hosts: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    ending: asyncio.Event = field(default_factory=asyncio.Event)

    async def start(self) -> None:
        """Before the first request."""

    async def close(self) -> None:
        """After the last one: what is being done is saved."""
        self.ending.set()


async def studio_of(request: Request) -> Studio:
    """The studio that a request is for. (Of a plain function FastAPI would make a thread.)"""
    studio: Studio = request.app.state.studio
    return studio
