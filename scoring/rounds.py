"""Which records of a history can be scored together, and which have to wait until others have been.

What a lead does changes other leads only through who turns out to be whom, and through the account that they share.
So a history need not be scored record by record to know what was known at a moment. It is scored in *rounds*: after a
deal, only what comes of that lead, its account and its people waits for a later round; everybody else's goes on. A
round ends with all that leads and accounts have to tell each other. So what an event shows for the first time, or
somebody tells of a company, is known to all before the lead's next event.
"""

from __future__ import annotations

from typing import Self

from scoring.account_identity import account_key, account_of_domain
from scoring.account_updates import AccountUpdate
from scoring.email_domains import domain_of
from scoring.events import Event
from scoring.identity import strongest_identity, weaker_identities

_EMAIL = "email"

_Shown = tuple[str | None, str | None, str | None, str | None, object]
"""By what an event shows a lead: its address, user id, cookie and account, and the address that it tells."""


class _Joined:
    """What may turn out to be one with others; records of it may be put into rounds from ``begin`` on."""

    __slots__ = ("begin", "part_of")

    def __init__(self) -> None:
        self.begin = 0
        self.part_of: Self | None = None

    def whole(self) -> Self:
        """Return what this is by now, and remember it."""
        found = self
        while found.part_of is not None:
            found = found.part_of
        if found is not self:
            self.part_of = found
        return found


class _Circle(_Joined):
    """An account, or several, and their people; or one who has none.

    ``last`` is the last round that has a record of it; ``told`` one with nothing but what was told of companies.
    """

    __slots__ = ("last", "told")

    def __init__(self) -> None:
        super().__init__()
        self.last = self.told = -1


class _Person(_Joined):
    """A lead by all of its identities; ``account_id`` is the account that it was seen to belong to last."""

    __slots__ = ("account_id", "circle")

    def __init__(self) -> None:
        super().__init__()
        self.circle = _Circle()
        self.account_id: str | None = None


class Rounds:
    """Gives each record of a history, in the order of their times, the number of the round in which it is scored.

    Who has once been seen to be one, or to belong to one account, counts as such from then on: where that is too many,
    it costs time only. Accounts are left out of it unless the model ``follows_accounts``.

    >>> rounds = Rounds(follows_accounts=True)
    >>> view = Event(id="e", type="page_viewed", time=1767225600000, email="ann@acme.com")
    >>> bob = Event(id="e", type="page_viewed", time=1767225600000, email="bob@beta.com")
    >>> [rounds.place(event) for event in (view, view, view, bob)]
    [(0, 'email:ann@acme.com'), (1, 'email:ann@acme.com'), (1, 'email:ann@acme.com'), (0, 'email:bob@beta.com')]
    >>> rounds.close("email:ann@acme.com")
    1
    >>> rounds.place(view)[0], rounds.place(bob)[0]
    (2, 1)
    """

    def __init__(self, *, follows_accounts: bool) -> None:
        self.first = 0
        self._end = 0
        self._follows_accounts = follows_accounts
        self._people: dict[str, _Person] = {}
        self._accounts: dict[str, _Circle] = {}
        self._seen: dict[_Shown, tuple[_Person, str]] = {}

    def start(self) -> int:
        """Begin after all rounds so far; return the number of the first one from here on."""
        self.first = self._end
        return self.first

    def place(self, event: Event) -> tuple[int, str]:
        """Return the round of an event, and its strongest identity; raises :class:`EventError` where it has none."""
        told = None if event.traits is None else event.traits.get(_EMAIL)
        shown = event.email, event.user_id, event.anonymous_id, event.account_id, told
        try:
            person, lead = self._seen[shown]
        except KeyError:
            return self._meet(*shown)
        except TypeError:  # what it tells is no text
            return self._meet(*shown[:4], None)
        if person.part_of is not None:
            person = person.whole()
        circle = person.circle
        if circle.part_of is not None:
            circle = person.circle = circle.whole()
        begin, at_first = person.begin, circle.begin
        number = self._put(circle, begin if begin > at_first else at_first)
        if event.account_id is not None and event.account_id != person.account_id:
            person.account_id, person.begin = event.account_id, number + 1  # it has moved back to another one
        return number, lead

    def place_update(self, update: AccountUpdate) -> int:
        """Return the round of what was told of a company: with nothing else of its account but such without facts."""
        if not self._follows_accounts:
            return self._put(_Circle(), self.first)
        keys = [account_key(update.account_id, None), account_of_domain(update.domain or "")]
        circle = _join([self._account(key) for key in keys if key])
        if update.facts or circle.told != circle.last or circle.told < self.first:
            circle.told = self._put(circle, max(circle.begin, circle.last + 1))
            circle.begin = circle.told + 1
        return circle.told

    def close(self, identity: str) -> int | None:
        """Let what comes of a lead, its account and its people wait for what was there until now.

        Returns the last round of that, which may be before the first one; None where the lead has not been seen.
        """
        person = self._people.get(identity)
        if person is None:
            return None
        circle = person.whole().circle.whole()
        circle.begin, circle.told = max(circle.begin, circle.last + 1), -1
        return circle.last

    def _put(self, circle: _Circle, number: int) -> int:
        if number < self.first:
            number = self.first
        if number > circle.last:
            circle.last = number
            if number >= self._end:
                self._end = number + 1
        return number

    def _meet(
        self, email: str | None, user_id: str | None, anonymous_id: str | None, account_id: str | None, told: object
    ) -> tuple[int, str]:
        """Place an event that shows a lead as it has not been shown before."""
        lead = strongest_identity(email, user_id, anonymous_id)
        names = [lead, *weaker_identities(user_id, anonymous_id)]
        people = list(dict.fromkeys(self._people.setdefault(name, _Person()).whole() for name in names))
        before = people[0].circle.whole()
        address = email or (told if isinstance(told, str) else "")
        keys = [account_key(account_id, None), account_of_domain(domain_of(address))] if self._follows_accounts else []
        circle = _join([*(self._account(key) for key in keys if key), *(person.circle for person in people)])
        person = people[0]
        number = self._put(circle, max(circle.begin, *(each.begin for each in people)))
        for other in people[1:]:
            other.part_of = person
        is_news = len(names) > 1 or circle is not before or account_id is not None
        person.circle, person.begin, person.account_id = circle, number + is_news, account_id or person.account_id
        self._seen[email, user_id, anonymous_id, account_id, told] = person, lead
        return number, lead

    def _account(self, key: str) -> _Circle:
        return self._accounts.setdefault(key, _Circle())


def _join(circles: list[_Circle]) -> _Circle:
    """Make these one circle from now on, and return it."""
    whole, *others = dict.fromkeys(circle.whole() for circle in circles)
    for other in others:
        whole.begin, whole.last = max(whole.begin, other.begin), max(whole.last, other.last)
        whole.told, other.part_of = -1, whole
    return whole
