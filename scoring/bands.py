"""Bands: when a lead enters and leaves them, in an event or in silence, and whom that is told."""

from __future__ import annotations

from math import inf
from typing import Final

from scoring.alerts import Alert, Cause, alert_id, cooled_id, retracted_id
from scoring.conditions_file import OWN_DOMAINS
from scoring.cooling import ROUNDING
from scoring.explain import Explainer
from scoring.identity import VISITOR_INITIAL, VISITOR_PREFIX
from scoring.lead_state import HELD, LeadState, Waiting
from scoring.rules import Rulebook
from scoring.sales import keeps_quiet, lapse
from scoring.sums import Sums
from scoring.timers import NEVER

UNSURE: Final = -1
"""As ``cools_at``: nothing is known."""

ANSWER_WAIT_MS: Final = 5_000
"""How long a crossing waits for what the account is; then its fit counts as unknown."""

UNANSWERED: Final = -1
"""As the version of an account's facts: it has not answered, and is not waited for."""

EXCLUDED: Final = "excluded"


class Bands:
    """Moves leads between the bands of one model."""

    def __init__(self, book: Rulebook, sums: Sums, explainer: Explainer) -> None:
        self.book, self._sums, self._explainer = book, sums, explainer
        self._has_own = bool(book.model.names.get(OWN_DOMAINS))
        times = book.model.follow_up
        self._in_work_ms, self._recycle_ms = times.in_work_ms, times.recycle_ms
        # What the gains must reach for a rise from each band; out of the hottest there is none.
        self.next_enter = [*(band.enter - ROUNDING for band in book.bands[1:]), inf]

    def may_rise(self, state: LeadState, now: int) -> bool:
        """Whether the score may have reached the next band: not while even the gains alone are below it."""
        state.gains = self._sums.gains(state, now)
        return state.gains >= self.next_enter[state.band]

    def reband(
        self,
        state: LeadState,
        lead: str,
        cause: Cause,
        key: str,
        now: int,
        received_ms: int,
        alerts: list[Alert],
        entered_before: int = 0,
    ) -> None:
        """Let the band follow the score at ``now`` after a match: up, or down after a penalty.

        ``key`` stands for the record that caused it: what an alert's id is made of. ``entered_before`` is a band that
        the lead was in as a visitor, and is in now unless its score is below where that is left.
        """
        bands = self.book.bands
        top, band = len(bands) - 1, state.band
        total = self._sums.total(state, now) + ROUNDING
        wanted = top if state.held_until > now else self.entered(total)
        if entered_before > wanted:
            wanted = next((b for b in range(entered_before, wanted, -1) if total >= bands[b].leave), wanted)
        reached = wanted
        while reached > band and not (opens := self.opens(state, lead, reached)):
            if opens is None:
                state.waiting = state.waiting or Waiting(cause, key, received_ms)
                reached = band
            else:
                reached = min(reached - 1, self.entered(total))  # a hold is in the hottest band, or nowhere
        if reached > band:
            state.band, state.cools_at = reached, UNSURE
            alerting = next((b for b in range(reached, band, -1) if bands[b].cooldown_ms is not None), 0)
            if alerting and self._may_alert(state, lead, alerting, now, received_ms):
                alerts.append(self._entered_alert(state, lead, cause, key, now, alerting, band))
        elif total < bands[band].leave and not wanted == band == top:
            self._fall(state, lead, now, cause, alerts)

    def opens(self, state: LeadState, lead: str, band: int) -> bool | None:
        """Whether the account's fit lets a lead into a band; None while the account has not answered.

        An unknown fit does, and so does no account at all.
        """
        fit_min = self.book.bands[band].fit_min
        if fit_min is None or not self.book.rates_fit or not self.has_account(state, lead):
            return True
        if not state.facts_version:
            return None
        facts = state.facts
        if facts is None or facts.fit is None:
            return True
        return facts.level != EXCLUDED and facts.fit >= fit_min

    def has_account(self, state: LeadState, lead: str) -> bool:
        """Whether a lead counts as one of its account's people: visitors do not, and neither do our own."""
        if not state.account or lead[0] == VISITOR_INITIAL:
            return False
        return not (self._has_own and self.book.model.is_own(lead))

    def wait_no_more(self, state: LeadState, lead: str, alerts: list[Alert]) -> None:
        """Decide a crossing that has waited, in place, by what is known of the account by now."""
        waiting = state.waiting
        if waiting is None:
            return
        unanswered = not state.facts_version
        if unanswered:
            state.facts_version = UNANSWERED
        state.waiting = None
        self.reband(state, lead, waiting.cause, waiting.key, state.last, waiting.received_ms, alerts)
        if unanswered:
            state.facts_version = 0

    def follow_fit(self, state: LeadState, lead: str, cause: Cause, received_ms: int, alerts: list[Alert]) -> None:
        """Let the band follow what the account's fit allows now, in place."""
        if not self.shut_out(state, lead, cause, alerts):
            self.reband(state, lead, cause, cause.id, state.last, received_ms, alerts)

    def shut_out(self, state: LeadState, lead: str, cause: Cause, alerts: list[Alert]) -> bool:
        """Take a lead out of bands that its account's fit does not let it into, in place; return whether it was in."""
        allowed = state.band
        while allowed and self.opens(state, lead, allowed) is False:
            allowed -= 1
        if allowed == state.band:
            return False
        previous, state.band, state.cools_at = state.band, allowed, UNSURE
        self._end_alert(state, lead, state.last, cause, previous, alerts)
        return True

    def held_back(self, state: LeadState, lead: str, total: float) -> str:
        """Return why a lead with these points is not in a higher band; nothing where it is where they put it."""
        bands, top = self.book.bands, len(self.book.bands) - 1
        if not self.book.rates_fit or state.band == top:
            return ""
        if total + ROUNDING < bands[state.band + 1].enter and state.held_until <= state.last:
            return ""  # nearly always
        wanted = top if state.held_until > state.last else self.entered(total + ROUNDING)
        if wanted <= state.band:
            return ""
        if state.waiting is not None:
            return "waits for what is known of the account"
        shut = next((band for band in range(state.band + 1, wanted + 1) if self.opens(state, lead, band) is False), 0)
        facts, fit_min = state.facts, bands[shut].fit_min
        if facts is None or facts.fit is None or fit_min is None:
            return ""
        if facts.level == EXCLUDED:
            return f"the account {facts.reason or 'is excluded'}"
        return f"the account's fit of {facts.fit:.1f} is below {fit_min:g}"

    def entered(self, total: float) -> int:
        """Return the band that a sum (points) enters."""
        bands = self.book.bands
        band = len(bands) - 1
        while band and total < bands[band].enter:
            band -= 1
        return band

    def _may_alert(self, state: LeadState, lead: str, band: int, now: int, received_ms: int) -> bool:
        cooldown_ms = self.book.bands[band].cooldown_ms
        rested = not state.alerted_at or cooldown_ms is None or now - state.alerted_at >= cooldown_ms
        model = self.book.model
        is_called = model.alerts.visitors or not lead.startswith(VISITOR_PREFIX)
        if not (rested and received_ms - now <= self.book.max_age_ms and is_called) or model.is_own(lead):
            return False
        sales = state.sales
        return sales is None or not keeps_quiet(sales, now, self._in_work_ms, self._recycle_ms)

    def remind(
        self, state: LeadState, lead: str, cause: Cause, now: int, received_ms: int, alerts: list[Alert]
    ) -> None:
        """Alert anew of a lead that is still in a band that alerts: what is known of it now is new to sales."""
        bands = self.book.bands
        alerting = next((band for band in range(state.band, 0, -1) if bands[band].cooldown_ms is not None), 0)
        if alerting and self._may_alert(state, lead, alerting, now, received_ms):
            alerts.append(self._entered_alert(state, lead, cause, cause.id, now, alerting, state.band))

    def lapse(self, state: LeadState, now: int) -> bool:
        """End the adjustments that are over at ``now``, in place; return whether there were any."""
        ended = [] if state.sales is None else lapse(state.sales, now)
        for points in ended:
            state.fixed -= points
            state.gains += max(0.0, -points)  # what was taken away comes back
        return bool(ended)

    def _entered_alert(
        self, state: LeadState, lead: str, cause: Cause, key: str, now: int, band: int, previous: int
    ) -> Alert:
        bands = self.book.bands
        state.alerted_at = now
        state.alert_id = alert_id(lead, bands[band].name, key)
        clear = self._sums.total(state, now) + ROUNDING - bands[band].enter
        state.doubt().margin = round(clear * 1000) if clear >= 0 else HELD
        state.cools_at = self._sums.next_cooling(state, now)
        return self._explainer.alert(
            state,
            lead,
            now,
            cause,
            id=state.alert_id,
            kind="entered",
            band=bands[band].name,
            from_band=bands[previous].name,
            cools_at_ms=None if state.cools_at == NEVER else state.cools_at,
            held_until_ms=state.held_until if state.held_until > now else None,
        )

    def _fall(self, state: LeadState, lead: str, at: int, cause: Cause | None, alerts: list[Alert]) -> None:
        """Drop to the highest band that the score at ``at`` may stay in, and end an open alert.

        Without a cause it is a cooling, which has been found to leave its band: it does, whatever the last bit of
        a sum in another order says.
        """
        bands = self.book.bands
        if state.sales is not None:
            self.lapse(state, at)
        total = self._sums.total(state, at) + ROUNDING
        previous = state.band
        if cause is None:
            state.band -= 1
            state.last = max(state.last, at)
        while state.band and total < bands[state.band].leave:
            state.band -= 1
        state.cools_at = UNSURE
        self._end_alert(state, lead, at, cause, previous, alerts)

    def _end_alert(
        self, state: LeadState, lead: str, at: int, cause: Cause | None, previous: int, alerts: list[Alert]
    ) -> None:
        """Say that an open alert has ended, where the lead has left a band that alerts since ``previous``."""
        bands = self.book.bands
        left = [band for band in range(state.band + 1, previous + 1) if bands[band].cooldown_ms is not None]
        if not (state.alert_id and left):
            return
        alerts.append(
            self._explainer.alert(
                state,
                lead,
                at,
                cause,
                id=cooled_id(state.alert_id),
                kind="cooled",
                band=bands[state.band].name,
                from_band=bands[previous].name,
                alert_id=state.alert_id,
            )
        )
        state.alert_id = ""

    def take_back(
        self, state: LeadState, lead: str, removed: float, cause: Cause, now: int, alerts: list[Alert]
    ) -> None:
        """Retract an open alert, in place, that rested on the points ``removed`` at ``now``, and on nothing since.

        The lead falls out of the bands that alert unless it would enter them now, and out of others as usual.
        """
        if not state.alert_id:
            return
        bands, previous = self.book.bands, state.band
        total, band = self._sums.total(state, now) + ROUNDING, state.band
        while band and total < (bands[band].leave if bands[band].cooldown_ms is None else bands[band].enter):
            band -= 1
        if state.margin == HELD:
            rests = state.held_until > now
        else:
            rests = state.margin >= round(removed * 1000)
            state.doubt().margin = max(0, state.margin - round(removed * 1000))
        if rests or band == previous:
            return
        state.band, state.cools_at, state.alerted_at = band, UNSURE, 0
        alerts.append(
            self._explainer.alert(
                state,
                lead,
                now,
                cause,
                id=retracted_id(state.alert_id),
                kind="retracted",
                band=bands[band].name,
                from_band=bands[previous].name,
                alert_id=state.alert_id,
            )
        )
        state.alert_id = ""

    def cool_until(self, state: LeadState, lead: str, now: int, alerts: list[Alert]) -> None:
        """Apply every cooling that falls between the lead's last event and ``now``, at its exact time."""
        since = state.last
        while state.band:
            if state.cools_at < 0:
                if not (state.sales and state.sales.until):
                    until = self._sums.surely_stays_until(state, since, now)
                    if until >= now:
                        state.cools_at = -until - 1
                        return
                state.cools_at = self._sums.next_cooling(state, since)
            if now < state.cools_at:
                return
            since = state.cools_at
            self._fall(state, lead, since, None, alerts)
