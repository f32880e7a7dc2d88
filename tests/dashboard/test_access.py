"""Who may: keys by their roles, people by a proxy or a mailed link, this machine alone while nothing is set up."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from scoring.errors import SettingsError
from streams.dashboard.access import COOKIE
from tests.dashboard.conftest import NOW_MS, Site
from tests.topic_records import lead_score

KEYS = (
    "reader=read:reading-secret-1,site=ingest:sending-secret-1,ops=admin:sha256:" + sha256(b"ops-secret-1").hexdigest()
)
LEAD = lead_score(1, NOW_MS)


def bearer(key: str) -> dict[str, Any]:
    return {"headers": {"authorization": f"Bearer {key}"}}


@pytest.mark.parametrize(
    ("how", "status"),
    [
        ({}, 200),
        ({"host": "127.0.0.1:8080"}, 200),
        ({"client": "192.0.2.1"}, 401),
        ({"host": "evil.example"}, 401),  # a name that was made to lead to this machine
        ({"headers": {"sec-fetch-site": "cross-site", "sec-fetch-mode": "cors"}}, 401),
        ({"headers": {"x-forwarded-for": "192.0.2.1"}}, 401),  # a proxy on this machine, which lets anybody in
    ],
)
def test_without_keys_only_this_machine_may(site: Site, how: dict[str, Any], status: int) -> None:
    for path in ("/api/leads", "/"):
        assert site.get(path, **how).status_code == status


def test_a_role_allows_what_it_says_and_no_more(make_site: Callable[..., Site]) -> None:
    site = make_site(api_keys=KEYS)
    site.put(LEAD)
    body = b'{"action": "accepted"}'
    path = f"/api/leads/{LEAD.lead}/follow-ups"
    for key, read, write in (
        ("reading-secret-1", 200, 403),
        ("sending-secret-1", 403, 403),
        ("ops-secret-1", 200, 202),
        ("guess", 401, 401),
    ):
        assert site.get("/api/leads", **bearer(key)).status_code == read
        assert site.request("POST", path, content=body, **bearer(key)).status_code == write
    assert site.get("/api/leads").status_code == 401  # this machine, too, needs one now
    assert [(done.by, done.source) for done in site.broker.follow_ups] == [("ops", "api")]


@pytest.mark.parametrize("text", ["x", "a=write:a-long-secret-key", "a=read:short", "=read:a-long-secret-key"])
def test_a_key_that_is_none_is_refused_at_the_start_without_being_shown(
    make_site: Callable[..., Site], text: str
) -> None:
    with pytest.raises(SettingsError, match="LEADHEAT_API_KEYS") as error:
        make_site(api_keys=text).app()
    assert "secret" not in str(error.value)
    assert "short" not in str(error.value)


def test_a_foreign_page_cannot_make_a_browser_act_here(site: Site) -> None:
    site.put(LEAD)
    path = f"/leads/{LEAD.lead}/follow-ups"
    for headers in ({"origin": "https://evil.example", "sec-fetch-site": "cross-site"}, {"origin": "null"}):
        assert site.request("POST", path, data={"action": "accepted"}, headers=headers).status_code in (401, 403)
    assert site.broker.follow_ups == []


def test_a_trusted_proxy_names_the_person_and_nobody_else_can(make_site: Callable[..., Site]) -> None:
    site = make_site(trusted_user_header="X-Forwarded-User", trusted_proxies="10.1.0.0/16")
    site.put(LEAD)
    named = {"x-forwarded-user": "jo@example.com", "origin": "https://leads.example", "host": "leads.example"}
    assert site.get("/", headers=named, client="10.1.2.3").status_code == 200
    assert site.get("/", headers=named, client="10.2.2.3").status_code == 401
    assert site.get("/", client="10.1.2.3").status_code == 401
    assert site.get("/").status_code == 401
    path = f"/leads/{LEAD.lead}/follow-ups"
    site.request("POST", path, data={"action": "accepted"}, headers=named, client="10.1.2.3")
    assert [done.by for done in site.broker.follow_ups] == ["jo@example.com"]


class Mailbox:
    def __init__(self) -> None:
        self.texts: list[str] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        self.texts.append(envelope.content.decode())
        return "250 OK"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_mailed_link_signs_in_once_after_a_button(make_site: Callable[..., Site]) -> None:
    box = Mailbox()
    controller = Controller(box, hostname="127.0.0.1", port=free_port())
    controller.start()
    try:
        url = f"smtp://127.0.0.1:{controller.port}"
        site = make_site(
            sign_in="@example.com", smtp_url=url, secret="a secret of some length", public_url="https://leads.example"
        )

        elsewhere = {"client": "192.0.2.1", "host": "leads.example"}
        for email in ("jo@example.com", "jo@example.com", "eve@evil.example"):
            answer = site.request("POST", "/sign-in", data={"email": email}, **elsewhere)
            assert "If this address may sign in" in answer.text
        for _ in range(100):
            site.get("/healthz")
            if box.texts:
                break
            time.sleep(0.02)
        (mail,) = box.texts  # one for each minute, and none for strangers
        assert "To: jo@example.com" in mail
        plain = mail.replace("=\r\n", "").replace("=3D", "=")
        found = re.search(r"https://leads\.example(/sign-in/link\?token=(\S+))", plain)
        assert found is not None
        ours = {"origin": "http://leads.example"}
        assert site.get("/", **elsewhere).headers["location"] == "/sign-in"
        for _ in range(2):  # a mail scanner opens it, which does nothing
            assert "jo@example.com" in site.get(found[1], **elsewhere).text
        form = {"token": found[2]}
        signed_in = site.request("POST", "/sign-in/confirm", data=form, headers=ours, **elsewhere)
        cookie = signed_in.headers["set-cookie"]
        assert all(word in cookie for word in ("HttpOnly", "Secure", "SameSite=lax"))
        token = cookie.partition(f"{COOKIE}=")[2].partition(";")[0]
        page = site.get("/", headers={"cookie": f"{COOKIE}={token}"}, **elsewhere)
        assert "jo@example.com" in page.text
        assert site.request("POST", "/sign-in/confirm", data=form, headers=ours, **elsewhere).status_code == 400
        site.now_ms += 13 * 3_600_000
        assert site.get("/", headers={"cookie": f"{COOKIE}={token}"}, **elsewhere).status_code == 303
    finally:
        controller.stop()


def test_a_gateway_without_redis_says_what_to_set(make_site: Callable[..., Site]) -> None:
    site = make_site(redis_url="")
    assert "LEADHEAT_REDIS_URL" in site.get("/").text
    assert site.get("/api/leads").status_code == 503


def test_while_redis_is_away_pages_say_so_and_events_are_taken(make_site: Callable[..., Site]) -> None:
    site = make_site(redis_url="redis://127.0.0.1:1/0")
    assert site.get("/").status_code == 503
    answer = site.get("/api/leads")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    assert site.get("/healthz").status_code == 200
