"""What a larger batch costs: accuracy on the test digits after as many epochs, by its size.

784-128-10 as `train` teaches it, without dropout, at the house's rate for each size and at others;
means over seeds. No time is measured; it takes two minutes.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from statistics import mean, stdev

import numpy as np

import data
from models.mnist.scoring import Scorer
from models.mnist.settings import Settings
from models.mnist.train import build_model, build_trainer, reader

BATCHES = (128, 256, 512, 1024, 2048, 4096, 8192)
FACTORS = (0.125, 0.25, 0.5, 1.0, 2.0)  # of the house's rate
SEEDS = (0, 1, 2)
SETTINGS = Settings(hidden=(128,), epochs=5, dropout=0.0)


def accuracy(settings: Settings, examples: data.Examples, mnist: data.Dataset) -> float:
    """Of the network that learns these examples by such settings."""
    model = build_model(settings, settings.sizes(mnist.shape, len(mnist.classes)))
    trainer = build_trainer(settings, model, examples, mnist.scale)
    trainer.fit(examples, settings.epochs, settings.batch, seed=settings.seed)
    scorer = Scorer(model, len(mnist.classes), reader(mnist.scale), True)
    return scorer(mnist.test).accuracy


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="the smallest run")
    quick = parser.parse_args().quick
    mnist = data.load("mnist")
    some = np.arange(2048 if quick else len(mnist.train))
    examples = data.Examples(*mnist.train.base, rows=some)
    for batch in BATCHES[: 1 if quick else None]:
        for factor in FACTORS:
            settings = replace(SETTINGS, batch_size=batch)
            settings = replace(settings, lr=factor * settings.rate)
            found = [accuracy(replace(settings, seed=s), examples, mnist) for s in SEEDS]
            print(
                f"batch {batch:5}, rate {settings.rate:6.3f} ({factor:5} of the house's): "
                f"{mean(found):.2%}, deviation {stdev(found):.2%}",
                flush=True,
            )


if __name__ == "__main__":
    main()
