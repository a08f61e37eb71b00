"""The debugger in a terminal; without a terminal, all the steps as plain text.

`stepper.py` says what the keys do. Here are the screen, drawn by rich, and the keyboard, read in
cbreak mode, in which Ctrl-C still interrupts.
"""

from __future__ import annotations

import os
import re
import select
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.layout import Layout
from rich.live import Live
from rich.table import Table
from rich.text import Text

from viz.debugger.stepper import KEYS, Stepper, press
from viz.text import printable

__all__ = ["plain_text", "run"]

Data = dict[str, Any]

PAUSE = 0.8  # seconds between two steps while it plays
WIDE = 120  # columns; from here on the numbers stand beside the nodes
NARROW = 50  # columns; below, what the nodes do is only in the sentence, so that numbers fit
MAX_INDENT = 10  # columns
SHOWN_KEYS = (
    "? help", "q quit", "space play", "n/p step", "f/b pass", "home/end", "r run to", "w watch"
)  # fmt: skip
MEANINGS = "g is the upstream gradient, out this node's value"
TIMES = "\N{MULTIPLICATION SIGN}"

SEQUENCE = re.compile(r"\x1b[\[O][0-9;]*[A-Za-z~]|\x1b|.", re.DOTALL)
NAMED = {
    "\x1b[C": "right", "\x1bOC": "right", "\x1b[D": "left", "\x1bOD": "left",
    "\x1b[H": "home", "\x1bOH": "home", "\x1b[1~": "home", "\x1b[7~": "home",
    "\x1b[F": "end", "\x1bOF": "end", "\x1b[4~": "end", "\x1b[8~": "end",
    "\n": "enter", "\r": "enter", "\x7f": "backspace", "\b": "backspace", "\x1b": "escape",
}  # fmt: skip


def run(trace: Data) -> None:
    """Step through a trace by keyboard; where input or output is no terminal, print it."""
    console = Console(highlight=False)
    if not (sys.stdin.isatty() and console.is_terminal) or console.is_dumb_terminal:
        print(plain_text(trace))
        return
    try:
        import termios  # noqa: F401
    except ImportError:
        print("This system has no termios to read single keys with; here are all the steps.\n")
        print(plain_text(trace))
        return
    state = Stepper(trace, page="text" if trace["text"] else "")
    with _keyboard() as keys, Live(console=console, screen=True, auto_refresh=False) as live:
        due, drawn, drawn_size = 0.0, None, None
        while not state.ended:
            size = console.size  # the window may have another one by now
            if state is not drawn or size != drawn_size:
                live.update(screen(state, console), refresh=True)
                drawn, drawn_size = state, size
            pressed = keys(max(0.0, due - time.monotonic()) if state.playing else 0.25)
            for key in pressed:
                state = press(state, key)
            if pressed or time.monotonic() >= due:
                state = state if pressed or not state.playing else state.tick()
                due = time.monotonic() + PAUSE


# --- the keyboard --------------------------------------------------------------------------------


@contextmanager
def _keyboard() -> Iterator[Any]:
    """Read keys as they are pressed: gives a function that waits for them, at most so many seconds.
    It restores the terminal whatever happens."""
    import termios
    import tty

    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)

    def read(wait: float) -> list[str]:
        if not select.select([descriptor], [], [], wait)[0]:
            return []
        data = os.read(descriptor, 1024)
        if not data:  # the terminal has gone
            return ["escape", "q"]
        while data[-1:] == b"\x1b" and select.select([descriptor], [], [], 0.03)[0]:
            data += os.read(descriptor, 1024)  # the rest of an arrow key's sequence
        return keys_of(data.decode("utf-8", "ignore"))

    try:
        tty.setcbreak(descriptor)
        modes = termios.tcgetattr(descriptor)
        modes[6][termios.VSUSP] = b"\0"  # Ctrl-Z would leave the shell with this screen
        termios.tcsetattr(descriptor, termios.TCSANOW, modes)
        yield read
    finally:
        termios.tcsetattr(descriptor, termios.TCSAFLUSH, before)


def keys_of(text: str) -> list[str]:
    """The keys that a terminal sent.

    >>> keys_of("n" + chr(27) + "[C" + chr(27) + "[5~")
    ['n', 'right']
    """
    keys = (NAMED.get(part, part) for part in SEQUENCE.findall(text))
    return [key for key in keys if len(key) == 1 or key in NAMED.values()]


# --- the screen ----------------------------------------------------------------------------------


