"""Leads of long ago: states that earlier workers left behind, so many that a restore takes a while.

To score a million people first would take most of the suite's time. So a few are scored, by the shard's own logic, and
their states are left under as many addresses as are wanted.
"""

from __future__ import annotations

import json
from typing import Final

from scoring.model import ScoringModel
from scoring.replay import FileRecord
from scoring.shard import Shard
from streams.settings import Settings
from streams.topics import CHANGELOG
from tests.benchmarks.long_lived import spread
from tests.benchmarks.traffic import load_events, partition_of
from tests.faults.traffic import DAY_MS

_TEMPLATES: Final = 97


def address(number: int) -> str:
    """Return the address of one of them: a private one, which makes nobody a company's contact."""
    return f"long-ago-{number}@gmail.com"


def make_states(model: ScoringModel, count: int, settings: Settings, now_ms: int) -> list[dict[bytes, bytes]]:
    """Return what each partition holds of ``count`` people: each viewed some pages, some days ago."""
    shard = Shard(model, {})
    for template in range(_TEMPLATES):
        key = f"email:{address(template)}".encode()
        events = [
            {
                "id": f"t{template}-{view}",
                "type": "page_viewed",
                "time": now_ms - (3 + template % 20) * DAY_MS - view * 60_000,
                "email": address(template),
                "properties": {"path": "/pricing" if template % 3 == 0 else "/blog"},
            }
            for view in range(1 + template % 4)
        ]
        shard.take([FileRecord(n, event["time"], json.dumps(event).encode(), key) for n, event in enumerate(events)])
    states: list[dict[bytes, bytes]] = [{} for _ in range(settings.partitions)]
    for lead, state in spread(shard.leads, (f"email:{address(number)}" for number in range(count))).items():
        states[partition_of(lead.decode(), settings.partitions)][lead] = state
    return states


async def leave(settings: Settings, states: list[dict[bytes, bytes]]) -> None:
    """Write the states where workers look for what was there before them."""
    await load_events(settings, [(key.decode(), state) for held in states for key, state in held.items()], CHANGELOG)
