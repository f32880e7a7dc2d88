"""A first ideal-customer profile: what some accounts, won or wanted, have in common, as YAML to be edited.

The draft claims little: a range that nearly all of them are in, values that several of them share, and how many they
are. What to make of the accounts outside is for people to say; the ratings of these are places to begin.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, count
from typing import Final

from pydantic_core import PydanticCustomError

from scoring.conditions import number_of
from scoring.errors import DraftError
from scoring.fit import Fact
from scoring.model_accounts import COMPONENTS_MAX, RATING_MAX, check_fact_name
from scoring.model_file import plain_value

ACCOUNTS_MIN: Final = 3
"""With fewer, whatever two of them share by chance would be a rule."""

COMPONENTS: Final[Mapping[str, tuple[str, float]]] = {
    "industry": ("industry", 10.0),
    "employees": ("size", 7.0),
    "revenue": ("revenue", 7.0),
    "technologies": ("technology", 7.0),
    "engagement": ("intent", 7.0),
    "country": ("geography", 5.0),
    "growth": ("growth", 5.0),
    "finances": ("finances", 4.0),
    "stakeholders": ("stakeholders", 4.0),
}
"""The components of the default model by the fact that each asks for, with their weights: no draft gives more."""

_WEIGHT_OF_OTHERS: Final = 4.0
"""The least of the weights above, for facts that the default model does not know."""

_NAMING: Final = frozenset({"account", "account_id", "crm_url", "domain", "id", "name", "owner"})
"""Facts that tell accounts apart, and so nothing of what they share."""

_ABOVE: Final = 5
_BELOW: Final = 2
"""Ratings of what lies beyond the range: of more than anybody has, and of less."""

_TAIL: Final = 10
"""One of so many accounts may lie outside of a range, at each end: an outlier is no reason to widen it."""

_SHARE_MIN: Final = 5
"""A value counts as shared if at least one of so many accounts has it, and two."""

_VALUES_MAX: Final = 10
_TEXT_LENGTH_MAX: Final = 100


@dataclass(frozen=True, slots=True)
class _Answer:
    pattern: str
    rating: int
    accounts: int
    """How many accounts answer so."""


@dataclass(frozen=True, slots=True)
class _Component:
    name: str
    fact: str
    weight_max: float
    known: int
    agreeing: int
    answers: list[_Answer]
    span: str = ""
    """From where to where, of a number."""

    def weight(self, accounts: int) -> float:
        return max(0.1, round(self.weight_max * self.agreeing / accounts, 1))


@dataclass(slots=True)
class _Draft:
    components: list[_Component] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    """Facts that the draft does not ask for, each with the reason."""


def draft_profile(accounts: Sequence[Mapping[str, Fact]]) -> str:
    """Return the ``profiles:`` section of a model that describes what accounts share, with the counts as comments.

    A fact that at least half of the accounts have becomes a component. Of a number it asks for the range without the
    outermost tenth at each end; of texts, for the values that at least two accounts and a fifth of them have, rated by
    how many have them. Its weight is that of the default model, times the share of the accounts that agree. The order
    of the accounts makes no difference. Facts whose names no model can ask for are passed over.

    Raises :class:`DraftError` for fewer than 3 accounts, and for accounts that share nothing.

    >>> print(draft_profile([
    ...     {"industry": "Software", "employees": 500, "name": "Acme"},
    ...     {"industry": "software", "employees": 80},
    ...     {"industry": "Steel", "employees": 50, "founded": 1990},
    ... ]))
    # Drafted from 3 accounts: what they share. Edit it, and paste it into your model.
    profiles:
      drafted:
        size: # known of 3 of 3, 50 to 500
          weight: 7 # 7 at most, times the 3 of 3 that agree
          from: ["employees"]
          answers:
            "> 500": 5 # 0 of 3
            ">= 50": 10 # 3 of 3
            "< 50": 2 # 0 of 3
        industry: # known of 3 of 3
          weight: 6.7 # 10 at most, times the 2 of 3 that agree
          answers:
            "Software": 10 # 2 of 3
        # Left out:
        # founded: known of 1 of 3
        # name: tells accounts apart
    """
    if len(accounts) < ACCOUNTS_MIN:
        raise DraftError(
            f"a profile needs at least {ACCOUNTS_MIN} accounts, to tell what they share; got {len(accounts)}"
        )
    draft = _draft(accounts)
    if not draft.components:
        raise DraftError(f"the {len(accounts)} accounts share nothing that a profile could ask for")
    return "\n".join(_write(draft, len(accounts)))


def _draft(accounts: Sequence[Mapping[str, Fact]]) -> _Draft:
    draft = _Draft()
    for fact in sorted({name for account in accounts for name in account if _can_be_asked(name)}):
        known = [account[fact] for account in accounts if account.get(fact) or account.get(fact) == 0]
        if _slug(fact) in _NAMING:
            draft.left_out.append(f"{fact}: tells accounts apart")
        elif 2 * len(known) < len(accounts):
            draft.left_out.append(f"{fact}: known of {len(known)} of {len(accounts)}")
        elif (component := _compare(fact, known, len(accounts))) is None:
            draft.left_out.append(f"{fact}: hardly two are alike")
        else:
            draft.components.append(component)
    draft.components.sort(key=lambda each: (-each.weight(len(accounts)), each.fact))
    for component in draft.components[COMPONENTS_MAX:]:
        draft.left_out.append(f"{component.fact}: a profile has at most {COMPONENTS_MAX} components")
    del draft.components[COMPONENTS_MAX:]
    return draft


def _can_be_asked(name: str) -> bool:
    try:
        check_fact_name(name)
    except PydanticCustomError:
        return False
    return True


def _compare(fact: str, known: Sequence[Fact], accounts: int) -> _Component | None:
    """Return the component that describes what is known of a fact, or None where nothing is shared."""
    numbers = [number for value in known if (number := number_of(value)) is not None]
    if 2 * len(numbers) >= len(known):
        return _range(fact, sorted(numbers), len(known))
    return _shared_values(fact, known, accounts)


def _named(fact: str) -> tuple[str, str, float]:
    """Return what the component that asks for a fact is called, the fact, and the most that the component weighs."""
    slug = _slug(fact)
    name, weight_max = COMPONENTS.get(slug, (slug, _WEIGHT_OF_OTHERS))
    return name, fact, weight_max


def _slug(fact: str) -> str:
    """Return a fact's name as names in a model are written.

    >>> _slug("Annual growth (%)"), _slug("2024"), _slug("Größe")
    ('annual_growth', 'fact_2024', 'gr_e')
    """
    slug = re.sub(r"[^a-z0-9]+", "_", fact.lower()).strip("_")
    return (slug if slug[:1].isalpha() else f"fact_{slug}".rstrip("_"))[:60]


# ── numbers ──────────────────────────────────────────────────────────────────────────────────────────────────


def _range(fact: str, numbers: list[float], known: int) -> _Component:
    outside = len(numbers) // _TAIL
    low, high = numbers[outside], numbers[-1 - outside]
    above, below = sum(number > high for number in numbers), sum(number < low for number in numbers)
    within = len(numbers) - above - below
    answers = [
        _Answer(f"> {_plain(high)}", _ABOVE, above),
        _Answer(f">= {_plain(low)}", int(RATING_MAX), within),
        _Answer(f"< {_plain(low)}", _BELOW, below),
    ]
    return _Component(*_named(fact), known, within, answers, f"{_plain(low)} to {_plain(high)}")


def _plain(number: float) -> str:
    """Return a number as a comparison has it, to the last digit."""
    return str(int(number)) if number.is_integer() and abs(number) < 1e15 else repr(number)


# ── texts, true and false, lists ─────────────────────────────────────────────────────────────────────────────


def _shared_values(fact: str, known: Sequence[Fact], accounts: int) -> _Component | None:
    values = [set(_patterns(value)) for value in known]
    spellings = Counter(pattern for patterns in values for pattern in patterns)
    alike = [{pattern.lower() for pattern in patterns} for patterns in values]
    counts = Counter(pattern for patterns in alike for pattern in patterns)
    least = max(2, math.ceil(accounts / _SHARE_MIN))
    shared = sorted((-count, pattern) for pattern, count in counts.items() if count >= least)[:_VALUES_MAX]
    if not shared:
        return None
    most = -shared[0][0]
    answers = [
        _Answer(_usual_spelling(pattern, spellings), max(1, round(RATING_MAX * -number / most)), -number)
        for number, pattern in shared
    ]
    agreeing = sum(any(pattern in patterns for _, pattern in shared) for patterns in alike)
    return _Component(*_named(fact), len(known), agreeing, answers)


def _usual_spelling(pattern: str, spellings: Mapping[str, int]) -> str:
    return min((-count, spelling) for spelling, count in spellings.items() if spelling.lower() == pattern)[1]


def _patterns(value: Fact) -> Iterator[str]:
    """Yield the answers that a fact meets, one per item of a list."""
    items: Iterable[str | float | bool] = value if isinstance(value, list) else [value]
    for item in items:
        if isinstance(item, bool):
            yield "true" if item else "false"
        elif not isinstance(item, str):
            number = number_of(item)
            if number is not None:
                yield _plain(number)
        elif 0 < len(item) <= _TEXT_LENGTH_MAX and item.isprintable():
            yield _pattern_of(item)


def _pattern_of(text: str) -> str:
    """Return the answer that means a text, though it may look like something else.

    >>> _pattern_of("Software"), _pattern_of("> 1 bn"), _pattern_of("true")
    ('Software', '? 1 bn', '?rue')
    """
    meant = plain_value(text)
    is_itself = isinstance(meant, str) and re.match(r"\s*[<>=]", text) is None
    is_number = number_of(text) is not None
    return text if is_itself or is_number else f"?{text[1:]}"


# ── as YAML ──────────────────────────────────────────────────────────────────────────────────────────────────


def _write(draft: _Draft, accounts: int) -> Iterator[str]:
    yield f"# Drafted from {accounts} accounts: what they share. Edit it, and paste it into your model."
    yield "profiles:"
    yield "  drafted:"
    taken: set[str] = set()
    for component in draft.components:
        name = _free_name(component.name, taken)
        taken.add(name)
        span = f", {component.span}" if component.span else ""
        yield f"    {name}: # known of {component.known} of {accounts}{span}"
        agreeing = f"times the {component.agreeing} of {accounts} that agree"
        yield f"      weight: {component.weight(accounts):.12g} # {component.weight_max:.12g} at most, {agreeing}"
        if component.fact != name:
            yield f"      from: [{_quote(component.fact)}]"
        yield "      answers:"
        for answer in component.answers:
            yield f"        {_quote(answer.pattern)}: {answer.rating} # {answer.accounts} of {accounts}"
    if draft.left_out:
        yield "    # Left out:"
        yield from (f"    # {fact}" for fact in draft.left_out)


def _free_name(name: str, taken: set[str]) -> str:
    """Return a name that no other component has."""
    names = chain([name], (f"{name}_{number}" for number in count(2)))
    return next(free for free in names if free not in taken)


def _quote(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
