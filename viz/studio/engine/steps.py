"""An expression with its numbers as the debugger's page: how a neuron, or the loss, comes about."""

from __future__ import annotations

from models.command_line import InputError
from viz.debugger import Debugger
from viz.expression import graph_of
from viz.studio.refusal import Refusal

__all__ = ["steps"]


def steps(of: str, at: str) -> str:
    """HTML that needs nothing else. of, at: as `python -m viz debug` takes them. Raises Refusal 422
    for what that cannot read, and for a graph of too many nodes."""
    try:
        return Debugger(of, [(graph_of(of, at.split()), "", "")]).html()
    except InputError as error:
        sentence, *place = map(str, error.args)
        near = f", in: {place[0].strip()}" if place else ""
        raise Refusal.of(InputError(f"{sentence}{near}"), "of") from error
    except ValueError as error:
        found = str(error).removeprefix("debug: ")
        raise Refusal(422, "of", "a graph that can be stepped through", found) from error
