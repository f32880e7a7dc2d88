"""Under what a lead or an account is listed: ranks, terms and words, from its record. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, Generic, NamedTuple, TypeVar

import msgspec

from scoring.account_identity import account_of_domain
from scoring.account_records import AccountScore, account_score_later
from scoring.identity import VISITOR_PREFIX
from scoring.score_records import LeadScore, score_later

UNKNOWN_FIT: Final = 5.0
"""What an account's fit counts as in a priority while it is unknown."""

FRESH_MS: Final = 60_000
"""A score as old as this is ranked as it is: it has faded by less than the sweep's bound."""

WORDS_MAX: Final = 24
WORD_LENGTH_MAX: Final = 40
VALUE_LENGTH_MAX: Final = 80
LEAD_FACETS: Final = ("band", "phase", "stage", "level", "account", "industry", "owner")
"""By what leads can be filtered; the band comes first in a listing."""

_WORD: Final = re.compile(r"\w+", re.UNICODE)
_KIND: Final = re.compile(r"^(email|user|anon|domain|account):")
_SEPARATOR: Final = "\x1f"
_WORDS_BEGIN: Final = "\x1e"

decode_lead = msgspec.json.Decoder(LeadScore).decode
decode_account = msgspec.json.Decoder(AccountScore).decode


class Brief(msgspec.Struct, frozen=True, gc=False):
    """What a lead's listing takes from its account."""

    industry: str = ""
    owner: str = ""


Place = TypeVar("Place")


class Ranks(NamedTuple, Generic[Place]):
    """Something for each of the ranks that leads and accounts are kept in the order of."""

    score: Place
    priority: Place
    fit: Place
    seen: Place


@dataclass(frozen=True, slots=True)
class Listing:
    """Terms and words, taken apart; ``company`` are the words that all of an account are found by."""

    terms: frozenset[str] = frozenset()
    words: frozenset[str] = field(default_factory=frozenset)
    company: frozenset[str] = field(default_factory=frozenset)


def priority(score: float, fit: float | None) -> float:
    """Return whom to call first: the score times a tenth of the account's fit, which counts as 5 while it is unknown.

    >>> priority(80.0, 10.0), priority(80.0, None)
    (80.0, 40.0)
    """
    return score * (UNKNOWN_FIT if fit is None else fit) / 10


def is_listed(lead: str) -> bool:
    """Whether somebody is listed as a lead: visitors, who are not identified, are not."""
    return not lead.startswith(VISITOR_PREFIX)


def fit_rank(record: LeadScore | AccountScore) -> float:
    """Return where something stands by its account's fit; an unknown one comes last."""
    return -1.0 if record.fit is None else record.fit


def lead_ranks(record: LeadScore, now_ms: int) -> Ranks[float]:
    """Return where a lead stands as of ``now_ms``."""
    score = record.score if now_ms - record.at_ms < FRESH_MS else score_later(record, now_ms)
    return Ranks(score, priority(score, record.fit), fit_rank(record), record.seen_ms)


def account_ranks(record: AccountScore, now_ms: int) -> Ranks[float]:
    """Return where an account stands as of ``now_ms``."""
    score = account_score_later(record, max(now_ms, record.at_ms))
    return Ranks(score, priority(score, record.fit), fit_rank(record), record.at_ms)


@lru_cache(maxsize=100_000)
def account_key_of(text: str) -> str:
    """Return the key of the account that a lead's record names: by a domain, or an id of the company's own.

    >>> account_key_of("acme.com"), account_key_of("crm-42"), account_key_of("")
    ('domain:acme.com', 'account:crm-42', '')
    """
    if not text or text.startswith(("domain:", "account:")):
        return text
    return f"domain:{text}" if account_of_domain(text) == f"domain:{text}" else f"account:{text}"


LeadTexts = tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]
"""What a lead is listed by: its values by facet, and the texts in which its words are, and its company's."""


def lead_texts(record: LeadScore, account: str, brief: Brief) -> LeadTexts:
    """Return what a lead is listed by, under its ``account``'s key; its own owner goes before the account's."""
    contact = record.contact
    owner = str(contact.get("owner", "")) or brief.owner
    return (
        (record.band, record.phase, record.stage, record.fit_level, account, brief.industry, owner),
        (record.lead, str(contact.get("name", "")), str(contact.get("email", ""))),
        (account, record.company),
    )


def lead_listing(texts: LeadTexts) -> str:
    """Return the listing of a lead."""
    values, own, company = texts
    words = split_words(*(text.partition("@")[0] for text in own))
    return listing_of(tuple(map(term, LEAD_FACETS, values)), words, split_words(*company) if company[0] else set())


def lead_words(record: LeadScore, account: str) -> set[str]:
    """Return all words of a lead, also those that it is not listed under: of its company and its address."""
    contact = record.contact
    return split_words(
        record.lead, str(contact.get("name", "")), str(contact.get("email", "")), record.company, account
    )


def account_words(record: AccountScore) -> set[str]:
    """Return the words of an account."""
    return split_words(record.account, record.name)


def account_listing(record: AccountScore) -> str:
    """Return the listing of an account."""
    brief = brief_of(record)
    terms = (
        term("band", record.band),
        term("level", record.level),
        term("profile", record.profile),
        term("industry", brief.industry),
        term("owner", brief.owner),
        term("country", str(record.facts.get("country", ""))),
    )
    return listing_of(terms, account_words(record))


def brief_of(record: AccountScore) -> Brief:
    """Return what the account's leads are listed by."""
    industry = record.facts.get("industry", "")
    if isinstance(industry, list):
        industry = industry[0] if industry else ""
    return Brief(str(industry), record.owner or str(record.facts.get("owner", "")))


def term(facet: str, value: str) -> str:
    """Return a term, small letters only; nothing where there is no value.

    >>> term("owner", "Jo Marsh"), term("owner", "")
    ('owner=jo marsh', '')
    """
    value = " ".join(value.split())[:VALUE_LENGTH_MAX].casefold()
    return f"{facet}={value}" if value else ""


def split_words(*texts: str) -> set[str]:
    """Return the words by which something is found, small letters only; the kind of an id is none.

    >>> sorted(split_words("email:ann.lee@acme.com", "Ann Lee"))
    ['acme', 'ann', 'com', 'lee']
    """
    words: set[str] = set()
    for text in texts:
        words.update(_WORD.findall(_KIND.sub("", text).casefold()))
    found = sorted(word[:WORD_LENGTH_MAX] for word in words if word)
    return set(found[:WORDS_MAX])


def listing_of(terms: tuple[str, ...], words: set[str], company: Iterable[str] = ()) -> str:
    """Return terms and words as one text, always the same for the same."""
    parts = (filter(None, terms), sorted(words), sorted(company))
    return _WORDS_BEGIN.join(map(_SEPARATOR.join, parts))


def read_listing(text: str) -> Listing:
    """Take a listing apart again.

    >>> read_listing(listing_of(("band=hot", ""), {"ann"})).terms
    frozenset({'band=hot'})
    """
    parts = text.split(_WORDS_BEGIN)
    return Listing(*(frozenset(filter(None, part.split(_SEPARATOR))) for part in parts))
