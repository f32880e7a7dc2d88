"""How each receiver is spoken to, and that nothing a lead calls itself is anything but text there."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from email import message_from_string
from email.policy import default
from typing import Any

import httpx
import pytest
from aiosmtpd.controller import Controller
from hypothesis import given
from hypothesis import strategies as st

from scoring.errors import SettingsError
from streams.delivery.attempts import Attempt, Failed, Sent
from streams.delivery.config_sinks import AppriseSink, EmailSink, SlackSink, TeamsSink
from streams.delivery.escaping import csv_cell, html, markdown, mrkdwn, plain
from streams.delivery.guard import AddressPolicy, guarded_client, watch_sockets
from streams.delivery.messages import Message, alert_message
from streams.delivery.records import Delivery
from streams.delivery.sinks import slack, teams
from streams.delivery.sinks.apprise import AppriseService
from streams.delivery.sinks.email import Email
from streams.delivery.sinks.slack import Slack
from streams.delivery.sinks.teams import CARD_BYTES_MAX, Teams
from streams.embedded.ports import free_ports
from streams.mail_server import MailServer
from tests.delivery.builders import entered

EVIL = "<!channel> <img src=x onerror=alert(1)> [x](https://evil.example)\r\nBcc: all@example.com *b* =1+1"
NOW = 1_767_603_600_000
LOCAL = AddressPolicy(["127.0.0.1", "::1"])
CHANNEL = SlackSink.model_validate({"kind": "slack", "token": {"env": "TOKEN"}, "channel": "C1"})


def message(name: str = EVIL, **changes: Any) -> Message:
    alert = entered(
        contact={"name": name, "email": "ann@example.com", "title": name}, company=name, account="domain:a.com"
    )
    made = alert_message(alert)
    fields = {name: getattr(made, name) for name in made.__dataclass_fields__}
    return Message(**fields | {"buttons": [("Accept", "https://l.example/follow-up/t?do=accepted")]} | changes)


def delivery(body: str) -> Delivery:
    return Delivery(
        id="a1", sink="s", kind="entered", subject="user:7", number=1, state="pending", at_ms=NOW, body=body
    )


@pytest.fixture(autouse=True)
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "xoxb-secret")
    monkeypatch.setenv("HOOK", "https://teams.example/workflow?sig=secret")


def client(answer: Callable[[httpx.Request], httpx.Response]) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.MockTransport(answer))


# ── Slack ────────────────────────────────────────────────────────────────────────────────────────────────────


def post_to_slack(answer: httpx.Response, earlier: str = "") -> tuple[Attempt, dict[str, Any]]:
    seen: list[httpx.Request] = []

    def slack_api(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return answer

    sink = Slack("chat", CHANNEL, client(slack_api))
    attempt = asyncio.run(sink.send(delivery(sink.render(message())), earlier, NOW))
    assert str(seen[0].url) == "https://slack.com/api/chat.postMessage"
    assert seen[0].headers["authorization"] == "Bearer xoxb-secret"
    return attempt, json.loads(seen[0].content)


def test_slack_gets_blocks_with_reasons_and_buttons_and_says_what_the_message_is_called() -> None:
    attempt, sent = post_to_slack(httpx.Response(200, json={"ok": True, "channel": "C9", "ts": "1.2"}))
    assert attempt == Sent("C9:1.2")
    kinds = [block["type"] for block in sent["blocks"]]
    assert kinds == ["header", "section", "section", "actions"]
    assert "+50 demo request: demo" in json.dumps(sent["blocks"])
    assert sent["blocks"][-1]["elements"][0]["url"] == "https://l.example/follow-up/t?do=accepted"
    assert sent["metadata"]["event_payload"]["id"] == entered().id


def test_what_follows_an_alert_stands_in_its_thread() -> None:
    _, sent = post_to_slack(httpx.Response(200, json={"ok": True, "channel": "C9", "ts": "3"}), earlier="C9:1.2")
    assert (sent["channel"], sent["thread_ts"]) == ("C9", "1.2")


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (httpx.Response(200, json={"ok": False, "error": "invalid_blocks"}), (True, False, None)),
        (httpx.Response(200, json={"ok": False, "error": "channel_not_found"}), (False, True, None)),
        (httpx.Response(429, headers={"Retry-After": "30"}), (False, True, 30_000)),
        (httpx.Response(200, text="<html>"), (False, True, None)),
    ],
)
def test_what_slack_answers_decides_whether_it_is_tried_again(answer: httpx.Response, expected: Any) -> None:
    attempt, _ = post_to_slack(answer)
    assert isinstance(attempt, Failed)
    assert (attempt.is_final, attempt.is_down, attempt.retry_after_ms) == expected
    assert "secret" not in attempt.reason


def test_a_lead_s_name_mentions_nobody_and_links_nowhere_in_slack() -> None:
    sent = json.loads(slack.render(message(), "C1"))
    for text in _texts(sent["blocks"]):
        if text["type"] == "mrkdwn":
            assert "<" not in text["text"]
            assert text["verbatim"] is True


def _texts(node: Any) -> list[dict[str, Any]]:
    if isinstance(node, list):
        return [found for each in node for found in _texts(each)]
    if isinstance(node, dict):
        own = [node] if node.get("type") in ("mrkdwn", "plain_text") else []
        return own + [found for each in node.values() for found in _texts(each)]
    return []


# ── Teams ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_teams_gets_an_adaptive_card_at_the_secret_address() -> None:
    seen: list[httpx.Request] = []

    def workflow(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(202)

    config = TeamsSink.model_validate({"kind": "teams", "url": {"env": "HOOK"}})
    sink = Teams("teams", config, client(workflow))
    assert asyncio.run(sink.send(delivery(sink.render(message())), "", NOW)) == Sent()
    (attachment,) = json.loads(seen[0].content)["attachments"]
    card = attachment["content"]
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    assert (card["type"], card["version"]) == ("AdaptiveCard", "1.4")
    assert card["actions"] == [
        {"type": "Action.OpenUrl", "title": "Accept", "url": "https://l.example/follow-up/t?do=accepted"}
    ]
    assert r"\[x\]\(" in json.dumps(card).replace("\\\\", "\\")


def test_a_card_stays_below_what_teams_takes() -> None:
    body = teams.render(message(reasons=["x" * 250] * 500))
    assert len(body.encode()) <= CARD_BYTES_MAX


# ── e-mail ───────────────────────────────────────────────────────────────────────────────────────────────────


class Mailbox:
    """What a mail server takes; refuses addresses at refused.example."""

    def __init__(self) -> None:
        self.mails: list[tuple[list[str], bytes]] = []

    async def handle_RCPT(self, _: Any, __: Any, envelope: Any, address: str, ___: Any) -> str:  # noqa: N802
        if address.endswith("@refused.example"):
            return "550 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _: Any, __: Any, envelope: Any) -> str:  # noqa: N802
        self.mails.append((envelope.rcpt_tos, envelope.content))
        return "250 OK"


def send_mail(to: list[str], policy: AddressPolicy = LOCAL, **changes: Any) -> tuple[Attempt, Mailbox]:
    watch_sockets()
    mailbox = Mailbox()
    (port,) = free_ports("127.0.0.1", 1)
    controller = Controller(mailbox, hostname="127.0.0.1", port=port)
    controller.start()
    config = EmailSink.model_validate({"kind": "email", "to": to})
    sink = Email(config, MailServer.at(f"smtp://127.0.0.1:{port}"), "lead@heat.example", policy)
    try:
        return asyncio.run(sink.send(delivery(sink.render(message(**changes))), "", NOW)), mailbox
    finally:
        controller.stop()


def test_an_e_mail_arrives_with_text_html_and_an_id_of_its_own() -> None:
    attempt, mailbox = send_mail(["owner", "team@heat.example"], owner_email="bob@heat.example", about="a0")
    assert attempt == Sent()
    ((recipients, raw),) = mailbox.mails
    assert recipients == ["bob@heat.example", "team@heat.example"]
    mail = message_from_string(raw.decode(), policy=default)
    assert mail["Message-ID"] == f"<{entered().id}@heat.example>"
    assert mail["In-Reply-To"] == "<a0@heat.example>"
    assert mail["Bcc"] is None
    text, page = (part.get_content() for part in mail.iter_parts())  # type: ignore[attr-defined]
    assert "+50 demo request: demo" in text
    assert "<img" not in page
    assert "&lt;img" in page


@pytest.mark.parametrize(
    ("to", "policy", "says"),
    [
        (["a@refused.example"], LOCAL, (True, "all recipients refused: [550]")),
        (["owner"], LOCAL, (True, "nobody to write to")),
        (["a@heat.example"], AddressPolicy(), (False, "not a public address")),
    ],
)
def test_a_mail_that_nobody_takes_says_why(to: list[str], policy: AddressPolicy, says: tuple[bool, str]) -> None:
    attempt, mailbox = send_mail(to, policy)
    assert isinstance(attempt, Failed)
    assert (attempt.is_final, mailbox.mails) == (says[0], [])
    assert says[1] in attempt.reason


# ── Apprise, and where requests may go ───────────────────────────────────────────────────────────────────────


async def _with_server(
    use: Callable[[int], Any], answer: bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
) -> Any:
    heard: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.read(65_536))
        writer.write(answer)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    result = await use(server.sockets[0].getsockname()[1])
    server.close()
    return result, heard


@pytest.mark.parametrize(("policy", "arrives"), [(LOCAL, True), (AddressPolicy(), False)])
def test_apprise_reaches_a_service_only_where_its_address_is_allowed(
    policy: AddressPolicy, arrives: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch_sockets()

    async def use(port: int) -> Attempt:
        monkeypatch.setenv("SERVICE", f"json://127.0.0.1:{port}/")
        config = AppriseSink.model_validate({"kind": "apprise", "url": {"env": "SERVICE"}})
        sink = AppriseService("any", config, policy)
        return await sink.send(delivery(sink.render(message("Ann"))), "", NOW)

    attempt, heard = asyncio.run(_with_server(use))
    assert isinstance(attempt, Sent) is arrives
    assert bool(heard) is arrives


def test_an_address_that_apprise_does_not_know_is_refused_without_repeating_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVICE", "nosuch://secret")
    with pytest.raises(SettingsError) as raised:
        AppriseService("any", AppriseSink.model_validate({"kind": "apprise", "url": {"env": "SERVICE"}}), LOCAL)
    assert str(raised.value) == "sinks.any.url: is not an address that Apprise knows"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "2130706433", "0"])
def test_a_request_to_our_own_machine_is_refused_when_it_connects(host: str) -> None:
    async def use(port: int) -> str:
        async with guarded_client(AddressPolicy()) as http:
            with pytest.raises(httpx.ConnectError) as raised:
                await http.post(f"http://{host}:{port}/", content=b"x")
            return str(raised.value)

    says, heard = asyncio.run(_with_server(use))
    assert heard == []
    assert "not a public address; if it is meant, add it to `allow`" in says


def test_a_name_that_leads_inside_is_refused_although_the_name_looks_public(monkeypatch: pytest.MonkeyPatch) -> None:
    async def use(_: int) -> str:
        async def rebound(*_: Any, **__: Any) -> list[Any]:
            return [(0, 0, 0, "", ("93.184.216.34", 80)), (0, 0, 0, "", ("10.0.0.5", 80))]

        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", rebound)
        async with guarded_client(AddressPolicy()) as http:
            with pytest.raises(httpx.ConnectError) as raised:
                await http.post("http://hooks.example.com/", content=b"x")
            return str(raised.value)

    says, _ = asyncio.run(_with_server(use))
    assert says.startswith("hooks.example.com leads to 10.0.0.5, which is not a public address")


def test_a_redirect_is_not_followed() -> None:
    answer = b"HTTP/1.1 307 Temporary Redirect\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n"

    async def use(port: int) -> int:
        async with guarded_client(LOCAL) as http:
            return (await http.post(f"http://127.0.0.1:{port}/", content=b"x")).status_code

    status, heard = asyncio.run(_with_server(use, answer))
    assert (status, len(heard)) == (307, 1)


# ── escaping ─────────────────────────────────────────────────────────────────────────────────────────────────


@given(st.text(max_size=80))
def test_no_text_breaks_out_of_what_it_is_put_into(text: str) -> None:
    assert not set("<>\"'") & set(html(text))
    assert not set("<>") & set(mrkdwn(text))
    assert "\n" not in plain(text)
    assert not csv_cell(text).startswith(("=", "+", "-", "@", "\t", "\r"))
    shown = markdown(text)
    for number, char in enumerate(shown):
        if char in "*_[]()<>`#":
            assert shown[number - 1] == "\\"
