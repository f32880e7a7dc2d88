"""What all routes of the dashboard share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.exceptions import HTTPException
from starlette.requests import Request

from scoring.model import ScoringModel
from streams.api_keys import Role
from streams.dashboard.access import Access, Who
from streams.dashboard.actions import Broker
from streams.dashboard.live import Hub
from streams.dashboard.recent import Recent
from streams.dashboard.store import Store
from streams.model_news import ModelNews


@dataclass(frozen=True)
class Context:
    """One dashboard: where it reads, where it writes, who may, which model, what time it is (ms)."""

    store: Store
    hub: Hub
    broker: Broker
    access: Access
    model: ScoringModel
    clock: Callable[[], int]
    prefix: str
    contact_within_ms: float
    recent: Recent
    news: Callable[[], Awaitable[ModelNews]]
    is_there: bool = True
    """Whether a Redis is named at all."""

    def require(self, request: Request, role: Role) -> Who:
        """Return who asks; raises ``HTTPException`` where nobody known does, or may not."""
        who = self.access.require(request, role, self.clock())
        if not self.is_there:
            raise HTTPException(503, "there is no dashboard without a Redis: set LEADHEAT_REDIS_URL")
        return who
