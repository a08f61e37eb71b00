"""The sections of a report on what the networks answer: confusions and mistakes.

Classes are as many as a dataset has, and are called what it calls them: names are cut and escaped.
"""

from __future__ import annotations

from html import escape

import numpy as np
from numpy.typing import NDArray

from models.mnist.image import is_picture, pixels
from models.mnist.scoring import most_confused, surest_mistakes
from models.training.text import columns, cut, percent
from viz.report import charts
from viz.report.parts import NAME, Answers, Page, details, scrolling, table, unfolding
from viz.report.pictures import picture

__all__ = ["confusion_section", "mistakes_section"]

MISTAKES = 24  # shown of each run
FULL = 50  # classes of which a matrix shows all,
HALF = 14  # and so many that two stand side by side;
PAIRS = 50  # and pairs of classes that are listed where there are more
NUMBERS = 12  # shown of an example that is no picture
BARS = 12  # probabilities beside a mistake, the highest
WIDTH, HEIGHT = 180, 70  # of these bars together
LETTER = 7  # the width of a letter below them


def confusion_section(page: Page) -> str:
    """Confusion matrices, and the accuracy of each class."""
    if not page.answers:
        return "<p>There is no network to ask.</p>"
    matrices = []
    for i, answers in page.answers.items():
        name, classes = page.runs[i].name, len(answers.described.classes)
        drawn = matrix if classes <= FULL else _pairs
        form = "half" if classes <= HALF else "whole"
        matrices.append(f'<div class="{form}"><h3>{escape(name)}</h3>{drawn(name, answers)}</div>')
    figures, datasets = [], page.datasets()
    for described, numbers in datasets:
        title = "Accuracy of each class"
        if len(datasets) > 1:
            title += f" of {escape(cut(described.name, NAME))}"
        scores = [(i, page.runs[i].name, page.answers[i].score) for i in numbers]
        chart = page.chart(title, charts.class_accuracies(scores, described.classes))
        figures.append(f'<h3>{title}</h3><div class="narrow">{chart}</div>')
    return (
        "<p>How many test examples of each class, a row, were given each answer, a column. Only "
        "mistakes are coloured, by their number; what is correct stands on the diagonal.</p>"
        f'<div class="two">{"".join(matrices)}</div>{"".join(figures)}'
    )


def matrix(name: str, answers: Answers) -> str:
    """Counts as a table, coloured off the diagonal by the share of the largest count there."""
    counts, score = answers.score.confusion.tolist(), answers.score
    most = max((n for i, row in enumerate(counts) for j, n in enumerate(row) if i != j), default=0)
    rows = []
    for i, (row, accuracy) in enumerate(zip(counts, score.class_accuracy, strict=True)):
        cells = [f'<th scope="row">{escape(answers.called(i))}</th>']
        for j, n in enumerate(row):
            if i == j:
                cells.append(f'<td class="right">{n}</td>')
            elif n:
                cells.append(f'<td style="--share: {n / most:.3f}">{n}</td>')
            else:
                cells.append('<td class="none">0</td>')
        rows.append(f"<tr>{''.join(cells)}<td>{percent(accuracy)}</td></tr>")
    names = [answers.called(i) for i in range(len(counts))]
    head = "".join(f'<th scope="col"><span>{escape(each)}</span></th>' for each in names)
    # Names that are wider than their columns stand upright.
    form = "confusion upright" if max(map(columns, names)) > 4 else "confusion"
    return scrolling(
        f"Confusion matrix of {escape(name)}",
        f'<table class="{form}"><caption>Rows: the label. Columns: the answer.</caption>'
        f'<thead><tr><td></td>{head}<th scope="col"><span>correct</span></th></tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table>",
    )


def _pairs(name: str, answers: Answers) -> str:
    """The pairs that are confused most, of classes that are too many for a matrix."""
    counts = answers.score.confusion.sum(1)
    rows = [
        [
            escape(answers.called(label)),
            escape(answers.called(answer)),
            f"{n:,}",
            percent(n / counts[label]),
        ]
        for label, answer, n in most_confused(answers.score, PAIRS)
    ]
    title = f"{escape(name)}: of {len(counts):,} classes, the pairs confused most often"
    return table(title, ["label", "answer", "count", "of the class"], rows)


# --- mistakes ------------------------------------------------------------------------------------


