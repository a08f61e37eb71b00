"""The debugger in a terminal: what keys do, what is on the screen, and that the terminal is left
as it was. The real one is a pseudo-terminal."""

import os
import re
import subprocess
import sys
import time
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from autograd import Tensor, Value, logsumexp, ops
from viz.debugger import terminal
from viz.debugger.stepper import KEYS, Stepper, press
from viz.debugger.terminal import keys_of, plain_text, run, screen
from viz.debugger.trace_view import trace_view

ALL_KEYS = [" ", "right", "left", "home", "end", "enter", "escape", "backspace", *"npfbrw?tq123ax*"]


@cache
def numbers(text=""):
    a, b = Value(2.0, "a"), Value(-3.0, "b")
    root = (a * b + a).tanh() * b
    root.name = "root"
    return trace_view(root, "a title", text)


@cache
def tensors():
    x = Tensor(np.linspace(-1, 1, 12).reshape(3, 4), name="x")
    w = Tensor(np.linspace(0, 1, 8).reshape(4, 2), requires_grad=True, name="w")
    return trace_view((x @ w).tanh().sum(), "arrays")


def pressed(state, keys):
    for key in keys:
        state = press(state, key)
    return state


def anywhere(view="backward", step=0):
    return Stepper(numbers()).to_view(view).at(step)


STATES = [anywhere(view, step) for view in ("forward", "backward")
          for step in range(len(anywhere(view).events))]  # fmt: skip


# --- keys ----------------------------------------------------------------------------------------


@given(st.lists(st.sampled_from(ALL_KEYS), max_size=30))
def test_no_keys_lead_outside(keys):
    """Else a key too many ends the debugger with an IndexError."""
    state = pressed(Stepper(numbers()), keys)
    assert 0 <= state.step < len(state.events)
    assert state.event in state.trace["events"]
    assert state.watch in {None, *(node["id"] for node in state.trace["nodes"])}
    assert not (state.playing and (state.asking or state.page))


@pytest.mark.parametrize("state", STATES, ids=lambda state: f"{state.view}-{state.step}")
def test_a_step_on_and_one_back_change_nothing(state):
    """Else what was shown before is lost: gradients, above all."""
    if state.step + 1 < len(state.events):
        assert pressed(state, ["right", "left"]) == state
    if state.step:
        assert pressed(state, ["p", "n"]) == state
    assert pressed(state, ["f", "b", state.view[0]]) == state


@given(st.sampled_from(STATES), st.integers(1, 20))
def test_steps_add_up(state, count):
    assert pressed(state, ["n"] * count) == state.at(state.step + count)
    assert pressed(state, ["end"]) == state.at(10**6) == pressed(state, ["n"] * 100)
    assert pressed(state, ["home"]) == state.at(0) == pressed(state, ["left"] * 100)


def test_in_the_end_the_gradients_are_the_engines():
    state = anywhere().at(10**6)
    last = {
        event["node"]: event["after"] for event in state.events if event["kind"] == "accumulate"
    }
    assert state.gradients() == last  # no parentheses: each is complete
    assert all(text.startswith("(") for text in anywhere(step=0).gradients().values())


@pytest.mark.parametrize("state", STATES[-len(anywhere().events) :], ids=lambda state: state.step)
def test_gradients_are_those_that_were_told(state):
    """Else the running sum on the screen is not that of the events."""
    told = {}
    for event in state.events[: state.step + 1]:
        if event["kind"] == "accumulate":
            told[event["node"]] = event["after"]
    assert {id: text.strip("()") for id, text in state.gradients().items()} == told


def test_running_to_a_node_stops_at_what_is_about_it():
    state = pressed(anywhere(), ["r", *"a * b", "enter"])
    assert (state.event["kind"], state.event["to"]) == ("send", "n3")
    assert pressed(state, ["r", *"n3", "enter"]).step == state.step + 1
    end = pressed(state, ["end", "r", *"a * b", "enter"])
    assert (
        end.step == len(end.events) - 1 and "nothing after this step is about a * b" in end.message
    )


def test_a_node_that_is_not_there_is_said():
    state = pressed(anywhere(), ["w", *"nonsense", "enter"])
    assert state.message == "no node is called nonsense" and state.watch is None


