"""Child process: one shard's pure logic, decode to encode, on one core; and what a lead takes.

``python -m tests.benchmarks.pure_shard EVENTS LEADS SIDE`` prints one JSON line. The sides are

- ``shard``: people as they are in life, by the default model; the first of them is new.
- ``bare loop``: the same records, decoded, and one decayed sum per lead in a dictionary.
- ``held``: the same by a shard that holds the states of LEADS people, all of whom the events are of.
- ``rules N``: page views, of which four in five are worth something, by a model of N rules.
"""

from __future__ import annotations

import gc
import json
import random
import sys
import time
from collections.abc import Callable, Sequence
from math import exp2

import msgspec

from scoring.model import ScoringModel, load_model, parse_model
from scoring.models import DEFAULT_MODEL
from scoring.replay import FileRecord
from scoring.shard import Shard
from streams.settings import Settings
from tests.benchmarks.long_lived import make_states
from tests.benchmarks.raw_consumer import RawEvent
from tests.benchmarks.realistic import realistic_records
from tests.benchmarks.traffic import FIRST_MS, HALF_LIFE_DAYS, POINTS

CHUNK_RECORDS = Settings().chunk_records
"""As many as the worker takes in one go."""


def main() -> None:
    """Score, and print one JSON line."""
    count, leads, side, *more = int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3].split()
    result: dict[str, float]
    if side == "bare":
        result = _measure(list(realistic_records(count, leads)), _bare_loop())
    elif side == "rules":
        rules = int(more[0])
        result = _measure(page_views(count, leads), _shard(many_rules(rules), {}))
    else:
        model = load_model(DEFAULT_MODEL)
        states = make_states(model, leads) if side == "held" else {}
        result = _measure(list(realistic_records(count, leads)), _shard(model, states))
        result["bytes_per_lead"] = sum(map(len, states.values())) / len(states)
    print(json.dumps(result))


def _measure(records: Sequence[FileRecord], take: Callable[[Sequence[FileRecord]], object]) -> dict[str, float]:
    gc.collect()
    gc.freeze()
    gc.set_threshold(1_000_000, 10, 10)
    started = time.process_time()
    for first in range(0, len(records), CHUNK_RECORDS):
        take(records[first : first + CHUNK_RECORDS])
    return {"cpu_s": time.process_time() - started}


def _shard(model: ScoringModel, states: dict[bytes, bytes]) -> Callable[[Sequence[FileRecord]], object]:
    return Shard(model, states).take


def _bare_loop() -> Callable[[Sequence[FileRecord]], object]:
    decode, rate = msgspec.json.Decoder(RawEvent).decode, 1 / (HALF_LIFE_DAYS * 86_400_000)
    sums: dict[str, tuple[float, int]] = {}

    def take(records: Sequence[FileRecord]) -> None:
        for record in records:
            event = decode(record.value)
            who = event.user_id or event.email or event.anonymous_id or ""
            value, at = sums.get(who, (0.0, event.time))
            sums[who] = value * exp2((at - event.time) * rate) + POINTS.get(event.type, 0.0), event.time

    return take


def many_rules(count: int) -> ScoringModel:
    """Return a model of so many rules, each about one type of event and one part of a site."""
    kinds = [kind for kind in POINTS if kind != "email_unsubscribed"]
    rules = "".join(
        f"  r{number}: {{on: {kinds[number % len(kinds)]}, where: {{path: /part{number // len(kinds)}/*}}, points: 1, "
        "half_life_days: 7}\n"
        for number in range(count)
    )
    return parse_model(f"version: rules\nrules:\n{rules}bands:\n  hot: {{enter: 1000, leave: 900}}\n", "rules.yaml")


def page_views(count: int, leads: int) -> list[FileRecord]:
    """Return events of which every model of :func:`many_rules` counts the same ones."""
    rng, encode, kinds = (
        random.Random(7),
        msgspec.json.encode,
        [kind for kind in POINTS if kind != "email_unsubscribed"],
    )
    records = []
    for number in range(count):
        who = f"person{int(rng.paretovariate(1.2)) % leads}@gmail.com"
        event = {
            "id": f"{rng.getrandbits(64):016x}-{number:08x}",
            "type": rng.choice(kinds[:10]),
            "time": FIRST_MS + number * 1_000,
            "email": who,
            "properties": {"path": "/part0/page" if rng.random() < 0.8 else "/elsewhere"},
        }
        records.append(FileRecord(number, event["time"], encode(event), f"email:{who}".encode()))
    return records


if __name__ == "__main__":
    main()