def screen(state: Stepper, console: Console) -> RenderableType:
    """The whole screen, for the size that the console has now."""
    width, height = console.size
    layout = Layout()
    layout.split_column(
        Layout(_head(state, width), size=1),
        Layout(name="body"),
        Layout(_foot(state, width), size=1),
    )
    body = layout["body"]
    if state.page:
        body.update(_page(state))
        return layout
    details = _details(state)
    if width >= WIDE:
        body.split_row(
            Layout(_nodes(state, width // 2, height - 2), ratio=1),
            Layout(" ", size=2),
            Layout(details, ratio=1),
        )
        return layout
    # The numbers go below the nodes, in the height that they need, but 6 nodes stay in sight.
    needed = len(console.render_lines(details, console.options.update(width=width)))
    lower = max(1, min(needed + 1, height - 9))
    body.split_column(
        Layout(_nodes(state, width, height - 2 - lower)), Layout(Group("", details), size=lower)
    )
    return layout


def _head(state: Stepper, width: int) -> Text:
    position = f"{state.view} {state.step + 1} of {len(state.events)}"
    position += "  playing" if state.playing else ""
    title = Text(printable(state.trace["title"]), "bold", no_wrap=True)
    title.truncate(max(1, width - len(position) - 2), overflow="ellipsis", pad=True)
    return Text.assemble(title, "  ", (position, "reverse"), no_wrap=True)


def _foot(state: Stepper, width: int) -> Text:
    if state.asking:
        return Text.assemble((f"{state.asking}: ", "bold"), state.typed, ("_", "reverse"))
    if state.page:
        return Text("any key goes on, q quits", "dim")
    if state.message:
        return Text(printable(state.message), "bold yellow", no_wrap=True)
    keys = SHOWN_KEYS[0]
    for key in SHOWN_KEYS[1:]:
        keys += f"  {key}" if len(f"{keys}  {key}") <= width else ""
    return Text(keys, "dim", no_wrap=True, overflow="ellipsis")


def _page(state: Stepper) -> RenderableType:
    if state.page == "text":
        return Group("", Text(_lines(state.trace["text"])))
    table = Table(box=None, pad_edge=False, show_header=False)
    for key, meaning in KEYS.items():
        if key != "t" or state.trace["text"]:
            table.add_row(Text(key, "bold"), meaning)
    about = (
        "A gradient in parentheses is not complete yet: more contributions may come.",
        f"In a rule, {MEANINGS}.",
    )
    return Group("", table, "", *about)


def _lines(text: str) -> str:
    """A text of lines, without what a terminal would obey."""
    return "\n".join(map(printable, text.split("\n")))


def _nodes(state: Stepper, width: int, height: int) -> Table:
    """The nodes around the current one, oldest first, indented by their depth in the graph."""
    nodes = state.trace["nodes"]
    table = Table(box=None, pad_edge=False, expand=True, padding=(0, 1, 0, 0))
    table.add_column("", width=1)
    gradient = "gradient" if state.view == "backward" else ""
    ratios = (4, 3, 3) if width >= NARROW else (3, 3, 4)
    for title, ratio in zip(("node", "value", gradient), ratios, strict=True):
        table.add_column(title, ratio=ratio, no_wrap=True, overflow="ellipsis", header_style="dim")
    if width >= NARROW:
        table.add_column("", width=8, no_wrap=True)
    computed, gradients, differing = state.computed(), state.gradients(), state.differing()
    roles, depths = _roles(state), _depths(nodes)
    current = next((i for i, node in enumerate(nodes) if node["id"] == state.event["node"]), 0)
    rows = max(1, height - 1)
    start = max(0, min(current - rows // 2, len(nodes) - rows))
    for i, node in enumerate(nodes[start : start + rows], start):
        id = node["id"]
        role = roles.get(id, "watched" if id == state.watch else "")
        style = "bold" if i == current else ""
        style = "red" if id in differing else style
        cells = (
            ">" if i == current else "",
            " " * min(depths[id], MAX_INDENT, width // 10) + _title(node),
            _brief(node["value"]) if id in computed else "",
            _brief(gradients.get(id, "")),
            "differs" if id in differing and not role else role,
        )
        table.add_row(*cells[: len(table.columns)], style=style)
    return table


def _brief(text: str) -> str:
    """The text of an array without its dtype, to fit a column."""
    return re.sub(r"^(\(?)(float|int|uint|bool)\d* (?=\()", r"\1", text)


def _title(node: Data) -> str:
    """A node's label, and its formula where the label is another text."""
    formula = node["formula"]
    return f"{node['label']} = {formula}" if formula not in (None, node["label"]) else node["label"]


def _roles(state: Stepper) -> dict[str, str]:
    """What the current event does, by the nodes that take part."""
    event = state.event
    if event["kind"] == "send":
        return {event["node"]: "sends", event["to"]: "receives"}
    if event["kind"] == "accumulate":
        return {event["from"]: "sends", event["node"]: "adds"}
    return {event["node"]: {"compute": "computed", "visit": "visited"}[event["kind"]]}


def _depths(nodes: list[Data]) -> dict[str, int]:
    """The largest number of operations between each node and a leaf."""
    depths: dict[str, int] = {}
    for node in nodes:
        depths[node["id"]] = max((depths[arg] + 1 for arg in node["args"]), default=0)
    return depths


def _details(state: Stepper) -> RenderableType:
    """The current event: its sentence, formula, numbers and check."""
    event = state.event
    node = next(node for node in state.trace["nodes"] if node["id"] == event["node"])
    table = Table.grid(padding=(0, 1))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    differs = event["check"] and event["check"]["agrees"] is False
    if differs:  # first, as a small window cuts off the end
        table.add_row("check", _check(event["check"]))
    for title, text in _facts(event):
        table.add_row(title, Text(text))
    if event["check"] and not differs:
        table.add_row("check", _check(event["check"]))
    if state.watch is not None:
        table.add_row("watching", Text(_watched(state, state.watch)))
    if node["entry"] and event["kind"] in ("compute", "visit"):
        for title, text in _entry(node["entry"]):
            table.add_row(
                title, Text(text, no_wrap=bool(node["entry"]["rows"]), overflow="ellipsis")
            )
    return Group(Text(event["text"], "bold"), "", table)


def _facts(event: Data) -> Iterator[tuple[str, str]]:
    rule = "formula" if event["view"] == "forward" else "rule"
    for title, text in ((rule, event["formula"]), ("in numbers", event["numbers"])):
        if text is not None:
            yield title, text
    if event["kind"] == "send":
        yield from _flow(event, ("upstream", "local", "contribution"), TIMES)
    elif event["kind"] == "accumulate":
        yield from _flow(event, ("before", "contribution", "after"), "+")


def _flow(event: Data, names: tuple[str, str, str], sign: str) -> Iterator[tuple[str, str]]:
    """What is multiplied or added, one below the other, as on paper."""
    signs = (" ", sign, "=") if event[names[0]] and event[names[1]] else (" ", " ", " ")
    for name, before in zip(names, signs, strict=True):
        if event[name] is not None:
            yield name, f"{before} {event[name]}"


def _check(check: Data) -> Text:
    if check["agrees"] is None:
        return Text(check["note"])
    verdict = ("agrees", "green") if check["agrees"] else ("DIFFERS", "bold red")
    numbers = f": expected {check['expected']}, found {check['found']} ({check['what']})"
    note = f"; {check['note']}" if check["note"] else ""
    return Text.assemble(verdict, (numbers + note, "" if check["agrees"] else "red"))


def _watched(state: Stepper, watch: str) -> str:
    node = next(node for node in state.trace["nodes"] if node["id"] == watch)
    value = node["value"] if watch in state.computed() else "not computed yet"
    gradient = state.gradients().get(watch, "none yet")
    return f"{node['label']}: value {value}, gradient {gradient}"


def _entry(entry: Data) -> Iterator[tuple[str, str]]:
    """The scalars behind one entry, the largest first."""
    title = f"{entry['index']} is {entry['value']}".strip()
    if not entry["rows"]:
        yield "entry", f"{title}; {entry['rest']}"
        return
    yield "entry", f"{title}, from"
    for row in entry["rows"]:
        yield "", f"{row['value']:>10} = {row['numbers']} = {row['term']}"
    if entry["rest"]:
        yield "", f"{'':10}   {entry['rest']}"


# --- without a terminal --------------------------------------------------------------------------


def plain_text(trace: Data) -> str:
    """The whole trace: its text, then every step with its numbers."""
    lines = [printable(trace["title"]), ""]
    for paragraph in filter(None, _lines(trace["text"]).split("\n\n")):
        lines += [textwrap.fill(paragraph, 80), ""]
    for view in ("forward", "backward"):
        events = [event for event in trace["events"] if event["view"] == view]
        if not events:
            continue
        lines.append(f"{view}, {len(events)} step{'s' * (len(events) != 1)}")
        for i, event in enumerate(events, 1):
            lines.append(f"{i:4}  {event['text']}")
            if event["kind"] == "send" and event["formula"]:
                numbers = f" = {event['numbers']}" if event["numbers"] else ""
                lines.append(f"      {event['formula']}{numbers}")
            if event["check"] and event["check"]["note"]:
                lines.append(f"      check {_check(event['check']).plain}")
        lines.append("")
    verdicts = [event["check"]["agrees"] for event in trace["events"] if event["check"]]
    counts = f"{verdicts.count(True)} agree, {verdicts.count(False)} differ"
    return "\n".join([*lines, f"{len(verdicts)} checks: {counts}"])