def test_a_label_is_typed_mended_and_given_up():
    state = pressed(anywhere(), ["w", *"bq"])
    assert (state.asking, state.typed) == ("watch", "bq")  # q does not quit here
    watching = pressed(state, ["backspace", "enter"])
    assert (watching.watch, watching.asking, watching.typed) == ("n2", "", "")
    assert pressed(state, ["escape"]) == anywhere()
    assert pressed(watching, ["w", "enter"]).watch is None


def test_play_goes_on_by_itself_and_stops_at_the_end():
    state = press(anywhere(), " ")
    assert state.playing and not press(state, " ").playing
    for _ in range(len(state.events)):
        state = state.tick()
    assert not state.playing and state.step == len(state.events) - 1
    assert press(state, " ").step == 0  # once more from the beginning
    assert not press(press(anywhere(), " "), "n").playing


def test_a_forward_pass_alone_says_so():
    x = Tensor(np.ones(3), name="x")
    state = press(Stepper(trace_view(x)), "b")
    assert state.view == "forward" and "there is no backward pass" in state.message


def test_help_and_text_go_with_any_key():
    state = press(Stepper(numbers("Some words.")), "t")
    assert state.page == "text" and press(state, "n").step == 0 and press(state, "n").page == ""
    assert press(press(state, "n"), "?").page == "help"
    assert press(state, "q").ended
    assert press(Stepper(numbers()), "t").page == ""  # there is none


@pytest.mark.parametrize(
    ("sent", "keys"),
    [
        ("\x1b[C\x1bOC", ["right", "right"]),
        ("\x1b[D\x1bOD", ["left", "left"]),
        ("\x1b[H\x1bOH\x1b[1~\x1b[7~", ["home"] * 4),
        ("\x1b[F\x1bOF\x1b[4~\x1b[8~", ["end"] * 4),
        ("\r\n", ["enter", "enter"]),
        ("\x1b", ["escape"]),
        ("\x7f\b", ["backspace", "backspace"]),
        ("a ü", ["a", " ", "ü"]),
        ("\x1b[5~\x1b[A\x1b[1;5Cn", ["n"]),  # page up, up, control-right: nothing
    ],
)
def test_what_terminals_send(sent, keys):
    assert keys_of(sent) == keys


# --- the screen ----------------------------------------------------------------------------------


def shown(state, width=80, height=24, **options):
    """The lines of a screen."""
    console = Console(width=width, height=height, force_terminal=True, highlight=False, **options)
    with console.capture() as capture:
        console.print(screen(state, console), end="")
    return re.sub(r"\x1b\[[0-9;]*m", "", capture.get()).split("\n")[:height], capture.get()


def test_an_entry_that_does_not_open_says_why():
    """Else nothing is shown, and nobody knows that there would be something."""
    x = Tensor([1.0, 2.0], requires_grad=True, name="x")
    for width in (80, 160):
        lines, _ = shown(Stepper(trace_view(logsumexp(x))).at(1), width, 30)
        said = " ".join(" ".join(lines).split())
        assert "entry is 2.313; logsumexp cannot be opened: its function takes" in said
        assert "arrays of numbers alone" in said


@pytest.mark.parametrize("size", [(80, 24), (160, 50), (40, 12), (20, 5), (5, 2), (1, 1)])
@pytest.mark.parametrize("make", [numbers, tensors])
@given(st.lists(st.sampled_from(ALL_KEYS), max_size=12))
def test_the_screen_fits_whatever_its_size(make, size, keys):
    """Else a small window scrolls, or ends the debugger."""
    width, height = size
    lines, _ = shown(pressed(Stepper(make()), keys), width, height)
    assert len(lines) <= height and all(len(line) <= width for line in lines)


@pytest.mark.parametrize("width", [30, 50, 80])
def test_a_narrow_window_keeps_the_numbers_and_the_way_out(width):
    """Else numbers are cut off for a word that the sentence says, and `q` is not said."""
    lines, _ = shown(pressed(anywhere(), ["r", *"a * b", "enter"]), width, 24)
    assert re.search(r"> +a .* -4\.0 +-0\.004023", "\n".join(lines))
    assert lines[-1].startswith("? help  q quit  space play")


