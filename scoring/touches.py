"""Touches: where a person came from, as an event tells it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from scoring.events import Event

TEXT_MAX: Final = 100
SUBJECT_MAX: Final = 80
_CAMPAIGN_KEYS: Final = (("source", "utm_source"), ("medium", "utm_medium"), ("name", "utm_campaign"))
ATTRIBUTING: Final = frozenset({"referrer", *(utm for _, utm in _CAMPAIGN_KEYS)})
"""Properties that may say where a person came from."""

_SUBJECTS: Final = ("form", "asset", "webinar", "link", "path", "name", "url", "campaign")
_BEFORE_PATH: Final = frozenset(_SUBJECTS[: _SUBJECTS.index("path")])
TELLING: Final = ATTRIBUTING | _BEFORE_PATH
"""Properties of which a plain page view has none: where it came from is not said, and its path is what it is about."""


class Touch(msgspec.Struct, array_like=True, gc=False, frozen=True, order=True):
    """Where a person came from at ``time_ms`` (ms since 1970), and on which page; texts are empty where unknown."""

    time_ms: int
    source: str = ""
    medium: str = ""
    campaign: str = ""
    page: str = ""

    @property
    def is_attributed(self) -> bool:
        """Whether a source or a campaign is known, and not only a page."""
        return bool(self.source or self.campaign)


def touch_of(event: Event) -> Touch | None:
    """Return what an event tells about where its person came from, or None if it tells nothing.

    >>> touch_of(Event(id="e", type="page_viewed", time=0, properties={"path": "/", "utm_source": "news"}))
    Touch(time_ms=0, source='news', medium='', campaign='', page='/')
    """
    properties, context = event.properties, event.context
    source = medium = name = ""
    if context or not ATTRIBUTING.isdisjoint(properties):  # most events tell nothing of it
        source, medium, name = _attribution(properties, context or {})
    if not (source or name) and event.type == "email_clicked":
        source, medium, name = "email", medium or "email", _text(properties.get("campaign"))
    page = _page(properties)
    if context and not page:
        page = _page(_mapping(context.get("page")))
    if not (source or name or page):
        return None
    return Touch(int(event.time), source[:TEXT_MAX], medium[:TEXT_MAX], name[:TEXT_MAX], page[:TEXT_MAX])


def _page(place: Mapping[str, Any]) -> str:
    path = place.get("path")
    if path and isinstance(path, str):
        return path
    url = place.get("url")
    return _path(url) if url and isinstance(url, str) else ""


def _attribution(properties: Mapping[str, Any], context: Mapping[str, Any]) -> tuple[str, str, str]:
    """Return the source, medium and campaign that an event names, or the site that it came from."""
    campaign = _mapping(context.get("campaign"))
    source, medium, name = (_text(campaign.get(key)) or _text(properties.get(utm)) for key, utm in _CAMPAIGN_KEYS)
    if source:
        return source, medium, name
    referrer = (
        _text(_mapping(context.get("page")).get("referrer"))
        or _text(properties.get("referrer"))
        or _text(_mapping(context.get("referrer")).get("url"))
    )
    host = _host(referrer)
    return (host, medium or "referral", name) if host else (source, medium, name)


def subject_of(properties: Mapping[str, Any]) -> str:
    """Return what an event was about: its page, form, asset …, or nothing.

    >>> subject_of({"form": "demo", "seats": 3})
    'demo'
    """
    if _BEFORE_PATH.isdisjoint(properties):  # nearly always it is a page
        path = properties.get("path")
        if path and path.__class__ is str:
            return path[:SUBJECT_MAX]
    for key in _SUBJECTS:
        value = properties.get(key)
        if value and value.__class__ is str:
            return value[:SUBJECT_MAX]
    return ""


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _path(url: str) -> str:
    try:
        return urlsplit(url).path
    except ValueError:
        return ""
