"""viz/studio/README.md: its lines of curl run in their order, and no route is left out."""

import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from PIL import Image

import data

pytest.importorskip("fastapi")

from tests.viz.studio.test_command import TOKEN, port_of, started
from viz.studio.app import create
from viz.studio.studio import Studio

README = Path(__file__).parents[3] / "viz" / "studio" / "README.md"


def test_it_names_every_route():
    """And none that is not there."""
    said = set()
    for row in re.findall(r"^\| ((?:GET|POST).*?) \|", README.read_text(), re.MULTILINE):
        for part in row.split(";"):
            methods, _, paths = part.strip().partition(" `")
            said |= {(m, p) for m in methods.split(", ") for p in re.findall(r"/[^`]*", paths)}
    described = create(Studio(TOKEN)).openapi()["paths"].items()
    assert said == {
        (method.upper(), path.removeprefix("/api")) for path, methods in described
        for method in methods
    }  # fmt: skip


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_its_lines_of_curl_run(tmp_path):
    lines = re.findall(r"^\$ (.*)$", README.read_text().split("By curl")[1], re.MULTILINE)
    lines = [line for line in lines if not line.startswith(("docker", "pip", "python"))]
    (tmp_path / ".curlrc").write_text("fail-with-body\nsilent\nshow-error\nmax-time = 60\n")
    image = data.load("mnist").test.images[0]
    Image.fromarray(image).save(tmp_path / "7.png")
    (tmp_path / "image.bin").write_bytes(image.tobytes())
    with started(tmp_path, "--token", TOKEN) as (process, line):
        text = "\n".join(lines).replace(":8000", f":{port_of(line)}")
        done = subprocess.run(
            ["bash", "-euxc", text], cwd=tmp_path, capture_output=True, check=False, text=True,
            env={**os.environ, "CURL_HOME": str(tmp_path), "CHAINRULE_TOKEN": TOKEN},
        )  # fmt: skip
        assert done.returncode == 0, (done.stdout + done.stderr)[-2000:]
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130
