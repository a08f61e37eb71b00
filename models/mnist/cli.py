"""The command line: the commands and the options that can be typed, and which function each calls.

What computes is imported after parsing, so that `--help` and mistyped options are answered at once.
"""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from models.command_line import WRONG_INPUT, InputError, Parser, fail, number, run, whole
from models.mnist import PROGRAM
from models.mnist.settings import (
    ACTIVATIONS,
    BATCHES,
    CHANGEABLE,
    OPTIMIZERS,
    SCHEDULES,
    SHOWN,
    VALIDATED,
    Settings,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line; gives the exit code."""
    return run(lambda: _dispatch(_parser().read(arguments)))


def main_of(rank: int) -> int:
    """Run the command line as one of several ranks, of which the first reads it and the others do
    their shares; gives the exit code of this one."""
    from autograd.ranks import broadcast, join

    try:
        join()
    except (ImportError, RuntimeError) as error:  # the same on all
        return WRONG_INPUT if rank else fail(str(error))
    from models.mnist.commands.together import Task, follow

    if rank:
        return run(lambda: follow)
    try:
        return run(lambda: _dispatch(_only_train(_parser().read(None))))
    finally:
        if not Task.told:
            broadcast(None)  # there is nothing to do


def _only_train(options: argparse.Namespace) -> argparse.Namespace:
    if options.command != "train":
        raise InputError(f"{options.command}: expected without mpiexec, which is for train alone")
    return options


def _dispatch(options: argparse.Namespace) -> Callable[[], int]:
    """The function of a command, imported, with its options."""
    given = vars(options)
    name = given.pop("command")
    if "dataset" in given:
        given["source"] = _source(given)
    if name == "train":
        return _train(given)
    if name == "export":
        from models.mnist.commands.export import export

        return partial(export, **given)
    if name == "predict":
        from models.mnist.commands.predict import predict

        return partial(predict, **given)
    from models.mnist.commands import examine

    return partial(examine.evaluate if name == "evaluate" else examine.show, **given)


def _train(given: dict[str, Any]) -> Callable[[], int]:
    start = time.perf_counter()
    given = {name: value for name, value in given.items() if value is not None}
    out, source = given.pop("out", None), given.pop("source", None)
    resumed = given.pop("resume", None)
    if "hidden" in given:
        given["hidden"] = tuple(given["hidden"])
    if resumed is not None:
        return _resume(resumed, out, source, given, start)
    settings = Settings(**given)
    settings.check_momentum(given)
    from models.mnist.datasets import MNIST, Ahead

    dataset = Ahead(source or MNIST, "train", "test")  # unpacked while the engine is imported
    from models.mnist.commands.train import train_command

    return partial(train_command, settings, out, dataset, start)


def _resume(
    path: str, out: object, source: object, changes: dict[str, Any], start: float
) -> Callable[[], int]:
    for option, value in (("--out", out), ("--dataset", source)):
        if value is not None:
            raise InputError(f"{option}: expected without --resume, which has it from the run")
    from models.mnist.commands.train import resume_command

    return partial(resume_command, path, changes, start)


def _source(given: dict[str, Any]) -> dict[str, Any] | None:
    """What was typed of `_add_dataset`, taken out of `given`, as `data.load` is called with it;
    None where no dataset was."""
    source = given.pop("dataset")
    how = {name: given.pop(name) for name in ("label", "size", "held_out")}
    how = {name: value for name, value in how.items() if value is not None}
    if source is None:
        for name in how:
            option = f"--{name.replace('_', '-')}"
            raise InputError(f"{option}: expected with --dataset only, found without")
        return None
    if "size" in how:
        how["size"] = tuple(how["size"])
    return {"source": source, **how}


# --- what can be typed ---------------------------------------------------------------------------


def _parser() -> Parser:
    parser = Parser(
        prog=PROGRAM,
        description="Teach a network to tell classes apart, handwritten digits (MNIST) or data of "
        "your own, and see what it learned.",
    )
    commands = parser.add_subparsers(
        dest="command", required=True, metavar="train|evaluate|predict|show|export"
    )
    _add_train(commands)
    _add_evaluate(commands)
    _add_predict(commands)
    _add_show(commands)
    _add_export(commands)
    return parser


def _add(commands: Any, name: str, help: str, description: str) -> argparse.ArgumentParser:
    added: argparse.ArgumentParser = commands.add_parser(
        name, help=help, description=description, allow_abbrev=False
    )
    return added


def _add_train(commands: Any) -> None:
    train = _add(
        commands,
        "train",
        "teach a new network, and keep it in a folder",
        "Teach a new network and keep it in a folder. Ctrl-C ends early and keeps what was "
        "learned.",
    )
    _add_options(train)


def _add_options(train: argparse.ArgumentParser) -> None:
    """The options of `train`; their defaults are those of Settings."""

    def option(name: str, help: str, default: object = None, **how: Any) -> None:
        text = help if default is None else f"{help} (default: {default})"
        train.add_argument(name, help=text.replace("%", "%%"), **how)

    d = Settings
    hidden = " ".join(map(str, d.hidden))
    option("--hidden", "neurons of each hidden layer; none: a linear classifier",
           hidden, metavar="N", type=whole, nargs="*")  # fmt: skip
    option("--activation", f"{', '.join(ACTIVATIONS)}", d.activation, metavar="NAME")
    option("--epochs", "passes over the training examples", d.epochs, metavar="N", type=whole)
    option("--batch-size", "examples per step (default: by how many there are, {} to {})".format(
           *BATCHES), metavar="N", type=whole)  # fmt: skip
    option("--optimizer", ", ".join(OPTIMIZERS), d.optimizer, metavar="NAME")
    option("--lr", "the learning rate, of a schedule its highest (default: by optimizer, schedule "
           f"and batch size, here up to {d().rate})", metavar="RATE", type=number)  # fmt: skip
    option("--schedule", f"of the learning rate: {', '.join(SCHEDULES)}", d.schedule,
           metavar="NAME")  # fmt: skip
    option("--momentum", "of sgd", d.momentum, metavar="M", type=number)
    option("--weight-decay", "how much weights shrink", d.weight_decay, metavar="W", type=number)
    option("--dropout", "the share of hidden activations that is left out in training",
           d.dropout, metavar="P", type=number)  # fmt: skip
    option("--clip", "the highest norm of the whole gradient (default: no limit)",
           metavar="NORM", type=number)  # fmt: skip
    option("--seed", "of all randomness: the same seed learns the same bits, with --eager where "
           "NumPy's BLAS has as many threads (OPENBLAS_NUM_THREADS)",
           d.seed, metavar="N", type=whole)  # fmt: skip
    option("--validation", "training examples set aside to validate with, 0 for none (default: "
           f"one in {VALIDATED})", metavar="N", type=whole)  # fmt: skip
    option("--stop-at", "end when the validation accuracy reaches this fraction (default: never)",
           metavar="ACC", type=number)  # fmt: skip
    option("--eager", "compute with NumPy; without it, steps are compiled where there is a C "
           "compiler, and learn in half the time", action="store_true", default=None)  # fmt: skip
    option("--out", "the folder to write to (default: runs/<dataset>-<time>)", metavar="DIR")
    option("--resume", "go on with the training in this folder, or in one of its checkpoints, to "
           f"the same bits; {_listed(CHANGEABLE)} may be changed", metavar="DIR")  # fmt: skip
    _add_dataset(train, "mnist")


def _listed(names: Sequence[str]) -> str:
    """Names of settings as options.

    >>> _listed(["lr", "stop_at"])
    '--lr and --stop-at'
    """
    *first, last = (f"--{name.replace('_', '-')}" for name in names)
    return f"{', '.join(first)} and {last}"


def _add_evaluate(commands: Any) -> None:
    evaluate = _add(
        commands,
        "evaluate",
        "how good a network is, class by class",
        "Loss and accuracy of a network, and which classes it takes for which.",
    )
    _add_checkpoint(evaluate)
    _add_split(evaluate)
    _add_dataset(evaluate, "the one that the network learned from")


def _add_predict(commands: Any) -> None:
    predict = _add(
        commands,
        "predict",
        "what a network reads in your own pictures",
        "What a network reads in pictures of any size, and whether they look like what it learned "
        "from. For a network that learned MNIST the digits in a picture, dark on light or light on "
        "dark, are found, prepared as its digits were, and read one by one.",
    )
    _add_checkpoint(predict)
    predict.add_argument("images", metavar="IMAGE", nargs="+", help="a PNG, JPEG, ... file")
    predict.add_argument("--one", action="store_true", help="all that is drawn in a picture is one "
                         "digit, however many pieces it has")  # fmt: skip
    predict.add_argument("--show", action="store_true", help="print the picture, what was found in "
                         "it framed, and beside it what the network saw")  # fmt: skip


def _add_show(commands: Any) -> None:
    show = _add(
        commands,
        "show",
        "print examples in the terminal",
        "Print examples in the terminal, as pictures where they are: the first ones, those of a "
        "class, given ones, or those that a network gets wrong, the surest mistakes first.",
    )
    which = show.add_mutually_exclusive_group()
    which.add_argument("--index", metavar="I", type=whole, nargs="+", help="these, counted from 0")
    which.add_argument("--wrong", metavar="CHECKPOINT", help="those that this network gets wrong")
    show.add_argument("--class", dest="chosen", metavar="CLASS", help="only this one: its name or "
                      "its number, from 0")  # fmt: skip
    show.add_argument(
        "--count", metavar="N", type=whole, help=f"at most so many (default: {SHOWN})"
    )
    _add_split(show)
    _add_dataset(show, "mnist; with --wrong, the one that the network learned from")


def _add_export(commands: Any) -> None:
    export = _add(
        commands,
        "export",
        "write a network for other programs",
        "Write a network as an ONNX file, which other programs run: it takes images as they lie in "
        "the dataset, any number at once, and gives logits.",
    )
    _add_checkpoint(export)
    export.add_argument("--onnx", metavar="FILE", required=True, help="the file to write: ...onnx")


def _add_checkpoint(parser: argparse.ArgumentParser) -> None:
    text = "the folder of a training, or the model.safetensors in it"
    parser.add_argument("checkpoint", metavar="CHECKPOINT", help=text)


def _add_split(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--split",
        choices=("test", "train"),
        default="test",
        help="the test set or the training set (default: test)",
    )


def _add_dataset(parser: argparse.ArgumentParser, default: str) -> None:
    """The options that say which data: what `data.load` takes."""

    def option(name: str, help: str, **how: Any) -> None:
        parser.add_argument(name, help=help, **how)

    option("--dataset", f"a name (python -m data list), a .csv or .npz file, a folder of pictures "
           f"by class, or a pair or two of IDX files: images, labels (default: {default})",
           metavar="SOURCE", nargs="+")  # fmt: skip
    option("--label", "of a .csv file, the column of the label by its name or its place from 0 "
           "(default: the last)", metavar="COLUMN", type=_column)  # fmt: skip
    option("--size", "resize pictures to this height and width, or lay out the columns of a .csv "
           "file by it", metavar=("H", "W"), nargs=2, type=whole)  # fmt: skip
    option("--held-out", "the share of each class that is the test set, of data without one "
           "(default: 0.2)", metavar="SHARE", type=number)  # fmt: skip


def _column(text: str) -> int | str:
    """A place, where a whole number was typed, or a name."""
    return int(text) if re.fullmatch(r"-?[0-9]{1,9}", text) else text
