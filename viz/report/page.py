"""The report as the text of an HTML page: the list of its sections, and the page around them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape
from pathlib import Path
from string import Template

from data import Examples
from models.mnist.scoring import probabilities, score
from viz.page import digest, read, script
from viz.report.layers import layers_section
from viz.report.parts import Answers, Page
from viz.report.runs import Run
from viz.report.sections import (
    confusion_section,
    curves_section,
    mistakes_section,
    runs_section,
    weights_section,
)

__all__ = ["render"]

FOLDER = Path(__file__).parent


def render(runs: Sequence[Run], test: Examples, plotly: str) -> str:
    """The page about `runs`, whose models are scored on `test`, with plotly's script in it."""
    page = Page(runs, test)
    for i, run in enumerate(runs):
        if run.model is not None:
            chances = probabilities(run.model, test.images)
            page.answers[i] = Answers(score(run.model, test), chances)
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
        introduction=f"What {'this network' if len(runs) == 1 else 'these networks'} learned of "
        f"MNIST. Test figures are of its {len(test):,} test images, computed for this page.",
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
