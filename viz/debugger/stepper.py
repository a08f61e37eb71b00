"""Where someone is who steps through a chapter, and what each key does: no drawing, no terminal.

A state is never changed: each key gives another one. What a node holds at a step is worked out
from the events before it, so a step back needs nothing undone.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

__all__ = ["KEYS", "Stepper", "press"]

Data = dict[str, Any]

KEYS = {
    "space": "play or pause",
    "right, n, enter": "a step on",
    "left, p": "a step back",
    "home, end": "the first, the last step",
    "e": "the next difference, where a rule may be wrong",
    "r": "run to a node, by its label or number",
    "w": "watch a node; an empty label ends that",
    "f, b": "the forward, the backward pass",
    "t": "the chapter's text",
    "?": "these keys",
    "q": "quit",
}


@dataclass(frozen=True)
class Stepper:
    """A place in a chapter: a view, and in each view a step, from 0.

    watch: the id of a node that stays in sight. asking: "run to" or "watch" while a label is
    `typed`. page: "help" or "text" while that covers the rest. said: what the last key could not
    do.
    """

    chapter: Data = field(repr=False)
    view: str = "forward"
    forward: int = 0
    backward: int = 0
    watch: str | None = None
    playing: bool = False
    asking: str = ""
    typed: str = ""
    page: str = ""
    said: str = ""
    ended: bool = False

    @property
    def step(self) -> int:
        """Which event of the view it is, from 0."""
        return self.forward if self.view == "forward" else self.backward

    @property
    def events(self) -> list[Data]:
        """The events of the view."""
        return [event for event in self.chapter["events"] if event["view"] == self.view]

    @property
    def event(self) -> Data:
        """The one that is shown."""
        return self.events[self.step]

    def at(self, step: int) -> Stepper:
        """At another step of the view, the nearest there is."""
        step = min(max(0, step), len(self.events) - 1)
        if self.view == "forward":
            return replace(self, forward=step, said="")
        return replace(self, backward=step, said="")

    def to_view(self, view: str) -> Stepper:
        """In the other view, at the step where it was left."""
        if any(event["view"] == view for event in self.chapter["events"]):
            return replace(self, view=view, said="")
        return replace(self, said="nothing here takes a gradient: there is no backward pass")

    def tick(self) -> Stepper:
        """A step on by itself; at the last one it stops playing."""
        moved = self.at(self.step + 1)
        return replace(moved, playing=moved.step + 1 < len(moved.events))

    def find(self, label: str) -> str | None:
        """The id of the node that is called so, or has that number."""
        label = label.strip()
        for key in ("label", "name", "id"):
            for node in self.chapter["nodes"]:
                if node[key] == label:
                    return str(node["id"])
        return None

    def run_to(self, node: str) -> Stepper:
        """At the next event that is about a node."""
        for step in range(self.step + 1, len(self.events)):
            if node in (self.events[step]["node"], self.events[step]["to"]):
                return self.at(step)
        return replace(self, said=f"nothing after this step is about {self.label(node)}")

    def to_difference(self) -> Stepper:
        """At the next event whose check differs; behind the last one, at the first."""
        wrong = [i for i, event in enumerate(self.chapter["events"]) if _differs(event)]
        if not wrong:
            return replace(self, said="no check differs")
        views = [event["view"] for event in self.chapter["events"]]
        here = views.index(self.view) + self.step
        place = next((i for i in wrong if i > here), wrong[0])
        return self.to_view(views[place]).at(place - views.index(views[place]))

    def label(self, node: str) -> str:
        """What a node is called."""
        return str(next(each["label"] for each in self.chapter["nodes"] if each["id"] == node))

    # --- what is known at a step ---

    def valued(self) -> set[str]:
        """The nodes whose values the pass has come to: going backward, all."""
        if self.view == "backward":
            return {node["id"] for node in self.chapter["nodes"]}
        return {event["node"] for event in self.events[: self.step + 1]}

    def gradients(self) -> dict[str, str]:
        """What each node has got so far, as text; in parentheses while more may come."""
        found, complete = {}, set()
        for event in self.events[: self.step + 1]:
            if event["kind"] == "accumulate":
                found[event["node"]] = event["after"]
            elif self.view == "backward" and event["kind"] == "visit":
                complete.add(event["node"])
        return {id: text if id in complete else f"({text})" for id, text in found.items()}

    def wrong(self) -> set[str]:
        """The nodes at which a difference has parted from a rule."""
        seen = self.events[: self.step + 1]
        return {event["node"] for event in seen if _differs(event)}


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
    stopped = replace(state, playing=False, said="")
    match key:
        case " ":
            again = replace(state.at(0) if state.step + 1 == len(state.events) else state, said="")
            return stopped if state.playing else replace(again, playing=True)
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
        case "f":
            return stopped.to_view("forward")
        case "b":
            return stopped.to_view("backward")
        case "t" if state.chapter["text"]:
            return replace(stopped, page="text")
        case "?":
            return replace(stopped, page="help")
        case "q":
            return replace(stopped, ended=True)
    return state


def _typing(state: Stepper, key: str) -> Stepper:
    """A label is being typed."""
    done = replace(state, asking="", typed="", said="")
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
        return replace(done, said=f"no node is called {state.typed.strip()}")
    return replace(done, watch=node) if state.asking == "watch" else done.run_to(node)
