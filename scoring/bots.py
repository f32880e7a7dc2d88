"""Who did it, a person or a machine: a verdict on one event, with its reasons, from what is known of how it came about.

Mail gateways open messages and follow links before anybody reads them; crawlers visit pages. What they do is kept and
counts nothing. Here is what one event alone can show; what only several show together (a burst of clicks, a hidden
link, the same message from two places) is for the shard, which remembers them.

No sign is ever proof of a person: JavaScript runs in scanners, too, and a referrer of Microsoft's Safe Links is left by
people who click in Outlook.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b
from ipaddress import ip_address, ip_network
from typing import Any, Final

import msgspec

from scoring.events import Event, Verdict
from scoring.microsoft_networks import is_microsoft

HONEYPOT_MARK: Final = "leadheat-honeypot"
"""In the address of a link that no person can see: whoever follows it is a machine."""

UNSUBSCRIBE_SOON_MS: Final = 5 * 60 * 1000
CLICK_SOON_MS: Final = 10 * 1000
"""Few people read so quickly; but half of all bursts come after 43 s, so that speed alone decides nothing."""

_APPLE_PRIVACY: Final = "Mozilla/5.0"
_GMAIL_PROXY: Final = "GoogleImageProxy"
_SCANNERS: Final = ("barracuda", "mimecast", "proofpoint", "symantec", "trendmicro", "sophos", "fireeye", "urldefense")
"""Mail gateways that say who they are; ``crawler-user-agents`` knows the crawlers."""

_SYSTEMS: Final = (
    ("iphone", "ios"),
    ("ipad", "ios"),
    ("android", "android"),
    ("windows", "windows"),
    ("macintosh", "mac"),
    ("cros", "chromeos"),
    ("linux", "linux"),
)


SYSTEMS: Final = ("ios", "android", "windows", "mac", "chromeos", "linux", "other")
"""The words for systems in traces."""


class Signs(msgspec.Struct, kw_only=True):
    """What is known of how an event came about; None is "nobody said", an empty user agent is "it sent none".

    ``is_flagged`` is what the mail provider says (SendGrid's ``sg_machine_open``, Mailgun's ``client-info.bot``);
    ``since_sent_ms`` is the time since the message was sent; ``method`` is the HTTP method of a tracked link.
    """

    type: str
    user_agent: str | None = None
    address: str | None = None
    method: str | None = None
    is_flagged: bool = False
    since_sent_ms: int | None = None
    message: str = ""
    link: str = ""


class Judgement(msgspec.Struct):
    """A verdict, the reasons for it, and from where: a trace of network and system that names neither.

    ``seen_from`` is empty where the address is not known.
    """

    verdict: Verdict
    reasons: list[str]
    seen_from: str = ""


def judge(signs: Signs) -> Judgement | None:
    """Judge one event by its signs; None where there is nothing to judge it by.

    >>> judge(Signs(type="email_opened", user_agent="Mozilla/5.0"))
    Judgement(verdict='machine', reasons=['apple_privacy'], seen_from='')
    >>> judge(Signs(type="page_viewed", user_agent="Mozilla/5.0"))
    Judgement(verdict='human', reasons=[], seen_from='')
    >>> judge(Signs(type="page_viewed"))
    """
    certain = _certain(signs)
    if certain:
        return Judgement("machine", certain, trace(signs))
    votes = _votes(signs)
    if len(votes) >= 2 or "unsubscribed_soon" in votes:
        return Judgement("suspect", votes, trace(signs))
    if signs.user_agent is None and signs.address is None and signs.method is None and not votes:
        return None
    if signs.type == "email_opened" and _GMAIL_PROXY in (signs.user_agent or ""):
        votes = ["gmail_proxy", *votes]
    return Judgement("human", votes, trace(signs))


def _certain(signs: Signs) -> list[str]:
    """Return the signs that each prove a machine."""
    agent = signs.user_agent
    found: tuple[tuple[str, bool], ...]
    if signs.type == "email_opened":
        # The lists of open machines are for opens alone: people click with just such programs.
        found = (
            ("apple_privacy", agent == _APPLE_PRIVACY),
            ("flagged_by_provider", signs.is_flagged),
            ("no_user_agent", agent == ""),
            ("known_bot", agent is not None and _GMAIL_PROXY not in agent and is_known_bot(agent)),
        )
    else:
        is_click = signs.type == "email_clicked"
        found = (
            ("head_request", (signs.method or "").upper() == "HEAD"),
            ("no_user_agent", agent == ""),
            ("known_bot", agent is not None and is_known_bot(agent)),
            ("honeypot", HONEYPOT_MARK in signs.link),
            ("microsoft_network", is_click and signs.address is not None and is_microsoft(signs.address)),
        )
    return [reason for reason, holds in found if holds]


def _votes(signs: Signs) -> list[str]:
    """Return the signs that say something, and alone not enough."""
    since = signs.since_sent_ms
    is_soon = since is not None and 0 <= since <= CLICK_SOON_MS
    found = (
        ("clicked_soon", signs.type == "email_clicked" and is_soon),
        ("flagged_by_provider", signs.type == "email_clicked" and signs.is_flagged),
        (
            "unsubscribed_soon",
            # A mail program's own unsubscribing is a POST; a GET may be a scanner that follows every link.
            signs.type == "email_unsubscribed"
            and (signs.method or "GET").upper() == "GET"
            and since is not None
            and 0 <= since <= UNSUBSCRIBE_SOON_MS,
        ),
    )
    return [reason for reason, holds in found if holds]


@lru_cache(maxsize=8192)
def is_known_bot(user_agent: str) -> bool:
    """Say whether a user agent is that of a known crawler or scanner. A first look takes 0.4 ms.

    >>> is_known_bot("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)")
    True
    >>> is_known_bot("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
    False
    """
    from crawleruseragents import is_crawler  # reads its list when it is imported

    name = user_agent[:512]
    return any(scanner in name.lower() for scanner in _SCANNERS) or is_crawler(name)


def trace(signs: Signs) -> str:
    """Return four hex digits for the network and a word for the system: enough to tell two of one message apart.

    The digits hash the message with the network (/24, or /48), so that they lead neither back to an address nor from
    one message to another.

    >>> trace(Signs(type="email_clicked", address="192.0.2.1", user_agent="… Windows NT 10.0 …", message="m-1"))
    '2572-windows'
    """
    if signs.address is None:
        return ""
    try:
        parsed = ip_address(signs.address)
    except ValueError:
        return ""
    network = ip_network((parsed, 24 if parsed.version == 4 else 48), strict=False)
    digest = blake2b(f"{signs.message}\n{network}".encode(), digest_size=2).hexdigest()
    agent = (signs.user_agent or "").lower()
    return f"{digest}-{next((system for word, system in _SYSTEMS if word in agent), 'other')}"


_CONTEXT_DROPPED: Final = ("ip", "userAgent", "user_agent", "userAgentData")


def tag(event: Event, signs: Signs) -> None:
    """Write the verdict on an event into it, and take out the address and the user agent, in place.

    An open that a person seems to have done becomes ``human: true``, which rules on opens ask for.

    >>> event = Event(id="e", type="email_opened", time=0, email="ann@example.com", context={"ip": "192.0.2.1"})
    >>> tag(event, signs_of(event, user_agent="Mozilla/5.0"))
    >>> event.verdict, event.reasons, event.context
    ('machine', ['apple_privacy'], None)
    """
    judgement = judge(signs)
    drop_device(event)
    if judgement is None:
        return
    event.verdict, event.reasons = judgement.verdict, judgement.reasons or None
    event.seen_from = judgement.seen_from or None
    if event.type == "email_opened":
        event.properties = {**event.properties, "human": judgement.verdict == "human"}


def drop_device(event: Event) -> None:
    """Take the address and the user agent out of an event's context, in place: no score needs them."""
    if event.context is not None and not event.context.keys().isdisjoint(_CONTEXT_DROPPED):
        event.context = {name: told for name, told in event.context.items() if name not in _CONTEXT_DROPPED} or None


def signs_of(
    event: Event,
    *,
    user_agent: str | None = None,
    address: str | None = None,
    method: str | None = None,
    is_flagged: bool = False,
    since_sent_ms: int | None = None,
) -> Signs:
    """Gather the signs of an event: what is given, else what its context says."""
    context = event.context or {}
    return Signs(
        type=event.type,
        user_agent=_first_text(user_agent, context.get("userAgent"), context.get("user_agent")),
        address=_first_text(address, context.get("ip")),
        method=_first_text(method, context.get("method")),
        is_flagged=is_flagged,
        since_sent_ms=since_sent_ms,
        message=str(event.properties.get("message", "")),
        link=str(event.properties.get("link", "")),
    )


def _first_text(*texts: Any) -> str | None:
    return next((text for text in texts if isinstance(text, str)), None)
