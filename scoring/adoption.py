"""Another model over states that an earlier one left: how far the pass over them is, and what it has changed."""

from __future__ import annotations

from typing import Final

import msgspec

EXAMPLES_MAX: Final = 20

Adopted = tuple[str, str, str]
"""A lead that was brought under a new model: its id, its band before, and its band since."""


class Move(msgspec.Struct, kw_only=True):
    """How many leads a model moved from one band to another, and the first of them."""

    from_band: str
    to_band: str
    leads: int = 0
    examples: list[str] = msgspec.field(default_factory=list)


class Adoption(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What became of a shard's leads under a new model; a record of the model-reports topic when it is finished.

    ``number`` is the model's among all that were published (0: not known), ``partition`` the shard. ``adopted_to`` is
    the last lead that the pass has been over, in the order of ids. ``leads`` were looked at. ``from_now_on`` names what
    counts only new events, until the old ones are replayed. Where the next model came before the pass was over,
    ``is_finished`` is false.
    """

    model: str
    number: int = 0
    partition: int = 0
    leads: int = 0
    moves: list[Move] = msgspec.field(default_factory=list)
    from_now_on: list[str] = msgspec.field(default_factory=list)
    adopted_to: str = ""
    is_finished: bool = False

    def note(self, lead: str, from_band: str, to_band: str) -> None:
        """Note that a lead is in another band now.

        >>> adoption = Adoption(model="2")
        >>> adoption.note("user:7", "hot", "warm")
        >>> adoption.moves
        [Move(from_band='hot', to_band='warm', leads=1, examples=['user:7'])]
        """
        for move in self.moves:
            if (move.from_band, move.to_band) == (from_band, to_band):
                break
        else:
            move = Move(from_band=from_band, to_band=to_band)
            self.moves.append(move)
        move.leads += 1
        if len(move.examples) < EXAMPLES_MAX:
            move.examples.append(lead)
