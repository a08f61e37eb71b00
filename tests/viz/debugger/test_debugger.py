"""`viz.debug`: one call, and it is shown here, in a notebook, or as one file."""

import re
import subprocess
import sys

import pytest

from autograd import Tensor, Value
from viz.debugger import Debugger, debug
from viz.debugger.trace_view import trace_view


def expression():
    x = Value(3.0, "x")
    return (x * x).tanh()


def test_it_holds_the_trace_of_its_node():
    debugger = debug(expression())
    assert debugger.title == "tanh(x * x)"
    assert debugger.traces == [trace_view(expression())]
    assert debugger.events == trace_view(expression())["events"]
    assert repr(debugger) == (
        f"<Debugger: 3 nodes, {len(debugger.events)} steps; .run() opens it here, "
        '.save("steps.html") writes a page>'
    )


def test_what_it_shows_is_from_when_it_was_made(tmp_path):
    """Else a train step later the picture and the numbers beside it are of two graphs."""
    x = Value(3.0, "x")
    y = x * x
    debugger = debug(y)
    before = debugger._page()
    y.backward()
    x.data = 7.0
    assert debugger._page() == before


def test_it_saves_one_page(tmp_path):
    path = tmp_path / "steps.html"
    path.write_text("another")
    debug(expression()).save(path)
    text = path.read_text(encoding="utf-8")
    assert text.startswith("<!doctype html>") and "<title>tanh(x * x)</title>" in text
    assert [each.name for each in tmp_path.iterdir()] == ["steps.html"]
    assert len(text) < 1_500_000


def test_only_pages_are_saved(tmp_path):
    with pytest.raises(ValueError, match=r"^save: 'steps.svg' does not end in .html"):
        debug(expression()).save(tmp_path / "steps.svg")


def test_a_notebook_shows_it():
    assert debug(expression())._repr_html_().startswith("<iframe ")


def test_several_graphs_are_one_page(capsys):
    parts = [(expression(), "1. one", "First."), (expression() * 2.0, "2. two", "")]
    debugger = Debugger("Lesson", parts)
    page = debugger._page()
    assert page["title"] == "Lesson"
    assert [each["title"] for each in page["traces"]] == ["1. one", "2. two"]
    assert all(each["svg"].startswith("<svg") for each in page["traces"])
    debugger.run()
    printed = capsys.readouterr().out
    assert printed.index("1. one") < printed.index("First.") < printed.index("2. two")


def test_the_picture_has_a_box_for_each_node():
    """Else there is nothing to light up: also of a leaf that all the others read."""
    x = Tensor([1.0, 2.0], requires_grad=True)
    w = Tensor([0.5, 1.5], requires_grad=True)
    y = x
    for _ in range(50):
        y = (y * w).tanh()
    (page,) = debug(y.sum())._page()["traces"]
    assert {node["id"] for node in page["nodes"]} <= set(re.findall(r'<g id="(\w+)"', page["svg"]))


def test_what_cannot_be_laid_out_is_refused_at_once(monkeypatch):
    """Else it opens, and fails when it is saved, with words about another function."""
    monkeypatch.setattr("viz.diagram.MAX_SPAN", 3)
    x = Value(0.5, "x")
    with pytest.raises(ValueError, match=r"^debug: .* of 5 nodes, is too tangled to be laid out; "):
        debug(x * x + x * x.tanh())


@pytest.mark.parametrize("what", [3.0, [Value(1.0)], print])
def test_only_nodes_are_debugged(what):
    with pytest.raises(TypeError, match="takes a Value or a Tensor, not"):
        debug(what)


def test_it_brings_in_what_it_shows_with_only_when_it_shows():
    """Else `import viz` waits for rich, and a page's template is read for nothing."""
    code = (
        "import sys, viz.debugger; print(sorted({'rich', 'viz.debugger.page'} & set(sys.modules)))"
    )
    printed = subprocess.check_output([sys.executable, "-c", code], text=True)
    assert printed == "[]\n"
