"""The two-moons demo: its points are two moons, and it learns them all."""

import os
import re
import subprocess
import sys

import pytest

from models.moons import learn, moons, picture
from models.neuron import MLP


def test_the_points_lie_on_two_half_circles():
    points, labels = moons(50, noise=0.0, seed=0)
    assert labels.count(1) == labels.count(-1) == 25
    for (x, y), label in zip(points, labels, strict=True):
        centre = (0.0, 0.0) if label < 0 else (1.0, 0.5)
        assert (x - centre[0]) ** 2 + (y - centre[1]) ** 2 == pytest.approx(1.0)
        assert (y - centre[1]) * label <= 1e-12  # the one above, the other below


def test_noise_and_seed():
    still, noisy = moons(20, 0.0, seed=1)[0], moons(20, 0.1, seed=1)[0]
    assert noisy == moons(20, 0.1, seed=1)[0] != moons(20, 0.1, seed=2)[0]
    assert all(
        abs(a - b) < 0.6
        for p, q in zip(still, noisy, strict=True)
        for a, b in zip(p, q, strict=True)
    )


def test_a_small_net_learns_and_is_drawn():
    points, labels = moons(20, noise=0.05, seed=0)
    net = MLP(2, [8, 1], seed=0)
    losses = []
    learn(net, points, labels, 30, lambda step, loss, accuracy: losses.append(loss))
    assert losses[-1] < losses[0] / 2
    rows = picture(net, points, labels).split("\n")
    assert {len(row) for row in rows} == {58}
    assert set("".join(rows)) == set(".:ox")


@pytest.mark.slow
def test_the_demo_ends_with_every_point_right():
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    run = subprocess.run([sys.executable, "-m", "models.moons"], env=env, check=True, text=True,
                         capture_output=True)  # fmt: skip
    assert "in the end 100 of 100 points are right" in run.stdout
    losses = [float(loss) for loss in re.findall(r"loss (\S+)", run.stdout)]
    assert len(losses) == 10
    assert losses[-1] < 0.02
    assert not run.stderr
