"""When a score will first fall below a level, if nothing more happens.

A score is a sum of terms that fade, each with its own half-life and ceiling. Negative terms fade too, so the
sum can rise again and cross a level several times; the *first* crossing is what cools a lead. It is found by
steps that provably cannot jump over it. A term whose amount is above its ceiling stands still until the amount
has faded to the ceiling, so time falls into segments in which each term either stands still or fades freely.
Within a segment, two bounds hold for the wait Δ until the sum S = P − N + C (fading positive terms, negative
ones, standing ones) reaches the level:

- P fades no faster than its fastest term, and N only shrinks: ``P·2^(−Δ/h_min) ≥ level + N − C``;
- the slope of P is never steeper than now, ``p = ln 2 · Σ P_i/h_i``, and over the next W ms N gives back at least
  its slope at the end of W, ``n_W``: ``Δ ≥ min(W, (S − level) / (p − n_W))``.

The larger of the two is taken. Near the crossing the second is Newton's method from the left, and ends in a
handful of steps. Nearly always this is spared: Newton's method on the logarithm of the sum (a straight line where all
half-lives are equal) finds a crossing in two or three steps, and coarse bounds show that there is none before it.

Channels' ceilings and the penalty for inactivity (:class:`Course`) add moments at which the sum changes its form: a
channel above its ceiling stands still until its sum has faded to it, and inactivity is a step. Between these
moments the search is the one above, for the level less what is constant.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, exp2, inf, log, log2
from typing import NamedTuple

Line = tuple[float, float, float]
"""What a :class:`Term` says, as a plain tuple: one is made ten times as fast, and a search makes many."""

ROUNDING = 5e-7
"""Half of the 1e-6 to which scores are rounded before they are compared."""

HORIZON_MS = 100 * 365 * 86_400_000
"""A hundred years: what does not cool by then never does."""

_STEPS_MAX = 200
_NEWTON_STEPS = 12
_SPLITS_MAX = 6
_LN2 = log(2.0)


class Term(NamedTuple):
    """One line of a score: ``amount`` points now (without the ceiling; negative for a penalty).

    ``rate`` is 1/half-life in 1/ms (0: does not fade); ``ceiling`` bounds the magnitude, in points.
    """

    amount: float
    rate: float
    ceiling: float = inf


def total_after(terms: Sequence[Line], wait_ms: float) -> float:
    """Return the sum of the terms ``wait_ms`` from now, without the floor at 0.

    >>> total_after([Term(40, 1 / 10), Term(-30, 0, ceiling=5)], 10)
    15.0
    """
    total, elapsed = 0.0, -float(wait_ms)
    for amount, rate, ceiling in terms:
        faded = amount * exp2(elapsed * rate)
        total += ceiling if faded > ceiling else -ceiling if -faded > ceiling else faded
    return total


def first_below(terms: Sequence[Line], level: float, near: int = 0) -> int | None:
    """Return the wait (whole ms, from now) until the score is first below ``level``, or None for never.

    ``near`` is a wait from which to look, and changes nothing but how long that takes.

    >>> first_below([Term(80, 1 / 1000)], 20.0)
    2001
    >>> first_below([Term(80, 0)], 20.0) is None
    True
    """
    threshold = level - ROUNDING
    terms = _join_equal_rates(terms)
    deepest = -sum(min(-amount, ceiling) for amount, _, ceiling in terms if amount < 0)
    if deepest >= threshold:
        return None  # even if all gains had faded before any penalty did
    if threshold <= 0.0:
        return _first_crossing(terms, threshold)
    wait = _crossing(terms, threshold, near)
    if not deepest or (wait is not None and _stays_above(terms, threshold, 0, wait)):
        return wait
    return _first_crossing(terms, threshold)


class Course(NamedTuple):
    """How a score goes on in silence, from now (``terms`` and ``capped`` as of now).

    ``constant`` points do not fade. Each of ``capped`` is a channel: its ceiling (points), and its terms, all above 0.
    ``step_points`` (below 0) are added ``step_wait`` ms from now and stay.
    """

    terms: Sequence[Line]
    constant: float = 0.0
    capped: Sequence[tuple[float, Sequence[Line]]] = ()
    step_wait: int = HORIZON_MS
    step_points: float = 0.0

    def first_below(self, level: float, near: int = 0) -> int | None:
        """Return the wait (whole ms) until the score is first below ``level``, or None for never; see the function.

        >>> Course([Term(80, 1 / 1000)], constant=10, step_wait=500, step_points=-50).first_below(20.0)
        500
        """
        standing_until = []
        moments = {HORIZON_MS}
        for cap, channel in self.capped:
            until = _uncapped_after(cap, channel)
            standing_until.append((until, cap, channel))
            if 0 < until < HORIZON_MS:
                moments.add(until)
        if 0 < self.step_wait < HORIZON_MS:
            moments.add(self.step_wait)
        start = 0
        for end in sorted(moments):
            constant = self.constant + (self.step_points if self.step_wait <= start else 0.0)
            terms = list(self.terms)
            for until, cap, channel in standing_until:
                if until > start:
                    constant += cap
                else:
                    terms += channel
            if start:
                terms = [(amount * exp2(-start * rate), rate, ceiling) for amount, rate, ceiling in terms]
            wait = first_below(terms, level - constant, max(0, near - start))
            if wait is not None and start + wait < end:
                return start + wait
            start = end
        return None


def _uncapped_after(cap: float, terms: Sequence[Line]) -> int:
    """Return the wait (ms) until a channel's sum, which only fades, is no longer above its ceiling."""
    if total_after(terms, 0) <= cap:
        return 0
    wait = _crossing(terms, cap)
    return HORIZON_MS if wait is None else wait


