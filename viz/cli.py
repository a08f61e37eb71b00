"""The command line: `python -m viz draw | debug | report | lesson | studio | export`.

What computes is imported after parsing, and each command imports only what it needs: drawing an
expression loads nothing of MNIST.
"""

from __future__ import annotations

import argparse
import importlib
import os
import re
import sys
import sysconfig
import textwrap
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, NoReturn

from models.command_line import InputError, Parser, printable, run, whole
from viz.studio.options import add_export, add_studio

__all__ = ["main"]

PROGRAM = "python -m viz"
TAKE_EXPR = ("draw", "debug")  # the commands whose first word is an expression
FUNCTION = re.compile(r"[^\W\d][\w.]*:[^\W\d][\w.]*")  # package.module:name

EXPR = """\
EXPR is one of
  an expression         of numbers, names, + - * / **, parentheses, functions;
                        read, never run as Python; pi and e are known
  -                     an expression from standard input
  package.module:name   a function of yours, called without arguments, that
                        gives {gives}

{functions}"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line; gives the exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    return run(lambda: _dispatch(given))


def _dispatch(given: list[str]) -> Callable[[], int]:
    """The function of a command with its options."""
    options = _parser().read(_protected(given))
    if options.command == "studio":
        importlib.import_module("viz.studio.command")  # here, where Ctrl-C ends it at once
    return partial(options.run, options)


# --- the commands --------------------------------------------------------------------------------


def _draw(options: argparse.Namespace) -> int:
    from viz.diagram import draw

    graph = _graph(options)
    with _refusals():
        _backward(graph)
        picture = draw(graph)
    if options.out == "-":
        print(picture.source, end="")
        return 0
    return _save(picture, options.out)


def _debug(options: argparse.Namespace) -> int:
    from viz.debugger import debug

    graph = _graph(options)
    with _refusals():
        debugger = debug(graph)
    return _show(debugger, options.out)


def _report(options: argparse.Namespace) -> int:
    from viz.report import report_command

    return report_command(options.runs, options.out)


def _lesson(options: argparse.Namespace) -> int:
    from viz.debugger import Debugger
    from viz.lesson import lessons

    steps = [(each.node, each.title, each.text) for each in lessons()]
    n = options.number
    if n is None and options.out is None:
        print(*(f"{i:2}. {title}" for i, (_, title, _) in enumerate(steps, 1)), sep="\n")
        print(f"\n{PROGRAM} lesson 1 opens the first, -o lesson.html writes all as a page.")
        return 0
    if n is None:
        return _show(Debugger("How a gradient is made, in ten lessons", steps), options.out)
    if not 1 <= n <= len(steps):
        raise InputError(f"N: expected a lesson from 1 to {len(steps)}, found {n}")
    node, title, text = steps[n - 1]
    return _show(Debugger("", [(node, f"{n}. {title}", text)]), options.out)


def _studio(options: argparse.Namespace) -> int:
    from viz.studio.command import Options, studio_command

    return studio_command(Options(**_given(options)))


def _export(options: argparse.Namespace) -> int:
    from viz.studio.export.command import Options, export_command

    return export_command(Options(**_given(options)))


def _given(options: argparse.Namespace) -> dict[str, Any]:
    """The options of a command, without the command."""
    return {name: value for name, value in vars(options).items() if name not in ("command", "run")}


def _show(debugger: Any, path: str | None) -> int:
    """In the terminal, or as a file."""
    if path is not None:
        return _save(debugger, path)
    debugger.run()
    return 0


def _save(shown: Any, path: str) -> int:
    with _refusals(path):
        shown.save(path)
    print(f"wrote {printable(path)}")
    return 0


@contextmanager
def _refusals(path: str = "") -> Iterator[None]:
    """Raise an InputError for what viz refuses: it was handed in."""
    try:
        yield
    except OSError as error:
        from data.files import reason  # here: it imports NumPy, which `--help` need not

        raise InputError(f"{path}: {reason(error)}") from error
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(str(error)) from error


# --- what to draw --------------------------------------------------------------------------------


def _graph(options: argparse.Namespace) -> Any:
    """What the options name: the root of an expression's graph, or what a function returns."""
    text = options.what
    if FUNCTION.fullmatch(text):
        if options.at:
            raise InputError(f"--at: expected with an expression, found with {text}")
        return _call(text)
    if text == "-":
        text = _standard_input()
    from viz.expression import graph_of

    return graph_of(text, options.at)


def _standard_input() -> str:
    """The text there; only so much of an endless one that it is seen to be too long."""
    from viz.expression import MAX_LENGTH

    return sys.stdin.buffer.read(MAX_LENGTH + 1).decode("utf-8-sig", "replace")


def _call(target: str) -> Any:
    """What the function `package.module:name` returns. Whatever it raises becomes an InputError."""
    module, _, name = target.partition(":")
    try:
        found: Any = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
        return found()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # SystemExit, and whatever else a user derives
        line = traceback.format_exception_only(error)[-1]
        raise InputError(f"{target}: {line.strip()}{_place(error)}") from None


def _place(error: BaseException) -> str:
    """The line of the caller's own code that raised, as " (file.py:12)"; "" where there is none."""
    if isinstance(error, SyntaxError):
        return f" ({error.filename}:{error.lineno})"
    paths = sysconfig.get_paths()
    here = os.path.dirname(__file__)
    engine = os.path.join(os.path.dirname(here), "autograd")
    libraries = (here, engine, paths["stdlib"], paths["purelib"])
    others = ("<frozen", *(os.path.join(library, "") for library in libraries))
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if not frame.filename.startswith(others)]
    return f" ({own[-1].filename}:{own[-1].lineno})" if own else ""


