"""Which leads' fields are to be written to a CRM: at changes of band and moves of so many points, in batches. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from scoring.score_records import LeadScore
from streams.delivery.attempts import Attempt, Failed, Sent
from streams.delivery.config import CRM_KINDS, DeliveryConfig, HubSpotSink, SalesforceSink
from streams.delivery.escaping import plain
from streams.delivery.records import LeadFields, encode
from streams.delivery.sinks.crm import Row, fields_of

_EMAIL: Final = "email:"


class FieldBook:
    """What each CRM was told last of each lead, and what it is to be told; opened from what is ``remembered``."""

    def __init__(self, config: DeliveryConfig, remembered: Iterable[LeadFields]) -> None:
        self._config = config
        self._sinks: Mapping[str, HubSpotSink | SalesforceSink] = {
            name: sink for name, sink in config.sinks.items() if isinstance(sink, HubSpotSink | SalesforceSink)
        }
        self._known: dict[str, dict[str, LeadFields]] = {name: {} for name in self._sinks}
        self._waiting: dict[str, dict[str, LeadFields]] = {name: {} for name in self._sinks}
        self._changes: dict[str, bytes | None] = {}
        for each in remembered:
            if each.sink in self._sinks:
                self._known[each.sink][each.email] = each
                if each.due_ms:
                    self._waiting[each.sink][each.email] = each

    @staticmethod
    def is_asked_for(config: DeliveryConfig) -> bool:
        """Whether the delivery file has a CRM at all."""
        return any(sink.kind in CRM_KINDS for sink in config.sinks.values())

    def take(self, score: LeadScore, now_ms: int) -> None:
        """Take a lead's published score: note it for the CRMs that it is news to."""
        email = str(score.contact.get("email", "")) or (
            score.lead.removeprefix(_EMAIL) if _EMAIL in score.lead[:6] else ""
        )
        if not email or score.merged_into:
            return
        for name, sink in self._sinks.items():
            known = self._known[name].get(email) or LeadFields(sink=name, email=email)
            known.wanted = fields_of(score.score, score.band, score.fit, score.phase, _reason(score))
            moved = abs(score.score - known.score) >= sink.points_min
            if score.band == known.band and not moved and not known.due_ms:
                continue
            known.due_ms = known.due_ms or now_ms + round(sink.every_s * 1000)
            self._known[name][email] = self._waiting[name][email] = known
            self._put(known)

    def take_due(self, sink: str, now_ms: int, batch_max: int) -> list[LeadFields]:
        """Return what is to be written to a CRM now; they wait no more, until they are settled."""
        waiting = self._waiting.get(sink, {})
        due = sorted((each for each in waiting.values() if each.due_ms <= now_ms), key=lambda each: each.due_ms)[
            :batch_max
        ]
        for each in due:
            del waiting[each.email]
        return due

    def settle(self, fields: LeadFields, row: Row, attempt: Attempt, now_ms: int) -> None:
        """Note what came of writing ``row``: what has changed meanwhile is written next."""
        match attempt:
            case Failed(is_final=False, is_gone=False, retry_after_ms=wait_ms):
                fields.tries += 1
                wait_ms = max(wait_ms or 0, self._config.backoff.wait_ms(fields.key, fields.tries))
                fields.due_ms = now_ms + wait_ms
                self._waiting[fields.sink][fields.email] = fields
            case _:
                # Refused for good counts as written: the next change of band is tried again.
                fields.band, fields.score = str(row.fields["band"]), float(row.fields["score"])
                fields.tries, fields.due_ms = 0, 0
                fields.refused = "" if isinstance(attempt, Sent) else attempt.reason
                if fields.wanted["band"] != fields.band:
                    fields.due_ms = now_ms
                    self._waiting[fields.sink][fields.email] = fields
        self._put(fields)

    def drain(self) -> dict[str, bytes | None]:
        """Return what has changed since the last time."""
        changes, self._changes = self._changes, {}
        return changes

    @property
    def sinks(self) -> Iterable[str]:
        """The CRMs."""
        return self._sinks

    def next_ms(self) -> int | None:
        """Return when something is to be written next."""
        return min((each.due_ms for waiting in self._waiting.values() for each in waiting.values()), default=None)

    def _put(self, fields: LeadFields) -> None:
        self._changes[fields.key] = encode(fields)


def row_of(fields: LeadFields) -> Row:
    """Return what is written of a lead."""
    return Row(fields.email, dict(fields.wanted))


def _reason(score: LeadScore) -> str:
    largest = max(score.rules, key=lambda line: abs(line.points), default=None)
    return "" if largest is None else plain(f"{largest.points:+.0f} {largest.rule.replace('_', ' ')}", 200)