def _join_equal_rates(terms: Sequence[Line]) -> list[Line]:
    """Return fewer terms with the same sum: what fades at one rate, below its ceiling, fades as one."""
    by_rate: dict[float, float] = {}
    joined: list[Line] = []
    for term in terms:
        amount, rate, ceiling = term
        if -ceiling <= amount <= ceiling:
            by_rate[rate] = by_rate.get(rate, 0.0) + amount
        else:
            joined.append(term)
    joined += [(amount, rate, inf) for rate, amount in by_rate.items()]
    return joined


def _crossing(terms: Sequence[Line], threshold: float, near: int = 0) -> int | None:
    """Return a wait (ms) at which the sum crosses ``threshold`` (> 0) downwards; the only one, if it only falls.

    The search begins at ``near``.
    """
    above, below, wait, steps = -1, HORIZON_MS, min(near, HORIZON_MS - 1), 0
    if total_after(terms, below) >= threshold:
        return None
    while below - above > 1:
        steps += 1
        total = per_ms = 0.0
        elapsed = -float(wait)  # not an integer: only products of two floats are quick
        for amount, rate, ceiling in terms:
            faded = amount * exp2(elapsed * rate)
            if -ceiling <= faded <= ceiling:
                total += faded
                per_ms += faded * rate
            else:
                total += ceiling if faded > 0.0 else -ceiling
        if total < threshold:
            below = wait
        else:
            above = wait
        # The tangent of log2(total) meets log2(threshold) here; where nothing fades yet there is none.
        step = log2(total / threshold) * total / per_ms if per_ms > 0.0 and total > 0.0 else inf
        wait = wait + int(step) if abs(step) < HORIZON_MS else below
        if wait <= above:
            wait = above + 1
        elif wait >= below:
            # A tangent that ends within the millisecond has found it: the one before is all that is left to look at.
            wait = below - 1 if abs(step) < 1.0 else (above + below) // 2
        if steps > _NEWTON_STEPS and below - above > 2:
            wait = (above + below) // 2  # penalties bend the curve: a tangent may creep
    return below


