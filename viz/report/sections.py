"""The sections of a report on the runs as a whole: figures, curves, weights."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from models.mlp import MLP
from models.mnist.datasets import Described
from models.mnist.image import is_picture
from models.training.text import cut, duration, epoch_count, layer_sizes, percent
from viz.report import charts
from viz.report.parts import NAME, Page, details, four_digits, option, setting, table, words
from viz.report.pictures import first_weights
from viz.report.runs import FIGURES, Run

__all__ = ["curves_section", "runs_section", "weights_section"]

LISTED = 12  # classes named below their weights
WEIGHTS = 700  # CSS pixels that a picture of weights may be enlarged to


def runs_section(page: Page) -> str:
    """A row for each run: its settings that differ, and how good it is; then the notes."""
    settings = {key: None for run in page.runs for key in run.settings}
    first = page.runs[0].settings
    same = [k for k in settings if all(run.settings.get(k) == first.get(k) for run in page.runs)]
    # The column "network" shows the sizes and the activation.
    differing = [key for key in settings if key not in {*same, "hidden", "activation"}]
    head = ["run", "dataset", "network", *map(option, differing), "epochs"]
    head += ["test accuracy", "test errors"]
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
        escape(cut(run.described.name, NAME)) if run.described else "-",
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
            "<p>Solid lines are the validation set, dotted ones the training set: means over the "
            "epoch, with dropout, while the network still changed. On logarithmic axes "
            "accuracy is drawn as errors: one minus the accuracy.</p>",
            f'<fieldset id="axes"><legend>Axes</legend>{"".join(radios)}</fieldset>',
            f'<div class="two">{"".join(figures)}</div>',
            details("The numbers of these charts", numbers),
        ]
    )


def weights_section(page: Page) -> str:
    """The weights of the first layer as pictures, where examples are pictures."""
    figures = []
    for run in page.runs:
        if run.model is None or run.described is None:
            continue
        if is_picture(run.described.shape):
            figures.append(_weights(run, run.model, run.described))
        else:
            figures.append(
                f"<figure><h3>{escape(run.name)}</h3><p>Examples of shape {run.described.shape} "
                "are no pictures, and neither are these weights: their histograms are below.</p>"
                "</figure>"
            )
    if not figures:
        return "<p>There are no weights to show.</p>"
    return (
        "<p>What makes a neuron fire: light on red says yes, light on blue says no, and white does "
        "not matter. Where no example ever has light, nothing was learned. Weights of colour "
        "pictures are colours themselves: a red spot says yes to red, grey does not matter.</p>"
        f'<div class="two">{"".join(figures)}</div>'
    )


def _weights(run: Run, model: MLP, described: Described) -> str:
    weight = model.parameters()[0].data
    height, width = described.shape[:2]
    direct = len(run.sizes) == 2
    drawn = first_weights(weight, described.shape, by_norm=not direct)
    shown, neurons = len(drawn.neurons), len(weight)
    if direct:
        names = [cut(name, NAME) for name in described.classes[: min(shown, LISTED)]]
        which = f"One for each class, row by row: {', '.join(names)}"
        which += "." if shown <= LISTED else " and so on."
    else:
        which = (
            f"The {shown} of {neurons:,} neurons with the largest norm, row by row: "
            f"{', '.join(map(str, drawn.neurons[:8]))}{' and so on' * (shown > 8)}."
        )
    wide = drawn.width * max(1, WEIGHTS // drawn.width)
    scale = "grey" if described.shape[2:] == (3,) else '<span class="scale signed"></span>'
    return (
        f"<figure><h3>{escape(run.name)}</h3>"
        f'<img class="weights" src="{drawn.source}" style="max-width: {wide}px" '
        f'alt="{shown} pictures of {height} by {width} weights, one for each neuron">'
        f"<figcaption>{escape(which)} From {-drawn.scale:.2g} {scale} to {drawn.scale:.2g}; 1 in "
        "100 weights lies beyond.</figcaption></figure>"
    )
