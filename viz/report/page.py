"""The report as the text of an HTML page: what is in each of its sections, and in which words.

Everything that comes from a folder (names, settings, notes) passes through `escape` here or
`label` in charts.py: a run may be called anything.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from html import escape
from itertools import count
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data import Examples
from models.mnist.checkpoint import HISTOGRAMS
from models.mnist.scoring import Score, percent, probabilities, score
from models.mnist.statistics import FLAT, IMAGES, SPAN
from viz.html import digest, read
from viz.report import charts
from viz.report.pictures import digit, first_weights
from viz.report.runs import FIGURES, Run, whole

__all__ = ["render"]

FOLDER = Path(__file__).parent
MISTAKES = 24


@dataclass(frozen=True, eq=False)
class Answers:
    """What a run's model says of the test images: its score, and (n, 10) probabilities."""

    score: Score
    chances: NDArray[np.float32]


@dataclass(eq=False)
class Page:
    """What is put together: the runs, and the charts by the id of their place in the page."""

    runs: Sequence[Run]
    test: Examples
    answers: dict[int, Answers] = field(default_factory=dict)  # by the number of the run
    charts: dict[str, dict[str, Any]] = field(default_factory=dict)
    ids: Iterator[int] = field(default_factory=lambda: count(1))

    def chart(self, title: str, chart: dict[str, Any]) -> str:
        """A place for a chart, or for one for each kind of axes ("linear", "log", "log-log")."""
        place = f"chart{next(self.ids)}"
        self.charts[place] = chart if "linear" in chart else {"linear": chart}
        return f'<div class="chart" id="{place}" role="img" aria-label="{escape(title)}"></div>'

    def figure(self, title: str, chart: dict[str, Any]) -> str:
        """The same below its title."""
        return f"<figure><figcaption>{title}</figcaption>{self.chart(title, chart)}</figure>"


def render(runs: Sequence[Run], test: Examples, plotly: str) -> str:
    """The page about `runs`, whose models are asked about `test`, with plotly's script in it."""
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
    script = read(FOLDER, "page.js")
    return Template(read(FOLDER, "page.html")).substitute(
        title=escape(f"Training report: {names}"),
        introduction=f"What {'this network' if len(runs) == 1 else 'these networks'} learned of "
        f"MNIST. Test figures are of its {len(test):,} test images, computed for this page.",
        contents="".join(contents),
        sections="\n".join(bodies),
        style=read(FOLDER, "page.css"),
        script=script,
        plotly=plotly,
        hashes=f"{digest(plotly)} {digest(script)}",
        # A "<" could end the element that the data stands in, or begin a comment in it.
        charts=json.dumps(page.charts, allow_nan=False, separators=(",", ":")).replace(
            "<", r"\u003c"
        ),
    )


# --- the sections --------------------------------------------------------------------------------


def runs_section(page: Page) -> str:
    """The runs beside each other, in what they differ and where they got; then what is amiss."""
    settings = {key: None for run in page.runs for key in run.settings}
    first = page.runs[0].settings
    same = [k for k in settings if all(run.settings.get(k) == first.get(k) for run in page.runs)]
    # The network's shape says these two.
    differing = [key for key in settings if key not in {*same, "hidden", "activation"}]
    head = ["run", "network", *map(option, differing), "epochs", "test accuracy", "test errors"]
    head += ["test loss", "validation accuracy", "training time"]
    rows = []
    for i, run in enumerate(page.runs):
        answers = page.answers.get(i)
        figures = ["-", "-", "-"]
        if answers:
            s = answers.score
            figures = [percent(s.accuracy), f"{s.count - s.right:,}", short(s.loss)]
        validation = run.number("validation_accuracy")
        if validation is None and run.lines:
            validation = run.lines[-1].figures.get("validation_accuracy")
        rows.append(
            [
                f'<span class="swatch" style="background: {charts.color(i)}"></span>'
                + escape(run.name),
                escape(f"{'-'.join(map(str, run.sizes))} {run.activation}"),
                *(escape(setting(run.settings.get(key))) for key in differing),
                whole(run.epochs),
                *figures,
                percent(validation),
                seconds(run),
            ]
        )
    title = "What differs" if len(page.runs) > 1 else "The run"
    parts = [table(title, head, rows)]
    notes = [
        f"<li><b>{escape(run.name)}</b>: {escape(n)}</li>" for run in page.runs for n in run.notes
    ]
    parts += [f'<ul class="notes">{"".join(notes)}</ul>'] if notes else []
    if same:
        shared = [[option(key), escape(setting(first.get(key)))] for key in same]
        title = "Settings" if len(page.runs) == 1 else "Settings that all of them share"
        parts.append(details(title, table(title, ["setting", "value"], shared)))
    return "\n".join(parts)


