"""A drawing in a notebook: in each of its cells, however narrow, the whole can be read."""

from __future__ import annotations

from typing import Any

import pytest

import viz
from autograd import Value

# What JupyterLab and nbconvert say of images in a cell, and of the cell around them.
STYLE = "<style>img { max-width: 100%; height: auto } .cell { overflow: hidden }</style>"
LOOK = """() => {
  const picture = document.querySelector("img");
  const scale = picture.getBoundingClientRect().width / picture.naturalWidth;
  const box = picture.parentElement;
  box.scrollLeft = 1e6;
  const right = picture.getBoundingClientRect().right - box.getBoundingClientRect().right;
  return { scale, right, page: document.documentElement.scrollWidth };
}"""


def chain(length: int) -> Value:
    x, y = Value(0.5, name="x"), Value(0.5, name="y")
    for _ in range(length):
        x = (x * y).tanh()
    return x


@pytest.mark.parametrize("width", [320, 600, 900])
@pytest.mark.parametrize("length", [1, 3, 12])
def test_a_wide_drawing_fits_or_scrolls(page: Any, width: int, length: int) -> None:
    """Else its right part is cut off, or its text is too small to be read."""
    html = viz.draw(chain(length))._repr_mimebundle_()["text/html"]
    page.set_viewport_size({"width": width, "height": 600})
    page.set_content(f"{STYLE}<div class=cell>{html}</div>")
    page.wait_for_function("document.querySelector('img').complete")
    look = page.evaluate(LOOK)
    assert look["page"] <= width
    assert 0.69 < look["scale"] < 1.01  # 0.7, rounded to a pixel
    assert look["right"] < 1
