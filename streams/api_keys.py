"""Keys for programs: each has a name and a role; only hashes of them are kept."""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, Literal

from scoring.errors import SettingsError

Role = Literal["read", "ingest", "admin"]
ROLES: Final[tuple[Role, ...]] = ("read", "ingest", "admin")
ALLOWS: Final[Mapping[Role, frozenset[Role]]] = {
    "read": frozenset({"read"}),
    "ingest": frozenset({"ingest"}),
    "admin": frozenset(ROLES),
}
"""What a role may do: who sends events need not be able to read about people."""

KEY_LENGTH_MIN: Final = 12
_HASHED: Final = re.compile(r"sha256:([0-9a-f]{64})")


@dataclass(frozen=True)
class Holder:
    """Whose a key is, and what it is for."""

    name: str
    role: Role

    def may(self, role: Role) -> bool:
        """Whether the holder may do what needs ``role``."""
        return role in ALLOWS[self.role]


class ApiKeys:
    """The keys of one installation.

    >>> keys = ApiKeys("crm=read:a-long-secret")
    >>> keys.holder("a-long-secret")
    Holder(name='crm', role='read')

    Raises :class:`SettingsError` for what is no ``name=role:key``; the message names no key.
    """

    def __init__(self, text: str) -> None:
        self._holders: dict[bytes, Holder] = {}
        for pair in filter(None, (each.strip() for each in text.split(","))):
            name, _, rest = pair.partition("=")
            role, _, key = rest.partition(":")
            if role not in ROLES or not name.strip():
                raise SettingsError(
                    f"LEADHEAT_API_KEYS: {name.strip()[:40]!r}: expected name=role:key, the role of {', '.join(ROLES)}"
                )
            hashed = _HASHED.fullmatch(key)
            if hashed is None and len(key) < KEY_LENGTH_MIN:
                raise SettingsError(
                    f"LEADHEAT_API_KEYS: the key of {name.strip()[:40]!r} has {len(key)} characters; expected at least "
                    f"{KEY_LENGTH_MIN}, or sha256: and its hash in 64 hex digits"
                )
            digest = sha256(key.encode()).digest() if hashed is None else bytes.fromhex(hashed[1])
            self._holders[digest] = Holder(name.strip(), role)

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._holders)

    def of_role(self, role: Role) -> dict[str, str]:
        """Return the names of those who may do what needs ``role``, by the hash of the key in hex."""
        return {digest.hex(): holder.name for digest, holder in self._holders.items() if holder.may(role)}

    def holder(self, key: str) -> Holder | None:
        """Return whose a key is; every known one is compared, in constant time."""
        digest, found = sha256(key.encode()).digest(), None
        for known, holder in self._holders.items():
            if hmac.compare_digest(known, digest):
                found = holder
        return found
