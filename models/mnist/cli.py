"""The command line: what can be typed, and how every command ends.

Exit codes: 0 done; 2 something handed in is wrong, said in one line; 130 and 143 stopped by Ctrl-C
and by SIGTERM; 141 whoever read the output has gone. What computes is imported after parsing, so
that `--help` and mistyped options are answered at once.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from models.mnist.settings import (
    ACTIVATIONS,
    OPTIMIZERS,
    SCHEDULES,
    InputError,
    Settings,
)

PROGRAM = "python -m models.mnist"
BROKEN_PIPE, INTERRUPTED = 141, 130  # 128 + SIGPIPE, 128 + SIGINT, as shells count


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line; gives the exit code."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A file name that is not UTF-8, a terminal that knows only ASCII: show it, do not crash.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        options = _parser().parse_args(arguments)
        code = _run(options)
        sys.stdout.flush()
    except BrokenPipeError:
        mute()
        return BROKEN_PIPE
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return INTERRUPTED
    except InputError as error:
        return fail(str(error))
    except MemoryError as error:
        return fail(f"expected enough memory, found: {error or 'none left'}")
    return code


def fail(message: str) -> int:
    """Say in one line what is wrong; gives the exit code for it."""
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    return 2


def mute() -> None:
    """Send what is still printed nowhere: the reader of a pipe has gone, and Python would say so
    once more when it flushes at the end."""
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), sys.stdout.fileno())


def _run(options: argparse.Namespace) -> int:
    if options.command == "train":
        given = {name: value for name, value in vars(options).items() if value is not None}
        del given["command"]
        out = given.pop("out", None)
        if "hidden" in given:
            given["hidden"] = tuple(given["hidden"])
        settings = Settings(**given)
        if "momentum" in given and settings.optimizer != "sgd":
            raise InputError(f"--momentum: expected with sgd only, found with {settings.optimizer}")
        from models.mnist.train_command import train_command

        return train_command(settings, out)

    from models.mnist import commands

    command: Any = getattr(commands, options.command)
    return int(command(options))


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """One line, without the usage."""
        raise InputError(f"{message.removeprefix('argument ')} (see {self.prog} --help)")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog=PROGRAM,
        description="Teach a network to read handwritten digits (MNIST), and see what it learned.",
    )
    commands = parser.add_subparsers(
        dest="command", required=True, metavar="train|evaluate|predict|show"
    )
    _add_train(
        commands.add_parser(
            "train",
            help="teach a new network, and keep it in a folder",
            description="Teach a new network and keep it in a folder. Ctrl-C ends early and keeps "
            "what was learned.",
            allow_abbrev=False,
        )
    )

    checkpoint = "the folder of a training, or the model.safetensors in it"
    evaluate = commands.add_parser(
        "evaluate",
        help="how good a network is, digit by digit",
        description="Loss and accuracy of a network, and which digits it takes for which.",
        allow_abbrev=False,
    )
    evaluate.add_argument("checkpoint", metavar="CHECKPOINT", help=checkpoint)
    _add_split(evaluate)

    predict = commands.add_parser(
        "predict",
        help="what a network reads in your own pictures",
        description="What a network reads in pictures of one digit each: of any size, dark on "
        "light or light on dark.",
        allow_abbrev=False,
    )
    predict.add_argument("checkpoint", metavar="CHECKPOINT", help=checkpoint)
    predict.add_argument("images", metavar="IMAGE", nargs="+", help="a PNG, JPEG, ... file")

    show = commands.add_parser(
        "show",
        help="print digits in the terminal",
        description="Print digits in the terminal: the first ones, those of a class, given ones, "
        "or those that a network gets wrong, the surest mistakes first.",
        allow_abbrev=False,
    )
    which = show.add_mutually_exclusive_group()
    which.add_argument("--index", metavar="I", type=whole, nargs="+", help="these, counted from 0")
    which.add_argument("--wrong", metavar="CHECKPOINT", help="those that this network gets wrong")
    show.add_argument("--class", dest="label", metavar="DIGIT", type=whole, help="only this digit")
    show.add_argument("--count", metavar="N", type=whole, help="at most so many (default: 10)")
    _add_split(show)
    return parser


def _add_train(train: argparse.ArgumentParser) -> None:
    """The options; their defaults are those of Settings."""

    def option(name: str, help: str, default: object = None, **how: Any) -> None:
        text = help if default is None else f"{help} (default: {default})"
        train.add_argument(name, help=text.replace("%", "%%"), **how)

    d = Settings
    hidden = " ".join(map(str, d.hidden))
    option("--hidden", "neurons of each hidden layer; none: a linear classifier",
           hidden, metavar="N", type=whole, nargs="*")  # fmt: skip
    option("--activation", f"{', '.join(ACTIVATIONS)}", d.activation, metavar="NAME")
    option("--epochs", "passes over the training images", d.epochs, metavar="N", type=whole)
    option("--batch-size", "images per step", d.batch_size, metavar="N", type=whole)
    option("--optimizer", ", ".join(OPTIMIZERS), d.optimizer, metavar="NAME")
    option("--lr", "the learning rate, of a schedule its highest (default: by optimizer and "
           f"schedule, here {d().rate})", metavar="RATE", type=_number)  # fmt: skip
    option("--schedule", f"of the learning rate: {', '.join(SCHEDULES)}", d.schedule,
           metavar="NAME")  # fmt: skip
    option("--momentum", "of sgd", d.momentum, metavar="M", type=_number)
    option("--weight-decay", "how much weights shrink", d.weight_decay, metavar="W", type=_number)
    option("--dropout", "the share of hidden activations that is left out in training",
           d.dropout, metavar="P", type=_number)  # fmt: skip
    option("--clip", "the highest norm of the whole gradient (default: no limit)",
           metavar="NORM", type=_number)  # fmt: skip
    option("--seed", "of all randomness: the same seed learns the same bits",
           d.seed, metavar="N", type=whole)  # fmt: skip
    option("--validation", "training images set aside to validate with, 0 for none",
           d.validation, metavar="N", type=whole)  # fmt: skip
    option("--stop-at", "end when the validation accuracy reaches this fraction (default: never)",
           metavar="ACC", type=_number)  # fmt: skip
    option(
        "--eager",
        "compute with NumPy; without it, steps are compiled where there is a C "
        "compiler, and learn in half the time",
        action="store_true",
    )
    option("--out", "the folder to write to (default: runs/mnist-<time>)", metavar="DIR")


def _add_split(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--split",
        choices=("test", "train"),
        default="test",
        help="the 10,000 test images or the 60,000 training images (default: test)",
    )


def whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a whole number, found {text!r}") from None


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a number, found {text!r}") from None
