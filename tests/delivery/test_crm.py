"""CRMs: spoken to as they document it; fields at changes of band and moves of ten points, in batches."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

import httpx
import msgspec
import pytest
from aiokafka import AIOKafkaProducer
from hypothesis import given
from hypothesis import strategies as st

from scoring.score_records import LeadScore, ScoreLine
from streams.delivery.attempts import Attempt, Failed, Sent
from streams.delivery.config_sinks import HubSpotSink, SalesforceSink
from streams.delivery.crm_fields import FieldBook, row_of
from streams.delivery.messages import alert_message
from streams.delivery.records import LeadFields, decode_remembered
from streams.delivery.sinks.crm import CrmSink, Row, fields_of
from streams.delivery.sinks.hubspot import HubSpot
from streams.delivery.sinks.salesforce import Salesforce
from streams.settings import Settings
from streams.topics import LEAD_SCORES, create_topics
from tests.delivery.builders import config, entered
from tests.delivery.test_certain import environment
from tests.delivery.test_sinks import delivery
from tests.e2e.workers import Workers

NOW = 1_767_603_600_000
FIELDS = fields_of(82.04, "hot", 7.25, "decision", "+50 demo request")
ROWS = [Row("ann@example.com", FIELDS), Row("o'neil@example.com", FIELDS)]


class HubSpotPortal:
    """Speaks the batch upsert of contacts (v3): strict about what it is sent; knows these properties and no others."""

    properties = frozenset({"leadheat_score", "leadheat_band", "leadheat_fit", "leadheat_phase", "leadheat_reason"})

    def __init__(self) -> None:
        self.contacts: dict[str, dict[str, str]] = {}
        self.batches: list[int] = []
        self.status: int | None = None

    def __call__(self, request: httpx.Request) -> httpx.Response:
        return self.answer(request.method, request.url.path, dict(request.headers), request.content)

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> httpx.Response:
        if self.status is not None:
            return httpx.Response(self.status, headers={"Retry-After": "10"})
        if headers.get("authorization") != "Bearer pat-secret":
            return httpx.Response(401, json={"status": "error", "category": "INVALID_AUTHENTICATION"})
        if (method, path) != ("POST", "/crm/v3/objects/contacts/batch/upsert"):
            return httpx.Response(404)
        inputs = json.loads(body)["inputs"]
        if len(inputs) > 100 or len({each["id"] for each in inputs}) < len(inputs):
            return httpx.Response(400, json={"status": "error", "category": "VALIDATION_ERROR"})
        self.batches.append(len(inputs))
        errors = []
        for each in inputs:
            assert set(each) == {"id", "idProperty", "properties"}
            assert each["idProperty"] == "email"
            assert set(each["properties"]) <= self.properties
            assert all(isinstance(value, str) for value in each["properties"].values())
            if each["id"].endswith("@invalid.example"):
                errors.append({"status": "error", "category": "INVALID_EMAIL", "context": {"ids": [each["id"]]}})
            else:
                self.contacts.setdefault(each["id"], {}).update(each["properties"])
        answer = {"status": "COMPLETE", "results": []}
        return httpx.Response(207 if errors else 200, json=answer | ({"errors": errors} if errors else {}))


class SalesforceOrganisation:
    """Speaks OAuth's client credentials, queries and sObject collections; a token works for so many requests."""

    def __init__(self, leads: dict[str, str], uses: int = 100) -> None:
        self.leads = leads
        """Id → address."""
        self.fields: dict[str, dict[str, Any]] = {}
        self.logins = 0
        self._uses, self._left = uses, 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/services/oauth2/token":
            form = parse_qs(request.content.decode())
            wanted = {"grant_type": ["client_credentials"], "client_id": ["id"], "client_secret": ["secret"]}
            if form != wanted:
                return httpx.Response(400, json={"error": "invalid_client"})
            self.logins += 1
            self._left = self._uses
            return httpx.Response(200, json={"access_token": f"t{self.logins}", "instance_url": "https://x"})
        if request.headers["authorization"] != f"Bearer t{self.logins}" or not self._left:
            return httpx.Response(401, json=[{"errorCode": "INVALID_SESSION_ID"}])
        self._left -= 1
        if (request.method, request.url.path) == ("GET", "/services/data/v61.0/query"):
            return self._query(request.url.params["q"])
        assert (request.method, request.url.path) == ("PATCH", "/services/data/v61.0/composite/sobjects")
        return self._update(json.loads(request.content))

    def _query(self, text: str) -> httpx.Response:
        shape = r"SELECT Id, Email FROM Lead WHERE IsConverted = false AND Email IN \((.*)\)"
        (listed,) = re.fullmatch(shape, text).groups()  # type: ignore[union-attr]
        asked = {each.replace("\\'", "'").lower() for each in re.findall(r"'((?:[^'\\]|\\.)*)'", listed)}
        found = [{"Id": lead, "Email": email} for lead, email in self.leads.items() if email.lower() in asked]
        return httpx.Response(200, json={"totalSize": len(found), "done": True, "records": found})

    def _update(self, body: dict[str, Any]) -> httpx.Response:
        assert body["allOrNone"] is False
        assert 0 < len(body["records"]) <= 200
        results = []
        for each in body["records"]:
            assert each.pop("attributes") == {"type": "Lead"}
            lead = each.pop("Id")
            if lead == "locked":
                results.append({"success": False, "errors": [{"statusCode": "UNABLE_TO_LOCK_ROW"}]})
                continue
            self.fields[lead] = each
            results.append({"id": lead, "success": True, "errors": []})
        return httpx.Response(200, json=results)


