"""The way back from sales: the API for follow-ups, and the pages behind the links of messages.

A GET changes nothing: mail scanners and chat previews open every link. The page has buttons, and these post.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from typing import Any, Final
from urllib.parse import parse_qs

import msgspec
from fastapi import APIRouter, Request, Response
from jinja2 import Environment

from scoring.errors import EventError
from scoring.follow_ups import ACTIONS, REJECTIONS, FollowUp, check_follow_up
from scoring.identity import EMAIL_PREFIX
from streams.gateway import documentation
from streams.gateway.answers import Fault, Refusal, fault_of, json_answer, unavailable
from streams.gateway.auth import caller_of
from streams.gateway.limits import read_body
from streams.gateway.producer import BrokerUnavailable, EventProducer
from streams.gateway.write_keys import Keys
from streams.signed_links import Invitation, LinkError, LinkSigner

FOLLOW_UPS_ROUTE: Final = "/v1/follow-ups"
FOLLOW_UPS_MAX: Final = 500
OF_LINKS: Final = ("accepted", "contacted", "meeting", "won", "lost", "rejected")
"""What a link lets one say: points and suppressions need a key."""

_BUTTONS: Final = {
    "accepted": "Accept",
    "contacted": "Contacted",
    "meeting": "Meeting agreed",
    "won": "Won",
    "lost": "Lost",
    "rejected": "Reject",
}
_ID_TIME_MS: Final = 60_000
"""The same answer to the same message within so long is one answer: people click twice."""

_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "X-Robots-Tag": "noindex, nofollow",
    "X-Content-Type-Options": "nosniff",
}

_PAGE: Final = Environment(autoescape=True).from_string("""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex"><title>{{ title }}</title><style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 32rem; margin: 3rem auto; padding: 0 1rem }
button { font: inherit; padding: .5rem 1rem; margin: .2rem .2rem .2rem 0; cursor: pointer }
button.first { font-weight: bold } select, input { font: inherit; padding: .4rem; margin: .2rem 0; width: 100% }
</style></head><body><h1>{{ title }}</h1>{% for line in lines %}<p>{{ line }}</p>{% endfor %}
{% if buttons %}<form method="post"><label>Note (optional) <input name="note" maxlength="300"></label>
<p>{% for action, label in buttons %}<button name="action" value="{{ action }}"
{% if action == chosen %} class="first"{% endif %}>{{ label }}</button>{% endfor %}</p></form>
<form method="post"><label>Reject, because it is <select name="reason">{% for reason in reasons %}
<option value="{{ reason }}">{{ reason.replace("_", " ") }}</option>{% endfor %}</select></label>
<button name="action" value="rejected"{% if chosen == "rejected" %} class="first"{% endif %}>Reject</button></form>
{% endif %}</body></html>
""")

_decode = msgspec.json.Decoder(list[dict[str, Any]] | dict[str, Any]).decode


class _Sent(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A follow-up as it is sent to us: what we can fill in may be left out."""

    action: str
    lead: str = ""
    email: str = ""
    id: str = ""
    time: int | str | None = None
    alert_id: str = ""
    reason: str = ""
    note: str = ""
    points: float | None = None
    until: int | str | None = None
    by: str = ""


def follow_up_router(
    keys: Keys, signer: LinkSigner | None, producer: EventProducer, clock: Callable[[], int]
) -> APIRouter:
    """Return the routes; without a ``signer`` there are no links."""
    router = APIRouter(tags=["follow-ups"])

    async def post_follow_ups(request: Request) -> Response:
        source = caller_of(request, keys, "LEADHEAT_FOLLOW_UP_KEYS").identify()
        follow_ups = _read_all(await read_body(request), source, clock())
        await _write(producer, follow_ups)
        return json_answer({"accepted": len(follow_ups), "ids": [each.id for each in follow_ups]})

    router.add_api_route(FOLLOW_UPS_ROUTE, post_follow_ups, methods=["POST"], **documentation.FOLLOW_UPS)

    @router.get("/follow-up/{token}", include_in_schema=False)
    async def show_page(token: str, do: str = "") -> Response:
        invitation = _read_link(signer, token, clock())
        if isinstance(invitation, Response):
            return invitation
        lines = [f"About {_who(invitation)}.", "Nothing has happened yet: choose what to note."]
        return _page("Follow up a lead", lines, chosen=do if do in OF_LINKS else "accepted")

    @router.post("/follow-up/{token}", include_in_schema=False)
    async def note(token: str, request: Request) -> Response:
        now_ms = clock()
        invitation = _read_link(signer, token, now_ms)
        if isinstance(invitation, Response):
            return invitation
        try:
            follow_up = _of_form(invitation, _read_form(await read_body(request)), now_ms)
        except EventError as error:
            return _page("That did not work", [str(error)], status=422)
        try:
            await producer.send_follow_ups([follow_up])
        except BrokerUnavailable:
            return _page(
                "Not noted yet", ["We cannot note it at the moment. Please try again in a minute."], status=503
            )
        return _page("Noted", [f"{_who(invitation)}: {ACTIONS[follow_up.action]}.", "You can close this page."])

    return router


