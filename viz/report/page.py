"""The report as the text of an HTML page: the list of its sections, and the page around them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape
from pathlib import Path
from string import Template

from data import Examples
from models.command_line import InputError
from models.mnist.datasets import Described
from models.mnist.scoring import probabilities, score
from models.training.text import cut
from viz.page import digest, read, script
from viz.report.answers import confusion_section, mistakes_section
from viz.report.layers import layers_section
from viz.report.parts import NAME, Answers, Page
from viz.report.runs import Run
from viz.report.sections import curves_section, runs_section, weights_section

__all__ = ["render"]

FOLDER = Path(__file__).parent


def render(runs: Sequence[Run], plotly: str) -> str:
    """The page about `runs`, each scored on the test set of its dataset, with plotly's script in
    it. A run whose dataset cannot be loaded gets a note."""
    page = Page(runs)
    _ask(page)
    sections = {
        "Runs": runs_section(page),
        "Loss and accuracy": curves_section(page),
        "Weights of the first layer": weights_section(page),
        "Confusion matrix": confusion_section(page),
        "Most confident mistakes": mistakes_section(page),
        "Weights, gradients and outputs over time": layers_section(page),
    }
    contents = [f'<li><a href="#s{i}">{title}</a></li>' for i, title in enumerate(sections, 1)]
    bodies = [
        f'<section aria-labelledby="s{i}">\n<h2 id="s{i}">{title}</h2>\n{body}\n</section>'
        for i, (title, body) in enumerate(sections.items(), 1)
    ]
    names = ", ".join(run.name for run in runs) if len(runs) < 5 else f"{len(runs)} runs"
    joined = script(FOLDER / "page.js")
    return Template(read(FOLDER, "page.html")).substitute(
        title=escape(f"Training report: {names}"),
        introduction=escape(_introduction(page)),
        contents="".join(contents),
        sections="\n".join(bodies),
        style=read(FOLDER, "page.css"),
        script=joined,
        plotly=plotly,
        hashes=f"{digest(plotly)} {digest(joined)}",
        # A "<" could end the element that the data stands in, or begin a comment in it.
        charts=json.dumps(page.charts, allow_nan=False, separators=(",", ":")).replace(
            "<", r"\u003c"
        ),
    )


def _ask(page: Page) -> None:
    """Let each model answer the test set of its dataset; one that several runs share is loaded
    once."""
    loaded: list[tuple[Described, Examples]] = []
    for i, run in enumerate(page.runs):
        if run.model is None or run.described is None:
            continue
        test = next((test for known, test in loaded if known == run.described), None)
        try:
            test = run.described.load("test")["test"] if test is None else test
        except InputError as error:
            run.notes.append(
                f"{error}. Figures of its test set are left out: put it back, and make this page "
                "again."
            )
            continue
        loaded.append((run.described, test))  # again, where it was: the first is found
        classes, scale = len(run.described.classes), run.described.scale
        chances = probabilities(run.model, test.images, scale, run.temperature)
        page.answers[i] = Answers(
            run.described, test, score(run.model, test, classes, scale), chances
        )


def _introduction(page: Page) -> str:
    """What the page is about, and what its test figures are of."""
    who = "this network" if len(page.runs) == 1 else "these networks"
    sets = [
        f"{cut(described.name, NAME)} ({len(page.answers[numbers[0]].test):,} test examples)"
        for described, numbers in page.datasets()
    ]
    if not sets:
        return f"What {who} learned. No test set could be loaded: the notes say why."
    whose = "its test set" if len(sets) == 1 else "the test set of each network's own dataset"
    listed = " and ".join(filter(None, [", ".join(sets[:-1]), sets[-1]]))
    return f"What {who} learned of {listed}. Test figures are of {whose}, computed for this page."