def curves_section(page: Page) -> str:
    """Loss and accuracy by epoch, and the numbers."""
    if not any(run.lines for run in page.runs):
        return "<p>No epoch was finished: there is nothing to draw yet.</p>"
    radios = [
        f'<label><input type="radio" name="axes" value="{kind}"> {kind}</label>'
        for kind in ("linear", "log", "log-log")
    ]
    radios[0] = radios[0].replace("<input", "<input checked")
    figures = []
    for quantity in ("loss", "accuracy"):
        title = f"{quantity.capitalize()} by epoch; the numbers are in the table below the charts"
        chart = page.chart(title, charts.curves(page.runs, quantity))
        figures.append(f"<figure><h3>{quantity.capitalize()}</h3>{chart}</figure>")
    keys = [*FIGURES, "lr", "seconds"]
    rows = [
        [escape(run.name), whole(line.epochs), *(short(line.figures.get(key)) for key in keys)]
        for run in page.runs
        for line in run.lines
    ]
    numbers = table("After each epoch", ["run", "epoch", *map(spaced, keys)], rows)
    return "\n".join(
        [
            "<p>Solid lines are the validation images, dotted ones the training images: means over "
            "the epoch, with dropout, while the network still changed. On logarithmic axes "
            "accuracy is drawn as errors: one minus the accuracy.</p>",
            f'<fieldset id="axes"><legend>Axes</legend>{"".join(radios)}</fieldset>',
            f'<div class="two">{"".join(figures)}</div>',
            details("The numbers of these charts", numbers),
        ]
    )


def weights_section(page: Page) -> str:
    """The first layer as pictures."""
    figures = []
    for run in page.runs:
        if run.model is None:
            continue
        weight = run.model.parameters()[0].data
        direct = len(run.sizes) == 2
        picture = first_weights(weight, by_norm=not direct)
        shown, neurons = len(picture.neurons), len(weight)
        which = (
            "One for each digit, from 0."
            if direct
            else f"The {shown} of {neurons:,} neurons with the largest norm, row by row: "
            f"{', '.join(map(str, picture.neurons[:8]))}{' and so on' * (shown > 8)}."
        )
        figures.append(
            f"<figure><h3>{escape(run.name)}</h3>"
            f'<img class="weights" src="{picture.source}" style="max-width: {3 * picture.width}px" '
            f'alt="{shown} pictures of 28 by 28 weights, one for each neuron">'
            f'<figcaption>{which} From {-picture.scale:.2g} <span class="scale signed"></span> to '
            f"{picture.scale:.2g}; 1 in 100 weights lies beyond.</figcaption></figure>"
        )
    if not figures:
        return "<p>There are no weights to show.</p>"
    return (
        "<p>What makes a neuron fire: ink on red says yes, ink on blue says no, and white does not "
        "matter. Where no digit ever has ink, at the border, nothing was learned.</p>"
        f'<div class="two">{"".join(figures)}</div>'
    )


def confusion_section(page: Page) -> str:
    """Confusion matrices, and the accuracy of each class."""
    if not page.answers:
        return "<p>There is no network to ask.</p>"
    matrices = []
    for i, answers in page.answers.items():
        name = page.runs[i].name
        matrices.append(f"<div><h3>{escape(name)}</h3>{confusion_table(name, answers.score)}</div>")
    scores = [(i, page.runs[i].name, answers.score) for i, answers in page.answers.items()]
    title = "Accuracy of each digit; the numbers are in the last column of the tables above"
    chart = page.chart(title, charts.class_accuracies(scores))
    return (
        "<p>How many test images of each digit, a row, were given each answer, a column. Only "
        "mistakes are coloured, by their number; what is correct stands on the diagonal.</p>"
        f'<div class="two">{"".join(matrices)}</div>'
        f'<h3>Accuracy of each digit</h3><div class="narrow">{chart}</div>'
    )


