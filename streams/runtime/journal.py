"""What a shard writes about itself: where it continues (meta) and what it took in which order (journal).

Both are part of every transaction. The meta record makes a restart exact; the journal makes a run repeatable:
re-reading the chunk ranges in its order, from the same topics, gives the same alerts.
"""

from __future__ import annotations

from typing import Final

import msgspec

META_KEY: Final = b"\x00meta"
"""Key of the meta record in the changelog; no lead's id begins with a zero byte."""

MEMO_KEY: Final = b"\x00memo"
"""Key of the changelog record that holds what a shard's logic left to be told when the shard opens again."""


class ChunkRange(msgspec.Struct, array_like=True, tag="chunk"):
    """A run of records that was handled: offsets ``start`` to ``end`` (exclusive) of a topic's partition."""

    topic: str
    start: int
    end: int


class Tick(msgspec.Struct, array_like=True, tag="tick"):
    """The shard's clock was moved to ``clock_ms``: what was due by then has cooled."""

    clock_ms: int


class Pass(msgspec.Struct, array_like=True, tag="pass"):
    """Leads up to ``to``, in the order of their ids, were brought under a new model."""

    to: str


class Adopt(msgspec.Struct, array_like=True, tag="model"):
    """From here on the shard scored by the model that was published as ``number``."""

    number: int


class Forgotten(msgspec.Struct, array_like=True, tag="forgotten"):
    """What was kept under these keys was forgotten."""

    keys: list[str]


Step = ChunkRange | Tick | Pass | Forgotten | Adopt


class JournalEntry(msgspec.Struct, kw_only=True):
    """What one transaction took in, in order. ``number`` counts a shard's transactions from 1."""

    number: int
    steps: list[Step]
    model: str

    @property
    def chunks(self) -> list[ChunkRange]:
        """The chunks among the steps."""
        return [step for step in self.steps if isinstance(step, ChunkRange)]


class Meta(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Where a shard continues: the next offset of each source topic, its clock (ms), its last journal number.

    ``inherited`` is where the topics ended that a shard writes, when it took over rebuilt states, until ``is_settled``:
    then all that these know has been made known.
    """

    next: dict[str, int] = msgspec.field(default_factory=dict)
    clock_ms: int = 0
    journal: int = 0
    inherited: dict[str, int] = msgspec.field(default_factory=dict)
    is_settled: bool = False


encode = msgspec.json.Encoder().encode
decode_meta = msgspec.json.Decoder(Meta).decode
decode_entry = msgspec.json.Decoder(JournalEntry).decode
