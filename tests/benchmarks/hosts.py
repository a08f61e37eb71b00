"""Hosts with slow links between them, made of Linux's network namespaces, for ranks to run on.

`enter` moves this process into namespaces of its own, of networks, mounts and processes: what is
made there nobody else sees, and it is gone with the process, however that ends.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

WITHIN = "CHAINRULE_HOSTS"  # in the environment of who has entered
PREFIX = "10.77.0."
SWITCH = f"{PREFIX}254"  # where mpiexec is
# MPICH speaks by libfabric's provider for TCP, as between machines with no faster network.
ENVIRONMENT = {"MPIR_CVAR_CH4_NETMOD": "ofi", "FI_PROVIDER": "tcp"}
# mpiexec calls it as it would ssh: LAUNCHER [-options] HOST COMMAND...
LAUNCHER = """#!/bin/sh
while case "$1" in -*) true;; *) false;; esac; do shift; done
host="$1"; shift
exec ip netns exec "$host" sh -c "$*"
"""


def enter() -> None:
    """Run this module's program again in namespaces of its own, once. SystemExit where the system
    does not allow that."""
    if os.environ.get(WITHIN):
        _run("mount -t tmpfs none /run")  # `ip netns` keeps names there
        _run("ip link set lo up")
        return
    missing = [name for name in ("unshare", "ip", "tc", "mount") if not shutil.which(name)]
    if missing:
        sys.exit(f"hosts are made by {', '.join(missing)}, which this system has not (iproute2)")
    who = ["--map-root-user"] if os.geteuid() else []
    unshare = ["unshare", *who, "--net", "--mount", "--pid", "--fork", "--kill-child"]
    os.environ[WITHIN] = "1"
    os.execvp(unshare[0], [*unshare, "--mount-proc", sys.executable, *sys.orig_argv[1:]])


@contextmanager
def network(count: int, megabits: int) -> Iterator[list[str]]:
    """So many hosts, each of which sends so many million bits a second at most. Gives the options
    with which mpiexec starts a rank on each."""
    hosts = [f"{PREFIX}{1 + i}" for i in range(count)]
    _run("ip link add switch type bridge")
    _run(f"ip addr add {SWITCH}/24 dev switch")
    _run("ip link set switch up")
    with tempfile.TemporaryDirectory() as folder:
        launcher = Path(folder, "launcher")
        launcher.write_text(LAUNCHER)
        launcher.chmod(0o755)
        try:
            for i, host in enumerate(hosts):
                _run(f"ip netns add {host}")
                _run(f"ip link add port{i} type veth peer name eth0 netns {host}")
                _run(f"ip link set port{i} master switch up")
                _run(f"ip -n {host} addr add {host}/24 dev eth0")
                _run(f"ip -n {host} link set eth0 up")
                _run(f"ip -n {host} link set lo up")
                # Long queues: what waits for its turn is not lost, as behind a good switch.
                limit = f"rate {megabits}mbit burst 32kb latency 400ms"
                _run(f"tc -n {host} qdisc add dev eth0 root tbf {limit}")
            yield [
                "-launcher", "ssh", "-launcher-exec", str(launcher),
                "-localhost", SWITCH, "-hosts", ",".join(hosts),
            ]  # fmt: skip
        finally:
            for i, host in enumerate(hosts):
                _run(f"ip link del port{i}")  # at once; that of a namespace goes a little later
                _run(f"ip netns del {host}")
            _run("ip link del switch")


def _run(command: str) -> None:
    done = subprocess.run(command.split(), capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"`{command}` ended with {done.returncode}: {done.stderr.strip()}")
