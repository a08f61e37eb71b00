"""The state of the debugger in a terminal, and what each key does to it; terminal.py draws it.

A state is never changed: each key gives another one. What is known of a node at a step is computed
from the events up to it, so that a step back has nothing to undo.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

__all__ = ["KEYS", "Stepper", "press"]

Data = dict[str, Any]

KEYS = {
    "space": "play or pause",
    "right, n, enter": "the next step",
    "left, p": "the previous step",
    "home, end": "the first, the last step",
    "e": "the next difference, where a rule may be wrong",
    "r": "run to a node, by its label or number",
    "w": "watch a node; an empty label ends that",
    "f, b": "the forward, the backward pass",
    "t": "the lesson's text",
    "?": "these keys",
    "q": "quit",
}


@dataclass(frozen=True)
class Stepper:
    """A position in a trace: a view, and in each view a step, from 0.

    watch: the id of a node that stays in sight. asking: "run to" or "watch" while a label is
    `typed`. page: "help" or "text" while that covers the rest. message: why the last key did
    nothing.
    """

    trace: Data = field(repr=False)
    view: str = "forward"
    forward: int = 0
    backward: int = 0
    watch: str | None = None
    playing: bool = False
    asking: str = ""
    typed: str = ""
    page: str = ""
    message: str = ""
    ended: bool = False

    @property
    def step(self) -> int:
        """The number of the event in the view, from 0."""
        return self.forward if self.view == "forward" else self.backward

    @property
    def events(self) -> list[Data]:
        """The events of the view."""
        return [event for event in self.trace["events"] if event["view"] == self.view]

    @property
    def event(self) -> Data:
        """The event that is shown."""
        return self.events[self.step]

    def at(self, step: int) -> Stepper:
        """At another step of the view, or the nearest that exists."""
        step = min(max(0, step), len(self.events) - 1)
        if self.view == "forward":
            return replace(self, forward=step, message="")
        return replace(self, backward=step, message="")

    def to_view(self, view: str) -> Stepper:
        """In the given view, at the step where it was left."""
        if any(event["view"] == view for event in self.trace["events"]):
            return replace(self, view=view, message="")
        return replace(self, message="nothing here takes a gradient: there is no backward pass")

    def tick(self) -> Stepper:
        """A step on while it plays; at the last one it stops playing."""
        later = self.at(self.step + 1)
        return replace(later, playing=later.step + 1 < len(later.events))

    def find(self, label: str) -> str | None:
        """The id of the node with that label, name or id."""
        label = label.strip()
        for key in ("label", "name", "id"):
            for node in self.trace["nodes"]:
                if node[key] == label:
                    return str(node["id"])
        return None

    def run_to(self, node: str) -> Stepper:
        """At the next event that concerns a node."""
        for step in range(self.step + 1, len(self.events)):
            if node in (self.events[step]["node"], self.events[step]["to"]):
                return self.at(step)
        return replace(self, message=f"nothing after this step is about {self.label(node)}")

    def to_difference(self) -> Stepper:
        """At the next event whose check differs; after the last one, at the first."""
        differing = [i for i, event in enumerate(self.trace["events"]) if _differs(event)]
        if not differing:
            return replace(self, message="no check differs")
        views = [event["view"] for event in self.trace["events"]]
        here = views.index(self.view) + self.step
        position = next((i for i in differing if i > here), differing[0])
        return self.to_view(views[position]).at(position - views.index(views[position]))

    def label(self, node: str) -> str:
        """What a node is called."""
        return str(next(each["label"] for each in self.trace["nodes"] if each["id"] == node))

    # --- what is known at a step ---

    def computed(self) -> set[str]:
        """The nodes that have been computed by now: in the backward pass, all."""
        if self.view == "backward":
            return {node["id"] for node in self.trace["nodes"]}
        return {event["node"] for event in self.events[: self.step + 1]}

    def gradients(self) -> dict[str, str]:
        """Each node's gradient so far, as text; in parentheses until it is complete."""
        sums, complete = {}, set()
        for event in self.events[: self.step + 1]:
            if event["kind"] == "accumulate":
                sums[event["node"]] = event["after"]
            elif self.view == "backward" and event["kind"] == "visit":
                complete.add(event["node"])
        return {id: text if id in complete else f"({text})" for id, text in sums.items()}

    def differing(self) -> set[str]:
        """The nodes at which a check has differed by now."""
        past = self.events[: self.step + 1]
        return {event["node"] for event in past if _differs(event)}


def _differs(event: Data) -> bool:
    return event["check"] is not None and event["check"]["agrees"] is False


def press(state: Stepper, key: str) -> Stepper:
    """The state after a key: a character, or "enter", "escape", "backspace", "left", ...

    >>> event = {"view": "forward", "kind": "visit", "node": "n1", "to": None, "check": None}
    >>> state = Stepper({"nodes": [], "events": [event, event]})
    >>> press(state, "right").step, press(press(state, "n"), "n").step
    (1, 1)
    """
    if state.page:
        return replace(state, page="", ended=key == "q")
    if state.asking:
        return _typing(state, key)
    stopped = replace(state, playing=False, message="")
    match key:
        case " ":
            return stopped if state.playing else _play(stopped)
        case "right" | "n" | "enter":
            return stopped.at(state.step + 1)
        case "left" | "p":
            return stopped.at(state.step - 1)
        case "home":
            return stopped.at(0)
        case "end":
            return stopped.at(len(state.events) - 1)
        case "r":
            return replace(stopped, asking="run to")
        case "w":
            return replace(stopped, asking="watch")
        case "e":
            return stopped.to_difference()
        case "f" | "b":
            return stopped.to_view("forward" if key == "f" else "backward")
        case "t" if state.trace["text"]:
            return replace(stopped, page="text")
        case "?":
            return replace(stopped, page="help")
        case "q":
            return replace(stopped, ended=True)
    return state


def _play(state: Stepper) -> Stepper:
    """Playing from here, or at the last step from the beginning."""
    at_end = state.step + 1 == len(state.events)
    return replace(state.at(0) if at_end else state, playing=True)


def _typing(state: Stepper, key: str) -> Stepper:
    """The state after a key while a label is typed."""
    done = replace(state, asking="", typed="", message="")
    if key == "escape":
        return done
    if key == "backspace":
        return replace(state, typed=state.typed[:-1])
    if key != "enter":
        return replace(state, typed=state.typed + key) if len(key) == 1 else state
    if not state.typed.strip():
        return replace(done, watch=None) if state.asking == "watch" else done
    node = state.find(state.typed)
    if node is None:
        return replace(done, message=f"no node is called {state.typed.strip()}")
    return replace(done, watch=node) if state.asking == "watch" else done.run_to(node)