@pytest.fixture(autouse=True)
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in (("TOKEN", "pat-secret"), ("ID", "id"), ("SECRET", "secret")):
        monkeypatch.setenv(name, text)


def hubspot(portal: HubSpotPortal) -> HubSpot:
    made = HubSpotSink.model_validate({"kind": "hubspot", "token": {"env": "TOKEN"}})
    return HubSpot("crm", made, httpx.AsyncClient(transport=httpx.MockTransport(portal)))


def salesforce(organisation: SalesforceOrganisation) -> Salesforce:
    made = {"kind": "salesforce", "url": "https://acme.example", "client_id": {"env": "ID"}}
    sink = SalesforceSink.model_validate(made | {"client_secret": {"env": "SECRET"}})
    return Salesforce("crm", sink, httpx.AsyncClient(transport=httpx.MockTransport(organisation)))


def test_hubspot_gets_all_fields_as_texts_in_one_batch() -> None:
    portal = HubSpotPortal()
    done = asyncio.run(hubspot(portal).write(ROWS, NOW))
    assert done == {"ann@example.com": Sent(), "o'neil@example.com": Sent()}
    assert portal.batches == [2]
    assert portal.contacts["ann@example.com"] == {
        "leadheat_score": "82.0",
        "leadheat_band": "hot",
        "leadheat_fit": "7.2",
        "leadheat_phase": "decision",
        "leadheat_reason": "+50 demo request",
    }


def test_of_a_batch_hubspot_refuses_one_and_the_others_are_written() -> None:
    rows = [*ROWS, Row("x@invalid.example", FIELDS)]
    done = asyncio.run(hubspot(HubSpotPortal()).write(rows, NOW))
    refused = done.pop("x@invalid.example")
    assert refused == Failed("HubSpot refuses: INVALID_EMAIL", is_final=True, is_down=False)
    assert set(done.values()) == {Sent()}


@pytest.mark.parametrize(
    ("status", "wait_ms", "is_down"), [(429, 10_000, True), (502, 10_000, True), (401, None, False)]
)
def test_while_hubspot_takes_nothing_every_row_is_tried_again(status: int, wait_ms: int | None, is_down: bool) -> None:
    portal = HubSpotPortal()
    portal.status = status if status != 401 else None
    sink = hubspot(portal)
    sink._token = "another" if status == 401 else sink._token
    for attempt in asyncio.run(sink.write(ROWS, NOW)).values():
        assert isinstance(attempt, Failed)
        assert (attempt.retry_after_ms, attempt.is_down, attempt.is_final) == (wait_ms, is_down, False)
        assert "another" not in attempt.reason


def test_salesforce_updates_every_open_lead_of_an_address_and_says_which_there_are_not() -> None:
    organisation = SalesforceOrganisation(
        {"00Q1": "Ann@Example.com", "00Q2": "ann@example.com", "locked": "o'neil@example.com"}
    )
    rows = [*ROWS, Row("nobody@example.com", FIELDS)]
    done = asyncio.run(salesforce(organisation).write(rows, NOW))
    assert done["ann@example.com"] == Sent()
    assert done["o'neil@example.com"] == Failed("Salesforce refuses: UNABLE_TO_LOCK_ROW", is_down=False)
    assert done["nobody@example.com"] == Failed(
        "Salesforce has no open lead of this address", is_final=True, is_down=False
    )
    assert (
        organisation.fields["00Q1"]
        == organisation.fields["00Q2"]
        == {
            "Leadheat_Score__c": 82.0,
            "Leadheat_Band__c": "hot",
            "Leadheat_Fit__c": 7.2,
            "Leadheat_Phase__c": "decision",
            "Leadheat_Reason__c": "+50 demo request",
        }
    )


