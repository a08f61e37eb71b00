"""What stated probabilities are worth, and which pictures `predict` doubts.

Of the network in a run's folder, or of one that is taught for this: how many of the test answers
that are given with 90 % are right, with and without the temperature; and of each kind of pictures
in `drawings.py`, and of Fashion-MNIST where it was fetched, how many are doubted. A picture counts
as doubted where one of the answers to it is, or where nothing is found in it.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import data
from data import DataError
from models.command_line import InputError
from models.mnist.checkpoint import load, load_temperature
from models.mnist.cli import main as mnist
from models.mnist.commands.predict import Network
from models.mnist.doubt import load_doubt
from models.mnist.image import ImageError
from models.mnist.reading import find
from models.mnist.scoring import chances, logits
from tests.benchmarks import drawings

BINS = (0, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)
AIMS = {"clean digits": 2, "photographs": 5}  # percent at most; of all others 90 at least
SEED = 1


def reliability(stated: NDArray[Any], right: NDArray[Any]) -> list[dict[str, float]]:
    """Of each bin of stated probabilities how many answers there are, what they state on average,
    and how many of them are right."""
    which = np.clip(np.searchsorted(BINS, stated, "right") - 1, 0, len(BINS) - 2)
    return [
        {
            "from": BINS[i],
            "to": BINS[i + 1],
            "answers": int((which == i).sum()),
            "stated": float(stated[which == i].mean()),
            "right": float(right[which == i].mean()),
        }
        for i in np.unique(which)
    ]


def calibration_error(bins: Sequence[dict[str, float]]) -> float:
    """The expected calibration error: how far stated and right are apart, on average."""
    total = sum(each["answers"] for each in bins)
    apart = (each["answers"] * abs(each["stated"] - each["right"]) for each in bins)
    return sum(apart) / total


def doubted(network: Network, pictures: Iterable[NDArray[Any]]) -> dict[str, float]:
    """Of pictures: how many, and how many in percent are refused, and are doubted or refused."""
    count = refused = marked = 0
    for picture in pictures:
        count += 1
        try:
            digits = find(picture)
        except ImageError:
            refused += 1
            continue
        _, doubts = network.answer(np.stack([digit.pixels for digit in digits]))
        marked += bool(doubts.any())
    share = 100 / count
    return {
        "pictures": count,
        "refused": share * refused,
        "doubted": share * (refused + marked),
    }


def kinds(network: Network, quick: bool) -> dict[str, dict[str, float]]:
    """The figures of each kind; of shapes and letters also one by one."""
    generator = np.random.default_rng(SEED)
    few, many = (1, 20) if quick else (20, 1000)
    test = data.load("mnist").test.images
    found = {
        "clean digits": doubted(network, test[: many if quick else None]),
        "photographs": doubted(network, (drawings.digit(each, generator) for each in test[:many])),
        "blank paper": doubted(
            network,
            (drawings.paper(kind, generator) for kind in drawings.PAPERS for _ in range(5 * few)),
        ),
    }
    single = {
        f"shape: {name}": doubted(network, (draw(generator) for _ in range(few)))
        for name, draw in drawings.SHAPES.items()
    }
    single |= {
        f"letter: {each}": doubted(network, (drawings.letter(each, generator) for _ in range(few)))
        for each in drawings.LETTERS
    }
    shapes = {name: each for name, each in single.items() if name.startswith("shape")}
    letters = {name: each for name, each in single.items() if name.startswith("letter")}
    unlike = {name: each for name, each in letters.items() if name[-1] not in drawings.LIKE_DIGITS}
    found |= {"shapes": mean(shapes), "letters": mean(letters)}
    found["letters unlike digits"] = mean(unlike)
    try:
        garments = data.load("fashion-mnist").test.images[:many]
        found["Fashion-MNIST"] = doubted(network, garments)
    except DataError as error:
        print(f"Fashion-MNIST is left out: {error}", file=sys.stderr)
    return found | single


def mean(several: dict[str, dict[str, float]]) -> dict[str, float]:
    figures = list(several.values())
    together = {name: float(np.mean([each[name] for each in figures])) for name in figures[0]}
    return together | {"pictures": sum(each["pictures"] for each in figures)}


def taught(quick: bool, folder: str) -> str:
    """The folder of a run with the defaults."""
    run = str(Path(folder, "run"))
    with redirect_stdout(sys.stderr):
        mnist(["train", "--out", run, *(["--epochs", "1", "--hidden", "32"] if quick else [])])
    return run


def measure(run: str, quick: bool) -> dict[str, Any]:
    """All figures of a run."""
    model, described = load(run)
    temperature = load_temperature(run)
    network = Network(model, described, temperature, load_doubt(run, described))
    test = described.load("test")["test"]
    answers = logits(model, test.images, described.scale)
    right = answers.argmax(1) == test.labels
    tables = {
        name: reliability(chances(answers, by).max(1), right)
        for name, by in (("before", 1.0), ("after", temperature))
    }
    errors = {name: calibration_error(table) for name, table in tables.items()}
    return {
        "temperature": temperature,
        "accuracy": float(right.mean()),
        "reliability": tables,
        "calibration_error": errors,
        "kinds": kinds(network, quick),
    }


def report(found: dict[str, Any]) -> None:
    for name, table in found["reliability"].items():
        by = found["temperature"] if name == "after" else 1
        error = found["calibration_error"][name]
        print(f"temperature {by:g}: expected calibration error {100 * error:.2f} %")
        print("     stated   answers   on average    right")
        for each in table:
            bounds = f"{100 * each['from']:3.0f}-{100 * each['to']:.0f} %"
            print(f"{bounds:>11}{each['answers']:10,}{100 * each['stated']:11.1f} %"
                  f"{100 * each['right']:7.1f} %")  # fmt: skip
        print()
    print(f"{'doubted, in %':24}{'pictures':>9}{'refused':>9}{'doubted':>9}   aim")
    for name, each in found["kinds"].items():
        aim = f"{AIMS[name]} or less" if name in AIMS else "" if ":" in name else "90"
        print(f"{name:24}{each['pictures']:9,.0f}{each['refused']:9.1f}{each['doubted']:9.1f}"
              f"   {aim}".rstrip())  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("run", nargs="?", help="a folder (default: one is taught)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.add_argument("--quick", action="store_true", help="the smallest run, to see it works")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        try:
            found = measure(options.run or taught(options.quick, folder), options.quick)
        except InputError as error:
            sys.exit(f"error: {error}")
    if options.json:
        print(json.dumps(found))
    else:
        report(found)


if __name__ == "__main__":
    main()
