"""Three hundred hostile requests to a real server: each is a 4xx, and the process is as well as before."""

from __future__ import annotations

import gzip
import itertools
import json
import socket
import time
import zlib
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import psutil
import pytest

from streams.gateway import head_limits
from streams.gateway.head_limits import HEAD_BYTES_MAX
from streams.gateway.limits import BODY_BYTES_MAX

KEY = "abc123"
EVENT = {"id": "e-1", "type": "page_viewed", "time": 1_767_268_800_000, "user_id": "42"}
MESSAGE = {"messageId": "m-1", "userId": "42", "event": "Signed Up", "type": "track"}
GROWTH_BYTES_MAX = 64 * 1024 * 1024

STRICT = ("/v1/events", "/v1/accounts", "/v1/track", "/v1/identify", "/v1/cloudevents")
BATCHES = ("/v1/batch", "/batch/")
WEBHOOKS = tuple(f"/v1/webhooks/{name}" for name in ("sendgrid", "mailgun", "postmark", "ses", "resend"))
ALL = (*STRICT, *BATCHES, *WEBHOOKS)

Hostile = tuple[str, str, bytes, dict[str, str]]


def bomb(levels: int = 1) -> bytes:
    """Return 48 MB of spaces, packed to 48 KB, and that packed again to some hundred bytes, and so on."""
    packer = zlib.compressobj(9, wbits=31)
    mega = b" " * 2**20
    packed = b"".join([*(packer.compress(mega) for _ in range(48)), packer.flush()])
    for _ in range(levels - 1):
        packed = gzip.compress(packed)
    return packed


def hostile() -> Iterator[Hostile]:
    """Yield method, path, body and headers."""
    bombs = {"bomb": bomb(), "bomb in bomb": bomb(2)}
    for path, body in itertools.product(ALL, bombs.values()):
        yield "POST", path, body, {"Content-Encoding": "gzip"}
    depths = (b"[" * 200_000, b'{"a":' * 90_000, b"[" * 90_000 + b"]" * 90_000)
    for path, body in itertools.product(ALL, depths):
        yield "POST", path, body, {}
    encodings = ("br", "deflate", "zstd", "gzip, gzip", "gzip;q=1", "x" * 2000, "identity, br")
    for path, encoding in itertools.product((*STRICT, *BATCHES), encodings):
        yield "POST", path, b"{}", {"Content-Encoding": encoding}
    no_gzip = (b"{}", b"\x1f\x8b", gzip.compress(b"{}")[:-3], gzip.compress(b"{}") * 2, gzip.compress(b"{}") + b"x")
    for path, body in itertools.product((*STRICT, *BATCHES), no_gzip):
        yield "POST", path, body, {"Content-Encoding": "gzip"}
    texts = (b"\xff\xfe{\x00}\x00", b"\x00", b"\xef\xbb\xbf{", '{"ä": "ü"'.encode("latin-1"), b'"\\ud800"', b"nul", b"")
    for path, body in itertools.product((*STRICT, *BATCHES), texts):
        yield "POST", path, body, {}
    nothings = (b"null", b"0", b'""', b"true", b"-", b"NaN", b"[[[]]]", b"[null]", b"1e999")
    for path, body in itertools.product(("/v1/events", "/v1/track", "/v1/accounts", "/v1/identify"), nothings):
        yield "POST", path, body, {}
    for number in ("1e400", "9" * 4000, "-1e400", "1e-400", "0", "-9223372036854775809", "1" + "0" * 300_000):
        yield "POST", "/v1/events", json.dumps(EVENT).replace("1767268800000", number).encode(), {}
        yield "POST", "/v1/cloudevents", b'{"specversion":"1.0","time":' + number.encode() + b"}", {}
    for field, value in itertools.product(EVENT, (None, [], {}, "", "\x00" * 300, -1, True, "9" * 40_000)):
        if (field, value) not in (("time", -1),):
            broken = {**EVENT, field: value}
            yield "POST", "/v1/events", json.dumps(broken).encode(), {} if field != "user_id" else {"X-Empty": ""}
    for size in (BODY_BYTES_MAX + 1, 2 * BODY_BYTES_MAX):
        for path in (*STRICT, *BATCHES):
            yield "POST", path, b" " * size, {}
    keys = ("Bearer " + "x" * 4000, "Basic " + "A" * 3999, "Basic /w==", "Bearer", "Digest x", "Basic Og==", "\x80")
    for path, key in itertools.product((*STRICT, *BATCHES), keys):
        yield "POST", path, json.dumps(MESSAGE).encode(), {"Authorization": key}
    for method, path in itertools.product(("GET", "PUT", "DELETE", "PATCH", "TRACE"), ("/v1/events", "/v1/batch")):
        yield method, path, b"", {}
    for path in ("/../etc/passwd", "/v1/%00", "/v1/events/../../x", "//", "/" + "a" * 4000, "/v1/events?" + "x" * 9000):
        yield "POST", path, b"{}", {}


HOSTILE = list(hostile())

