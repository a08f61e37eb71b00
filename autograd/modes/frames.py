"""Where the engine's code is, to tell its frames from its user's."""

from __future__ import annotations

import os

PACKAGE = os.path.dirname(os.path.dirname(__file__)) + os.sep  # the engine's files begin with it
