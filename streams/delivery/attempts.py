"""What one try to deliver came to."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Sent:
    """It has arrived; ``ref`` is what the receiver calls the message, where that is of use later."""

    ref: str = ""


@dataclass(frozen=True)
class Failed:
    """It has not, or nobody knows: ``reason`` in words, without secrets.

    ``retry_after_ms`` is how long the receiver wants to be left alone. ``is_final`` says that the same content will
    never be taken, ``is_gone`` that nothing will. ``is_down`` says that it is the receiver's state and not the message.
    """

    reason: str
    retry_after_ms: int | None = None
    is_final: bool = False
    is_gone: bool = False
    is_down: bool = True


Attempt = Sent | Failed
