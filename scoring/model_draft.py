"""A model file with other points, as people would have written them: all else of it stays, comments included.

Only the numbers change, and above each rule and trait stands why.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import yaml

from scoring.fitting import LEADS_MIN, LEAST, Fit, Proposal, ceiling_of, round_points
from scoring.model import ScoringModel
from scoring.ranking import Interval

VERSION_LENGTH_MAX: Final = 64
SUFFIX: Final = " fitted"


@dataclass(frozen=True, slots=True)
class _Edit:
    """Text that stands in place of what lies between two positions of a file."""

    start: int
    end: int
    text: str


def write_draft(text: str, model: ScoringModel, fit: Fit) -> str:
    """Return a model file's text with the proposed points, and the evidence beside each rule.

    ``text`` must be that of ``model``, a file that is without fault.
    """
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    assert isinstance(root, yaml.MappingNode)
    sections = _entries(root)
    proposals = {each.evidence.name: each for each in fit.proposals}
    edits = list(_edit_version(root, model, fit))
    for section in ("rules", "traits"):
        node = sections.get(section)
        for key, value in node.value if isinstance(node, yaml.MappingNode) else ():
            proposal = proposals[key.value]
            edits.append(_comment(text, key, describe_proposal(proposal, fit)))
            if proposal.verdict != "kept":
                edits += _edit_points(value, model, proposal)
    return _apply(text, edits)


def describe_proposal(proposal: Proposal, fit: Fit) -> str:
    """Say in one line what speaks for the points of a rule or trait."""
    evidence = proposal.evidence
    had = f"{evidence.won} of {fit.won} won and {evidence.lost} of {fit.lost} lost had it"
    match proposal.verdict:
        case "kept":
            return f"kept: {had}; fewer than {LEADS_MIN} in all say nothing"
        case "nothing":
            return f"was {proposal.before:g}; {had}, which may be chance: consider leaving it out"
        case "against":
            return f"was {proposal.before:g}; {had}: beside the others it speaks for the opposite; does it mean that?"
        case "fitted":
            return f"was {proposal.before:g}; {had}; log odds {_show(proposal.odds)}"


def describe_fit(fit: Fit) -> Iterator[str]:
    """Say in a few lines what a draft rests on."""
    yield f"Drafted from {fit.won:,} won and {fit.lost:,} lost leads, by logistic regression. Not in use: read it,"
    yield "edit it, give it a version, and try it with `leadheat backtest` on leads that it was not made of."
    yield f"Area under the curve of leads left out of the fit: {_show(fit.held_out)}; was {_show(fit.before)}."
    yield f"Gain: {_show(fit.gain)}. 95 % intervals throughout."


def _show(interval: Interval | None) -> str:
    assert interval is not None
    return f"{interval.value:.2f} ({interval.low:.2f} to {interval.high:.2f})"


def _edit_version(root: yaml.MappingNode, model: ScoringModel, fit: Fit) -> Iterator[_Edit]:
    """Yield another version, since a model's version changes with it, and before it what the draft rests on."""
    key, value = next((key, value) for key, value in root.value if key.value == "version")
    lines = "".join(f"# {line}\n" for line in describe_fit(fit))
    yield _Edit(key.start_mark.index, key.start_mark.index, lines)
    version = model.version[: VERSION_LENGTH_MAX - len(SUFFIX)] + SUFFIX
    quoted = version.replace("'", "''")
    yield _Edit(value.start_mark.index, value.end_mark.index, f"'{quoted}'")


def _edit_points(node: yaml.Node, model: ScoringModel, proposal: Proposal) -> Iterator[_Edit]:
    """Yield the new points of a rule with its ceiling, of a flag, or of each answer of a question."""
    entries, name = _entries(node), proposal.evidence.name
    if isinstance(answers := entries.get("answers"), yaml.MappingNode):
        for _, points in answers.value:
            before = float(points.value)
            size = max(LEAST, round_points(abs(before * proposal.factor)))
            yield _replace(points, size if before > 0 else -size if before < 0 else 0)
        return
    yield _replace(entries["points"], proposal.points)
    if "points_max" in entries:
        ceiling = ceiling_of(proposal.before, model.rules[name].points_max, proposal.points)
        assert ceiling is not None
        yield _replace(entries["points_max"], ceiling)


def _replace(node: yaml.Node, number: float) -> _Edit:
    return _Edit(node.start_mark.index, node.end_mark.index, f"{number:g}")


def _comment(text: str, key: yaml.Node, comment: str) -> _Edit:
    """Return the edit that puts a comment above a key; within braces, above the line that it stands in."""
    start = text.rfind("\n", 0, key.start_mark.index) + 1
    indent = text[start : key.start_mark.index]
    indent = indent if not indent.strip() else indent[: len(indent) - len(indent.lstrip())]
    return _Edit(start, start, f"{indent}# {comment}\n")


def _entries(node: yaml.Node) -> Mapping[str, yaml.Node]:
    return {key.value: value for key, value in node.value} if isinstance(node, yaml.MappingNode) else {}


def _apply(text: str, edits: list[_Edit]) -> str:
    """Return a text with all edits made, from its end on, so that positions stay true."""
    for _, edit in sorted(enumerate(edits), key=lambda each: (each[1].start, each[0]), reverse=True):
        text = text[: edit.start] + edit.text + text[edit.end :]
    return text