def _stays_above(terms: Sequence[Line], threshold: float, start: float, end: float, splits: int = _SPLITS_MAX) -> bool:
    """Whether the sum certainly stays at ``threshold`` or above from ``start`` until just before ``end`` (waits, ms).

    The sum is at or above it at ``start``, and just before ``end``. Between two moments gains are at least what is left
    of them at the later one, and penalties at most what they are at the earlier one: that may be enough. If not, gains
    fade at least as fast as at the later one, unless they stand at their ceilings, and penalties give back at most what
    they do at the earlier one: if that tells that the sum only falls, its end is its least. Else each half is asked.
    """
    least = lost = given_back = 0.0
    for amount, rate, ceiling in terms:
        at_start = amount * exp2(-start * rate)
        if at_start < 0:
            penalty = min(-at_start, ceiling)
            least -= penalty
            given_back += penalty * rate
        else:
            at_end = amount * exp2(-end * rate)
            least += min(at_end, ceiling)
            if at_start <= ceiling:
                lost += at_end * rate
    if least >= threshold or lost >= given_back:
        return True
    middle = (start + end) / 2
    return (
        splits > 0
        and total_after(terms, middle) >= threshold
        and _stays_above(terms, threshold, start, middle, splits - 1)
        and _stays_above(terms, threshold, middle, end, splits - 1)
    )


def _first_crossing(terms: Sequence[Line], threshold: float) -> int | None:
    """Return the first wait (ms) at which terms that may rise again are below ``threshold``."""
    stands_until = [_stands_until(term) for term in terms]
    wait, stride = 0, 1
    for _ in range(_STEPS_MAX):
        if total_after(terms, wait) < threshold:
            return wait
        segment_end = min((until for until in stands_until if until > wait), default=inf)
        safe = wait + _safe_wait(terms, stands_until, wait, threshold)
        if min(safe, segment_end) > HORIZON_MS:
            return None
        if safe >= segment_end:
            wait = int(segment_end)
        elif safe >= wait + 1:
            wait = int(safe)
        else:
            # Less than a millisecond is certain: the crossing is here, or the curve runs almost flat beside
            # the level. Widen the stride until it crosses, then halve back.
            ahead = wait + stride
            if total_after(terms, ahead) < threshold:
                return _bisect(terms, threshold, wait, ahead)
            wait, stride = ahead, stride * 2
    return _crossing_ahead(terms, threshold, wait)


def _crossing_ahead(terms: Sequence[Line], threshold: float, wait: int) -> int | None:
    """Return a crossing after ``wait``, by strides that double: for curves that touch the level again and again.

    Such a lead stands within a rounding of its level; a dip of less than a stride may be passed over.
    """
    stride = 1
    while wait < HORIZON_MS:
        if total_after(terms, wait + stride) < threshold:
            return _bisect(terms, threshold, wait, wait + stride)
        wait, stride = wait + stride, stride * 2
    return None


def _stands_until(term: Line) -> float:
    """Return the wait (ms) until which a term stands at its ceiling: 0 if below it, inf if it never fades."""
    amount, rate, ceiling = term
    if rate == 0.0:
        return inf
    if abs(amount) <= ceiling:
        return 0.0
    return ceil(log2(abs(amount) / ceiling) / rate)


def _safe_wait(terms: Sequence[Line], stands_until: Sequence[float], wait: int, level: float) -> float:
    """Return how long (ms) beyond ``wait`` the sum certainly stays at or above ``level``, within the segment."""
    fading = slope = fastest = standing = negative = 0.0
    penalties: list[tuple[float, float]] = []
    for (amount, rate, ceiling), until in zip(terms, stands_until, strict=True):
        if until > wait:
            standing += max(-ceiling, min(ceiling, amount))
            continue
        points = amount * exp2(-wait * rate)
        if points < 0:
            negative -= points
            penalties.append((points * rate, rate))
        else:
            fading += points
            slope += points * rate
            fastest = max(fastest, rate)
    needed = level + negative - standing
    if needed <= 0.0:
        return inf
    if fading <= needed:
        return 0.0
    by_fading = log2(fading / needed) / fastest
    by_slope = (fading - needed) / (_LN2 * slope)
    safe = max(by_fading, by_slope)
    while penalties and safe < HORIZON_MS:
        window = 4 * safe
        steepest = slope + sum(per_ms * exp2(-window * rate) for per_ms, rate in penalties)
        reach = (fading - needed) / (_LN2 * steepest) if steepest > 0.0 else inf
        if reach < window:
            return max(safe, reach)
        safe = window
    return safe


def _bisect(terms: Sequence[Line], level: float, above: int, below: int) -> int:
    """Return the first whole ms below ``level`` between a wait that is above it and one that is below."""
    while below - above > 1:
        middle = (above + below) // 2
        if total_after(terms, middle) < level:
            below = middle
        else:
            above = middle
    return below