def test_a_token_that_has_run_out_is_fetched_anew_and_a_wrong_secret_is_a_failure() -> None:
    organisation = SalesforceOrganisation({"00Q1": "ann@example.com"}, uses=1)
    assert asyncio.run(salesforce(organisation).write(ROWS[:1], NOW)) == {"ann@example.com": Sent()}
    assert organisation.logins == 2
    sink = salesforce(organisation)
    sink._secret = "wrong"
    (attempt,) = asyncio.run(sink.write(ROWS[:1], NOW)).values()
    assert attempt == Failed("answered 400 Bad Request", is_down=False)


def test_an_alert_writes_the_fields_of_its_lead_and_a_signal_has_nobody() -> None:
    portal = HubSpotPortal()
    sink = CrmSink(hubspot(portal))
    body = sink.render(alert_message(entered(fit=7.0, phase="decision")))
    assert asyncio.run(sink.send(delivery(body), "", NOW)) == Sent()
    assert portal.contacts["ann@example.com"]["leadheat_reason"] == "+50 demo request: demo"
    nobody = asyncio.run(sink.send(delivery('{"email":"","fields":{}}'), "", NOW))
    assert isinstance(nobody, Failed)
    assert nobody.is_final


# ── which fields, when ───────────────────────────────────────────────────────────────────────────────────────

CRM = {"kind": "hubspot", "token": {"env": "TOKEN"}, "every_s": 1}
FILE = config(sinks={"crm": CRM}, routes=[{"name": "all", "to": ["crm"], "when": {"kinds": ["alert"]}}])


def score(points: float, band: str = "cold", lead: str = "email:ann@example.com") -> LeadScore:
    return LeadScore(lead, points, NOW, band, [ScoreLine("demo_request", points, 30.0)], "1")


def written(book: FieldBook, now: int, answer: Attempt | None = None) -> list[Row]:
    due = book.take_due("crm", now, 100)
    rows = [row_of(each) for each in due]
    for each, row in zip(due, rows, strict=True):
        book.settle(each, row, answer or Sent(), now)
    return rows


def test_fields_are_written_at_moves_of_ten_points_and_changes_of_band_after_they_have_gathered() -> None:
    book = FieldBook(FILE, [])
    book.take(score(9.9), NOW)
    assert book.next_ms() is None
    book.take(score(10.0), NOW)
    book.take(score(12.0), NOW + 500)
    assert written(book, NOW + 999) == []
    assert [row.fields["score"] for row in written(book, NOW + 1000)] == [12.0]
    book.take(score(21.9), NOW + 2000)
    assert book.next_ms() is None
    book.take(score(21.9, "warm"), NOW + 2000)
    assert [row.fields["band"] for row in written(book, NOW + 3000)] == ["warm"]


def test_what_could_not_be_written_waits_longer_each_time_and_then_goes_as_it_is_by_then() -> None:
    book = FieldBook(FILE, [])
    book.take(score(50, "hot"), NOW)
    written(book, NOW + 1000, Failed("answered 500"))
    assert NOW + 5000 <= (book.next_ms() or 0) <= NOW + 7000
    book.take(score(20, "warm"), NOW + 2000)
    assert [row.fields["band"] for row in written(book, NOW + 7000)] == ["warm"]


def test_what_has_changed_while_it_was_written_is_written_after_it_and_never_beside_it() -> None:
    book = FieldBook(FILE, [])
    book.take(score(50, "hot"), NOW)
    (first,) = book.take_due("crm", NOW + 1000, 100)
    row = row_of(first)
    book.take(score(20, "warm"), NOW + 1001)
    assert book.take_due("crm", NOW + 9000, 100) == []
    book.settle(first, row, Sent(), NOW + 9000)
    assert [row.fields["band"] for row in written(book, NOW + 9000)] == ["warm"]


