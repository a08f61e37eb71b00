"""detect_anomaly: stop at the first operation that makes a NaN or an infinity, and say why.

While it is on, the engine shows a `Watch` every node as it is made (graph.made), and every
cotangent as a rule gives it (graph.sweep). anomaly_report.py writes the text of the error.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from .. import ops
from ..graph import Node, remember
from ..modes.mode import mode, set_mode
from ..primitives.primitive import Primitive
from .anomaly_report import Report, backward_report, forward_report, has_nan, not_finite
from .anomaly_sites import Site, current_site
from .node_data import data_of

__all__ = ["AnomalyError", "Watch", "detect_anomaly"]


class AnomalyError(FloatingPointError):
    """An operation, or its derivative, made a NaN or an infinity; the text says which and why.

    op: its name. where: the file and line that called it, "file:line"; empty where unknown.
    """

    def __init__(self, text: str, op: str = "", where: str = "") -> None:
        super().__init__(text)
        self.op, self.where = op, where


@contextmanager
def detect_anomaly() -> Iterator[None]:
    """Raise AnomalyError at the first operation that makes a NaN or an infinity.

    The first in the order of the forward pass; or, if that is finite, the first whose rule makes
    one in the backward pass (put both inside). The error names the operation, its inputs with
    shapes, the entry, the line that called it, the likely cause and what to write instead.
    A NaN that comes in from outside is reported by the first operation that reads it (but not by
    `where`, which may drop it); an infinity only if the result is bad too, as exp(-inf) is not.

    For Values and Tensors, in this thread, also as a decorator. NumPy's own warnings are off
    inside. A jitted step is refused with RuntimeError: its replay has no operations to watch;
    call `step.function`, which is the step run eagerly. Not watched: tangents of `jvp`,
    operations on plain arrays, and updates in place, which show at the next operation.

    >>> from autograd import Value, detect_anomaly
    >>> with detect_anomaly():
    ...     x = Value(-1.0)
    ...     y = x.log()
    Traceback (most recent call last):
    autograd.checking.anomaly.AnomalyError: log made nan from finite numbers
    <BLANKLINE>
      <doctest autograd.checking.anomaly.detect_anomaly[1]>:3
          y = x.log()
      log: the natural logarithm of x
          x       -1 (leaf)
          result  nan
    <BLANKLINE>
      cause:   the logarithm of a negative number is not real
      instead: find out why x is negative; for its size alone, log(abs(x))
    """
    if mode.trace:
        raise RuntimeError(REFUSED)
    with set_mode(watch=mode.watch or Watch()), np.errstate(all="ignore"):
        yield


REFUSED = (
    "detect_anomaly: a jitted step is recorded and replayed, with no operations to watch; inside "
    "detect_anomaly() call step.function(...), which runs the step eagerly"
)


class Watch:
    """What `detect_anomaly` looks with, while it is on (mode.watch)."""

    def __init__(self) -> None:
        self.sites: dict[int, Site] = {}  # by the node's id

    def made(
        self, node: Node, prim: Primitive, args: Sequence[Any], params: dict[str, Any]
    ) -> None:
        """Called with the node of every operation; raises AnomalyError."""
        if mode.trace:
            raise RuntimeError(REFUSED)
        site: Site = remember(self.sites, node, current_site(prim.name))
        # In a rule, what the rule answers is looked at. `identity` stands for an argument of grad.
        if site.rule_of is not None or prim is ops.identity:
            return
        reads_nan = prim is not ops.where and any(has_nan(data_of(arg)) for arg in args)
        if reads_nan or not_finite(node._data):
            raise _error(forward_report(node, prim, args, params, self.sites))

    def contributed(self, node: Node, i: int, g: Any, contribution: Any, total: Any) -> None:
        """Called with what the rule for argument i of a node made of its cotangent g, and what
        that argument's cotangents come to with it; raises AnomalyError."""
        if not_finite(data_of(total)):
            g, contribution, total = (np.asarray(data_of(x)) for x in (g, contribution, total))
            raise _error(backward_report(node, i, g, contribution, total, self.sites))


def _error(report: Report) -> AnomalyError:
    return AnomalyError(report.text, report.op, report.where)