def mistakes_section(page: Page) -> str:
    """For each run, the mistakes that it was surest of."""
    if not page.answers:
        return "<p>There is no network to ask.</p>"
    parts: list[str] = []
    for i, answers in page.answers.items():
        labels = answers.test.labels
        wrong = surest_mistakes(answers.chances, labels)
        name = escape(page.runs[i].name)
        title = f"{name}: {len(wrong):,} of {len(labels):,} wrong"
        body = _mistakes(name, answers, wrong[:MISTAKES]) if len(wrong) else "<p>None.</p>"
        parts.append(unfolding(title, body, opened=not parts))
    return (
        f"<p>At most {MISTAKES} for each run, numbered as in the test set. Orange bars are what "
        "the network says, blue ones what the label says.</p>" + "\n".join(parts)
    )


def _mistakes(name: str, answers: Answers, surest: NDArray[np.int64]) -> str:
    """Cards for some mistakes, and the probabilities as a table."""
    examples = answers.test.take(surest)
    cards, rows = [], []
    for n, image, label in zip(surest.tolist(), examples.images, examples.labels, strict=True):
        chances = answers.chances[n]
        cards.append(mistake(image, n, int(label), chances, answers))
        rows.append([f"#{n}", escape(answers.called(label)), *_told(chances, answers)])
    if len(answers.described.classes) <= FULL:
        head = [f"says {escape(answers.called(i))}" for i in range(len(answers.described.classes))]
    else:
        head = ["says", "so sure"]
    numbers = table(f"Probabilities of the mistakes of {name}", ["image", "label", *head], rows)
    return f'<ol class="mistakes">{"".join(cards)}</ol>{details("The probabilities", numbers)}'


def _told(chances: NDArray[np.float32], answers: Answers) -> list[str]:
    """All probabilities, or the highest, of classes that are too many for a row."""
    if len(chances) <= FULL:
        return [percent(chance) for chance in chances.tolist()]
    answer = int(chances.argmax())
    return [escape(answers.called(answer)), percent(float(chances[answer]))]


def mistake(
    image: NDArray[np.uint8], n: int, label: int, chances: NDArray[np.float32], answers: Answers
) -> str:
    """A card: the example, a bar for each of the highest probabilities, and a line of text."""
    answer = int(chances.argmax())
    names = {i: escape(answers.called(i)) for i in {label, answer, *_likeliest(chances, label)}}
    shares = {i: percent(float(chances[i])) for i in names}
    spoken = ", ".join(f"{names[i]}: {shares[i]}" for i in _likeliest(chances, label))
    return (
        f"<li><figure>{_drawn(image, f'test image {n}, labelled {names[label]}', answers)}"
        f'<svg class="bars" viewBox="0 0 {WIDTH} {HEIGHT + 16}" role="img" '
        f'aria-label="probabilities {spoken}">'
        f"{_bars(chances, label, answers)}</svg><figcaption>#{n}: {names[label]} "
        f"({shares[label]}), read as <b>{names[answer]}</b> ({shares[answer]})</figcaption>"
        "</figure></li>"
    )


def _likeliest(chances: NDArray[np.float32], label: int) -> list[int]:
    """The classes with the highest probabilities, and the right one, in their own order."""
    order = np.argsort(-chances, kind="stable")
    return sorted({label, *order[:BARS].tolist()}) if len(order) > BARS else list(range(len(order)))


def _drawn(image: NDArray[np.uint8], alt: str, answers: Answers) -> str:
    if is_picture(image.shape):
        (drawn,) = pixels(image[None], answers.described.scale)
        return f'<img src="{picture(drawn)}" width="84" height="84" alt="{alt}">'
    entries = image.ravel()
    numbers = " ".join(f"{number:.3g}" for number in entries[:NUMBERS].tolist())
    return f'<p class="numbers">{numbers}{" ..." if len(entries) > NUMBERS else ""}</p>'


def _bars(chances: NDArray[np.float32], label: int, answers: Answers) -> str:
    """A bar for each of the highest probabilities; their names, where there is room for them."""
    shown, answer = _likeliest(chances, label), int(chances.argmax())
    step = WIDTH / len(shown)
    width = min(step - 2, 40)
    has_room = max(columns(answers.called(i)) for i in shown) * LETTER <= step
    bars = []
    for place, i in enumerate(shown):
        role = {answer: ' class="answer"', label: ' class="label"'}.get(i, "")
        height = max(0.5, HEIGHT * float(chances[i]))
        middle = step * (place + 0.5)
        name = escape(answers.called(i))
        bars.append(
            f'<rect{role} x="{middle - width / 2:.4g}" width="{width:.4g}" '
            f'y="{HEIGHT - height:.1f}" height="{height:.1f}"><title>{name}</title></rect>'
        )
        if has_room:
            bars.append(f'<text{role} x="{middle:.4g}" y="{HEIGHT + 13}">{name}</text>')
    return "".join(bars)