RAW = {
    "no request at all": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "two lengths": b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    "a negative length": b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    "length and chunks": b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a chunk without size": b"POST /v1/events HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n",
    "a header with a null": b"POST /v1/events HTTP/1.1\r\nHost: x\r\nA: \x00\r\n\r\n",
    "a header without a name": b"POST /v1/events HTTP/1.1\r\nHost: x\r\n: y\r\n\r\n",
    "headers without end": b"POST /v1/events HTTP/1.1\r\nHost: x\r\n"
    + b"".join(b"X-%d: %s\r\n" % (number, b"y" * 1000) for number in range(2000)),
    "one header of a megabyte": b"POST /v1/events HTTP/1.1\r\nHost: x\r\nA: " + b"y" * 2**20 + b"\r\n\r\n",
    "another protocol": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
}


@pytest.fixture
def keyed(make_gateway):
    return make_gateway(write_keys=f"site={KEY}")


def is_well(address: str) -> bool:
    ours = {"Authorization": f"Bearer {KEY}"}
    return (
        httpx.get(f"{address}/healthz").status_code == 200
        and httpx.post(f"{address}/v1/events", json=EVENT, headers=ours).status_code == 200
    )


def test_there_are_300_of_them():
    assert len(HOSTILE) + len(RAW) >= 300


def test_every_hostile_request_is_a_4xx_and_leaves_the_process_healthy(keyed, serve):
    address = serve(keyed)
    assert is_well(address)
    process = psutil.Process()
    before = process.memory_info().rss
    with httpx.Client(base_url=address, timeout=10) as client:
        for method, path, body, headers in HOSTILE:
            authorization = {"Authorization": f"Bearer {KEY}"} if "Authorization" not in headers else {}
            encoded = {name: text.encode("latin-1") for name, text in (authorization | headers).items()}
            answer = client.request(method, path, content=body, headers=encoded)
            assert 400 <= answer.status_code < 500, (method, path[:80], body[:60], headers, answer.text[:200])
            assert answer.headers["content-type"] == "application/json"
            assert set(answer.json()) >= {"code", "message"}
    assert [event.id for event in keyed.events] == ["e-1"]
    assert keyed.letters == []
    assert is_well(address)
    assert process.memory_info().rss - before < GROWTH_BYTES_MAX


@pytest.mark.parametrize("raw", RAW.values(), ids=RAW)
def test_what_is_no_http_is_refused_or_hung_up_on(keyed, serve, raw):
    address = serve(keyed)
    parts = urlsplit(address)
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as connection:
        try:
            connection.sendall(raw)
            connection.shutdown(socket.SHUT_WR)
            answer = connection.recv(100)
        except OSError:
            answer = b""
    expected = b"HTTP/1.1 431" if len(raw) > HEAD_BYTES_MAX else b"HTTP/1.1 4"
    assert answer == b"" or answer.startswith(expected), answer
    assert keyed.events == []
    assert is_well(address)


def talk(address: str, *parts: bytes) -> bytes:
    """Send parts and return all that comes back until the server hangs up."""
    where = urlsplit(address)
    with socket.create_connection((where.hostname, where.port), timeout=10) as connection:
        for part in parts:
            connection.sendall(part)
        answer = b""
        while more := connection.recv(65_536):
            answer += more
    return answer


def test_headers_beyond_64_kb_are_a_431_in_one_piece_or_many(keyed, serve):
    address = serve(keyed)
    line = b"POST /v1/events HTTP/1.1\r\nHost: x\r\n"
    many = b"".join(b"X-%d: %s\r\n" % (number, b"y" * 990) for number in range(66))
    for parts in ([line + many + b"Connection: close\r\n\r\n"], [line, b"A: " + b"y" * (HEAD_BYTES_MAX + 1)]):
        assert talk(address, *parts).startswith(b"HTTP/1.1 431 ")
    large = b"A: " + b"y" * 60_000 + b"\r\nConnection: close\r\n\r\n"
    assert talk(address, line + large).startswith(b"HTTP/1.1 401 "), "what is large, and not too large"
    assert is_well(address)


@pytest.mark.parametrize("parts", [[], [b"POST /v1/ev"], [b"POST /v1/events HTTP/1.1\r\nHost: x\r\n", b"A: b\r\n"]])
def test_a_head_that_does_not_end_is_hung_up_on(keyed, serve, monkeypatch, parts):
    monkeypatch.setattr(head_limits, "HEAD_TIMEOUT_S", 0.3)
    address = serve(keyed)
    assert talk(address, *parts) == b""
    assert is_well(address)


def test_a_connection_that_is_kept_may_rest_between_requests(keyed, serve, monkeypatch):
    monkeypatch.setattr(head_limits, "HEAD_TIMEOUT_S", 0.2)
    with httpx.Client(base_url=serve(keyed)) as client:
        assert client.get("/healthz").status_code == 200
        time.sleep(0.5)
        answer = client.get("/healthz")
        assert answer.status_code == 200
        assert len(client._transport._pool.connections) == 1
