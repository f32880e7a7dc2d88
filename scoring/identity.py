"""Who an event is about: identities, their order, and the key that they give to records.

Identities are ordered ``email:`` > ``user:`` > ``anon:``. A lead's id is its strongest known identity,
written as prefix and text, and the same bytes key its records in Kafka.
"""

from __future__ import annotations

from scoring.errors import EventError

IDENTITY_LENGTH_MAX = 255
"""Characters per identity. 254 is the longest e-mail address (RFC 5321); longer ids are mistakes."""


def normalise_email(text: str) -> str:
    """Lower the case of an address and strip it; plus-tags and dots stay, since they can be people.

    >>> normalise_email("  Ann.Lee+News@Example.COM ")
    'ann.lee+news@example.com'

    Raises :class:`EventError` where the text is no address.
    """
    email = text.strip().lower()
    local, at, domain = email.partition("@")
    if not (at and local and "." in domain.strip(".")) or "@" in domain or " " in email:
        raise EventError("bad_identity", "email", f"{text[:80]!r} is not an e-mail address")
    return email


def strongest_identity(email: str | None, user_id: str | None, anonymous_id: str | None) -> str:
    """Return the id of the lead that an event with these identities is about.

    >>> strongest_identity("Ann@Example.com", "42", None)
    'email:ann@example.com'
    >>> strongest_identity(None, "42", "a-1")
    'user:42'

    Raises :class:`EventError` where there is no identity, or one is empty or over-long.
    """
    if email is not None:
        identity, field = "email:" + normalise_email(email), "email"
    elif user_id is not None:
        identity, field = "user:" + user_id, "user_id"
    elif anonymous_id is not None:
        identity, field = "anon:" + anonymous_id, "anonymous_id"
    else:
        raise EventError("missing_field", "email", "one of email, user_id and anonymous_id is required")
    if identity.endswith(":"):
        raise EventError("bad_identity", field, "is empty")
    if len(identity) > IDENTITY_LENGTH_MAX:
        raise EventError("bad_identity", field, f"is longer than {IDENTITY_LENGTH_MAX} characters")
    return identity
