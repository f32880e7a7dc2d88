"""Who may send."""

from __future__ import annotations

import base64

import pytest

from scoring.errors import SettingsError

MESSAGE = {"messageId": "m-1", "userId": "42", "event": "Signed Up"}
EVENT = {"id": "e-1", "type": "page_viewed", "time": 1_767_268_800_000, "user_id": "42"}
KEYS = "site=abc123, app=def456"


def basic(key):
    return "Basic " + base64.b64encode(f"{key}:".encode()).decode()


@pytest.fixture
def keyed(make_gateway):
    return make_gateway("192.0.2.1", write_keys=KEYS)


@pytest.mark.parametrize(
    ("authorization", "source"),
    [(basic("abc123"), "site"), (basic("def456"), "app"), ("Bearer abc123", "site"), ("bearer  def456 ", "app")],
)
@pytest.mark.parametrize(("path", "body"), [("/v1/track", MESSAGE), ("/v1/events", EVENT)])
def test_a_write_key_names_the_source(keyed, authorization, source, path, body):
    assert keyed.post(path, body, Authorization=authorization).status_code == 200
    assert [event.source for event in keyed.events] == [source]


def test_an_api_key_with_the_role_ingest_sends_as_the_source_of_its_name_and_one_that_reads_does_not(make_gateway):
    keys = "crm=ingest:a-long-secret, ops=admin:another-secret, bi=read:a-third-secret"
    gateway = make_gateway("192.0.2.1", write_keys=KEYS, api_keys=keys)
    for key, status in (("a-long-secret", 200), ("another-secret", 200), ("a-third-secret", 401), ("abc123", 200)):
        assert gateway.post("/v1/events", EVENT, Authorization=f"Bearer {key}").status_code == status
    assert [event.source for event in gateway.events] == ["crm", "ops", "site"]


def test_the_name_of_an_api_key_that_sends_is_a_source(make_gateway):
    with pytest.raises(SettingsError, match="who sends events is a source"):
        make_gateway(api_keys="our crm=ingest:a-long-secret")


def test_a_write_key_in_the_body_does_as_well(keyed):
    assert keyed.post("/v1/track", {**MESSAGE, "writeKey": "abc123"}).status_code == 200
    batch = {"batch": [{**MESSAGE, "type": "track"}], "writeKey": "def456"}
    assert keyed.post("/v1/batch", batch).status_code == 200
    assert [event.source for event in keyed.events] == ["site", "app"]


def test_the_headers_key_wins_over_the_bodys(keyed):
    assert keyed.post("/v1/track", {**MESSAGE, "writeKey": "abc123"}, Authorization=basic("def456")).status_code == 200
    assert [event.source for event in keyed.events] == ["app"]


@pytest.mark.parametrize(
    ("body", "headers", "field"),
    [
        (MESSAGE, {}, "Authorization"),
        (MESSAGE, {"Authorization": basic("wrong-key")}, "Authorization"),
        (MESSAGE, {"Authorization": basic("")}, "Authorization"),
        (MESSAGE, {"Authorization": basic("abc12")}, "Authorization"),
        (MESSAGE, {"Authorization": basic("ключ")}, "Authorization"),
        (MESSAGE, {"Authorization": "Bearer wrong-key"}, "Authorization"),
        (MESSAGE, {"Authorization": "Bearer"}, "Authorization"),
        (MESSAGE, {"Authorization": "Basic %%%"}, "Authorization"),
        (MESSAGE, {"Authorization": "Basic /w=="}, "Authorization"),
        (MESSAGE, {"Authorization": "Digest abc123"}, "Authorization"),
        ({**MESSAGE, "writeKey": "wrong-key"}, {}, "writeKey"),
    ],
)
@pytest.mark.parametrize("path", ["/v1/track", "/v1/batch"])
def test_a_missing_or_wrong_key_is_a_401_that_names_the_field_and_no_key(keyed, path, body, headers, field):
    if path == "/v1/batch":
        body = {"batch": [{**MESSAGE, "type": "track"}], **{n: body[n] for n in ("writeKey",) if n in body}}
    answer = keyed.post(path, body, **headers)
    assert answer.status_code == 401
    assert answer.json()["error"]["reason"] == "unauthorized"
    assert answer.json()["error"]["field"] == field
    assert "wrong-key" not in answer.text
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert keyed.events == []
    assert keyed.letters == []


@pytest.mark.parametrize("client", ["127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1"])
def test_without_keys_this_machine_may_send(make_gateway, client):
    gateway = make_gateway(client)
    assert gateway.post("/v1/events", EVENT).status_code == 200
    # SDKs cannot be built without a key; here any will do.
    assert gateway.post("/v1/track", MESSAGE, Authorization=basic("any-key")).status_code == 200
    assert [event.source for event in gateway.events] == ["local", "local"]


@pytest.mark.parametrize("client", ["192.0.2.1", "10.0.0.1", "2001:db8::1", "::ffff:192.0.2.1", "testclient", ""])
@pytest.mark.parametrize(
    ("path", "body"), [("/v1/track", MESSAGE), ("/v1/batch", {"batch": []}), ("/v1/events", EVENT)]
)
def test_without_keys_nobody_else_may(make_gateway, client, path, body):
    gateway = make_gateway(client)
    answer = gateway.post(path, body, Authorization=basic("any-key"))
    assert answer.status_code == 403
    assert "LEADHEAT_WRITE_KEYS" in answer.json()["error"]["message"]
    assert gateway.events == []


def test_without_keys_a_web_page_may_not_send_through_this_machines_browser(gateway):
    assert gateway.post("/v1/track", MESSAGE, Origin="https://evil.example").status_code == 403
    assert gateway.post("/v1/track", MESSAGE, Origin="null").status_code == 403
    assert gateway.post("/v1/track", MESSAGE, Origin="http://[::1").status_code == 403
    assert gateway.post("/v1/track", MESSAGE, Origin="http://localhost:3000").status_code == 200
    assert gateway.post("/v1/track", MESSAGE, Origin="http://127.0.0.1:3000").status_code == 200


def test_pages_of_any_site_may_send_with_a_key(keyed):
    headers = {"Origin": "https://example.com", "Access-Control-Request-Method": "POST"}
    preflight = keyed.request("OPTIONS", "/v1/t", headers={**headers, "Access-Control-Request-Headers": "content-type"})
    assert preflight.status_code == 200
    answer = keyed.post("/v1/t", {**MESSAGE, "writeKey": "abc123"}, Origin="https://example.com")
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "*"


def test_pages_of_other_sites_may_read_nothing_else(keyed):
    answer = keyed.request("GET", "/metrics", headers={"Origin": "https://example.com"})
    assert "access-control-allow-origin" not in answer.headers
