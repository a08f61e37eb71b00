"""A tour of the museum: mistakes that learned to read digits, and what caught them.

python -m tests.museum

It wants what the tests want: `pip install -e '.[test]'`.
"""

from __future__ import annotations

import shutil
import sys
import textwrap
import time

from models.command_line import fail, run

try:
    from tests.museum.digits import Outcome, load
    from tests.museum.exhibits import EXHIBITS, Exhibit, marked_lines, refused
except ImportError as error:
    wanted = "pip install -e '.[test]' in Chainrule's folder"
    sys.exit(fail(f"what catches the mistakes are the tests, which want {error.name}: {wanted}"))

WIDTH = min(100, shutil.get_terminal_size((80, 24)).columns)
BAR = 30


def main() -> None:
    start = time.perf_counter()
    say("=" * WIDTH)
    say("Wrong gradients that learned to read".center(WIDTH).rstrip())
    say("=" * WIDTH)
    train, test = load()
    paragraph(
        f"{len(EXHIBITS)} mistakes that shipped in small projects, rebuilt. Each is trained on "
        f"{len(train.labels):,} handwritten digits and asked about {len(test.labels):,} others, "
        "beside the same program done right. Then each meets a check that takes a millisecond."
    )
    for number, exhibit in enumerate(EXHIBITS, 1):
        show(number, exhibit)
    say("")
    say("-" * WIDTH)
    paragraph(
        f"All {len(EXHIBITS)} train, all {len(EXHIBITS)} are caught "
        f"({time.perf_counter() - start:.0f} s). Accuracy does not test gradients."
    )


def show(number: int, exhibit: Exhibit) -> None:
    """One exhibit: what it does, how well it does all the same, and how it is caught."""
    say("")
    say(f"-- {number}. {exhibit.title} ".ljust(WIDTH, "-"))
    paragraph(exhibit.story)
    say("")
    label("wrong", marked_lines(exhibit.wrong))
    label("right", marked_lines(exhibit.right))
    say("")
    label("trains", f"wrong  {bar(exhibit.train(exhibit.wrong))}")
    label("", f"right  {bar(exhibit.train(exhibit.right))}")
    say("")
    exhibit.check(exhibit.right)
    try:
        exhibit.check(exhibit.wrong)
    except AssertionError as caught:
        label("caught", f"by {exhibit.checked_by}:")
        label("", str(caught))
    else:
        raise SystemExit(f"museum: nothing caught {exhibit.title!r}")
    if exhibit.wrong.__name__ == "update_then_propagate":
        label("", "Our engine does not even compute it:")
        label("", refused())


def bar(outcome: Outcome) -> str:
    """Accuracy as a bar, and the loss beside it."""
    full = round(BAR * outcome.accuracy)
    line = "█" * full + "░" * (BAR - full)
    return f"{line} {outcome.accuracy:6.1%}   loss {outcome.loss:.3f}"


def label(name: str, text: str) -> None:
    """Lines of text beside a name, wrapped."""
    for i, line in enumerate(text.splitlines()):
        beside = f"    {'' if i else name:<8}"
        rest = " " * (len(beside) + 4)
        wrapped = textwrap.wrap(
            line,
            WIDTH,
            initial_indent=beside,
            subsequent_indent=rest,
            break_on_hyphens=False,
        )
        say("\n".join(wrapped))


def paragraph(text: str) -> None:
    print(textwrap.fill(text, WIDTH), flush=True)


def say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(run(lambda: main))
