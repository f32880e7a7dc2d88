"""Bodies in our own form: one object or many, all of which are taken or none, with every fault named.

They are read strictly where Segment's routes are forgiving: their senders are programs being written, and a misspelt
field that is silently ignored is found months later, in the scores.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import msgspec

from scoring.account_updates import AccountUpdate
from scoring.errors import EventError
from scoring.events import Event
from streams.gateway.answers import Fault, Refusal, fault_of
from streams.gateway.limits import check_raw_size, check_written_size
from streams.unknown_fields import find_unknown_fields

Item = TypeVar("Item", Event, AccountUpdate)

_decode_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_array = msgspec.json.Decoder(list[msgspec.Raw]).decode


@dataclass(frozen=True)
class Form(Generic[Item]):
    """What a route takes: ``noun`` in words, many of them under ``wrapper``, each read by ``decode``.

    ``decode`` takes the bytes and the time of receipt (ms), and raises :class:`EventError`.
    """

    noun: str
    wrapper: str
    fields: tuple[str, ...]
    decode: Callable[[bytes, int], Item]

    def read(self, body: bytes, received_ms: int, source: str) -> list[Item]:
        """Read one item, an array of them, or an object that holds the array; raises :class:`Refusal` with every fault.

        Items that name no source are given ``source``.
        """
        items: list[Item] = []
        faults: list[Fault] = []
        for index, raw in enumerate(self._split(body)):
            errors = find_unknown_fields(raw, self.fields, self.noun)
            try:
                items.append(self._read_item(raw, received_ms, source))
            except EventError as error:
                errors.append(error)
            faults += [fault_of(error, index) for error in errors]
        if faults:
            too_large = all(fault.reason == "too_large" for fault in faults)
            raise Refusal(413 if too_large else 400, faults)
        return items

    def _read_item(self, raw: bytes, received_ms: int, source: str) -> Item:
        check_raw_size(raw)
        try:
            item = self.decode(raw, received_ms)
        except OverflowError:
            raise EventError("bad_time", "time", "is not a time: too large a number") from None
        if item.source is None:
            item.source = source
        check_written_size(item, raw)
        return item

    def _split(self, body: bytes) -> list[bytes]:
        """Cut a body into the bytes of its items."""
        try:
            if body.lstrip()[:1] == b"[":
                return [bytes(raw) for raw in _decode_array(body)]
            fields = _decode_object(body)
            if self.wrapper not in fields:
                return [body]
            if beside := sorted(fields.keys() - {self.wrapper}):
                raise Refusal.because(400, "unknown_field", beside[0][:80], f'may not stand beside "{self.wrapper}"')
            return [bytes(raw) for raw in _decode_array(fields[self.wrapper])]
        except msgspec.ValidationError as error:
            expected = f'{self.noun}, an array of them, or {{"{self.wrapper}": [{self.noun}, …]}}'
            raise Refusal.because(400, "wrong_type", "", f"{error}; expected {expected}") from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Refusal.because(400, "malformed", "", f"the body is not JSON: {error}") from None
