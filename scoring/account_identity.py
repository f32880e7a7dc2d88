"""Which account is meant: the company's registrable domain, or an explicit id.

An account's key is ``domain:acme.com`` or ``account:<id>``, and the same bytes key its records in Kafka. The domain
of a company is where the names begin that it registered itself: ``mail.acme.co.uk`` belongs to ``acme.co.uk``. That is
what the Public Suffix List tells, as it is bundled with the package ``tldextract``; the network is never asked.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

import idna
from tldextract import TLDExtract

from scoring.email_domains import is_free_mail

_DOMAINS_KEPT: Final = 65_536
"""Domains whose account is remembered: a look-up takes 5 µs, and a chunk's companies come back in the next."""

_DOMAIN_LENGTH_MAX: Final = 253
_HOST: Final = re.compile(r"(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?")
_SCHEME: Final = re.compile(r"[a-z][a-z0-9+.-]*://")

_split = TLDExtract(suffix_list_urls=(), cache_dir=None)


@lru_cache(maxsize=_DOMAINS_KEPT)
def account_of_domain(domain: str) -> str:
    """Return the key of the account that owns a domain, also of one given as a web address.

    It is empty for free mail, which says nothing about where somebody works, and where nobody can have registered
    the name: an IP address, a public suffix, a host without a domain.

    >>> account_of_domain("Mail.ACME.co.uk"), account_of_domain("https://www.acme.com/about")
    ('domain:acme.co.uk', 'domain:acme.com')
    >>> account_of_domain("gmail.com"), account_of_domain("co.uk"), account_of_domain("192.0.2.1")
    ('', '', '')

    What is built on another company's domain is an account of its own; that company is one, too.

    >>> account_of_domain("acme.github.io"), account_of_domain("github.io")
    ('domain:acme.github.io', 'domain:github.io')
    """
    registrable = _registrable(_host_of(domain))
    return "" if not registrable or is_free_mail(registrable) else f"domain:{registrable}"


def account_key(account_id: str | None, domain: str | None) -> str:
    """Return the key of an account by what was told of it: an explicit id goes before a domain.

    >>> account_key("42", "acme.com"), account_key(None, "www.acme.com"), account_key(None, None)
    ('account:42', 'domain:acme.com', '')
    """
    if account_id:
        return f"account:{account_id}"
    return account_of_domain(domain) if domain else ""


def _host_of(domain: str) -> str:
    """Return the host of a domain or web address, in lower case and as DNS spells it; empty where there is none.

    >>> _host_of(" HTTPS://user@www.Acme.com.:8080/a?b "), _host_of("münchen.example"), _host_of("a..b")
    ('www.acme.com', 'xn--mnchen-3ya.example', '')
    """
    text = _SCHEME.sub("", domain.strip().lower(), count=1)
    host = re.split(r"[/?#]", text, maxsplit=1)[0].rpartition("@")[2].partition(":")[0].rstrip(".")
    if not host.isascii():
        try:
            host = idna.encode(host, uts46=True).decode()
        except idna.IDNAError:
            return ""
    return host if len(host) <= _DOMAIN_LENGTH_MAX and _HOST.fullmatch(host) else ""


def _registrable(host: str) -> str:
    if not host:
        return ""
    found = _split.extract_str(host, include_psl_private_domains=True)
    if found.is_private and found.domain in ("", "www"):  # the suffix itself, which is somebody's domain
        found = _split.extract_str(host, include_psl_private_domains=False)
    if found.suffix:
        return found.top_domain_under_public_suffix
    # The list's own rule for a top-level domain that it does not have (a company's internal one, or .example).
    return ".".join(host.rsplit(".", 2)[-2:])