def test_a_text_is_not_obeyed_by_the_terminal():
    """Else a text from somewhere else moves the cursor, or names the window."""
    text = "One \x1b[2Jline\nand another\n\n\x9b31mTwo"
    trace = trace_view(Value(1.0, name="x").exp(), "title", text)
    lines, raw = shown(Stepper(trace, page="text"))
    assert {"One \\x1b[2Jline", "and another"} <= {line.strip() for line in lines}
    assert "\x1b[2J" not in raw
    assert "One \\x1b[2Jline and another\n\n\\x9b31mTwo\n" in plain_text(trace)


@pytest.mark.parametrize(("width", "height"), [(80, 24), (160, 50)])
def test_what_a_send_shows(width, height):
    state = pressed(anywhere(), ["r", *"a * b", "enter", "w", "b", "enter"])
    text = "\n".join(shown(state, width, height)[0])
    assert re.search(r"a title +backward 11 of 21", text)
    assert re.search(r"> +a \* b \+ a +-4\.0 +-0\.004023 +sends", text)
    assert re.search(r"  +a \* b +-6\.0 +receives", text)
    assert "a * b + a sends -0.004023 \N{MULTIPLICATION SIGN} 1.0 = -0.004023 to a * b" in text
    assert re.search(r"rule +g\b", text) and re.search(r"in numbers +-0\.004023", text)
    assert re.search(r"upstream +-0\.004023", text)
    assert re.search(r"local +\N{MULTIPLICATION SIGN} 1\.0", text)
    assert re.search(r"contribution += -0\.004023", text)
    assert "agrees: expected -0.004023, found -0.004023" in text
    assert re.search(r"watching +b: value -3\.0, gradient \(-0\.9993\)", text)


def test_values_appear_as_they_are_computed():
    first, last = Stepper(numbers()), Stepper(numbers()).at(99)
    assert "-6.0" not in "\n".join(shown(first)[0])
    assert "-6.0" in "\n".join(shown(last)[0])


def test_the_entry_of_a_product_is_shown():
    state = Stepper(tensors()).run_to("n3")
    text = "\n".join(shown(state)[0])
    assert re.search(r"entry +\[2, 1\] is 1\.922, from", text)
    assert "w[3,1]" in text


def test_where_they_part_it_is_red_and_says_so():
    """Red alone is not seen by everybody, nor by anybody with NO_COLOR."""
    right = ops.tanh.rule
    object.__setattr__(ops.tanh, "rule", lambda i: lambda g, out, x: g)
    try:
        wrong = trace_view(Value(1.0, "x").tanh())
    finally:
        object.__setattr__(ops.tanh, "rule", right)
    state = Stepper(wrong).to_view("backward").at(2)
    lines, escapes = shown(state)
    text = "\n".join(lines)
    assert "DIFFERS: expected 0.42, found 1.0" in text
    assert "they differ by 0.58" in " ".join(text.split())
    assert "\x1b[1;31mDIFFERS" in escapes and "\x1b[31m" not in shown(state, no_color=True)[1]
    assert "differs" in "\n".join(shown(state.at(99))[0])
    assert plain_text(wrong).endswith("2 checks: 0 agree, 2 differ")
    assert "forward, 2 steps" in plain_text(wrong)
    assert "DIFFERS" in "\n".join(shown(state, 40, 15)[0])
    start = Stepper(wrong)
    first = press(start, "e")
    assert (first.view, first.step) == ("backward", 2)
    assert press(first, "e").step > 2 and press(press(first, "e"), "e") == first
    assert press(anywhere(), "e").message == "no check differs"


def test_help_names_every_key():
    text = "\n".join(shown(press(Stepper(numbers("A text.")), "?"))[0])
    assert all(does in text for does in KEYS.values())
    assert "g is the upstream gradient, out this node's value" in text
    assert KEYS["t"] not in "\n".join(shown(press(Stepper(numbers()), "?"))[0])


def test_one_step_is_one():
    """Else it says "1 steps"."""
    assert "forward, 1 step\n" in plain_text(trace_view(Value(1.0, "x")))


