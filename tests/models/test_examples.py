"""The small example of each loss: it learns what it says, by a measure other than its loss."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from autograd.nn import huber, mse
from models.examples import curve, margin, outliers, questions
from models.examples.plot import HEIGHT, WIDTH, picture

FOLDER = Path(curve.__file__).parent


def test_mse_learns_a_curve_from_noisy_points():
    """512 points of noise 0.1 leave less than that of it: 0.06."""
    x, y = curve.points(512)
    trainer = curve.learn(x, y)
    new = np.linspace(-2.9, 2.9, 100)[:, None]
    missed = np.abs(trainer.predict(new) - curve.curve(new))
    assert np.sqrt(np.mean(missed**2)) < 0.1
    # It has not learned the points by heart either.
    assert 0.7 * curve.NOISE**2 < trainer.evaluate((x, y))["loss"] < 1.5 * curve.NOISE**2


def test_outliers_move_mses_line_and_not_hubers():
    """Ten of a hundred points are 15 too high: they lift mse's line by the mean, 1.5, and pull
    huber's by ten times delta against the other 90, 0.11."""
    x, y = outliers.points(100, outliers=10)
    judge = np.polyfit(x[:, 0], y[:, 0], 1)
    by_mse, by_huber = outliers.fit(mse, x, y), outliers.fit(huber, x, y)
    np.testing.assert_allclose(by_mse, judge, rtol=1e-3)
    assert abs(by_mse[1] - outliers.START) > 1.0
    assert abs(by_huber[1] - outliers.START) < 0.2
    assert abs(by_huber[0] - outliers.SLOPE) < 0.2 < abs(by_mse[0] - outliers.SLOPE)


def test_hinge_leaves_a_margin_between_the_moons():
    x, y = margin.points(200)
    trainer = margin.learn(x, y)
    assert (trainer.predict(x) * y > 0).all()
    assert np.mean(trainer.predict(x) * y > 0.99) > 0.9
    found = trainer.evaluate(margin.points(1000, seed=1))
    assert found["right"] > 0.99


def test_binary_cross_entropy_answers_each_question_for_itself():
    x, y = questions.points(2048)
    assert {tuple(row) for row in y.tolist()} == set(np.ndindex(2, 2, 2))  # any may be true
    new, answers = questions.points(1000, seed=1)
    right = ((questions.learn(x, y).predict(new) > 0.0) == answers).mean(0)
    assert (right > 0.95).all()


def test_a_picture_has_its_points_where_they_are():
    rows = picture((".", [0, 1, 2], [0, 1, 2]), ("o", [2], [0])).split("\n")
    assert len(rows) == HEIGHT
    assert rows[0] == " " * (WIDTH - 1) + "."
    assert rows[-1] == "." + " " * (WIDTH - 2) + "o"
    assert picture(("x", [1.0], [1.0])).count("x") == 1


@pytest.mark.parametrize("name", ["curve", "outliers", "margin", "questions"])
def test_an_example_is_a_page_and_runs(name):
    assert len((FOLDER / f"{name}.py").read_text().splitlines()) < 60
    run = subprocess.run([sys.executable, "-m", f"models.examples.{name}"], check=True, text=True,
                         capture_output=True)  # fmt: skip
    assert not run.stderr
    assert len(run.stdout.splitlines()) > HEIGHT
    assert max(map(len, run.stdout.splitlines())) <= 80
