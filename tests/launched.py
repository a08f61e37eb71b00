"""Programs run by mpiexec, on so many ranks."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

MPIEXEC = shutil.which("mpiexec", path=Path(sys.executable).parent) or "mpiexec"
# A thread for each rank: more ranks than cores would wait for each other.
ENVIRONMENT = {**os.environ, "CHAINRULE_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def mpiexec(count: int, *arguments: str, **how: object) -> subprocess.CompletedProcess:
    """`mpiexec -n COUNT python ARGUMENTS`, run to its end."""
    command = [MPIEXEC, "-n", str(count), sys.executable, *arguments]
    given = {"env": ENVIRONMENT, "timeout": 120, "capture_output": True, "text": True, **how}
    return subprocess.run(command, check=False, **given)


def printed(count: int, script: Path) -> Any:
    """What a script prints as JSON, run by so many ranks, which end well."""
    run = mpiexec(count, str(script))
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)
