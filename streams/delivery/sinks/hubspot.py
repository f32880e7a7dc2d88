"""HubSpot: contacts by their address, through the batch upsert of the CRM API (v3), with a private app's token.

The properties that the delivery file names have to exist; docs/delivery.md lists them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import httpx

from streams.delivery.attempts import Attempt, Failed, Sent
from streams.delivery.config_sinks import HubSpotSink
from streams.delivery.sinks.base import failure_of, failure_of_error
from streams.delivery.sinks.crm import Row

_MULTI_STATUS: Final = 207


class HubSpot:
    """One portal."""

    batch_max = 100

    def __init__(self, name: str, config: HubSpotSink, client: httpx.AsyncClient) -> None:
        self._config = config
        self._client = client
        self._token = config.token.read(f"sinks.{name}.token")

    async def write(self, rows: Sequence[Row], now_ms: int) -> dict[str, Attempt]:
        """Upsert contacts; returns what came of each address."""
        inputs = [
            {
                "idProperty": "email",
                "id": row.email,
                "properties": {self._config.fields[name]: str(value) for name, value in row.fields.items()},  # type: ignore[index]
            }
            for row in rows
        ]
        try:
            response = await self._client.post(
                f"{self._config.api_url.rstrip('/')}/crm/v3/objects/contacts/batch/upsert",
                json={"inputs": inputs},
                headers={"Authorization": f"Bearer {self._token}"},
                timeout=self._config.timeout_s,
            )
            if response.status_code == httpx.codes.BAD_REQUEST:
                return dict.fromkeys((row.email for row in rows), _refused(response.json()))
            if not response.is_success:
                return dict.fromkeys((row.email for row in rows), failure_of(response, now_ms))
            answer = response.json() if response.status_code == _MULTI_STATUS else {}
        except (httpx.HTTPError, OSError, ValueError) as error:
            return dict.fromkeys((row.email for row in rows), failure_of_error(error))
        return {row.email: Sent() for row in rows} | _failures(answer)


def _failures(answer: dict[str, Any]) -> dict[str, Attempt]:
    """Return what a multi-status answer says of single contacts, by address."""
    found: dict[str, Attempt] = {}
    for error in answer.get("errors", []):
        for address in error.get("context", {}).get("ids", []):
            found[str(address)] = _refused(error)
    return found


def _refused(error: Any) -> Failed:
    category = str(error.get("category", "")) if isinstance(error, dict) else ""
    return Failed(f"HubSpot refuses: {category or 'bad request'}"[:120], is_final=True, is_down=False)
