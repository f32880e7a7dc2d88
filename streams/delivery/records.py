"""What delivery remembers: records of the compacted topic ``deliveries``, and orders to the process.

One :class:`Delivery` per thing said and sink, one :class:`Handoff` per lead whose follow-up is timed, one
:class:`SinkState` per sink that asked to be left alone, and per partition one :class:`Meta`, which says where to go on.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

State = Literal["pending", "retrying", "held", "bundled", "delivered", "dead", "dropped", "quiet"]
"""Where a delivery stands: ``held`` waits for working hours or a digest, ``bundled`` is in a digest on its way,
``quiet`` was kept back for good by a cooldown, ``dropped`` by a person or for want of a route."""

OPEN: Final = frozenset({"pending", "retrying", "held", "bundled"})

Kind = Literal["entered", "cooled", "retracted", "signal", "breached", "digest"]


class Delivery(msgspec.Struct, kw_only=True, omit_defaults=True, tag="delivery", gc=False):
    """One thing said to one sink; ``id`` is that of the alert, signal or breach, and the receiver's key to it.

    ``subject`` is the lead or account: what is said of one arrives in the order of ``number``. ``body`` is what is
    sent, the same at every try, and kept until it has arrived. ``about`` is the alert that it follows, ``ref`` what
    the receiver calls the message. Times are in ms since 1970; ``due_ms`` is when to try next.
    """

    id: str
    sink: str
    kind: Kind
    subject: str
    number: int
    state: State
    at_ms: int
    due_ms: int = 0
    body: str = ""
    title: str = ""
    owner: str = ""
    about: str = ""
    tries: int = 0
    first_try_ms: int = 0
    reason: str = ""
    ref: str = ""
    done_ms: int = 0
    in_digest: bool = False
    members: list[str] = []
    """Keys of what a digest holds."""

    @property
    def key(self) -> str:
        """Its key in the topic."""
        return f"delivery|{self.sink}|{self.id}"

    @property
    def lane(self) -> tuple[str, str]:
        """What it keeps its order within. A breach does not wait behind what is held for a digest."""
        return self.sink, f"breached|{self.subject}" if self.kind == "breached" else self.subject

    @property
    def is_open(self) -> bool:
        """Whether it is still on its way."""
        return self.state in OPEN


class Handoff(msgspec.Struct, kw_only=True, omit_defaults=True, tag="handoff", gc=False):
    """The clock of one alert: who is to contact the lead, and by when.

    ``owners`` are asked one after the other; ``step`` is whose turn it is. ``closed`` is the action that ended it.
    """

    id: str
    lead: str
    band: str
    at_ms: int
    due_ms: int
    owners: list[str]
    step: int = 0
    closed: str = ""
    done_ms: int = 0
    title: str = ""
    within_ms: int = 0
    sinks: list[str] = []

    @property
    def key(self) -> str:
        """Its key in the topic."""
        return f"handoff|{self.id}"


class SinkState(msgspec.Struct, kw_only=True, omit_defaults=True, tag="sink", gc=False):
    """A sink that answered 410 Gone: nothing is sent to ``target`` any more, until it is another or retried."""

    sink: str
    target: str
    reason: str
    at_ms: int

    @property
    def key(self) -> str:
        """Its key in the topic."""
        return f"sink|{self.sink}"


class Noted(msgspec.Struct, kw_only=True, omit_defaults=True, tag="noted", gc=False):
    """A follow-up of ``lead`` that may be about an alert that is still to be read: topics come in no common order."""

    lead: str
    action: str
    time_ms: int
    done_ms: int

    @property
    def key(self) -> str:
        """Its key in the topic."""
        return f"noted|{self.lead}"


class LeadFields(msgspec.Struct, kw_only=True, omit_defaults=True, tag="fields", gc=False):
    """What a CRM knows of a lead: ``band`` and ``score`` as written last, and the fields ``wanted`` from ``due_ms`` on.

    ``refused`` says why the CRM did not take them the last time. One without an ``email`` says that leads of this CRM
    were forgotten.
    """

    sink: str
    email: str
    band: str = "cold"
    score: float = 0.0
    wanted: dict[str, str | float] = {}
    due_ms: int = 0
    tries: int = 0
    refused: str = ""

    @property
    def key(self) -> str:
        """Its key in the topic."""
        return f"fields|{self.sink}|{self.email}"


class Meta(msgspec.Struct, kw_only=True, omit_defaults=True, tag="meta", gc=False):
    """Where a partition goes on: the next offset per source topic, and the number of the next delivery.

    ``began_ms`` is when delivery first ran: what is older was for nobody.
    """

    next: dict[str, int] = {}
    number: int = 1
    began_ms: int = 0

    @property
    def key(self) -> str:
        """Its key in the topic."""
        return "meta"


class Order(msgspec.Struct, kw_only=True, omit_defaults=True, gc=False):
    """What a person asks of a delivery: a record of delivery-orders, in the delivery's own partition.

    ``delivery`` comes along whole, because what is dead has left the memory.
    """

    action: Literal["retry", "drop"]
    delivery: Delivery
    by: str = ""


Remembered = Delivery | Handoff | SinkState | Noted | LeadFields | Meta

encode = msgspec.json.Encoder().encode
decode_remembered = msgspec.json.Decoder(Remembered).decode
decode_order = msgspec.json.Decoder(Order).decode
