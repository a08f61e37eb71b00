"""MNIST on the command line: `python -m models.mnist train | evaluate | predict | show`.

Importing this imports no NumPy: __main__.py still has to tell its BLAS about the processor.
"""

__all__: list[str] = []