def _read_link(signer: LinkSigner | None, token: str, now_ms: int) -> Invitation | Response:
    try:
        if signer is None:
            raise LinkError("Links are not set up here: the gateway has no LEADHEAT_SECRET.")
        return signer.read(token, now_ms)
    except LinkError as error:
        return _page("This link does not work", [str(error)], status=404)


def _read_form(body: bytes) -> dict[str, str]:
    try:
        fields = parse_qs(body.decode(), max_num_fields=10)
    except ValueError:
        raise EventError("malformed", "", "not a form") from None
    return {name: texts[-1] for name, texts in fields.items()}


def _of_form(invitation: Invitation, form: dict[str, str], now_ms: int) -> FollowUp:
    """Return the follow-up that a form says; raises :class:`EventError`."""
    action = form.get("action", "")
    if action not in OF_LINKS:
        raise EventError("unknown_type", "action", f"{action[:40]!r} is not one of {', '.join(OF_LINKS)}")
    reason = form.get("reason", "") if action == "rejected" else ""
    seed = msgspec.json.encode([invitation.lead, invitation.alert_id, action, reason, now_ms // _ID_TIME_MS])
    follow_up = FollowUp(
        id=blake2b(seed, digest_size=16).hexdigest(),
        lead=invitation.lead,
        action=action,
        time=now_ms,
        alert_id=invitation.alert_id,
        reason=reason,
        note=form.get("note", "")[:300],
        by=invitation.by,
        source="link",
    )
    check_follow_up(follow_up, now_ms)
    return follow_up


def _read_all(body: bytes, source: str, now_ms: int) -> list[FollowUp]:
    """Return the follow-ups of a body, one object or an array: all of them, or a refusal of all."""
    try:
        items = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refusal.because(400, "malformed", "", f"not a JSON object or array of objects: {error}") from None
    if isinstance(items, dict):
        items = [items]
    if not 0 < len(items) <= FOLLOW_UPS_MAX:
        raise Refusal.because(400, "too_large", "", f"{len(items)} follow-ups; 1 to {FOLLOW_UPS_MAX} are taken at once")
    follow_ups: list[FollowUp] = []
    faults: list[Fault] = []
    for index, item in enumerate(items):
        try:
            follow_ups.append(_read_one(item, source, now_ms))
        except EventError as error:
            faults.append(fault_of(error, index))
    if faults:
        raise Refusal(400, faults)
    return follow_ups


def _read_one(item: dict[str, Any], source: str, now_ms: int) -> FollowUp:
    try:
        sent = msgspec.convert(item, _Sent)
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at ")
        field = where.strip("`").removeprefix("$.")
        reason = "unknown_field" if "unknown field" in what else "missing_field" if "missing" in what else "wrong_type"
        named = what.split("`")[1] if "field" in what and "`" in what else field
        raise EventError(reason, named, what) from None
    if bool(sent.lead) == bool(sent.email):
        raise EventError("missing_field", "lead", "is required, or email; one of the two")
    if sent.action == "breached":
        raise EventError("unknown_type", "action", "'breached' is what delivery itself says")
    follow_up = FollowUp(
        id=sent.id,
        lead=sent.lead or EMAIL_PREFIX + sent.email,
        action=sent.action,
        time=now_ms if sent.time is None else sent.time,
        alert_id=sent.alert_id,
        reason=sent.reason,
        note=sent.note,
        points=sent.points,
        until=sent.until,
        by=sent.by,
        source=source,
    )
    if not follow_up.id:
        follow_up.id = blake2b(msgspec.json.encode(follow_up), digest_size=16).hexdigest()
    check_follow_up(follow_up, now_ms)
    return follow_up


async def _write(producer: EventProducer, follow_ups: list[FollowUp]) -> None:
    try:
        await producer.send_follow_ups(follow_ups)
    except BrokerUnavailable as error:
        raise unavailable(f"{error}; try again") from error


def _who(invitation: Invitation) -> str:
    return invitation.lead.partition(":")[2]


def _page(title: str, lines: list[str], *, chosen: str = "", status: int = 200) -> Response:
    buttons = [(action, _BUTTONS[action]) for action in OF_LINKS if action != "rejected"] if chosen else []
    html = _PAGE.render(title=title, lines=lines, buttons=buttons, reasons=REJECTIONS, chosen=chosen)
    return Response(html, status, _HEADERS, "text/html; charset=utf-8")
