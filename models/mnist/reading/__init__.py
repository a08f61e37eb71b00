"""Pictures from anywhere, read as people take them.

A net trained on MNIST knows digits of one size, in one place, white on black. `find` makes such
digits of all that are drawn in a picture, and `prepare` makes one of all that is drawn. `seen.py`
says which of them a network of some dataset wants.
"""

from models.mnist.reading.digits import Digit, find, prepare

__all__ = ["Digit", "find", "prepare"]
