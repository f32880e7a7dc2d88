"""Who takes part: people with roles and habits at the invented :data:`~streams.demo.companies.COMPANIES`.

Nobody here exists: first and last names are put together by chance.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from itertools import count
from random import Random
from typing import Final

from streams.demo.companies import COMPANIES, Company

PEOPLE: Final = 320


class Habit(Enum):
    """How somebody uses our site and e-mails; the value is the share of all people, in per cent (sums to 100)."""

    PASSER_BY = 44  # looks at one page or two, once
    REGULAR = 17.5  # comes back now and then
    READER = 14  # reads newsletters, and what they link to
    RESEARCHER = 12  # compares, downloads, attends webinars, looks at prices, over weeks
    BUYER = 5  # knows what they want: prices, and a form
    LEAVER = 3.5  # read newsletters until it was enough
    JOB_SEEKER = 4  # is here for the careers page


@dataclass(frozen=True)
class Person:
    """Somebody; ``number`` is unique. Of one who is not ``known`` there is only a cookie."""

    number: int
    first_name: str
    last_name: str
    title: str
    company: Company
    habit: Habit
    known: bool

    @property
    def name(self) -> str:
        """First and last name."""
        return f"{self.first_name} {self.last_name}"

    @property
    def email(self) -> str:
        """The address at work; the number keeps namesakes apart where a company has several."""
        suffix = "" if self.number <= PEOPLE else f"{self.number - PEOPLE}"
        return f"{self.first_name}.{self.last_name}{suffix}@{self.company.domain}".lower()

    @property
    def user_id(self) -> str:
        """The id in our own systems."""
        return f"u-{self.number:05}"

    @property
    def anonymous_id(self) -> str:
        """The id in a browser's cookie."""
        return f"visitor-{self.number:05}"


_FIRST_NAMES: Final = (
    "Ada Amara Anouk Anton Bea Bilal Bram Carmen Cato Chidi Clara Dario Daan Elif Emil Esra Farah Femke Finn Gita "
    "Greta Hamza Hana Hugo Ilse Imani Ivo Jana Jonas Joris Kai Kofi Lana Leon Lieke Lucia Malik Mara Mateo Mila Nadia "
    "Niels Noor Olga Omar Otto Pia Priya Quinn Rafael Rosa Ruben Sanne Selma Sven Tariq Tess Thea Uma Vera Wout Yara "
    "Yusuf Zoe"
)

_LAST_NAMES: Final = (
    "Abebe Almeida Andersen Bakker Banerjee Bergman Blom Castillo Celik Conti Dahl Dekker Demir Diallo Duarte Eriksen "
    "Faber Farkas Ferrand Fischer Fontana Gallo Greve Haddad Hansen Holm Ibarra Iversen Jansen Kaya Keller Kimura "
    "Kowal Kuiper Lambert Lind Lopes Maes Marino Mehta Meyer Molina Moreau Nakata Nilsen Novak Okoro Olsen Osei "
    "Pereira Peters Prins Quist Ramos Rasheed Reis Rossi Santos Sato Schmitt Silva Simic Sorensen Tanaka Thomas "
    "Toussaint Urban Vance Vega Visser Vogel Weber Winther Yilmaz Zeman"
)

_TITLES: Final = {
    Habit.RESEARCHER: ("Head of Operations", "IT Manager", "Process Manager", "Business Analyst", "Head of Data"),
    Habit.BUYER: ("Chief Operating Officer", "Head of Procurement", "Managing Director", "Chief Financial Officer"),
    Habit.JOB_SEEKER: ("Student", "Software Engineer", "Account Manager"),
}
_OTHER_TITLES: Final = ("Marketing Manager", "Engineer", "Controller", "Project Manager", "Consultant", "Team Lead")

_INTERESTS: Final = [company.interest for company in COMPANIES]

_ANONYMOUS: Final = {Habit.PASSER_BY: 0.7, Habit.JOB_SEEKER: 0.5}
"""Shares of those who never say who they are."""


def people(rng: Random) -> Iterator[Person]:
    """Invent people without end: the first :data:`PEOPLE` with the shares of :class:`Habit`, newcomers after them.

    No two share an address.
    """
    habits = [habit for habit in Habit for _ in range(round(PEOPLE * habit.value / 100))]
    rng.shuffle(habits)
    taken: set[str] = set()
    for number, habit in enumerate(habits, 1):
        person = _person(rng, number, habit)
        while person.email in taken:
            person = _person(rng, number, habit)
        taken.add(person.email)
        yield person
    for number in count(len(habits) + 1):
        yield _person(rng, number, rng.choice((Habit.RESEARCHER, Habit.BUYER)))


def _person(rng: Random, number: int, habit: Habit) -> Person:
    return Person(
        number=number,
        first_name=rng.choice(_FIRST_NAMES.split()),
        last_name=rng.choice(_LAST_NAMES.split()),
        title=rng.choice(_TITLES.get(habit, _OTHER_TITLES)),
        company=rng.choices(COMPANIES, _INTERESTS)[0],
        habit=habit,
        known=rng.random() >= _ANONYMOUS.get(habit, 0.0),
    )
