"""The charts as plotly takes them: dictionaries of traces and a layout.

The colours that differ between a light and a dark page are not here: the page's script adds them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.mnist.scoring import Score
from models.training.text import cut
from viz.report.runs import Histogram, Run, Snapshot

__all__ = [
    "class_accuracies",
    "colour",
    "curves",
    "label",
    "lines_over_time",
    "over_time",
    "spread",
    "thinned",
]

Chart = dict[str, Any]

# Okabe and Ito's colours, which stay apart for colour-blind eyes, the ones strongest on white and
# on black first. The markers tell more than six runs apart.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
MARKERS = ("circle", "square", "diamond", "triangle-up", "x", "star", "cross", "triangle-down")

LEGEND = {"orientation": "h", "yref": "container", "y": 0, "yanchor": "bottom"}

STEPS = [float(f"{step}e{power}") for power in range(-9, 7) for step in (1, 2, 5)]

TICK, HOVER = 16, 60  # columns of a class's name at an axis, and at a point
TICKS = 50  # classes named there; of more, some are left out
MAX_SNAPSHOTS = 50  # columns in a chart of histograms over time; of more, some are left out
CELLS = 60  # rows in it


def colour(i: int) -> str:
    """The colour of run or layer number i, from 0."""
    return COLOURS[i % len(COLOURS)]


def marker(i: int) -> str:
    """The symbol of run or layer number i, from 0."""
    return MARKERS[i % len(MARKERS)]


def label(text: str) -> str:
    """Text escaped for plotly, which would read markup in it, links included.

    >>> label("a<b")
    'a&lt;b'
    """
    return escape(text, quote=False)


def curves(runs: Sequence[Run], quantity: str) -> dict[str, Chart]:
    """The loss or the accuracy of training and validation by epoch, for each kind of axes.

    On a logarithmic axis all accuracies look the same: there it is 1 - accuracy, the errors.
    """
    if quantity == "loss":
        linear = logarithmic = _curves(runs, "loss", "loss", float)
        form = {"linear": "", "log": ""}
    else:
        linear = _curves(runs, "accuracy", "accuracy", float)
        # Rounded, because 1 - 0.9998 is 0.0001999...: accuracies are of whole images.
        logarithmic = _curves(runs, "accuracy", "error", lambda share: round(1 - share, 12))
        form = {"linear": ".3~%", "log": "~%"}

    # Plotly's own ticks of a logarithmic axis say 2 and 5 for 0.02 and 0.05.
    ticks: dict[str, Chart] = {"linear": {}, "log": {"tickvals": STEPS}}

    def axes(traces: list[Chart], x: str, y: str, title: str) -> Chart:
        return {
            "data": traces,
            "layout": {
                "xaxis": {"title": {"text": "epoch"}, "type": x, **ticks[x]},
                "yaxis": {
                    "title": {"text": title},
                    "type": y,
                    "tickformat": form[y],
                    **ticks[y],
                },
                "legend": LEGEND,
            },
        }

    title = "loss" if quantity == "loss" else "errors (1 - accuracy)"
    return {
        "linear": axes(linear, "linear", "linear", quantity),
        "log": axes(logarithmic, "linear", "log", title),
        "log-log": axes(logarithmic, "log", "log", title),
    }


def _curves(
    runs: Sequence[Run], figure: str, shown: str, value: Callable[[float], float]
) -> list[Chart]:
    traces: list[Chart] = []
    for i, run in enumerate(runs):
        # A single epoch has no line: the markers tell training and validation apart.
        for part, dash, form in (("validation", "solid", ""), ("train", "dot", "-open")):
            known = [each.figures.get(f"{part}_{figure}") for each in run.metrics]
            if all(number is None for number in known):
                continue
            traces.append(
                {
                    "type": "scatter",
                    "mode": "lines+markers",
                    "name": label(run.name),
                    "legendgroup": i,
                    "showlegend": not any(trace["legendgroup"] == i for trace in traces),
                    "x": [each.epochs for each in run.metrics],
                    "y": [None if number is None else value(number) for number in known],
                    "line": {"color": colour(i), "dash": dash, "width": 2},
                    "marker": {"symbol": marker(i) + form, "size": 6},
                    "hovertemplate": f"epoch %{{x:.4~g}}: {shown} %{{y:.4~g}}"
                    f"<extra>{label(run.name)}, {part}</extra>",
                }
            )
    return traces


def class_accuracies(scores: Sequence[tuple[int, str, Score]], classes: Sequence[str]) -> Chart:
    """The share of each class's examples that is answered correctly. Dots, because bars must start
    at 0, where 98 % and 99 % look the same. `scores`: number and name of each run with its
    score."""
    names = [label(cut(name, HOVER)) for name in classes]
    traces = [
        {
            "type": "scatter",
            "mode": "markers",
            "name": label(name),
            "x": list(range(len(score.class_accuracy))),
            "y": score.class_accuracy,
            "text": names,
            "marker": {"color": colour(i), "symbol": marker(i), "size": 11},
            "hovertemplate": "%{text}: %{y:.2%}",
        }
        for i, name, score in scores
    ]
    # By number, not by name: two long names may be cut to the same.
    ticks = range(0, len(names), -(-len(names) // TICKS))
    layout = {
        "xaxis": {
            "title": {"text": "class"},
            "tickvals": list(ticks),
            "ticktext": [label(cut(classes[i], TICK)) for i in ticks],
            "range": [-0.5, len(names) - 0.5],
            "showgrid": False,
            "zeroline": False,
        },
        "yaxis": {"title": {"text": "correct"}, "tickformat": ".3~%"},
        "legend": LEGEND,
        "showlegend": True,
    }
    return {"data": traces, "layout": layout}


# --- histograms over time ------------------------------------------------------------------------


def thinned(snapshots: Sequence[Snapshot]) -> list[Snapshot]:
    """At most MAX_SNAPSHOTS of them, evenly, with the first and the last.

    >>> [each.epochs for each in thinned([Snapshot(i, {}) for i in range(200)])][:3]
    [0, 4, 8]
    """
    count = len(snapshots)
    chosen = np.linspace(0, count - 1, min(count, MAX_SNAPSHOTS)).round().astype(int)
    return [snapshots[i] for i in chosen]


def over_time(snapshots: Sequence[Snapshot], kind: str, name: str) -> Chart | None:
    """The histograms of one array, one column for each snapshot, and a line at its mean.

    None where none of them has a finite entry.
    """
    known = [(each.epochs, each.histograms[kind].get(name)) for each in thinned(snapshots)]
    drawn = [(epochs, h) for epochs, h in known if h and _ends(h) and sum(h.counts)]
    if not drawn:
        return None
    edges = _edges([h for _, h in drawn])
    columns = np.stack([spread(h, edges) for _, h in drawn])
    shares = [[float(f"{share:.3g}") or None for share in row] for row in columns.T]
    x = [epochs for epochs, _ in drawn]
    heat = {
        "type": "heatmap",
        "x": x,
        "y": edges.tolist(),
        "z": shares,
        "zmin": 0,
        "zmax": 1,
        "showscale": False,
        "hovertemplate": "epoch %{x:.4~g}, near %{y:.3~g}: %{z:.2~%} of the entries<extra></extra>",
    }
    mean = {
        "type": "scatter",
        "mode": "lines",
        "x": x,
        "y": [h.numbers.get("mean") for _, h in drawn],
        "line": {"color": COLOURS[1], "width": 1.5},
        "hoverinfo": "skip",
    }
    layout = {
        "xaxis": {"title": {"text": "epoch"}, "showgrid": False, "zeroline": False},
        "yaxis": {"showgrid": False, "zeroline": False, "nticks": 6},
        "showlegend": False,
    }
    return {"data": [heat, mean], "layout": layout}


def _edges(histograms: Sequence[Histogram]) -> NDArray[np.float64]:
    """The edges of CELLS equal cells from the lowest end of some histograms to the highest."""
    lows, highs = zip(*(_ends(h) or (0.0, 0.0) for h in histograms), strict=True)
    low, high = min(lows), max(highs)
    if low == high:
        low, high = low - (abs(low) or 1.0), high + (abs(high) or 1.0)
    return np.linspace(low, high, CELLS + 1)


def _ends(histogram: Histogram) -> tuple[float, float] | None:
    low, high = histogram.numbers.get("low"), histogram.numbers.get("high")
    return (low, high) if low is not None and high is not None and low <= high else None


def spread(histogram: Histogram, edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """The share of the entries in each cell between `edges`, those of a bin spread evenly over it.

    >>> two = Histogram([1, 2], {"low": 0.0, "high": 2.0, "beyond": 1})
    >>> spread(two, np.array([-1.0, 0.0, 0.5, 1.0, 2.0, 3.0]))
    array([0.   , 0.125, 0.125, 0.5  , 0.   ])
    """
    low, high = _ends(histogram) or (0.0, 0.0)
    if low == high:  # all entries are one number
        return np.histogram([low], edges)[0].astype(np.float64)
    own = np.linspace(low, high, len(histogram.counts) + 1)
    beyond = histogram.numbers.get("beyond") or 0
    below = np.cumsum([0, *histogram.counts]) / (sum(histogram.counts) + beyond)
    return np.diff(np.interp(edges, own, below))


def lines_over_time(
    snapshots: Sequence[Snapshot],
    kind: str,
    number: str,
    names: dict[str, str],
    logarithmic: bool = False,
) -> Chart | None:
    """One `number` of the histograms of several arrays by epoch; names: theirs, with their titles.

    None where no histogram has it.
    """
    traces = []
    for i, (name, title) in enumerate(names.items()):
        found = [each.histograms[kind].get(name) for each in snapshots]
        y = [None if h is None else h.numbers.get(number) for h in found]
        if all(value is None for value in y):
            continue
        traces.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": label(title),
                "x": [each.epochs for each in snapshots],
                "y": y,
                "line": {"color": colour(i), "width": 2},
                "marker": {"symbol": marker(i), "size": 6},
                "hovertemplate": "epoch %{x:.4~g}: " + ("%{y:.4~g}" if logarithmic else "%{y:.2%}"),
            }
        )
    y_axis = {"type": "log", "exponentformat": "power"} if logarithmic else {"tickformat": "~%"}
    layout = {
        "xaxis": {"title": {"text": "epoch"}, "zeroline": False},
        "yaxis": y_axis if logarithmic else {**y_axis, "range": [-0.02, 1.02]},
        "legend": LEGEND,
        "showlegend": True,
    }
    return {"data": traces, "layout": layout} if traces else None
