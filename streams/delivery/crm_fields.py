"""Which leads' fields are to be written to a CRM: at changes of band and moves of so many points, in batches. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from scoring.identity import email_of
from scoring.score_records import LeadScore
from streams.delivery.attempts import Attempt, Failed, Sent
from streams.delivery.config import DeliveryConfig
from streams.delivery.config_sinks import CRM_KINDS, HubSpotSink, SalesforceSink
from streams.delivery.escaping import plain
from streams.delivery.records import LeadFields, encode
from streams.delivery.sinks.crm import Row, fields_of


class FieldBook:
    """What each CRM was told last of each lead, and what it is to be told; opened from what is ``remembered``.

    A lead is in one of three places: it waits to be written, is being written, or is idle. Idle leads that say no more
    than an unknown one does (cold, about no points) are forgotten, and so are the longest idle of more than the file's
    ``crm_leads_max``: from then on a CRM is told of every lead that is not known, since it may have another band there.
    """

    def __init__(self, config: DeliveryConfig, remembered: Iterable[LeadFields]) -> None:
        self._config = config
        self._sinks: Mapping[str, HubSpotSink | SalesforceSink] = {
            name: sink for name, sink in config.sinks.items() if isinstance(sink, HubSpotSink | SalesforceSink)
        }
        self._idle: dict[str, dict[str, LeadFields]] = {name: {} for name in self._sinks}
        self._waiting: dict[str, dict[str, LeadFields]] = {name: {} for name in self._sinks}
        self._in_flight: dict[str, dict[str, LeadFields]] = {name: {} for name in self._sinks}
        self._has_forgotten: set[str] = set()
        self._changes: dict[str, bytes | None] = {}
        for each in remembered:
            if each.sink not in self._sinks:
                continue
            if not each.email:
                self._has_forgotten.add(each.sink)
            else:
                (self._waiting if each.due_ms else self._idle)[each.sink][each.email] = each

    @staticmethod
    def is_asked_for(config: DeliveryConfig) -> bool:
        """Whether the delivery file has a CRM at all."""
        return any(sink.kind in CRM_KINDS for sink in config.sinks.values())

    @property
    def is_full(self) -> bool:
        """Whether so many leads wait for a CRM that no more scores are to be read."""
        return any(len(waiting) >= self._config.crm_leads_max for waiting in self._waiting.values())

    def take(self, score: LeadScore, now_ms: int) -> None:
        """Take a lead's published score: note it for the CRMs that it is news to."""
        email = str(score.contact.get("email", "")) or email_of(score.lead)
        if not email or score.merged_into:
            return
        for name, sink in self._sinks.items():
            known = self._waiting[name].get(email) or self._in_flight[name].get(email)
            if known is None:
                known = self._idle[name].get(email)
                is_unknown = known is None and name in self._has_forgotten
                known = known or LeadFields(sink=name, email=email)
                if not is_unknown and not _is_news(known, score.band, score.score, sink.points_min):
                    continue
                self._idle[name].pop(email, None)
                known.due_ms = now_ms + round(sink.every_s * 1000)
                self._waiting[name][email] = known
            known.wanted = fields_of(score.score, score.band, score.fit, score.phase, _reason(score))
            self._put(known)

    def take_due(self, sink: str, now_ms: int, batch_max: int) -> list[LeadFields]:
        """Return what is to be written to a CRM now; :meth:`settle` each."""
        waiting = self._waiting.get(sink, {})
        due = sorted((each for each in waiting.values() if each.due_ms <= now_ms), key=lambda each: each.due_ms)[
            :batch_max
        ]
        for each in due:
            self._in_flight[sink][each.email] = waiting.pop(each.email)
        return due

    def settle(self, fields: LeadFields, row: Row, attempt: Attempt, now_ms: int) -> None:
        """Note what came of writing ``row``: what has changed meanwhile is written next."""
        self._in_flight[fields.sink].pop(fields.email, None)
        match attempt:
            case Failed(is_final=False, is_gone=False, retry_after_ms=wait_ms):
                fields.tries += 1
                wait_ms = max(wait_ms or 0, self._config.backoff.wait_ms(fields.key, fields.tries))
                fields.due_ms = now_ms + wait_ms
            case _:
                # Refused for good counts as written: the next news is tried again.
                fields.band, fields.score = str(row.fields["band"]), float(row.fields["score"])
                fields.tries, fields.due_ms = 0, 0
                fields.refused = "" if isinstance(attempt, Sent) else attempt.reason
                band, score = str(fields.wanted["band"]), float(fields.wanted["score"])
                if _is_news(fields, band, score, self._sinks[fields.sink].points_min):
                    fields.due_ms = now_ms
        if fields.due_ms:
            self._waiting[fields.sink][fields.email] = fields
            self._put(fields)
        else:
            self._rest(fields)

    def _rest(self, fields: LeadFields) -> None:
        """Keep what was written, or forget it where it says nothing, and the longest idle where they are too many."""
        sink, idle = fields.sink, self._idle[fields.sink]
        if not _is_news(LeadFields(sink=sink, email=""), fields.band, fields.score, self._sinks[sink].points_min):
            self._changes[fields.key] = None
            return
        fields.wanted = {}
        idle[fields.email] = fields
        self._put(fields)
        if len(idle) > self._config.crm_leads_max:
            self._changes[idle.pop(next(iter(idle))).key] = None
            if sink not in self._has_forgotten:
                self._has_forgotten.add(sink)
                self._put(LeadFields(sink=sink, email=""))

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


def _is_news(known: LeadFields, band: str, score: float, points_min: float) -> bool:
    return band != known.band or abs(score - known.score) >= points_min


def row_of(fields: LeadFields) -> Row:
    """Return what is written of a lead."""
    return Row(fields.email, dict(fields.wanted))


def _reason(score: LeadScore) -> str:
    largest = max(score.rules, key=lambda line: abs(line.points), default=None)
    return "" if largest is None else plain(f"{largest.points:+.0f} {largest.rule.replace('_', ' ')}", 200)
