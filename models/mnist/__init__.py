"""MNIST, or data of one's own, on the command line:
`python -m models.mnist train | evaluate | predict | show | export`.

From low to high, each module knows only those before it: settings, image, datasets,
reading, checkpoint, scoring, calibration, doubt, novelty, statistics, train, commands, cli,
__main__.
Importing this imports no NumPy: __main__.py still has to tell its BLAS about the processor.
"""

__all__ = ["PROGRAM"]

PROGRAM = "python -m models.mnist"  # what people type
