"""`python -m viz studio`: what starts, what is refused in a line, and how it ends."""

import errno
import os
import queue
import re
import signal
import socket
import subprocess
import sys
import time
import webbrowser
from contextlib import contextmanager
from pathlib import Path

import pytest

pytest.importorskip("fastapi")

from models.command_line import InputError
from viz import cli
from viz.studio import command, server
from viz.studio.address import listen, url

ROOT = Path(__file__).parents[3]
TOKEN = "0123456789abcdef-%#?"
SIGNALS = [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Where runs/ may be made."""
    monkeypatch.chdir(tmp_path)


@contextmanager
def started(folder, *words, program=None):
    """A studio in a process of its own, and the line in which it has said where it is."""
    command = ["-c", program] if program else ["-m", "viz", "studio", "--no-browser", "--port", "0"]
    process = subprocess.Popen(
        [sys.executable, *command, *words], cwd=folder, text=True, stdin=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        yield process, process.stdout.readline()
    finally:
        process.kill()
        process.communicate()


def port_of(line):
    return int(re.search(r":(\d+)/#", line)[1])


def sent(port, text):
    """A connection on which that was sent."""
    client = socket.create_connection(("127.0.0.1", port), timeout=10)
    client.sendall(text.replace("\n", "\r\n").encode())
    return client


HEAD = "GET /api/server HTTP/1.1\nHost: localhost\n"


def said(*words):
    return cli.main(["studio", "--no-browser", *words])


# --- it starts ------------------------------------------------------------------------------------


def test_it_says_where_it_is_and_answers(tmp_path):
    words = ("--token", TOKEN, "--allow-host", "example.com")
    with started(tmp_path, *words) as (process, line):
        assert line.startswith("the studio is at http://127.0.0.1:")
        assert line.endswith("/#token=0123456789abcdef-%25%23%3F\n")
        assert process.stdout.readline() == (
            "it serves version 1 of the weights, 784-512-10 for mnist; Ctrl-C ends it\n"
        )
        for host in ("localhost", "example.com"):
            with sent(port_of(line), f"{HEAD.replace('localhost', host)}\n") as client:
                assert client.recv(1000).startswith(b"HTTP/1.1 200 OK\r\n")
        process.terminate()
        assert process.communicate(timeout=10) == ("", "")  # no other line, nothing of a request
        assert process.returncode == 143


@pytest.fixture
def seen(monkeypatch):
    """What a studio is served with, which ends at once."""
    found = []

    def serve(app, listener, received, *others):
        found.append((app.state.studio, os.environ.get(command.TOKEN)))
        app.state.studio.weights.close()
        received.append(signal.SIGTERM)

    monkeypatch.setattr(server, "serve", serve)
    return found


def test_each_start_has_a_token_of_its_own(seen):
    assert said("--port", "0") == said("--port", "0") == 143
    tokens = {studio.token for studio, _ in seen}
    assert len(tokens) == 2 and min(map(len, tokens)) > 40


def test_the_token_is_taken_from_the_environment_and_not_handed_on(monkeypatch, seen):
    for words, token in (((), TOKEN), (("--token", TOKEN[::-1]), TOKEN[::-1])):
        monkeypatch.setenv(command.TOKEN, TOKEN)
        assert said("--port", "0", *words) == 143
        assert (seen[-1][0].token, seen[-1][1]) == (token, None)


def test_names_and_origins_are_written_as_they_are_compared(seen):
    words = ("--allow-host", "Example.com", "--allow-host", "fd00::1", "--allow-host", "[fd00::2]")
    words += ("--allow-origin", "HTTPS://Example.com:443/", "--read-only")
    assert said("--port", "0", *words) == 143
    ((studio, _),) = seen
    assert studio.hosts == ("example.com", "fd00::1", "fd00::2")
    assert studio.origins == ("https://example.com",)
    assert studio.read_only


def test_help_imports_next_to_nothing(tmp_path):
    """fastapi takes half a second."""
    program = "from viz import cli; cli.main(['studio', '--help'])"
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", program], cwd=tmp_path, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
    )  # fmt: skip
    assert "usage: python -m viz studio" in done.stdout
    assert not re.search(r"\b(fastapi|uvicorn|pydantic)\b", done.stderr)


@pytest.mark.parametrize("name", ["fastapi", "uvicorn"])
def test_without_the_extra_it_says_how_to_get_it(tmp_path, name):
    program = f"import sys; sys.modules[{name!r}] = None; from viz import cli; "
    program += "sys.exit(cli.main(['studio', '--port', '0', '--no-browser']))"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert done.stderr.startswith("error: studio: it needs fastapi and uvicorn (")
    assert done.stderr.endswith("): pip install -e '.[studio]' in Chainrule's folder\n")


# --- a browser ------------------------------------------------------------------------------------


@pytest.fixture
def opened(monkeypatch):
    """The addresses that a browser was told to open."""
    found = queue.Queue()
    monkeypatch.setattr(webbrowser, "open", found.put)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    return found


def test_the_page_is_opened_where_there_is_a_screen(opened, monkeypatch):
    command.open_browser("http://127.0.0.1:1/#token=x")
    assert opened.get(timeout=10) == "http://127.0.0.1:1/#token=x"
    monkeypatch.delenv("DISPLAY")
    command.open_browser("http://127.0.0.1:1/")
    time.sleep(0.1)
    assert opened.empty()


@pytest.mark.usefixtures("opened")
def test_a_browser_that_fails_or_never_comes_back_is_nobodys_trouble(monkeypatch):
    called = queue.Queue()

    def hang(address):
        called.put(address)
        time.sleep(1)
        raise webbrowser.Error("there is none")

    monkeypatch.setattr(webbrowser, "open", hang)
    command.open_browser("http://127.0.0.1:1/")
    assert called.get(timeout=10)


# --- what is refused ------------------------------------------------------------------------------


WRONG = [
    (["--port", "70000"], "--port: expected a port from 0 to 65535, found 70000"),
    (["--port", "-1"], "--port: expected a port from 0 to 65535, found -1"),
    (["--port", "x"], "--port: expected a whole number, found 'x'"),
    (["--host", "no.such.name.invalid"], "--host: expected a name or an address of this machine"),
    (["--host", "192.0.2.1"], "--host: expected a name or an address of this machine"),
    (["--host", "a" * 70 + ".example"], "--host: expected a name or an address of this machine"),
    (["--host", "http://localhost"], "--host: expected a name or an address of this machine"),
    (["--token", "short"], "--token: expected at least 16 characters of ASCII without spaces"),
    (["--token", ""], "--token: expected at least 16 characters of ASCII without spaces, found 0"),
    (["--token", "with a space in it"], "--token: expected at least 16 characters of ASCII"),
    (["--token", "with-\u00fcmlaut-in-it"], "--token: expected at least 16 characters of ASCII"),
    (["--allow-host", "http://example.com"], "--allow-host: expected a name, as studio.example"),
    (["--allow-host", "example.com:80"], "--allow-host: expected a name, as studio.example.com"),
    (["--allow-host", "*"], "--allow-host: expected a name, as studio.example.com, found '*'"),
    (["--allow-host", ""], "--allow-host: expected a name, as studio.example.com, found ''"),
    (["--allow-origin", "example.com"], "--allow-origin: expected an origin, as https://example"),
    (["--allow-origin", "https://example.com/a"], "--allow-origin: expected an origin"),
    (["--allow-origin", "https://[::1"], "--allow-origin: expected an origin"),
    (["--allow-origin", "https://a:99999"], "--allow-origin: expected an origin"),
    (["--allow-origin", "null"], "--allow-origin: expected an origin"),
    (["--weights", "none"], "--weights: none: "),
    (["more"], "unrecognized arguments: more"),
]


@pytest.mark.parametrize(("words", "sentence"), WRONG, ids=lambda each: str(each)[:40])
def test_what_cannot_be_is_refused_in_a_line(words, sentence, capsys):
    assert cli.main(["studio", "--no-browser", "--port", "0", *words]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1
    assert err.startswith(f"error: {sentence}")


def test_a_token_of_the_environment_is_checked_too(monkeypatch, capsys):
    monkeypatch.setenv(command.TOKEN, "secret")
    assert said("--port", "0") == 2
    assert capsys.readouterr().err == (
        "error: CHAINRULE_TOKEN: expected at least 16 characters of ASCII without spaces, "
        "found 6 characters\n"
    )


@pytest.mark.parametrize("token", ["secret", "secret with a space", "secret-\u00fc"])
def test_a_token_that_is_refused_is_not_shown(token, capsys):
    assert said("--token", token) == 2
    assert "secret" not in capsys.readouterr().err


def test_a_port_that_is_taken_is_named_with_one_that_is_free(capsys):
    with listen("127.0.0.1", 0) as other:
        taken = other.getsockname()[1]
        assert said("--port", str(taken)) == 2
        error = capsys.readouterr().err
        found = re.fullmatch(
            rf"error: --port: expected a port that is free, as --port (\d+); {taken} of "
            r"127\.0\.0\.1 is taken\n", error,
        )  # fmt: skip
        listen("127.0.0.1", int(found[1])).close()
        assert said("--host", "0.0.0.0", "--port", str(taken)) == 2


def test_a_port_of_the_systems_is_refused(monkeypatch, capsys):
    def bind(self, address):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(socket, "socket", type("Socket", (socket.socket,), {"bind": bind}))
    assert said("--port", "80") == 2
    assert capsys.readouterr().err == (
        "error: --port: expected one that you may use, as from 1024 on, found 80\n"
    )


@pytest.mark.parametrize(
    ("host", "shown"),
    [
        ("127.0.0.1", "127.0.0.1"), ("localhost", "localhost"), ("::1", "[::1]"),
        ("0.0.0.0", "127.0.0.1"), ("::", "[::1]"),
    ],
)  # fmt: skip
def test_the_address_is_one_that_a_browser_here_reaches(host, shown):
    try:
        listener = listen(host, 0)
    except InputError:
        pytest.skip("no IPv6 here")
    with listener:
        port = listener.getsockname()[1]
        assert url(listener, host, "t") == f"http://{shown}:{port}/#token=t"
        with socket.create_connection((shown.strip("[]"), port), timeout=10):
            pass


@pytest.mark.usefixtures("seen")
@pytest.mark.parametrize(
    ("words", "is_told"),
    [
        (["--host", "0.0.0.0"], True),
        (["--host", "0.0.0.0", "--allow-host", "example.com"], False),
        (["--host", "localhost"], False),
    ],
)
def test_who_listens_to_others_is_told_that_names_are_needed(words, is_told, capsys):
    assert said("--port", "0", *words) == 143
    assert capsys.readouterr().err.startswith("warning: --host 0.0.0.0: requests for") is is_told


# --- it ends --------------------------------------------------------------------------------------


STRANGE = (
    "import sys; from viz.studio import app; from tests.viz.studio.routes import application; "
)
STRANGE += "app.create = lambda studio: application(); from viz import cli; "
STRANGE += "sys.exit(cli.main(['studio', '--no-browser', '--port', '0']))"


@pytest.mark.parametrize(("number", "code"), SIGNALS)
def test_a_signal_ends_it_whatever_is_going_on(tmp_path, number, code):
    """A stream of events, a client that rests, one that sends half a body, one that takes no
    answer, requests in progress."""
    with started(tmp_path, program=STRANGE) as (process, line):
        port = port_of(line)
        clients = [sent(port, f"GET {path} HTTP/1.1\nHost: localhost\n\n") for path in PATHS]
        clients += [sent(port, "POST /length HTTP/1.1\nContent-Length: 9\n\nabc")]
        clients += [sent(port, "GET / HT"), sent(port, "")]
        assert all(client.recv(1) for client in clients[:3])  # they are begun
        begun = time.monotonic()
        process.send_signal(number)
        assert process.wait(10) == code
        assert time.monotonic() - begun < 10  # 1 on a machine that does nothing else
        assert process.stderr.read() == ""
        for client in clients:
            client.close()


PATHS = ["/", "/stream", "/large", "/wait", "/soon"]


def test_at_the_end_there_are_answers_for_who_has_asked_already(tmp_path):
    """The one that is asked for, if it comes soon; else one that says why it does not."""
    with started(tmp_path, program=STRANGE) as (process, line):
        port = port_of(line)
        clients = [sent(port, f"GET {path} HTTP/1.1\nHost: localhost\n\n") for path in PATHS[3:]]
        time.sleep(0.2)
        process.terminate()
        answers = [client.recv(1000) for client in clients]
        assert answers[0].startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
        assert answers[1].startswith(b"HTTP/1.1 200 OK\r\n")
        assert process.wait(10) == 143
        with pytest.raises(ConnectionRefusedError):
            sent(port, "")
        for client in clients:
            client.close()


HANGS = (
    "import time; from viz.studio.jobs.jobs import Jobs; Jobs.close = lambda self: time.sleep(60); "
)
HANGS += STRANGE.replace("app.create", "app.nothing")


@pytest.mark.parametrize(
    ("path", "program", "times"), [("/sleep", STRANGE, 1), ("/spin", STRANGE, 2), ("/", HANGS, 2)]
)
def test_what_cannot_be_ended_does_not_keep_it(tmp_path, path, program, times):
    """A thread that sleeps is left; a second Ctrl-C ends even a server that does not listen, or
    that saves without end."""
    with started(tmp_path, program=program) as (process, line):
        with sent(port_of(line), f"GET {path} HTTP/1.1\nHost: localhost\n\n"):
            for _ in range(times):
                time.sleep(0.3)
                process.send_signal(signal.SIGINT)
            assert process.wait(10) == 130
        assert "Traceback" not in process.stderr.read()


def test_a_signal_while_it_starts_ends_it(tmp_path):
    slow = "import os, signal; from viz.studio.studio import Studio; started = Studio.start; "
    slow += "Studio.start = lambda studio: (os.kill(0 or os.getpid(), 15), started(studio))[1]; "
    with started(tmp_path, program=slow + STRANGE.replace("app.create", "app.nothing")) as (
        process, _,
    ):  # fmt: skip
        assert process.wait(10) == 143
        assert process.stderr.read() == ""


def test_what_the_studio_refuses_as_it_starts_is_one_line(tmp_path):
    refuse = "from models.command_line import InputError; from viz.studio.studio import Studio; "
    refuse += "\nasync def refuse(self): raise InputError('weights: expected some, found none')"
    refuse += "\nStudio.start = refuse\n"
    program = refuse + STRANGE.replace("app.create", "app.nothing")
    with started(tmp_path, program=program) as (process, _):
        assert process.wait(10) == 2
        assert process.stderr.read() == "error: weights: expected some, found none\n"


INTERRUPTED = """
import os, signal, sys
from viz.cli import main
class Finder:
    def find_spec(self, name, *others):
        if name == sys.argv[1]:
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Finder())
sys.exit(main(["studio", "--no-browser", "--port", "0"]))
"""


@pytest.mark.parametrize(
    ("module", "code"),
    [("viz.studio.command", -2), ("models.training.signals", -2), ("fastapi", 130)],
)
def test_ctrl_c_while_it_imports_leaves_no_traceback(tmp_path, module, code):
    """At once before the command runs, and soon where signals are noted already."""
    with started(tmp_path, module, program=INTERRUPTED) as (process, _):
        assert process.wait(10) == code
        assert process.stderr.read() == ""