def mistakes_section(page: Page) -> str:
    """Of each run the mistakes that it was surest of."""
    if not page.answers:
        return "<p>There is no network to ask.</p>"
    parts: list[str] = []
    for i, answers in page.answers.items():
        predicted = answers.chances.argmax(1)
        wrong = np.flatnonzero(predicted != page.test.labels)
        sure = answers.chances[wrong, predicted[wrong]]
        surest = wrong[np.argsort(-sure, kind="stable")][:MISTAKES].tolist()
        cards = "".join(
            mistake(page.test.images[n], n, int(page.test.labels[n]), answers.chances[n])
            for n in surest
        )
        rows = [
            [f"#{n}", str(page.test.labels[n]), *map(percent, answers.chances[n].tolist())]
            for n in surest
        ]
        head = ["image", "label", *(f"says {answer}" for answer in range(10))]
        name = escape(page.runs[i].name)
        numbers = table(f"Probabilities of the mistakes of {name}", head, rows)
        body = f'<ol class="mistakes">{cards}</ol>{details("The probabilities", numbers)}'
        title = f"{name}: {len(wrong):,} of {len(page.test):,} wrong"
        parts.append(unfolding(title, body if surest else "<p>None.</p>", opened=not parts))
    return (
        f"<p>At most {MISTAKES} for each run, numbered as in the test set. Orange bars are what "
        "the network says, blue ones what the label says.</p>" + "\n".join(parts)
    )


def layers_section(page: Page) -> str:
    """Of each run weights, gradients and outputs over time."""
    legend = (
        f"<p>After each epoch, on the same {IMAGES} images each time, in evaluation. A column is "
        f"a histogram, of all entries or as far as {SPAN} standard deviations from their mean. "
        'Colour is the share of the entries, from none <span class="scale shares"></span> to all, '
        "in steps of 0.01, 0.1, 1, 3 and 10 %; the orange line is the mean.</p>"
    )
    parts: list[str] = []
    for run in page.runs:
        if run.looks:
            body = layers(page, run)
        else:
            body = (
                f"<p>This run's folder holds no histograms ({HISTOGRAMS}): it is older than they "
                "are, or was ended before the first.</p>"
            )
        parts.append(unfolding(escape(run.name), body, opened=not parts))
    return legend + "\n".join(parts)


# --- their parts ---------------------------------------------------------------------------------


def confusion_table(name: str, score: Score) -> str:
    """Counts as a table, coloured off the diagonal by the share of the largest count there."""
    counts = score.confusion.tolist()
    most = max(n for i, row in enumerate(counts) for j, n in enumerate(row) if i != j) or 1
    rows = []
    for i, (row, accuracy) in enumerate(zip(counts, score.class_accuracy, strict=True)):
        cells = [f'<th scope="row">{i}</th>']
        for j, n in enumerate(row):
            if i == j:
                cells.append(f'<td class="right">{n}</td>')
            elif n:
                cells.append(f'<td style="--share: {n / most:.3f}">{n}</td>')
            else:
                cells.append('<td class="none">0</td>')
        rows.append(f"<tr>{''.join(cells)}<td>{percent(accuracy)}</td></tr>")
    head = "".join(f'<th scope="col">{answer}</th>' for answer in range(10))
    return scrolling(
        f"Confusion matrix of {escape(name)}",
        '<table class="confusion"><caption>Rows: the label. Columns: the answer.</caption>'
        f'<thead><tr><td></td>{head}<th scope="col">correct</th></tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table>",
    )


def mistake(image: NDArray[np.uint8], n: int, label: int, chances: NDArray[np.float32]) -> str:
    """A card: the image, a bar for each probability, and a line of text."""
    answer, shares = int(chances.argmax()), [percent(chance) for chance in chances.tolist()]
    bars = []
    for i, chance in enumerate(chances.tolist()):
        role = {answer: ' class="answer"', label: ' class="label"'}.get(i, "")
        height = max(0.5, 70 * chance)
        bars.append(
            f'<rect{role} x="{18 * i + 1}" width="16" y="{70 - height:.1f}" height="{height:.1f}"/>'
            f'<text{role} x="{18 * i + 9}" y="83">{i}</text>'
        )
    spoken = ", ".join(f"{i}: {share}" for i, share in enumerate(shares))
    return (
        f'<li><figure><img src="{digit(image)}" width="84" height="84" '
        f'alt="test image {n}, labelled {label}">'
        f'<svg class="bars" viewBox="0 0 180 86" role="img" aria-label="probabilities {spoken}">'
        f"{''.join(bars)}</svg><figcaption>#{n}: {label} ({shares[label]}), read as "
        f"<b>{answer}</b> ({shares[answer]})</figcaption></figure></li>"
    )


