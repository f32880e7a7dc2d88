from __future__ import annotations

from typing import Any

import msgspec


class AccountUpdate(msgspec.Struct, kw_only=True, omit_defaults=True):
    id: str
    type: str
    time: int | str
    account_id: str | None = None
    domain: str | None = None
    source: str | None = None
    facts: dict[str, Any] | None = None
    properties: dict[str, Any] | None = None


def decode_account_update(raw: bytes, received_ms: int) -> AccountUpdate:
    return msgspec.json.decode(raw, type=AccountUpdate)
