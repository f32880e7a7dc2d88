from __future__ import annotations

import msgspec


class BuyingSignal(msgspec.Struct, kw_only=True, omit_defaults=True):
    id: str
    account: str
    signal: str
    kind: str
    time_ms: int
    polarity: str = "positive"
    summary: str = ""
    without_contact: bool = False
