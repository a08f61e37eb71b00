"""The sections of a report on the runs as a whole: figures, curves, weights, mistakes."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray

from models.mnist.scoring import Score, surest_mistakes
from models.training.text import duration, epoch_count, layer_sizes, percent
from viz.report import charts
from viz.report.parts import (
    Page,
    details,
    four_digits,
    option,
    scrolling,
    setting,
    table,
    unfolding,
    words,
)
from viz.report.pictures import digit, first_weights
from viz.report.runs import FIGURES

__all__ = [
    "confusion_section",
    "curves_section",
    "mistakes_section",
    "runs_section",
    "weights_section",
]

MISTAKES = 24  # shown of each run


def runs_section(page: Page) -> str:
    """A row for each run: its settings that differ, and how good it is; then the notes."""
    settings = {key: None for run in page.runs for key in run.settings}
    first = page.runs[0].settings
    same = [k for k in settings if all(run.settings.get(k) == first.get(k) for run in page.runs)]
    # The column "network" shows the sizes and the activation.
    differing = [key for key in settings if key not in {*same, "hidden", "activation"}]
    head = ["run", "network", *map(option, differing), "epochs", "test accuracy", "test errors"]
    head += ["test loss", "validation accuracy", "training time"]
    rows = [_run_row(page, i, differing) for i in range(len(page.runs))]
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


def _run_row(page: Page, i: int, differing: Sequence[str]) -> list[str]:
    """Run number i as a row of the table, with its values of the settings that differ."""
    run, answers = page.runs[i], page.answers.get(i)
    figures = ["-", "-", "-"]
    if answers:
        s = answers.score
        figures = [percent(s.accuracy), f"{s.wrong:,}", four_digits(s.loss)]
    validation = run.number("validation_accuracy")
    if validation is None and run.metrics:
        validation = run.metrics[-1].figures.get("validation_accuracy")
    seconds = [each.figures.get("seconds") or 0.0 for each in run.metrics]
    return [
        f'<span class="swatch" style="background: {charts.colour(i)}"></span>{escape(run.name)}',
        escape(f"{layer_sizes(run.sizes)} {run.activation}"),
        *(escape(setting(run.settings.get(key))) for key in differing),
        epoch_count(run.epochs),
        *figures,
        percent(validation),
        duration(run.number("training_seconds") or sum(seconds)),
    ]


def curves_section(page: Page) -> str:
    """Loss and accuracy by epoch, and the numbers."""
    if not any(run.metrics for run in page.runs):
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
        [escape(run.name), epoch_count(each.epochs), *map(four_digits, map(each.figures.get, keys))]
        for run in page.runs
        for each in run.metrics
    ]
    numbers = table("After each epoch", ["run", "epoch", *map(words, keys)], rows)
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
    """The weights of the first layer as pictures."""
    figures = []
    height, width = page.test.images.shape[1:]
    for run in page.runs:
        if run.model is None:
            continue
        weight = run.model.parameters()[0].data
        direct = len(run.sizes) == 2
        picture = first_weights(weight, (height, width), by_norm=not direct)
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
            f'alt="{shown} pictures of {height} by {width} weights, one for each neuron">'
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
    """For each run, the mistakes that it was surest of."""
    if not page.answers:
        return "<p>There is no network to ask.</p>"
    parts: list[str] = []
    for i, answers in page.answers.items():
        wrong = surest_mistakes(answers.chances, page.test.labels)
        surest = wrong[:MISTAKES].tolist()
        cards = "".join(
            mistake(page.test.images[n], n, int(page.test.labels[n]), answers.chances[n])
            for n in surest
        )
        rows = [
            [f"#{n}", str(page.test.labels[n]), *map(percent, answers.chances[n].tolist())]
            for n in surest
        ]
        head = ["image", "label", *(f"says {answer}" for answer in range(answers.chances.shape[1]))]
        name = escape(page.runs[i].name)
        numbers = table(f"Probabilities of the mistakes of {name}", head, rows)
        body = f'<ol class="mistakes">{cards}</ol>{details("The probabilities", numbers)}'
        title = f"{name}: {len(wrong):,} of {len(page.test):,} wrong"
        parts.append(unfolding(title, body if surest else "<p>None.</p>", opened=not parts))
    return (
        f"<p>At most {MISTAKES} for each run, numbered as in the test set. Orange bars are what "
        "the network says, blue ones what the label says.</p>" + "\n".join(parts)
    )


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
    head = "".join(f'<th scope="col">{answer}</th>' for answer in range(len(counts)))
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
