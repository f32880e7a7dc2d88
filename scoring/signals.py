from __future__ import annotations

from typing import Any


class SignalBook:
    def __init__(self, model: Any) -> None: ...
    def detect(self, *a: Any) -> list[Any]:
        return []

    def record(self, *a: Any, **k: Any) -> Any: ...
