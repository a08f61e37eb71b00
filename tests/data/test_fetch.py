"""What is fetched, kept and gone on with, from a server that cuts off, lies and stalls."""

from __future__ import annotations

import gzip
import hashlib
import re
import struct
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

import data
from data.cache import cache, damaged, missing, place
from data.fetch import FetchError, fetch, transfer
from data.fetch.progress import Lines
from data.registry import REGISTRY, File, Source, find

NAMES = ("train-images", "train-labels", "test-images", "test-labels")
DEBIAN = Path("/usr/share/datasets/fashion-mnist")


class Silent(Lines):
    """Notes what is said."""

    def __init__(self):
        super().__init__()
        self.said = []

    def say(self, text):
        self.said.append(text)


class Handler(BaseHTTPRequestHandler):
    """Answers as the server is told to for the folder that is asked for."""

    def do_GET(self):
        self.server.asked.append((self.path, dict(self.headers)))
        folder, name = self.path.strip("/").split("/")
        self.server.answers[folder](self, self.server.files.get(name.removesuffix(".gz"), b""))

    def send(self, body, status=200, length=None, **headers):
        self.send_response(status)
        self.send_header("Content-Length", len(body) if length is None else length)
        for key, value in headers.items():
            self.send_header(key.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def wait(self):
        """Say nothing until the other side has gone."""
        self.wfile.flush()
        self.server.done.wait(2)

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked, self.answers, self.files = [], {}, {}
        self.done = threading.Event()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request, client_address):
        pass  # the client hangs up on a liar


@pytest.fixture
def server():
    server = Server()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.done.set()
    server.shutdown()
    server.server_close()
    thread.join()


def idx(array):
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    return header + array.tobytes()


