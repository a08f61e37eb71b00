"""What a client may send, and how slowly, by raw sockets: each bound of the protocol, its answer,
and that the server serves others as before."""

import json
import socket
import threading
import time
from contextlib import contextmanager, suppress

import pytest

pytest.importorskip("fastapi")
from tests.viz.studio.routes import TOKEN, application
from viz.studio.address import listen
from viz.studio.protocol import Limits, Protocol
from viz.studio.server import serve

HELLO = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
LAST = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


@contextmanager
def served(**limits):
    """The port of a server, in a thread, with these bounds in place of ours."""

    class Bounded(Protocol):
        pass

    Bounded.limits = Limits(**limits)
    received, begun = [], threading.Event()
    with listen("127.0.0.1", 0) as listener:
        thread = threading.Thread(
            target=serve,
            args=(application(), listener, received, begun.set, lambda: None, [TOKEN], Bounded),
        )
        thread.start()
        try:
            assert begun.wait(10)
            yield listener.getsockname()[1]
            assert talk(listener.getsockname()[1], LAST)[0] == 200  # it serves as before
        finally:
            received.append(15)
            thread.join(10)
            assert not thread.is_alive()


@pytest.fixture(scope="module")
def port():
    with served() as port:
        yield port


@pytest.fixture(scope="module")
def patient():
    """A server that is out of patience soon."""
    times = dict.fromkeys(("head_time", "idle_time", "stall_time", "linger_time"), 0.3)
    with served(**times) as port:
        yield port


def connected(port):
    client = socket.create_connection(("127.0.0.1", port), timeout=10)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return client


def read(client):
    """All that comes until the end, or until it is cut off."""
    found = bytearray()
    with suppress(ConnectionError):
        while chunk := client.recv(2**20):
            found += chunk
    return bytes(found)


def parsed(answer):
    """An answer's status, headers and body."""
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    return int(first.split()[1]), dict(line.lower().split(": ", 1) for line in lines), body


def talk(port, sent):
    """What is answered to bytes, after which the server is to hang up."""
    with connected(port) as client:
        client.sendall(sent)
        return parsed(read(client))


def check_cut_off(client):
    """What a client sends is soon read by nobody."""
    with pytest.raises(ConnectionError):
        client.sendall(bytes(4_000_000_000))


def check_refused(answer, status, where):
    found, headers, body = answer
    error = json.loads(body)["error"]
    assert (found, error["status"], error["where"]) == (status, status, where)
    assert headers["connection"] == "close"
    assert headers["content-type"] == "application/json"
    assert error["message"] == f"{where}: expected {error['expected']}, found {error['found']}"


def request(*headers, target="/", method="GET", body=b"", last=True):
    close = ["Connection: close"] if last else []
    lines = [f"{method} {target} HTTP/1.1", "Host: localhost", *close, *headers, "", ""]
    return "\r\n".join(lines).encode() + body


# --- sizes ----------------------------------------------------------------------------------------


def test_what_is_within_the_bounds_is_answered(port):
    assert talk(port, request("x: " + "a" * 60_000))[0] == 200
    assert talk(port, request(*(f"x{i}: 1" for i in range(98))))[0] == 200
    assert talk(port, request(target="/?" + "a" * 8_000))[0] == 200


@pytest.mark.parametrize(
    "sent",
    [
        request("x: " + "a" * 66_000),
        b"GET / HTTP/1.1\r\nx: " + b"a" * 70_000,  # which never ends
        b"GET / HTTP/1.1\r\n" + b"a" * 70_000,
        b"\r\n" * 40_000,
        request(*(f"x{i}: " + "a" * 1_000 for i in range(80))),
        request(*(f"x{i}: 1" for i in range(100))),
    ],
)
def test_a_head_has_so_many_bytes_and_lines(port, sent):
    check_refused(talk(port, sent), 431, "headers")


def test_an_address_has_so_many_bytes(port):
    check_refused(talk(port, request(target="/?" + "a" * 8_200)), 414, "request line")
    check_refused(talk(port, b"GET /" + b"a" * 9_000), 414, "request line")


def test_headers_after_a_body_are_bounded_too(port):
    chunks = b"1\r\na\r\n0\r\n"
    head = request("Transfer-Encoding: chunked", target="/length", method="POST")
    assert talk(port, head + chunks + b"x: 1\r\n" * 1_000 + b"\r\n")[0] == 200


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # somebody speaks TLS
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost localhost\r\n\r\n",
        b"CONNECT example.com:443 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"POST /length HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"POST /length HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /length HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
    ],
)
def test_what_is_no_http_is_refused_in_the_same_form(port, sent):
    check_refused(talk(port, sent), 400, "request")


def test_answers_are_not_mixed_with_refusals(port):
    """A request that cannot be read, sent before the one before it is answered."""
    with connected(port) as client:
        client.sendall(request(target="/wait", last=False) + b"GET\r\n\r\n")
        assert read(client) == b""