def _backward(graph: Any) -> None:
    """Run `backward()` from a single number where that was not done yet, so that there are
    gradients to see. Where it fails, as in a stale graph, the picture says so."""
    import numpy as np

    from autograd import Node
    from viz.backprop import ancestors

    if not isinstance(graph, Node) or not graph.requires_grad or getattr(graph, "shape", None):
        return
    with suppress(Exception):  # a user's rule may raise anything
        leaves = [
            node for node in ancestors([graph]) if node.primitive is None and node.requires_grad
        ]
        if not any(np.any(getattr(leaf.grad, "data", leaf.grad)) for leaf in leaves):
            graph.backward()


# --- what can be typed ---------------------------------------------------------------------------


class _Parser(Parser):
    def error(self, message: str) -> NoReturn:
        """One line, which says where the expression stands."""
        if message == "the following arguments are required: EXPR":
            message = "the expression comes first; in parentheses if it begins with --"
        super().error(message)


def _protected(given: list[str]) -> list[str]:
    """The words, with a space before an expression that begins with a minus, which argparse would
    take for an option."""
    if len(given) > 1 and given[0] in TAKE_EXPR:
        word = given[1]
        if word[:1] == "-" and word[1:2] not in ("", "-") and word not in ("-h", "-o"):
            return [given[0], f" {word}", *given[2:]]
    return given


def _parser() -> Parser:
    parser = _Parser(
        prog=PROGRAM,
        description="See a computation: as a picture, or step by step, forward and backward.",
        epilog=f"{PROGRAM} COMMAND --help says more, with examples.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    _add_draw(commands)
    _add_debug(commands)
    _add_report(commands)
    _add_lesson(commands)
    _add_studio(commands)
    _add_export(commands)
    commands.metavar = "|".join(commands.choices)
    return parser


def _add(
    commands: Any, run: Callable[..., int], name: str, help: str, *examples: str, gives: str = ""
) -> Any:
    """Add a command, which calls `run` with its options. gives: of one that takes an expression
    (TAKE_EXPR), what a function may give instead."""
    shown = "".join(f"\n  {PROGRAM} {name} {example}".rstrip() for example in examples)
    added = commands.add_parser(
        name,
        help=help,
        # --at takes all that follows it: the expression comes first.
        usage=f"{PROGRAM} {name} [-h] EXPR [--at NAME=NUMBER ...] [-o FILE]" if gives else None,
        description=f"{help[0].upper()}{help[1:]}.",
        epilog=f"examples:{shown}" + (f"\n\n{_about_expr(gives)}" if gives else ""),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    added.set_defaults(run=run)
    if gives:
        added.add_argument("what", metavar="EXPR", help="what to look at, see below")
        added.add_argument(
            "--at", metavar="NAME=NUMBER", nargs="+", action="extend", default=[],
            help="the number of each name in the expression",
        )  # fmt: skip
    return added


def _add_draw(commands: Any) -> None:
    draw = _add(
        commands,
        _draw,
        "draw",
        "draw a graph, with its values and gradients",
        '"tanh(x*w + b)" --at x=0.5 w=-1.2 b=0.1 -o g.svg',
        "package.module:name -o g.html",
        gives="what viz.draw takes: a Value, a Tensor, a list of\n"
        f"{'':24}them, a Module or a jitted step",
    )
    draw.add_argument("-o", dest="out", metavar="FILE", default="graph.svg",
                      help="an .svg, .html, .dot, .png or .pdf file, - for DOT on standard "
                      "output (default: graph.svg)")  # fmt: skip


def _add_debug(commands: Any) -> None:
    debug = _add(
        commands,
        _debug,
        "debug",
        "step through a forward and a backward pass, number by number",
        '"x*x + sin(x)" --at x=3',
        '"x*x + sin(x)" --at x=3 -o steps.html',
        gives="a Value or a Tensor",
    )
    debug.add_argument("-o", dest="out", metavar="FILE",
                       help="an .html file to write (default: open it here)")  # fmt: skip


def _add_report(commands: Any) -> None:
    report = _add(
        commands,
        _report,
        "report",
        "show trainings in pictures, as one HTML page",
        "runs/mnist-1",
        "runs/mnist-1 runs/mnist-2 -o both.html",
    )
    report.add_argument("runs", metavar="RUN_DIR", nargs="+",
                        help="the folder of a training (python -m models.mnist train)")  # fmt: skip
    report.add_argument("-o", dest="out", metavar="FILE", default="report.html",
                        help="the page (default: report.html)")  # fmt: skip


def _add_lesson(commands: Any) -> None:
    lesson = _add(commands, _lesson, "lesson", "learn in ten short lessons how a gradient is made",
                  "", "3", "-o lesson.html")  # fmt: skip
    lesson.add_argument("number", metavar="N", nargs="?", type=whole,
                        help="the lesson to open (default: list them)")  # fmt: skip
    lesson.add_argument("-o", dest="out", metavar="FILE",
                        help="an .html file to write, of all lessons or of this one")  # fmt: skip


def _add_studio(commands: Any) -> None:
    examples = ("", "--weights runs/mnist-1", "--host 0.0.0.0 --allow-host studio.example.com")
    what = "serve a page to train a network on, and an API"
    add_studio(_add(commands, _studio, "studio", what, *examples))


def _add_export(commands: Any) -> None:
    examples = ("site", 'site --architectures "widths 64,300; depth 1-3"', "a.html --single-file")
    what = "write the studio's page for a host of files, which needs no server"
    add_export(_add(commands, _export, "export", what, *examples))


def _about_expr(gives: str) -> str:
    from viz.expression import functions

    lines = textwrap.wrap("functions: " + ", ".join(sorted(functions())), 78)
    return EXPR.format(gives=gives, functions="\n".join(lines))