def test_leads_that_are_cold_again_and_the_longest_idle_of_too_many_are_forgotten_and_nothing_goes_wrong_with_it() -> (
    None
):
    file = config(
        sinks={"crm": CRM}, routes=[{"name": "all", "to": ["crm"], "when": {"kinds": ["alert"]}}], crm_leads_max=100
    )
    book, topic, crm = FieldBook(file, []), {}, {}

    def pass_on(now: int) -> None:
        crm.update({row.email: row.fields["band"] for row in written(book, now)})
        topic.update(book.drain())

    for number in range(150):
        book.take(score(50, "hot", f"email:p{number}@example.com"), NOW)
    assert book.is_full
    for _ in range(3):
        pass_on(NOW + 1000)
    assert not book.is_full
    kept = {key: value for key, value in topic.items() if value is not None}
    assert len(kept) == 101  # and that some were forgotten
    book = FieldBook(file, [each for each in map(decode_remembered, kept.values()) if isinstance(each, LeadFields)])
    for number in range(150):
        book.take(score(2, "cold", f"email:p{number}@example.com"), NOW + 2000)
    for _ in range(3):
        pass_on(NOW + 4000)
    assert set(crm.values()) == {"cold"}
    assert [key for key, value in topic.items() if value is not None] == ["fields|crm|"]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["score", "write", "fail", "restart"]), st.integers(0, 60), st.sampled_from(["cold", "hot"])
        ),
        max_size=30,
    )
)
def test_in_the_end_the_crm_has_the_band_and_about_the_score_whatever_happens(
    steps: list[tuple[str, int, str]],
) -> None:
    book, topic, now, crm, last = FieldBook(FILE, []), {}, NOW, fields_of(0, "cold", None, "", ""), score(0)
    for step, points, band in [*steps, *[("write", 0, "")] * 3]:
        now += 60_000 if step == "write" else 400
        if step == "score":
            last = score(points, band)
            book.take(last, now)
        elif step == "restart":
            found = [decode_remembered(value) for value in topic.values() if value is not None]
            kept = [each for each in found if isinstance(each, LeadFields)]
            book = FieldBook(FILE, kept)
        else:
            rows = written(book, now, Failed("answered 500") if step == "fail" else None)
            crm = dict(rows[-1].fields) if rows and step == "write" else crm
        topic |= book.drain()
        now += 0 if step != "fail" else 3_600_000
    assert crm["band"] == last.band
    assert abs(float(crm["score"]) - last.score) < 10


# ── on the real Kafka ────────────────────────────────────────────────────────────────────────────────────────


async def serve(portal: HubSpotPortal) -> tuple[asyncio.Server, str]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): text.strip() for name, _, text in (line.partition(":") for line in head[1:])}
        body = await reader.readexactly(int(headers["content-length"]))
        method, path, _ = head[0].split()
        answered = portal.answer(method, path, headers, body)
        writer.write(
            f"HTTP/1.1 {answered.status_code} X\r\nConnection: close\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(answered.content)}\r\n\r\n".encode()
            + answered.content
        )
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    return server, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def keep_fields(settings: Settings, leads: int) -> HubSpotPortal:

    await create_topics(settings)
    portal = HubSpotPortal()
    server, url = await serve(portal)
    path = settings.data_dir / "delivery.yaml"
    sinks = {"crm": {"kind": "hubspot", "token": {"env": "TOKEN"}, "api_url": url, "every_s": 0.5}}
    path.write_text(
        json.dumps(
            {
                "sinks": sinks,
                "routes": [{"name": "r", "to": ["crm"], "when": {"kinds": ["alert"]}}],
                "allow": ["127.0.0.1"],
            }
        )
    )
    producer = AIOKafkaProducer(bootstrap_servers=settings.brokers)
    await producer.start()
    log = settings.data_dir / "delivery.log"
    async with Workers(settings, 1, log, command="streams.cli delivery", **environment(path)) as workers:
        for points, band in ((30.0, "warm"), (80.0, "hot")):
            for number in range(leads):
                record = msgspec.json.encode(score(points, band, f"email:p{number}@example.com"))
                topic = LEAD_SCORES.full_name(settings.prefix)
                await producer.send(topic, record, key=f"email:p{number}@example.com".encode())
            await producer.flush()
            async with asyncio.timeout(60):
                while {each["leadheat_band"] for each in portal.contacts.values()} != {band} or len(
                    portal.contacts
                ) < leads:
                    await asyncio.sleep(0.1)
            if band == "warm":
                await workers.kill_one(0)
    await producer.stop()
    server.close()
    return portal


@pytest.mark.kafka
@pytest.mark.thorough
@pytest.mark.timeout(120)
def test_a_crm_follows_all_leads_in_few_requests_although_delivery_is_killed(settings: Callable[..., Settings]) -> None:
    chosen = settings(session_timeout_s=6, partitions=2)
    portal = asyncio.run(keep_fields(chosen, 150))
    assert {each["leadheat_score"] for each in portal.contacts.values()} == {"80.0"}
    assert sum(portal.batches) >= 300
    assert len(portal.batches) < 30