def layers(page: Page, run: Run) -> str:
    """How gradients and activations fare, then the histograms layer by layer, then the numbers."""
    found = run.looks[-1].found
    even = range(0, 2 * len(found["weights"]), 2)  # activations stand between
    numbers = [n for n in even if f"{n}.weight" in found["weights"]]
    called = {f"{n}.weight": f"layer {n}" for n in numbers}
    activations = {
        name: f"layer {name} ({run.activation})"
        for name, histogram in found["outputs"].items()
        if "constant" in histogram.numbers
    }
    health = [
        ("Length of the gradient of the weights", "gradients", "norm", called, True),
        ("Units that say the same of every image", "outputs", "constant", activations, False),
        (f"Outputs where the slope is under {FLAT}", "outputs", "flat", activations, False),
    ]
    figures = []
    for title, kind, number, names, logarithmic in health:
        chart = charts.lines_over_time(run.looks, kind, number, names, logarithmic)
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
        drawn = [(title, charts.over_time(run.looks, kind, key)) for title, kind, key in panels]
        figures = [page.figure(title, chart) for title, chart in drawn if chart]
        parts.append(f'<h4>Layer {n}</h4><div class="three">{"".join(figures)}</div>')
    parts.append(details("The numbers of these charts", histogram_table(run)))
    return "\n".join(parts)


def histogram_table(run: Run) -> str:
    """What the histograms are summed up by."""
    numbers = ["mean", "std", "min", "max", "norm", "constant", "flat"]
    rows = [
        [whole(look.epochs), escape(f"{name}, {kind}"), *map(short, map(h.numbers.get, numbers))]
        for look in charts.some(run.looks)
        for kind, histograms in look.found.items()
        for name, h in histograms.items()
    ]
    title = (
        f"{escape(run.name)}; constant: share of units that say the same of every image; "
        f"flat: share of outputs where the slope is under {FLAT}"
    )
    return table(title, ["epoch", "of", *numbers], rows)


# --- HTML ----------------------------------------------------------------------------------------


def table(caption: str, head: Iterable[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; the cells are HTML, the first of each row is its heading."""
    heads = "".join(f'<th scope="col">{cell}</th>' for cell in head)
    lines = "".join(
        f'<tr><th scope="row">{first}</th>{"".join(f"<td>{cell}</td>" for cell in rest)}</tr>'
        for first, *rest in rows
    )
    return scrolling(
        caption,
        f"<table><caption>{caption}</caption><thead><tr>{heads}</tr></thead>"
        f"<tbody>{lines}</tbody></table>",
    )


def scrolling(title: str, body: str) -> str:
    """What may be too wide for a small screen; by keyboard too."""
    return f'<div class="scroll" tabindex="0" role="region" aria-label="{title}">{body}</div>'


def details(title: str, body: str) -> str:
    """What is seen only when asked for."""
    return f"<details><summary>{title}</summary>{body}</details>"


def unfolding(title: str, body: str, opened: bool) -> str:
    """A part of a section with a heading, of which only the first is open."""
    state = " open" if opened else ""
    return f"<details{state}><summary><h3>{title}</h3></summary>\n{body}\n</details>"


def seconds(run: Run) -> str:
    """How long the training took."""
    known = [line.figures.get("seconds") or 0.0 for line in run.lines]
    return f"{run.number('training_seconds') or sum(known):,.1f} s"


def setting(value: Any) -> str:
    """A setting as one types it."""
    if isinstance(value, list):
        return " ".join(map(str, value)) or "none"
    return "-" if value is None else str(value)


def option(name: str) -> str:
    """A setting's name as one types it, which no figure has."""
    return escape(f"--{name.replace('_', '-')}")


def spaced(name: str) -> str:
    """A name of a file's as words."""
    return escape(name.replace("_", " "))


def short(number: float | None) -> str:
    """A number in four digits.

    >>> short(0.123456), short(None)
    ('0.1235', '-')
    """
    return "-" if number is None else f"{number:,.4g}"
