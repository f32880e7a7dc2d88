"""Sizes and encodings of bodies."""

from __future__ import annotations

import gzip
import json

import pytest

from streams.gateway.limits import BODY_BYTES_MAX

MESSAGE = {"messageId": "m-1", "userId": "42", "event": "Signed Up", "type": "track"}
EVENT = {"id": "e-1", "type": "page_viewed", "time": 1_767_268_800_000, "user_id": "42"}

PACKED = gzip.compress(b'{"batch":[]}', mtime=0)


def batch_of(size: int) -> bytes:
    """Return a batch of exactly ``size`` bytes whose items are small."""
    items = [json.dumps({**MESSAGE, "properties": {"x": "x" * 20_000}}).encode()] * (size // 20_300)
    body = b'{"batch":[' + b",".join(items) + b"]}"
    return body + b" " * (size - len(body))


@pytest.mark.parametrize("packed", [False, True])
def test_a_batch_of_500_kb_is_taken_and_one_byte_more_is_not(gateway, packed):
    for size, status in ((BODY_BYTES_MAX, 200), (BODY_BYTES_MAX + 1, 413), (501 * 1024, 413)):
        body = batch_of(size)
        assert len(body) == size
        headers = {"Content_Encoding": "gzip"} if packed else {}
        answer = gateway.post("/v1/batch", gzip.compress(body) if packed else body, **headers)
        assert answer.status_code == status
    assert answer.json()["error"]["reason"] == "too_large"


def test_a_declared_length_beyond_the_limit_is_refused_before_the_body_is_read(gateway):
    answer = gateway.request("POST", "/v1/batch", b"{}", {"Content-Length": "99999999999"})
    assert answer.status_code == 413


@pytest.mark.parametrize("length", ["", "x", "-1", "²", "9" * 5000])
def test_a_declared_length_that_is_none_does_no_harm(gateway, length):
    answer = gateway.request("POST", "/v1/batch", b'{"batch":[]}', {"Content-Length": length.encode()})
    assert answer.status_code == 200


@pytest.mark.parametrize(("path", "body"), [("/v1/track", MESSAGE), ("/v1/events", EVENT)])
def test_an_event_of_33_kb_is_a_413(gateway, path, body):
    answer = gateway.post(path, {**body, "properties": {"x": "x" * 33 * 1024}})
    assert answer.status_code == 413
    assert "32768" in answer.text
    assert gateway.events == []


def test_gzip_is_unpacked(gateway):
    for encoding in ("gzip", "GZIP", "x-gzip"):
        body = gzip.compress(json.dumps({"batch": [MESSAGE]}).encode())
        assert gateway.post("/v1/batch", body, Content_Encoding=encoding).json()["accepted"] == 1
    assert gateway.post("/v1/track", gzip.compress(json.dumps(MESSAGE).encode()), Content_Encoding="gzip").is_success


def test_a_decompression_bomb_stops_at_the_limit(gateway):
    bomb = gzip.compress(b" " * 50_000_000, 9)
    assert len(bomb) < BODY_BYTES_MAX
    answer = gateway.post("/v1/batch", bomb, Content_Encoding="gzip")
    assert answer.status_code == 413


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b'{"batch":[]}',
        b"\x1f\x8b",
        PACKED[:-1],
        PACKED + b"x",
        PACKED * 2,
        PACKED[:12] + b"\xff" * 20,
    ],
)
def test_malformed_gzip_is_a_400(gateway, body):
    answer = gateway.post("/v1/batch", body, Content_Encoding="gzip")
    assert answer.status_code == 400
    assert answer.json()["error"]["field"] == "Content-Encoding"


@pytest.mark.parametrize("encoding", ["br", "zstd", "deflate", "gzip, gzip", "nonsense"])
def test_an_unknown_encoding_is_a_415_that_says_what_is_known(gateway, encoding):
    answer = gateway.post("/v1/batch", b'{"batch":[]}', Content_Encoding=encoding)
    assert answer.status_code == 415
    assert answer.headers["accept-encoding"] == "gzip"
    assert answer.json()["error"]["field"] == "Content-Encoding"


def test_no_encoding_may_be_said_out_loud(gateway):
    assert gateway.post("/v1/batch", b'{"batch":[]}', Content_Encoding="identity").status_code == 200
