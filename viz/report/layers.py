"""The section of a report on each run's layers while it learned: weights, gradients, outputs."""

from __future__ import annotations

from html import escape

from models.mnist.statistics import FIRST, FLAT_SLOPE, SPAN
from models.runs.files import HISTOGRAMS
from models.training.text import epoch_count
from viz.report import charts
from viz.report.parts import Page, details, four_digits, table, unfolding
from viz.report.runs import Run

__all__ = ["layers_section"]


def layers_section(page: Page) -> str:
    """For each run, weights, gradients and outputs over time."""
    legend = (
        f"<p>After each epoch, on the same {FIRST} examples each time, in evaluation. A column is "
        f"a histogram, of all entries or as far as {SPAN} standard deviations from their mean. "
        'Colour is the share of the entries, from none <span class="scale shares"></span> to all, '
        "in steps of 0.01, 0.1, 1, 3 and 10 %; the orange line is the mean.</p>"
    )
    parts: list[str] = []
    for run in page.runs:
        if run.snapshots:
            body = _layers(page, run)
        else:
            body = (
                f"<p>This run's folder holds no histograms ({HISTOGRAMS}): it is older than they "
                "are, or was ended before the first.</p>"
            )
        parts.append(unfolding(escape(run.name), body, opened=not parts))
    return legend + "\n".join(parts)


def _layers(page: Page, run: Run) -> str:
    """First the size of the gradients and the units that do not learn, then the histograms layer by
    layer, then the numbers."""
    last = run.snapshots[-1].histograms
    even = range(0, 2 * len(last["weights"]), 2)  # activations stand between
    numbers = [n for n in even if f"{n}.weight" in last["weights"]]
    titles = {f"{n}.weight": f"layer {n}" for n in numbers}
    activations = {
        name: f"layer {name} ({run.activation})"
        for name, histogram in last["outputs"].items()
        if "constant" in histogram.numbers
    }
    health = [
        ("Length of the gradient of the weights", "gradients", "norm", titles, True),
        ("Units with the same output for every example", "outputs", "constant", activations, False),
        (f"Outputs where the slope is under {FLAT_SLOPE}", "outputs", "flat", activations, False),
    ]
    figures = []
    for title, kind, number, names, logarithmic in health:
        chart = charts.lines_over_time(run.snapshots, kind, number, names, logarithmic)
        if chart:
            figures.append(page.figure(f"{title}, by epoch", chart))
    parts = [f'<div class="three">{"".join(figures)}</div>']
    for n in numbers:
        panels = [
            ("Weights", "weights", f"{n}.weight"),
            ("Gradient of the weights", "gradients", f"{n}.weight"),
            ("Biases", "weights", f"{n}.bias"),
            ("Gradient of the biases", "gradients", f"{n}.bias"),
            ("Outputs", "outputs", str(n)),
            (f"Outputs after {run.activation}", "outputs", str(n + 1)),
        ]
        drawn = [(title, charts.over_time(run.snapshots, kind, key)) for title, kind, key in panels]
        figures = [page.figure(title, chart) for title, chart in drawn if chart]
        parts.append(f'<h4>Layer {n}</h4><div class="three">{"".join(figures)}</div>')
    parts.append(details("The numbers of these charts", _histogram_table(run)))
    return "\n".join(parts)


def _histogram_table(run: Run) -> str:
    """The numbers that sum up each histogram, as a table."""
    numbers = ["mean", "std", "min", "max", "norm", "constant", "flat"]
    rows = [
        [
            epoch_count(snapshot.epochs),
            escape(f"{name}, {kind}"),
            *map(four_digits, map(h.numbers.get, numbers)),
        ]
        for snapshot in charts.thinned(run.snapshots)
        for kind, histograms in snapshot.histograms.items()
        for name, h in histograms.items()
    ]
    title = (
        f"{escape(run.name)}; constant: share of units with the same output for every example; "
        f"flat: share of outputs where the slope is under {FLAT_SLOPE}"
    )
    return table(title, ["epoch", "of", *numbers], rows)
