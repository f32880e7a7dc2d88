"""Every error that leadheat raises on purpose.

    LeadheatError
    ├── ModelError      a model file is wrong: file, line, what was expected
    ├── EventError      one event cannot be scored: a dead letter, or a 4xx at the gateway
    ├── DraftError      accounts or outcomes say too little for a draft
    ├── CustomerError   what is told of a customer cannot be rated
    ├── SettingsError   an environment variable or option is wrong
    └── StartError      something that a command needs is missing: a port, Java, the broker

The first four are expected and carry enough to be answered; whatever else goes wrong ends the process.
"""

from __future__ import annotations


class LeadheatError(Exception):
    """Base of all errors that leadheat raises on purpose."""


class ModelError(LeadheatError):
    """A scoring model cannot be used.

    ``problems`` holds one line per fault, each as ``file:line: field: what is wrong``.

    >>> print(ModelError(["m.yaml:3: bands.hot.enter: -1 is not above 0"]))
    m.yaml:3: bands.hot.enter: -1 is not above 0
    """

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class EventError(LeadheatError):
    """One event cannot be scored.

    ``reason`` is one of a closed set (see :data:`scoring.events.REASONS`) and labels metrics and dead
    letters; ``field`` is the JSON path at fault (empty for the whole event); the message is for people.

    >>> error = EventError("missing_field", "id", "is required")
    >>> error.reason, str(error)
    ('missing_field', 'id: is required')
    """

    def __init__(self, reason: str, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}" if field else message)
        self.reason = reason
        self.field = field
        self.message = message


class DraftError(LeadheatError):
    """No profile or model can be drafted from what is there; the message says what is missing."""


class CustomerError(LeadheatError):
    """What is told of a customer cannot be rated; ``field`` is the fact, column or criterion at fault.

    >>> print(CustomerError("revenue", "'lots' is not a number"))
    revenue: 'lots' is not a number
    """

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}" if field else message)
        self.field = field
        self.message = message


class SettingsError(LeadheatError):
    """A setting is missing or wrong; the message names the variable and what was expected."""


class StartError(LeadheatError):
    """A command cannot start; the message says what is missing and what to do."""
