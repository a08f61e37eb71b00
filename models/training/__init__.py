"""Training for any Module: the Trainer, and what it tells callbacks.

From low to high, each module knows only those before it: text, metrics, place, signals, steps,
rewind, plan, trainer, callbacks, screen, progress.
"""

from models.training.callbacks import BestWeights, EarlyStopping, Target
from models.training.metrics import accuracy
from models.training.place import Epoch, History
from models.training.progress import Progress
from models.training.trainer import Callback, Trainer

__all__ = [
    "BestWeights",
    "Callback",
    "EarlyStopping",
    "Epoch",
    "History",
    "Progress",
    "Target",
    "Trainer",
    "accuracy",
]
