"""What every score, band and alert has to be: the definitions in plain sums, to hold the engine against.

This is written to be trusted, not to be fast, and on purpose unlike the engine: nothing is kept up to date, and
every score is summed afresh over all events of the lead. Of the engine it uses the model's declared data, the
reference meaning of a condition (:func:`scoring.conditions.holds`) and the recipe of the alert ids.

The definitions, for one lead:

*What is taken in.* Accepted are the events whose id is not among the last 64 accepted ones. All others change
nothing, whatever they say.

*Rules.*

- A rule *matches* an accepted event of its types that meets its conditions. Of the events with one key, a rule with
  ``once_per`` counts only the earliest. The lead remembers 64 keys, of all its rules, in the order in which they
  were first seen; a forgotten one that comes again is new.
- Events of ``visits.on`` make *visits*: stays that end where a pause is longer than the gap (one that is exactly as
  long does not end it). The lead remembers the 32 visits that began last. A forgotten one is gone with its times,
  so an event that is earlier than all 32, and not within the gap of the earliest, makes no visit.
- A rule on visits counts each remembered visit, at its beginning, if at least ``at_least`` of them, itself included,
  began in the ``within_days`` up to then, both ends included.
- A rule contributes ``± min(points_max, Σ matches |points|·2^(−(t − match)/half-life))``.
- The rules of a channel that has a ceiling contribute together at most that.

*The person.*

- A trait is what the newest event said that had an answer for it: a text (stripped, its first 200 characters) that is
  not blank, a finite number (a whole one below 2⁵³), true or false. Of answers given at the same ms the larger stands,
  by the name of its Python type, then by itself.
- A question's answer is the first known one of its sources. The first entry that it meets gives the points, and
  none gives 0. A question without an answer is *unknown*; *coverage* is the share that is not.
- A flag counts when all its conditions hold. ``email_domain`` and ``email_kind`` are those of the lead's address, or
  for a lead without one, of the known trait ``email`` if that is an address.
- Inactivity counts from the last event of the last remembered visit + ``after_days`` on, that ms included.

*The score.*

- ``score(t) = max(0, Σ rules and channels + Σ traits + inactivity)``, compared after rounding to six places.
- The lead's *now* is the latest time of its accepted events and of the coolings that were applied to it. Each event
  that changes what is counted, now or later, may move the band at that time: up to the highest band entered
  (``score ≥ enter``), or down while ``score < leave``. What is counted are the times of the matches, the points of
  the traits, and the time from which inactivity counts.
- In silence the band falls at the first whole ms at which the score is below ``leave``. An event finds that done,
  also if it happens in the same ms; so does a tick, of all leads together, in the order of time and lead.
- A match of a rule with ``hot`` holds the lead in the highest band until its time + ``hold_days``; one that once per
  does not count holds nobody.

*Alerts.*

- Bands with a cooldown alert. Of several that are entered at once, the highest does, if the last alert of the lead
  is a cooldown old, the crossing was received at most ``max_age_h`` later, and the lead is none of our own people
  and, unless ``alerts.visitors``, no visitor. The latest alert is open until the lead leaves any band that alerts;
  then it has cooled.
- What sales did keeps a lead quiet: accepted, contacted, meeting and opportunity for ``in_work_days`` after the newest
  of them, lost for ``recycle_days``, suppressed until released. Rejected ends the open alert and its cooldown, and is
  quiet until a later event makes or moves a match of a rule of the phase decision; if the lead is in a band that alerts
  then, and the event raises no alert by itself, it alerts anew. Won makes a customer.
- An adjustment counts from the later of its time and the lead's now, which it moves there, until it ends; it moves the
  band as events do. A lead keeps the 8 that end last, each id once.
- The ledger lists every rule with a match, the (negative) part that a channel's ceiling cuts off, every trait that is
  worth something, inactivity and, where all these sum to less than 0, the floor: what is missing. A rule's line
  names the events that made or moved its matches, of the last 64 accepted, the latest 10 first (of equal times, the
  one that came last), and what the latest was about (of equal times the larger), remembered or not. Its time is the
  latest at which a match was counted, even if once per has moved that one since. Visits and traits name no events.
  The time of the line for inactivity is that of the last visit's last event.
- The phase is the furthest of the rules that contribute at least 1 point, channels' ceilings aside.
- A lead is a *visitor* by its name; else *converted* once an event matched, counted or not, a rule that converts;
  else *inactive*.
- The account is the newest ``account_id`` (of equal times the larger), else what is registered of the domain of the
  address (or of the trait ``email``), by :func:`scoring.account_identity.account_of_domain`.
- A touch is (time, source, medium, campaign, page); see :func:`tests.oracle.people.touch_of`. The first is the
  smallest, the last the largest with a source or a campaign.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from scoring.model import ScoringModel
from tests.oracle.curves import CENTURY_MS, DAY_MS, Channel, Fading, first_below
from tests.oracle.lead import EVIDENCE_MAX, HOUR_MS, Lead, Line, Said
from tests.oracle.matches import REMEMBERED, VISITS_REMEMBERED
from tests.oracle.people import Touch, lead_of, touch_of

__all__ = [
    "CENTURY_MS",
    "DAY_MS",
    "EVIDENCE_MAX",
    "HOUR_MS",
    "REMEMBERED",
    "VISITS_REMEMBERED",
    "Channel",
    "Expected",
    "Fading",
    "Lead",
    "Line",
    "Said",
    "Tick",
    "Touch",
    "expect",
    "first_below",
    "lead_of",
    "touch_of",
]


class Tick(NamedTuple):
    """A moment (ms) at which the clock is read, among the events: everything due by then has cooled."""

    clock_ms: int


class Expected(NamedTuple):
    """What has to come of a run: the leads by id, and all alerts in the order of consumption."""

    leads: dict[str, Lead]
    said: list[Said]

    @property
    def due_ms(self) -> int | None:
        """When the next lead cools; None: never."""
        return min((at for at in (lead.cools_at() for lead in self.leads.values()) if at is not None), default=None)


def expect(model: ScoringModel, consumed: Iterable[tuple[Mapping[str, Any], int] | Tick]) -> Expected:
    """Return what has to come of events, each with the time at which it was received (ms), in order of consumption.

    The events are valid ones, as on the wire, with ``time`` in ms.
    """
    leads: dict[str, Lead] = {}
    said: list[Said] = []
    for item in consumed:
        if isinstance(item, Tick):
            cooled = [each for lead in leads.values() for each in lead.cool(until=item.clock_ms)]
            said += sorted(cooled, key=lambda each: (each.time_ms, each.lead))
            continue
        event, received_ms = item
        if "action" in event:
            said += leads.setdefault(event["lead"], Lead(event["lead"], model)).follow_up(event, received_ms)
            continue
        name = lead_of(event)
        said += leads.setdefault(name, Lead(name, model)).consume(event, received_ms)
    return Expected({name: lead for name, lead in leads.items() if lead.now}, said)