def test_requests_may_be_sent_ahead_but_not_without_end(capfd):
    with served() as port:
        with connected(port) as client:
            client.sendall(HELLO * 9 + LAST)
            assert read(client).count(b"hello") == 10
        with connected(port) as client:
            client.sendall(HELLO * 3_000)
            assert read(client).count(b"hello") < 20
    assert capfd.readouterr().err == ""  # that nobody takes the answers is no fault


def test_no_other_protocol_is_spoken(port):
    """A WebSocket is answered as any other GET, and then there is an end."""
    upgrade = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: x")
    status, _, body = talk(port, request(*upgrade, last=False))
    assert (status, body) == (200, b"hello")


def test_nobody_learns_what_serves(port):
    assert "server" not in talk(port, LAST)[1]


# --- time -----------------------------------------------------------------------------------------


def test_a_head_that_comes_slowly_is_given_up(patient):
    with connected(patient) as client:
        for letter in b"GET / HTTP/1.1\r\n" * 100:
            try:
                client.sendall(bytes([letter]))
                time.sleep(0.02)
            except ConnectionError:
                break
        else:
            pytest.fail("it was read to its end")
    with connected(patient) as client:
        client.sendall(b"GET / HT")
        check_refused(parsed(read(client)), 408, "headers")


def test_who_says_nothing_is_hung_up_on(patient):
    with connected(patient) as client:
        assert read(client) == b""
    with connected(patient) as client:
        client.sendall(HELLO)
        assert parsed(read(client))[2] == b"hello"


def test_a_body_that_stops_coming_is_given_up(patient):
    with connected(patient) as client:
        client.sendall(request("Content-Length: 10", target="/length", method="POST", body=b"abc"))
        check_refused(parsed(read(client)), 408, "body")


def test_a_body_that_comes_slowly_is_read(patient):
    with connected(patient) as client:
        client.sendall(request("Content-Length: 10", target="/length", method="POST"))
        for _ in range(5):
            time.sleep(0.1)
            client.sendall(b"aa")
        assert parsed(read(client))[::2] == (200, b"10")


def test_who_takes_no_answer_is_hung_up_on(patient):
    with connected(patient) as client:
        client.sendall(request(target="/large", last=False))
        time.sleep(1)
        assert len(read(client)) < 30_000_000


def test_who_takes_an_answer_slowly_gets_all_of_it(patient):
    with connected(patient) as client:
        client.sendall(request(target="/large", last=False))
        found = 0
        for _ in range(6):
            time.sleep(0.1)
            found += len(client.recv(2_000_000))
        assert found + len(read(client)) > 40_000_000


def test_a_stream_outlives_all_times(patient):
    with connected(patient) as client:
        client.sendall(request(target="/stream"))
        end = time.monotonic() + 0.5
        while time.monotonic() < end:
            assert client.recv(1000)


def test_a_body_that_is_answered_before_it_came_is_thrown_away(patient):
    """And the answer arrives all the same."""
    head = request("Content-Length: 100000000", target="/unread", method="POST", last=False)
    with connected(patient) as client:
        client.sendall(head)
        assert parsed(client.recv(1000))[::2] == (413, b"no")
        check_cut_off(client)
    with connected(patient) as client:
        client.sendall(head)
        assert parsed(read(client))[::2] == (413, b"no")  # no more of it came


def test_a_small_body_after_its_answer_does_not_cost_the_connection(port):
    with connected(port) as client:
        head = request("Content-Length: 10", target="/unread", method="POST", last=False)
        client.sendall(head)
        assert parsed(client.recv(1000))[0] == 413
        client.sendall(b"a" * 10 + LAST)
        assert parsed(read(client))[::2] == (200, b"hello")


# --- how many -------------------------------------------------------------------------------------


def test_so_many_connections_are_served_at_a_time():
    with served(connections=4) as port:
        clients = [connected(port) for _ in range(4)]
        for client in clients:
            client.sendall(HELLO)
            assert parsed(client.recv(1000))[0] == 200
        with connected(port) as late:
            check_refused(parsed(read(late)), 503, "connections")
        for client in clients:
            client.close()
        deadline = time.monotonic() + 10
        while talk(port, LAST)[0] != 200:
            assert time.monotonic() < deadline


# --- faults ---------------------------------------------------------------------------------------


def test_a_fault_is_shown_where_the_server_runs_and_without_the_token(capfd):
    with served() as port:
        assert talk(port, request(target="/fault"))[0] == 500
    error = capfd.readouterr().err
    assert "RuntimeError: something with [token] in it" in error
    assert TOKEN not in error


@pytest.mark.parametrize("host", [b"Host: localhost\r\n", b""])
def test_a_whole_address_in_the_request_line_counts_more_than_host(port, host):
    """Else what a proxy takes for evil.com passes here as localhost."""
    rest = b" HTTP/1.1\r\n" + host + b"Connection: close\r\n\r\n"
    for authority in (b"evil.com", b"localhost:8000", b"a@localhost"):
        answer = talk(port, b"GET http://" + authority + b"/host?x" + rest)
        assert authority in answer[2], answer
