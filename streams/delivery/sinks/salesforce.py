"""Salesforce: leads by their address, through the REST API: client credentials, a query, and an update of the found.

Leads that Salesforce does not know are not made: that is what its own forms and imports are for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import httpx

from streams.delivery.attempts import Attempt, Failed, Sent
from streams.delivery.config_sinks import SalesforceSink
from streams.delivery.sinks.base import failure_of, failure_of_error
from streams.delivery.sinks.crm import Row


class _AnsweredError(Exception):
    """Salesforce has answered something that is no success."""

    def __init__(self, failure: Failed) -> None:
        super().__init__(failure.reason)
        self.failure = failure


class Salesforce:
    """One organisation."""

    batch_max = 200

    def __init__(self, name: str, config: SalesforceSink, client: httpx.AsyncClient) -> None:
        self._config = config
        self._client = client
        self._id = config.client_id.read(f"sinks.{name}.client_id")
        self._secret = config.client_secret.read(f"sinks.{name}.client_secret")
        self._token = ""

    async def write(self, rows: Sequence[Row], now_ms: int) -> dict[str, Attempt]:
        """Update the leads that there are; returns what came of each address."""
        try:
            return await self._write(rows, now_ms)
        except _AnsweredError as error:
            return dict.fromkeys((row.email for row in rows), error.failure)
        except (httpx.HTTPError, OSError, ValueError, KeyError) as error:
            return dict.fromkeys((row.email for row in rows), failure_of_error(error))

    async def _write(self, rows: Sequence[Row], now_ms: int) -> dict[str, Attempt]:
        addresses = ", ".join(f"'{_quoted(row.email)}'" for row in rows)
        query = f"SELECT Id, Email FROM Lead WHERE IsConverted = false AND Email IN ({addresses})"
        found = (await self._ask("GET", "query", now_ms, params={"q": query}))["records"]
        row_of = {row.email.lower(): row for row in rows}
        known = [(each["Id"], row_of[each["Email"].lower()]) for each in found if each["Email"].lower() in row_of]
        done: dict[str, Attempt] = {
            row.email: Failed("Salesforce has no open lead of this address", is_final=True, is_down=False)
            for row in rows
        }
        for begin in range(0, len(known), self.batch_max):  # an address may have several leads
            some = known[begin : begin + self.batch_max]
            records = [{"attributes": {"type": "Lead"}, "Id": lead, **self._named(row)} for lead, row in some]
            results = await self._ask(
                "PATCH", "composite/sobjects", now_ms, json={"allOrNone": False, "records": records}
            )
            for (_, row), result in zip(some, results, strict=True):
                done[row.email] = Sent() if result["success"] else _refused(result)
        return done

    def _named(self, row: Row) -> dict[str, str | float | None]:
        return {self._config.fields[name]: value if value != "" else None for name, value in row.fields.items()}  # type: ignore[index]

    async def _ask(self, method: str, path: str, now_ms: int, **content: Any) -> Any:
        """Ask, with a token that is fetched when there is none, and once more when it has run out."""
        url = f"{self._config.url.rstrip('/')}/services/data/{self._config.api_version}/{path}"
        for is_last in (False, True):
            token = self._token or await self._log_in(now_ms)
            headers = {"Authorization": f"Bearer {token}"}
            response = await self._client.request(
                method, url, headers=headers, timeout=self._config.timeout_s, **content
            )
            if response.status_code != httpx.codes.UNAUTHORIZED or is_last:
                break
            self._token = ""
        if not response.is_success:
            raise _AnsweredError(failure_of(response, now_ms))
        return response.json()

    async def _log_in(self, now_ms: int) -> str:
        response = await self._client.post(
            f"{self._config.url.rstrip('/')}/services/oauth2/token",
            data={"grant_type": "client_credentials", "client_id": self._id, "client_secret": self._secret},
            timeout=self._config.timeout_s,
        )
        if not response.is_success:
            raise _AnsweredError(failure_of(response, now_ms))
        self._token = str(response.json()["access_token"])
        return self._token


def _refused(result: dict[str, Any]) -> Failed:
    codes = [str(error.get("statusCode", "")) for error in result.get("errors", [])]
    is_final = "UNABLE_TO_LOCK_ROW" not in codes
    return Failed(f"Salesforce refuses: {', '.join(codes)}"[:120], is_final=is_final, is_down=False)


def _quoted(text: str) -> str:
    """Return text as it may stand in a quoted string of SOQL.

    >>> _quoted("o'neil@example.com")
    "o\\\\'neil@example.com"
    """
    return text.replace("\\", "\\\\").replace("'", "\\'")
