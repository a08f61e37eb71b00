"""Who is answered, and with which headers: each rule of viz/studio/guard.py."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.viz.studio.client import TOKEN, WRITING, client, refused
from viz.studio import guard
from viz.studio.guard import Guard, origin, split_host


@pytest.fixture(scope="module")
def studio():
    with client(hosts=("studio.example",), origins=("https://blog.example",)) as made:
        yield made


NAMED = ["studio.example", "studio.example:443", "localhost.", "localhost:"]
LOOPBACK = ["localhost", "LOCALHOST:8000", "127.0.0.1", "127.0.0.1:1", "[::1]", "[::1]:8000"]


@pytest.mark.parametrize("host", [*LOOPBACK, *NAMED])
def test_a_host_of_this_machine_or_one_that_is_named_is_answered(studio, host):
    assert studio.get("/api/server", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "localhost.evil.example", "evil.example:8000", "127.0.0.1.evil.example",
     "2130706433", "0.0.0.0", "[::]", "", "localhost, evil.example", "evil.example#localhost",
     "user@localhost", "localhost/", "127.0.0.2", "[::1", "localhost:x"],
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS"])
def test_another_host_is_refused_whatever_is_asked(studio, host, method):
    """Else a page of evil.example, whose name leads to 127.0.0.1, reads and writes all there is."""
    answer = studio.request(method, "/api/server", headers={**WRITING, "Host": host})
    assert answer.status_code == 421
    if method != "HEAD":
        refused(answer, 421, "Host")


@pytest.mark.parametrize(
    ("given", "host"),
    [
        *[("http://localhost", "localhost"), ("http://localhost:80", "localhost")],
        *[("http://[::1]:8000", "[::1]:8000"), ("https://studio.example", "studio.example")],
    ],
)
def test_the_own_origin_is_answered_also_behind_a_proxy_with_tls(studio, given, host):
    headers = {"Origin": given, "Host": host}
    assert studio.get("/api/server", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "given",
    ["null", "", "http://localhost:8001", "http://evil.example", "https://localhost:80",
     "localhost",
     "http://localhost.evil.example", "http://", "file://", "chrome-extension://abc",
     "https://blog.example:444", "http://blog.example", "https://BLOG.example"],
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_another_origin_is_refused_whatever_is_asked(studio, given, method):
    asked = {**WRITING, "Origin": given, "Access-Control-Request-Method": "PUT"}
    answer = studio.request(method, "/api/server", headers=asked)
    refused(answer, 403, "Origin")
    assert "access-control-allow-origin" not in answer.headers


def test_an_origin_that_is_named_may_read_and_write(studio):
    named = {"Origin": "https://blog.example"}
    answer = studio.get("/api/server", headers=named)
    assert answer.headers["access-control-allow-origin"] == "https://blog.example"
    assert "Origin" in answer.headers["vary"]
    assert "ETag" in answer.headers["access-control-expose-headers"]
    asked = {**named, "Access-Control-Request-Method": "PUT"}
    answer = studio.options("/api/weights", headers=asked)
    assert answer.status_code == 204 and answer.content == b""
    assert "PUT" in answer.headers["access-control-allow-methods"]
    assert "Authorization" in answer.headers["access-control-allow-headers"]
    refused(studio.post("/api/server", headers=named), 401, "Authorization")


def test_without_an_origin_nothing_is_said_to_other_pages(studio):
    answer = studio.get("/api/server")
    assert not [name for name in answer.headers if name.startswith("access-control")]


METHODS = ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "ANY"]
WRONG = [
    {}, {"Authorization": ""}, {"Authorization": "Bearer"}, {"Authorization": "Bearer "},
    {"Authorization": TOKEN}, {"Authorization": f"Basic {TOKEN}"},
    {"Authorization": f"Bearer {TOKEN}x"}, {"Authorization": f"Bearer {TOKEN[:-1]}"},
    {"Authorization": f"Bearer {TOKEN.upper()}"}, {"Authorization": "Bearer \xe9"},
    {"Cookie": f"token={TOKEN}"},
]  # fmt: skip


@pytest.mark.parametrize("given", WRONG)
@pytest.mark.parametrize("method", METHODS)
def test_all_but_get_and_head_need_the_token(studio, given, method):
    raw = {name: value.encode("latin-1") for name, value in given.items()}
    answer = studio.request(method, "/api/server", headers=raw)
    message = refused(answer, 401, "Authorization")
    assert answer.headers["www-authenticate"] == "Bearer"
    assert TOKEN not in message


def test_with_the_token_the_route_answers(studio):
    for said in (f"Bearer {TOKEN}", f"bearer {TOKEN}", f"BEARER  {TOKEN}"):
        answer = studio.post("/api/server", headers={"Authorization": said})
        refused(answer, 405, "/api/server")
        assert answer.headers["allow"] == "GET, HEAD"


def test_the_token_is_compared_in_constant_time(studio, monkeypatch):
    """Else the time of an answer says how many letters were right."""
    compared = []
    monkeypatch.setattr(
        guard.hmac, "compare_digest", lambda *both: compared.append(both) or both[0] == both[1]
    )
    studio.post("/api/server", headers={"Authorization": "Bearer wrong"})
    assert compared == [(b"wrong", TOKEN.encode())]


def test_a_token_in_the_address_is_not_taken(studio):
    refused(studio.post(f"/api/server?token={TOKEN}"), 401, "Authorization")


def test_read_only_refuses_what_changes_anything():
    with client(read_only=True) as made:
        assert made.get("/api/server").json()["writable"] is False
        for path in ("/api/weights", "/api/train", "/api/retrain", "/api/jobs/a", "/api/nothing"):
            for method in ("POST", "PUT", "DELETE", "PATCH"):
                said = refused(made.request(method, path, headers=WRITING), 403, "method")
                assert "/api/predict" in said


HEADERS = {
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-embedder-policy": "require-corp",
    "cross-origin-resource-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}
ANSWERS = [
    ("GET", "/", {}), ("GET", "/api/server", {}), ("GET", "/nothing", {}), ("POST", "/", {}),
    ("GET", "/api/samples/mnist/test/0", {}), ("GET", "/", {"Host": "evil.example"}),
    ("GET", "/", {"Origin": "null"}), ("POST", "/api/server", WRITING), ("HEAD", "/", {}),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path", "headers"), ANSWERS)
def test_every_answer_has_the_headers_refusals_too(studio, method, path, headers):
    found = studio.request(method, path, headers=headers).headers
    assert {name: found[name] for name in HEADERS} == HEADERS
    policy = found["content-security-policy"]
    assert "default-src 'none'" in policy and "frame-ancestors https://blog.example" in policy
    assert "unsafe-inline" not in policy and "'unsafe-eval'" not in policy


def test_no_page_may_frame_the_studio_but_those_that_are_named():
    """Else any page could have its buttons pressed unseen."""
    for origins, ancestors in (
        ((), "'none'"),
        (("https://b.example", "http://a.example:1"), "http://a.example:1 https://b.example"),
    ):
        with client(origins=origins) as made:
            policy = made.get("/").headers["content-security-policy"]
            assert policy.endswith(f"; frame-ancestors {ancestors}")


def test_head_is_get_without_the_body(studio):
    whole = studio.get("/api/samples/mnist/test/0")
    head = studio.head("/api/samples/mnist/test/0")
    assert head.content == b"" and head.status_code == 200
    assert dict(head.headers) == dict(whole.headers)


def test_a_body_that_is_said_not_to_be_encoded_is_read(studio):
    headers = {**WRITING, "Content-Encoding": "Identity"}
    refused(studio.post("/api/server", headers=headers, content=b"x"), 405, "/api/server")


def test_who_names_no_host_is_told():
    status, body = exchanged([piece(b"")], named=False)
    assert status == 400 and b"Host: expected" in body


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "identity, gzip", "x"])
def test_an_encoded_body_is_refused_before_it_is_read(studio, encoding):
    """Else 100 kB become 100 MB."""
    headers = {**WRITING, "Content-Encoding": encoding}
    refused(studio.post("/api/server", headers=headers, content=b"\0"), 415, "Content-Encoding")


def test_a_body_has_a_bound(studio):
    big = b"\0" * (guard.SMALL + 1)
    refused(studio.post("/api/server", headers=WRITING, content=big), 413, "body")
    pieces = (b"\0" * 2**16 for _ in range(2**5))  # chunked: its length is not said
    refused(studio.post("/api/server", headers=WRITING, content=pieces), 413, "body")


# --- bodies, message by message -------------------------------------------------------------------


def exchanged(messages, headers=(), path="/api/server", app=None, named=True, **how):
    """What a guard sends for the messages of a POST; a message None is one that never comes."""

    async def echo(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": (await receive())["body"]})

    async def run():
        made = how.pop("made", None) or Guard(app or echo, TOKEN, (), (), False)
        sent, waiting = [], list(messages)

        async def receive():
            message = waiting.pop(0) if waiting else None
            if message is None:
                await asyncio.Event().wait()
            return message

        async def send(message):
            sent.append(message)

        said = [(b"host", b"localhost"), (b"authorization", b"Bearer " + TOKEN.encode())]
        said = said[0 if named else 1 :]
        scope = {"type": "http", "method": "POST", "path": path, "headers": [*said, *headers]}
        await made(scope, receive, send)
        assert made._bytes == 0  # else the studio takes fewer bodies from now on, and then none
        return sent[0]["status"], sent[1]["body"]

    return asyncio.run(run())


def piece(body: bytes, more: bool = False):
    return {"type": "http.request", "body": body, "more_body": more}


def test_a_client_that_goes_in_the_middle_leaves_nothing_behind():
    gone = {"type": "http.disconnect"}
    status, _ = exchanged([piece(b"ab", more=True), gone], [(b"content-length", b"3")])
    assert status == 400


@pytest.mark.parametrize("said", [b"-1", b"1_0", b"0x10", b"9" * 30, b"1.0", "²".encode()])
def test_a_length_that_is_none_is_refused(said):
    assert exchanged([piece(b"")], [(b"content-length", said)])[0] == 400


@pytest.mark.parametrize("name", sorted(guard.DECIDING))
def test_a_header_that_decides_is_there_once(name):
    """Else this looks at one of the two, and a proxy at the other."""
    twice = [(name, b"localhost")] * (1 if name in (b"host", b"authorization") else 2)
    assert exchanged([piece(b"")], twice)[0] == 400


def test_all_bodies_together_have_a_bound(monkeypatch):
    monkeypatch.setattr(guard, "ALL", 2)
    assert exchanged([piece(b"abc")], [(b"content-length", b"3")])[0] == 503
    assert exchanged([piece(b"ab")], [(b"content-length", b"2")]) == (200, b"ab")


def test_what_a_route_raises_frees_its_bytes():
    async def broken(scope, receive, send):
        await receive()
        raise ValueError("a fault")

    made = Guard(broken, TOKEN, (), (), False)
    with pytest.raises(ValueError, match="a fault"):
        exchanged([piece(b"ab")], [(b"content-length", b"2")], made=made)
    assert made._bytes == 0


@given(st.lists(st.binary(max_size=9), max_size=6))
def test_a_body_arrives_as_it_was_sent(pieces):
    whole = b"".join(pieces)
    messages = [*(piece(each, more=True) for each in pieces), piece(b"")]
    assert exchanged(messages, [(b"content-length", b"%d" % len(whole))]) == (200, whole)
    assert exchanged(messages, [(b"transfer-encoding", b"chunked")]) == (200, whole)


def test_a_websocket_is_closed():
    async def run():
        sent = []

        async def send(message):
            sent.append(message)

        await Guard(None, TOKEN, (), (), False)({"type": "websocket"}, None, send)
        return sent

    assert [message["type"] for message in asyncio.run(run())] == ["websocket.close"]


# --- names ----------------------------------------------------------------------------------------


@given(st.text(max_size=40))
def test_a_host_is_split_or_it_is_none(text):
    name, port = split_host(text)
    assert not set(name) & set("/@#?, []") and (not port or port.isdigit())


@pytest.mark.parametrize(
    ("typed", "found"),
    [("https://A.example", "https://a.example"), ("http://a:80", "http://a"),
     ("http://a:8000/", "http://a:8000"), ("https://[::1]:443", "https://[::1]")],
)  # fmt: skip
def test_an_origin_is_written_as_browsers_write_it(typed, found):
    assert origin(typed) == found


@pytest.mark.parametrize(
    "typed",
    ["", "a.example", "ftp://a.example", "https://", "https://a/b", "https://u@a", "*", "null",
     "https://a?b", "https://a b", "https://a:x"],
)  # fmt: skip
def test_what_is_no_origin_is_refused(typed):
    with pytest.raises(ValueError, match="expected an origin"):
        origin(typed)


# --- bodies that no route takes -------------------------------------------------------------------


JSON_TYPE = "application/json"


@pytest.mark.parametrize(
    ("content", "kind", "status", "where", "sentence"),
    [
        (
            b'{"version": 1}',
            "text/plain",
            415,
            "Content-Type",
            "application/json, found text/plain",
        ),
        (b'{"version": 1}', None, 415, "Content-Type", "application/json, found none"),
        (b"", None, 422, "body", "a value, found none"),
        (b"{}", JSON_TYPE, 422, "body.version", "a value, found none"),
        (b'{"version": "1"}', JSON_TYPE, 422, "body.version", 'a whole number, found "1"'),
        (
            b'{"version": 1, "x": 2}',
            "application/json",
            422,
            "body.x",
            "nothing of this name, found 2",
        ),
    ],
)
def test_a_body_is_json_of_the_names_that_are_described(
    studio, content, kind, status, where, sentence
):
    headers = WRITING | {"If-Match": "*"} | ({"Content-Type": kind} if kind else {})
    answer = studio.post("/api/weights/rollback", content=content, headers=headers)
    assert refused(answer, status, where) == f"{where}: expected {sentence}"
