"""Where shards keep their states: on the main track, on one that was rebuilt, or beside them on one of their own.

A worker *beside* the running ones reads the same events into topics of its own, so that nobody hears of what it finds:
a shadow, or a rebuild. When a rebuild takes over, its states become those of the running shards, who say what they find
where everybody reads it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from streams.settings import Settings
from streams.topics import ACCOUNT_UPDATES, CHANGELOG, EVENT_TOPICS, FOLLOW_UPS, JOURNAL, ROUTED, TOPICS, Topic

SHARED: Final = (*EVENT_TOPICS, ACCOUNT_UPDATES, FOLLOW_UPS)
"""What others write: every track reads the same."""

INTERNAL: Final = (ROUTED, CHANGELOG, JOURNAL)
"""What shards keep for themselves and for each other."""

WRITTEN: Final = tuple(topic for topic in TOPICS if topic.worker and topic not in SHARED)
"""What a worker writes, and so what one beside has of its own."""


BESIDE_WAIT_MS: Final = 500
"""How long a worker beside the running ones lets events come together, and how rarely it commits. A lead that asks for
its account's fit waits four times as long at worst: less than the 5 s after which a crossing is decided without it."""

BESIDE_FETCH_BYTES: Final = 4 << 20


@dataclass(frozen=True)
class Track:
    """The topics of one group of workers.

    ``beside`` names a group beside the running one: all that it writes is its own. ``states`` names the rebuild whose
    states the running one has taken over; nothing where it never did.

    >>> from streams.topics import LEAD_SCORES
    >>> shadow, after = Track("leadheat", beside="shadow"), Track("leadheat", states="replay-3")
    >>> shadow.name(LEAD_SCORES), shadow.name(FOLLOW_UPS)
    ('leadheat.shadow.lead-scores.v1', 'leadheat.follow-ups.v1')
    >>> after.name(LEAD_SCORES), after.name(CHANGELOG)
    ('leadheat.lead-scores.v1', 'leadheat.replay-3.changelog.v1')
    """

    prefix: str
    beside: str = ""
    states: str = ""

    def name(self, topic: Topic) -> str:
        """Return the full name of a topic on this track."""
        if topic in SHARED:
            return topic.full_name(self.prefix)
        track = self.beside or (self.states if topic in INTERNAL else "")
        return topic.full_name(f"{self.prefix}.{track}" if track else self.prefix)


def beside(settings: Settings, track: str) -> Settings:
    """Return the settings of a worker beside the running ones: it is another group, with transactions of its own.

    Nobody waits for it, so it lets events come together. What it does once for all events of a lead in a chunk, and for
    all that is in a transaction, is most of what a worker does.
    """
    own: dict[str, object] = {
        "track": track,
        "fetch_wait_ms": BESIDE_WAIT_MS,
        "fetch_min_bytes": BESIDE_FETCH_BYTES,
        "commit_interval_ms": BESIDE_WAIT_MS,
    }
    if not settings.app_id.endswith(f"-{track}"):  # with the running workers' name it would fence them
        own |= {"app_id": f"{settings.app_id}-{track}", "data_dir": settings.data_dir / track}
    return settings.model_copy(update=own)
