"""How much of the machine's time Linux's control groups give this process: a container may see all
cores and have the time of half a one."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator
from pathlib import Path


def quota(root: Path = Path("/")) -> float:
    """The time, in cores; infinity where there is no bound. The least bound of nested groups, of
    versions 1 and 2, counts. root: where /proc and the mounted folders are found."""
    try:
        groups = _text(root / "proc/self/cgroup").splitlines()
        mounts = _text(root / "proc/self/mountinfo").splitlines()
    except OSError:
        return math.inf
    lines = [line.split(":", 2) for line in groups if line.count(":") >= 2]
    paths = {name: path for _, names, path in lines for name in names.split(",")}
    return min(
        (bound for mount in mounts for bound in _bounds(root, mount, paths)), default=math.inf
    )


def _bounds(root: Path, mount: str, paths: dict[str, str]) -> Iterator[float]:
    """The bounds of this process's group and of those around it, if a line of mountinfo mounts
    them. paths: of the group, by controller; "" in version 2."""
    before, _, after = mount.partition(" - ")
    kind, _, options, *_ = [*after.split(" "), "", "", ""]
    name = {"cgroup": "cpu", "cgroup2": ""}.get(kind)
    fields = before.split(" ")
    if name not in paths or len(fields) < 5 or (name and name not in options.split(",")):
        return
    top, at = (re.sub(r"\\(\d{3})", lambda code: chr(int(code[1], 8)), x) for x in fields[3:5])
    inside = os.path.relpath(paths[name], top)
    here = root / at.lstrip("/")
    parts = () if inside.startswith("..") else Path(inside).parts  # else nothing of it is seen
    for folder in (here, *(here.joinpath(*parts[: i + 1]) for i in range(len(parts)))):
        yield from _bound(folder)


def _bound(folder: Path) -> Iterator[float]:
    """A group's own bound, if it has one."""
    try:
        if (folder / "cpu.max").exists():
            given, period = _text(folder / "cpu.max").split()
        else:
            given, period = (_text(folder / f"cpu.cfs_{x}_us").strip() for x in ("quota", "period"))
        if given.isdigit() and int(period) > 0:  # not "max", nor -1
            yield int(given) / int(period)
    except (OSError, ValueError):
        return


def _text(file: Path) -> str:
    return os.fsdecode(file.read_bytes())
