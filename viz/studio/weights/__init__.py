"""The weights that the studio serves: every version of them is a file that is written once.

first.py gives the version that a studio begins with; versions.py has the files on disk; store.py
decides which write comes after which; text.py gives weights as JSON and takes them so.
"""

from viz.studio.weights.first import untrained, untrained_for
from viz.studio.weights.store import Weights
from viz.studio.weights.versions import Version

__all__ = ["Version", "Weights", "untrained", "untrained_for"]
