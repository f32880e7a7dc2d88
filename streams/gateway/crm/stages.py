"""What a CRM's stages mean here: its word for where a lead stands → the follow-up that this is."""

from __future__ import annotations

from typing import Final, NamedTuple

from scoring.errors import SettingsError
from scoring.follow_ups import ACTIONS, REJECTIONS
from streams.settings import split_list

USUAL: Final = (
    # HubSpot's lead statuses and lifecycle stages, as a new portal has them.
    "OPEN=accepted, IN_PROGRESS=accepted, ATTEMPTED_TO_CONTACT=contacted, CONNECTED=contacted, OPEN_DEAL=opportunity, "
    "UNQUALIFIED=rejected:bad_fit, BAD_TIMING=rejected:not_ready, "
    "salesqualifiedlead=accepted, opportunity=opportunity, customer=won, "
    # Salesforce's lead statuses, as a new organisation has them.
    "Working - Contacted=contacted, Closed - Converted=opportunity, Closed - Not Converted=rejected:other, "
    "Working=accepted, Contacted=contacted, Nurturing=rejected:not_ready, Qualified=accepted"
)
_NOT_A_STAGE: Final = frozenset({"breached", "adjusted", "suppressed"})


class Outcome(NamedTuple):
    """What a stage says of a lead; ``reason`` only where it is a rejection."""

    action: str
    reason: str


class Stages:
    """Reads stages; ``text`` (LEADHEAT_CRM_STAGES) adds to the usual ones, or takes one away by naming no action.

    >>> stages = Stages("MQL again=rejected:not_ready, OPEN=")
    >>> stages.read("mql again"), stages.read("OPEN"), stages.read("CONNECTED").action
    (Outcome(action='rejected', reason='not_ready'), None, 'contacted')
    """

    def __init__(self, text: str = "") -> None:
        self._outcomes = {stage.casefold(): _outcome(stage, said) for stage, said in (*_pairs(USUAL), *_pairs(text))}

    def read(self, stage: str) -> Outcome | None:
        """Return what a stage says; None where it says nothing."""
        return self._outcomes.get(stage.strip().casefold())


def _pairs(text: str) -> list[tuple[str, str]]:
    pairs = []
    for pair in split_list(text):
        stage, equals, said = pair.rpartition("=")
        if not (stage.strip() and equals):
            raise SettingsError(f"LEADHEAT_CRM_STAGES: {pair!r}: expected stage=action, such as Working=accepted")
        pairs.append((stage.strip(), said.strip()))
    return pairs


def _outcome(stage: str, said: str) -> Outcome | None:
    if not said:
        return None
    action, _, reason = said.partition(":")
    known = [name for name in ACTIONS if name not in _NOT_A_STAGE]
    if action not in known:
        raise SettingsError(f"LEADHEAT_CRM_STAGES: {stage}={said!r}: expected one of {', '.join(known)}")
    if action == "rejected" and reason not in REJECTIONS:
        raise SettingsError(f"LEADHEAT_CRM_STAGES: {stage}={said!r}: expected rejected:{'|'.join(REJECTIONS)}")
    if action != "rejected" and reason:
        raise SettingsError(f"LEADHEAT_CRM_STAGES: {stage}={said!r}: only rejected has a reason")
    return Outcome(action, reason)
