"""Training for any Module: the Trainer, and what it tells callbacks.

From low to high, each module knows only those before it: text, metrics, place, signals, steps,
rewind, plan, trainer, callbacks, checkpoints, screen, progress.
"""

from models.training.callbacks import BestWeights, EarlyStopping, Target
from models.training.checkpoints import Checkpoints
from models.training.metrics import accuracy
from models.training.place import Epoch, History
from models.training.progress import Progress
from models.training.trainer import Callback, Trainer

__all__ = [
    "BestWeights",
    "Callback",
    "Checkpoints",
    "EarlyStopping",
    "Epoch",
    "History",
    "Progress",
    "Target",
    "Trainer",
    "accuracy",
]