@pytest.fixture
def pets(monkeypatch, tmp_path, server):
    """A registered dataset of noise, which does not pack, on two mirrors, a and b; its content."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(transfer, "PAUSE", 0.0)
    generator = np.random.default_rng(0)
    content = {}
    for split, count in (("train", 200), ("test", 20)):
        content[f"{split}-images"] = idx(generator.integers(0, 256, (count, 40, 40), np.uint8))
        content[f"{split}-labels"] = idx(generator.integers(0, 2, count, np.uint8))
    files = [File(name, hashlib.sha256(content[name]).hexdigest()) for name in NAMES]
    row = Source(
        None, (40, 40), 255.0, ("cat", "dog"), tuple(files[:2]), tuple(files[2:]), (200, 20),
        mirrors=(f"{server.url}/a/", f"{server.url}/b/"), elsewhere="the vet's cupboard",
    )  # fmt: skip
    monkeypatch.setitem(REGISTRY, "pets", row)
    server.files = {name: gzip.compress(content[name], 1) for name in NAMES}
    server.answers = {"a": good, "b": good}
    return content


def good(handler, body):
    """A server as they should be: ranges, for those who ask for this version."""
    tag = f'"{hashlib.md5(body).hexdigest()}"'
    span = re.fullmatch(r"bytes=(\d+)-", handler.headers["Range"] or "")
    if not span or handler.headers["If-Range"] not in (None, tag):
        return handler.send(body, ETag=tag)
    start = int(span[1])
    if start >= len(body):
        return handler.send(b"", 416)
    content_range = f"bytes {start}-{len(body) - 1}/{len(body)}"
    return handler.send(body[start:], 206, ETag=tag, Content_Range=content_range)


def cached():
    """The names of all that is in the cache of pets."""
    return sorted(path.name for path in place("pets").rglob("*"))


def kept(content):
    return all((place("pets") / name).read_bytes() == content[name] for name in NAMES)


# --- what should happen ---------------------------------------------------------------------------


def test_a_dataset_is_fetched_once_and_then_used_without_a_connection(pets, server):
    """Else a train journey ends the work, or each start asks the mirrors again."""
    said = Silent()
    assert missing("pets") == list(NAMES)
    assert fetch("pets", progress=said) == place("pets")
    assert kept(pets) and cached() == sorted(NAMES) and not missing("pets")
    assert [path for path, _ in server.asked] == [f"/a/{name}.gz" for name in NAMES]
    assert said.said == [f"fetching pets/{name}" for name in NAMES]
    assert fetch("pets", progress=said) == place("pets")
    loaded = data.load("pets")
    assert loaded.train.images.shape == (200, 40, 40) and len(loaded.test) == 20
    assert len(server.asked) == 4


def test_load_fetches_what_is_missing(pets, capsys):
    """Else a name that `list` shows is refused, and the user has to know a command."""
    assert len(data.load("pets").train) == 200
    assert capsys.readouterr().err.splitlines()[0] == "fetching pets/train-images"


def test_a_damaged_file_is_named_and_fetched_again(pets, server):
    """Else one wrong bit on the disk needs an expert, or all files again."""
    fetch("pets", progress=Silent())
    file = place("pets") / "test-images"
    file.write_bytes(file.read_bytes()[:-1])
    (wrong,) = damaged("pets")
    assert wrong.startswith(f"{file}: not the registered file: expected sha256 ")
    with pytest.raises(data.DataError, match="test-images: not the registered file"):
        data.load("pets")
    fetch("pets", progress=Silent())
    assert kept(pets) and not damaged("pets") and len(server.asked) == 5


def test_another_mirror_is_asked_where_one_fails(pets, server):
    server.answers["a"] = lambda handler, body: handler.send(b"gone", 404)
    fetch("pets", progress=Silent())
    assert kept(pets) and [path[1] for path, _ in server.asked] == list("abababab")


def test_a_file_that_is_kept_packed_is_not_unpacked(pets, server, monkeypatch):
    """Else KMNIST, of which only packed files have known digests, is never right."""
    pair = tuple(
        File(f"{name}.gz", hashlib.sha256(server.files[name]).hexdigest()) for name in NAMES[:2]
    )
    row = Source(None, (40, 40), 255.0, ("cat", "dog"), pair, pair, (200, 200), (), (server.url + "/a/",))  # fmt: skip  # noqa: E501
    monkeypatch.setitem(REGISTRY, "packed", row)
    folder = fetch("packed", progress=Silent())
    assert (folder / "train-images.gz").read_bytes() == server.files["train-images"]
    assert len(data.load("packed").test) == 200


# --- gone on with ---------------------------------------------------------------------------------


def cut_once(server, answer, share=0.5):
    """An answer that ends early the first time a file is asked for, as it is the next."""

    def cut(handler, body):
        first = [path for path, _ in server.asked].count(handler.path) == 1
        if not first:
            return answer(handler, body)
        handler.send(body[: int(share * len(body))], length=len(body), **cut.headers(body))
        return handler.connection.close()

    cut.headers = lambda body: {"ETag": f'"{hashlib.md5(body).hexdigest()}"'}
    return cut


def test_what_was_cut_off_is_gone_on_with(pets, server):
    """Else a connection that breaks each minute never brings a large file."""
    server.answers["a"] = cut_once(server, good)
    fetch("pets", progress=Silent())
    assert kept(pets) and cached() == sorted(NAMES)
    _, headers = server.asked[1]
    body = server.files["train-images"]
    assert headers["Range"] == f"bytes={len(body) // 2}-"
    assert headers["If-Range"] == f'"{hashlib.md5(body).hexdigest()}"'
    assert headers["Accept-Encoding"] == "identity"


def test_a_server_that_knows_no_ranges_sends_all_again(pets, server):
    server.answers["a"] = cut_once(server, lambda handler, body: handler.send(body))
    fetch("pets", progress=Silent())
    assert kept(pets)


def test_a_file_that_changed_meanwhile_is_begun_anew(pets, server):
    """Else the halves of two versions are put together."""

    def changed(handler, body):
        return good(handler, gzip.compress(gzip.decompress(body), 9, mtime=1))

    server.answers["a"] = cut_once(server, changed)
    fetch("pets", progress=Silent())
    assert kept(pets) and [path[1] for path, _ in server.asked] == ["a"] * 8


@pytest.mark.parametrize("says", ["another tag", "nothing"])
def test_so_it_is_where_the_server_does_not_see_that_it_changed(pets, server, says):
    def changed(handler, body):
        body = gzip.compress(gzip.decompress(body), 9, mtime=1)
        span = re.fullmatch(r"bytes=(\d+)-", handler.headers["Range"] or "")
        if not span:
            return handler.send(body)
        tag = {"ETag": '"other"'} if says == "another tag" else {}
        start, end = int(span[1]), len(body)
        span = f"bytes {start}-{end - 1}/{end}"
        return handler.send(body[start:], 206, Content_Range=span, **tag)

    server.answers["a"] = cut_once(server, changed)
    server.answers["a"].headers = lambda body: {}
    fetch("pets", progress=Silent())
    assert kept(pets) and all(path.startswith("/a/") for path, _ in server.asked)


def test_a_liar_that_cuts_off_each_time_is_given_up(pets, server):
    """Else what is wrong is fetched anew for ever, in the hope that it was two versions."""

    def cut(handler, body):
        body = gzip.compress(np.random.default_rng(1).bytes(200_000), mtime=1)
        if handler.headers["Range"]:
            return good(handler, body)
        tag = f'"{hashlib.md5(body).hexdigest()}"'
        return handler.send(body[:100_000], length=len(body), ETag=tag)

    server.answers["a"] = cut
    with pytest.raises(FetchError, match="not the registered file"):
        fetch("pets", f"{server.url}/a/", progress=Silent())
    assert len(server.asked) == 4 and cached() == []


@pytest.mark.parametrize("span", ["bytes 0-9/10", "bytes 7-9/99999999999", "lines 1-2/3", None])
def test_another_range_than_asked_for_is_not_taken(pets, server, span):
    def other(handler, body):
        if not handler.headers["Range"]:
            return handler.send(body)
        return handler.send(body[:10], 206, **({"Content_Range": span} if span else {}))

    server.answers["a"] = cut_once(server, other)
    fetch("pets", progress=Silent())
    assert kept(pets)


def test_a_file_that_has_become_shorter_is_begun_anew(pets, server):
    """The server answers 416: it has no such range."""
    part = place("pets") / "train-images.part"
    part.parent.mkdir(parents=True)
    url = f"{server.url}/a/train-images.gz"
    part.write_bytes(f'["{url}", null]\n'.encode() + bytes(400_000))
    fetch("pets", progress=Silent())
    assert kept(pets) and len(server.asked) == 5


@pytest.mark.parametrize("begin", [b"", b"[", b'["http://other/", null]\n1f', b"\xff" * 20_000])
def test_a_part_of_something_else_is_begun_anew(pets, begin, server):
    place("pets").mkdir(parents=True)
    (place("pets") / "train-images.part").write_bytes(begin)
    fetch("pets", progress=Silent())
    assert kept(pets) and cached() == sorted(NAMES)
    assert not any("Range" in headers for _, headers in server.asked)


def test_ctrl_c_leaves_a_part_that_is_gone_on_with_and_nothing_else(pets, server):
    class Impatient(Silent):
        def step(self, done, total):
            if done > 100_000:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch("pets", progress=Impatient())
    assert cached() == ["train-images.part"] and len(missing("pets")) == 4
    fetch("pets", progress=Silent())
    begun = int(server.asked[1][1]["Range"].removeprefix("bytes=").removesuffix("-"))
    assert begun > 100_000 and kept(pets) and cached() == sorted(NAMES)


def test_two_that_fetch_at_once_fetch_each_file_once(pets, server):
    """Else they write to one part, or both wait for each other."""
    pytest.importorskip("fcntl")
    first, second, failures = Silent(), Silent(), []

    def slowly(handler, body):
        time.sleep(0.02)
        good(handler, body)

    def run(progress):
        try:
            fetch("pets", progress=progress)
        except BaseException as error:  # in a thread: it would be lost
            failures.append(error)

    server.answers["a"] = slowly
    threads = [threading.Thread(target=run, args=(said,)) for said in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures and kept(pets) and cached() == sorted(NAMES) and len(server.asked) == 4
    assert "another process fetches pets: waiting for it" in first.said + second.said


# --- lies -----------------------------------------------------------------------------------------


def stall(handler, body):
    handler.send(body[:1000], length=len(body))
    handler.wait()


def trickle(handler, body):
    handler.send(b"", length=len(body))
    for _ in range(100):
        handler.wfile.write(b"\x1f")
        time.sleep(0.01)


def endless(handler, body):
    handler.send_response(200)
    handler.end_headers()
    while True:
        handler.wfile.write(bytes(2**16))


def endless_chunks(handler, body):
    handler.protocol_version = "HTTP/1.1"
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    while True:
        handler.wfile.write(b"10000\r\n" + bytes(2**16) + b"\r\n")


def redirect(where):
    def answer(handler, body):
        handler.send(b"", 302, Location=where(handler))

    return answer


def endless_redirect(handler, body):
    handler.send_response(302)
    handler.send_header("Location", f"/c{handler.path[2:]}")
    handler.end_headers()
    while True:
        handler.wfile.write(bytes(2**16))


def page(status=200):
    return lambda handler, body: handler.send(b" \n<!DOCTYPE html>sign in", status)


def hang_up(handler, body):
    handler.close_connection = True


def babble(handler, body):
    handler.wfile.write(b"220 mail.example.org \x1b[2J\r\n")


BOMB = gzip.compress(bytes(30_000_000))
LIES = {
    "absent": (lambda h, body: h.send(b"no", 404), r"the server answers 404 Not Found"),
    "forbidden": (lambda h, body: h.send(b"no", 403), r"the server answers 403 Forbidden"),
    "broken": (lambda h, body: h.send(b"no", 500), r"answers 500 Internal Server Error"),
    "no content": (lambda h, body: h.send(b"", 204), r"the server answers 204 No Content"),
    "a page": (page(), r"the server sent a page, not the file"),
    "a page that is packed": (
        lambda h, body: h.send(gzip.compress(b"\xef\xbb\xbf<html>")),
        r"/a/: a page, not the file",
    ),
    "an error in XML": (lambda h, body: h.send(b"<?xml?><Error/>"), r"server sent a page, not"),
    "another file": (
        lambda h, body: h.send(gzip.compress(b"other")),
        r"not the registered file: expected sha256 [0-9a-f]{64}, found d9298a10",
    ),
    "not gzip": (lambda h, body: h.send(b"{}"), r"not the registered .*, found 44136fa355b3"),
    "damaged": (lambda h, body: h.send(body[:-9] + b"123456789"), r"the gzip is damaged: "),
    "half a gzip": (lambda h, body: h.send(body[: len(body) // 2]), r"the gzip is damaged: "),
    "a bomb": (lambda h, body: h.send(BOMB), r"unpacks to more than the 320,016 bytes expected"),
    "a bomb inside": (
        lambda h, body: h.send(body + BOMB),
        r"unpacks to more than the 320,016 bytes expected",
    ),
    "a great length": (
        lambda h, body: h.send(body, length=10**15),
        r"announces 1,000,000,000,000,000 bytes, of at most 388,752 expected",
    ),
    "a small length": (
        lambda h, body: h.send(body, length=1000),
        r"the gzip is damaged: .*",
    ),
    "a length too large": (
        lambda h, body: h.send(body[:1000], length=len(body)),
        r"the connection ended after 1,000 of [0-9,]+ bytes; tried 3 times",
    ),
    "no length that is one": (lambda h, body: h.send(body[:9], length="many"), "gzip is damaged"),
    "nothing": (lambda h, body: h.send(b""), r"ended before the first byte; tried 3 times"),
    "no end": (endless, r"the server sends more than the 388,752 bytes expected"),
    "chunks without end": (endless_chunks, r"sends more than the 388,752 bytes expected"),
    "a stall": (stall, r"no byte came in 0.3 s; tried 3 times"),
    "a trickle": (trickle, r"only [0-9]+ bytes came in 0.3 s; tried 3 times"),
    "silence": (lambda h, body: h.wait(), r"no answer in 0.3 s; tried 3 times"),
    "no answer": (hang_up, r"the connection ended without an answer; tried 3 times"),
    "not HTTP": (babble, r"no answer of HTTP: 220 mail.example.org \\x1b\[2J$"),
    "circles": (redirect(lambda h: h.path), r"the server redirects in circles"),
    "a file of ours": (
        redirect(lambda h: "file:///etc/passwd"),
        r"redirects to 'file:///etc/passwd', expected an address of http",
    ),
    "ftp": (redirect(lambda h: "ftp://h/x"), r"redirects to 'ftp://h/x', expected an address of"),
    "a broken address": (redirect(lambda h: "http://[x/"), r"no answer of HTTP: Invalid IPv6"),
    "a redirect without end": (endless_redirect, r"the server answers 404 Not Found"),
}


@pytest.mark.parametrize("lie", LIES)
def test_each_lie_is_named_and_leaves_nothing_but_the_part(pets, server, monkeypatch, lie):
    answer, message = LIES[lie]
    if lie in SLOW:
        monkeypatch.setattr(transfer, "SILENCE", 0.3)
    server.answers = {"a": answer, "b": good, "c": LIES["absent"][0]}
    with pytest.raises(FetchError, match=message) as caught:
        fetch("pets", f"{server.url}/a", progress=Silent())
    (reason,) = caught.value.reasons
    assert reason.startswith(f"{server.url}/a/: ") and "\n" not in str(caught.value)
    assert caught.value.summary == (
        "pets: train-images could not be fetched: say where the files are: python -m data fetch "
        "pets --from FOLDER-OR-ADDRESS, such as the vet's cupboard"
    )
    assert set(cached()) <= {"train-images.part"}
    fetch("pets", progress=Silent()) if lie not in SLOW else fetch("pets", f"{server.url}/b/")
    assert kept(pets) and cached() == sorted(NAMES)


SLOW = {"a stall", "a trickle", "silence"}  # to meet them again for each file takes seconds


def test_where_no_mirror_gives_the_file_each_says_why(pets, server):
    server.answers = {"a": page(), "b": page(503)}
    with pytest.raises(FetchError) as caught:
        fetch("pets", progress=Silent())
    assert caught.value.reasons == [
        f"{server.url}/a/: the server sent a page, not the file",
        f"{server.url}/b/: the server answers 503 Service Unavailable",
    ]


def test_without_a_network_load_says_so(pets, monkeypatch):
    """Else a traceback of urllib is all that a user on a train sees."""
    row = find("pets")
    nowhere = ("http://127.0.0.1:1/", "http://pets.invalid/")
    monkeypatch.setitem(REGISTRY, "pets", Source(**{**vars(row), "mirrors": nowhere}))
    with pytest.raises(data.DataError, match=r"127.0.0.1:1/: no connection: Connection refused; "):
        data.load("pets")


def test_a_page_instead_of_the_rest_does_not_cost_what_is_there(pets, server):
    """A portal that asks to sign in, between two trains."""
    server.answers["a"] = cut_once(server, page())
    with pytest.raises(FetchError, match="a page"):
        fetch("pets", f"{server.url}/a/", progress=Silent())
    server.answers["a"] = good
    fetch("pets", progress=Silent())
    assert "Range" in server.asked[2][1] and kept(pets)


# --- a place of one's own -------------------------------------------------------------------------


@pytest.mark.parametrize("packed", [True, False])
def test_files_are_taken_from_a_folder_packed_or_not(pets, server, tmp_path, packed):
    for name in NAMES:
        file = tmp_path / f"{name}{'.gz' if packed else ''}"
        file.write_bytes(server.files[name] if packed else pets[name])
    fetch("pets", tmp_path, progress=Silent())
    assert kept(pets) and not server.asked


def test_what_is_wrong_with_a_folder_is_said(pets, tmp_path):
    with pytest.raises(data.DataError, match="nowhere: there is no such folder"):
        fetch("pets", tmp_path / "nowhere", progress=Silent())
    with pytest.raises(data.DataError, match=r"has no train-images or train-images.gz"):
        fetch("pets", tmp_path, progress=Silent())
    (tmp_path / "train-images.gz").write_bytes(bytes(400_000))
    with pytest.raises(data.DataError, match=r"images.gz has more than the 388,752 bytes exp"):
        fetch("pets", tmp_path, progress=Silent())
    (tmp_path / "train-images").write_bytes(pets["test-images"])
    with pytest.raises(data.DataError, match=r"not the registered file: expected sha256 "):
        fetch("pets", tmp_path, progress=Silent())
    assert cached() == []


@pytest.mark.parametrize("source", ["ftp://example.org/pets", "file:///tmp", "s3://bucket"])
def test_other_schemes_are_refused(pets, source):
    with pytest.raises(data.DataError, match=rf"{source}: expected a folder, or an address that"):
        fetch("pets", source, progress=Silent())


def test_an_address_that_is_none_is_said(pets):
    with pytest.raises(data.DataError, match=r"no answer of HTTP: .*control char"):
        fetch("pets", "http://127.0.0.1:1/a b/", progress=Silent())


def test_a_cache_that_cannot_be_written_is_said(pets, tmp_path):
    (tmp_path / "cache").write_bytes(b"")
    with pytest.raises(data.DataError, match=r"cache: cannot be written: File exists.*XDG_CACHE"):
        fetch("pets", progress=Silent())


def test_a_full_disk_is_said(pets):
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full")
    place("pets").mkdir(parents=True)
    (place("pets") / "train-images.part").symlink_to("/dev/full")
    with pytest.raises(data.DataError, match="cannot be written: No space left on device: make ro"):
        fetch("pets", progress=Silent())


def test_a_user_without_a_home_is_told_what_to_set(pets, monkeypatch):
    monkeypatch.delenv("XDG_CACHE_HOME")

    def home():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", home)
    with pytest.raises(data.DataError, match=r"no cache: .*set XDG_CACHE_HOME"):
        data.load("pets")


def test_the_cache_is_found_as_the_compiler_finds_its_own(monkeypatch):
    """Else the README says where it is, and it is not there. A relative path is none."""
    from autograd.compiler.runtime.cache import cache_folder

    for root in ("/some/where", "relative", ""):
        monkeypatch.setenv("XDG_CACHE_HOME", root)
        assert cache().parent == cache_folder().parent


# --- the registry ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", REGISTRY)
def test_a_row_is_whole(name):
    source = REGISTRY[name]
    files = [file for file, _ in source.files()]
    assert len({file.name for file in files}) == len({file.sha256 for file in files}) == 4
    assert all(re.fullmatch("[0-9a-f]{64}", file.sha256) for file in files)
    assert all(Path(file.name).name == file.name for file in files)  # no way out of the folder
    assert bool(source.folder) != bool(source.mirrors)
    assert all(re.fullmatch("https?://[!-~]+/", mirror) for mirror in source.mirrors)
    assert len(set(source.classes)) == len(source.classes)


def test_the_sizes_that_a_row_gives_are_those_of_the_files():
    """Else a right file is refused as too large, or a wrong one unpacked."""
    for file, size in find("mnist").files():
        assert len(gzip.decompress((place("mnist") / file.name).read_bytes())) == size


def test_mnist_needs_no_fetching():
    assert fetch("mnist") == place("mnist") == Path(data.__file__).parent / "mnist"
    assert not missing("mnist") and not damaged("mnist")


def test_to_load_what_is_there_imports_no_http():
    """Else every start of a training pays 45 ms for it."""
    code = "import data, sys; data.load('mnist').test; print('http.client' in sys.modules)"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_an_unknown_name_is_refused_with_those_known():
    with pytest.raises(data.DataError, match=r"unknown dataset 'f': expected one of fashion-mnist"):
        fetch("f")


@pytest.mark.skipif(not DEBIAN.is_dir(), reason="Debian's package is not installed")
def test_debians_files_are_the_registered_ones(monkeypatch, tmp_path):
    """Else the one real dataset at hand is refused."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    fetch("fashion-mnist", DEBIAN, progress=Silent())
    fashion = data.load("fashion-mnist")
    assert fashion.train.labels[:5].tolist() == [9, 0, 0, 3, 0]
    assert np.bincount(fashion.test.labels).tolist() == [1000] * 10