def test_a_name_cannot_write_on_the_terminal():
    x = Value(2.0, "\x1b]0;title\x07[red]a[/red]")
    state = Stepper(trace_view(x * 2.0))
    _, escapes = shown(state)
    assert "\x1b]" not in escapes and "[red]a" in escapes


# --- without a terminal --------------------------------------------------------------------------


def test_piped_every_step_is_printed(capsys):
    run(numbers("Some words."))
    printed = capsys.readouterr().out
    assert printed.startswith("a title\n\nSome words.\n\nforward, 6 steps\n   1  a is a leaf")
    for event in numbers()["events"]:
        assert event["text"] in printed
    assert printed.endswith("\n12 checks: 12 agree, 0 differ\n")
    assert "\x1b" not in printed


def test_without_termios_too(monkeypatch, capsys):
    """Windows has none."""
    monkeypatch.setitem(sys.modules, "termios", None)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(terminal, "Console", lambda **_: Console(force_terminal=True))
    monkeypatch.setenv("TERM", "xterm")
    run(numbers())
    assert capsys.readouterr().out.startswith("This system has no termios")


# --- a real terminal -----------------------------------------------------------------------------

SCRIPT = """
import fcntl, sys, termios
from autograd import Value
from viz.debugger.trace_view import trace_view
from viz.debugger.terminal import run
fcntl.ioctl(0, termios.TIOCSCTTY, 0)  # Ctrl-C goes to whom the terminal belongs to
a, b = Value(2.0, "a"), Value(-3.0, "b")
try:
    run(trace_view((a * b).tanh(), "a title"))
except KeyboardInterrupt:
    print("interrupted")
print("over")
"""


@pytest.fixture
def tty():
    """A pseudo-terminal of 80 x 24 with the debugger in it: what it shows, and how to type."""
    pty = pytest.importorskip("pty", reason="pseudo-terminals are Unix's")
    main, other = pty.openpty()
    try:
        started = Screen(main, other)
        yield started
        started.process.kill()
        started.process.wait()
    finally:
        os.close(main)
        os.close(other)


class Screen:
    def __init__(self, main, other):
        import termios

        self.main, self.other = main, other
        self.resize(80, 24)
        self.before = termios.tcgetattr(other)
        environment = {**os.environ, "TERM": "xterm"}
        environment.pop("COLUMNS", None), environment.pop("LINES", None)
        self.process = subprocess.Popen(
            [sys.executable, "-c", SCRIPT],
            stdin=other, stdout=other, stderr=other, env=environment, start_new_session=True,
        )  # fmt: skip

    def resize(self, columns, rows):
        import fcntl
        import struct
        import termios

        fcntl.ioctl(self.main, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def wait(self, text):
        """Read until the text is there; gives what was read."""
        import select

        found, until = "", time.monotonic() + 30
        while text not in found:
            assert time.monotonic() < until, f"{text!r} does not come: {found!r}"
            if select.select([self.main], [], [], 0.1)[0]:
                found += os.read(self.main, 65536).decode()
        return found

    def type(self, text):
        os.write(self.main, text.encode())

    def restored(self):
        import termios

        return termios.tcgetattr(self.other) == self.before


def test_in_a_real_terminal_keys_work_and_it_is_restored(tty):
    tty.wait("forward 1 of 4")
    assert not tty.restored()  # else keys would wait for enter
    tty.type("n")
    tty.wait("forward 2 of 4")
    tty.type("\x1b[C")
    tty.wait("forward 3 of 4")
    tty.type("b\x1b[F")
    tty.wait("the gradient of a is complete")
    tty.resize(130, 40)
    tty.wait(" " * 100)  # wider, without a key
    tty.type("q")
    assert "\x1b[?1049l" in tty.wait("over")  # the screen from before
    assert tty.process.wait(10) == 0 and tty.restored()


def test_ctrl_c_restores_the_terminal(tty):
    tty.wait("forward 1 of 4")
    tty.type("\x03")
    ended = tty.wait("over")
    assert "interrupted" in ended and "\x1b[?1049l" in ended
    assert tty.process.wait(10) == 0 and tty.restored()


def test_ctrl_z_does_nothing(tty):
    """Else the shell is left on this screen, without an echo of what is typed."""
    tty.wait("forward 1 of 4")
    tty.type("\x1an")
    tty.wait("forward 2 of 4")
