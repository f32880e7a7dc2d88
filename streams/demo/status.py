"""How it goes: the pace, and what is wrong, if anything."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

from streams.demo.board import Board

_WINDOW_S: Final = 5.0


@dataclass(frozen=True)
class Pace:
    """How long the live play has gone on, and how many events per second were sent and scored lately."""

    live_s: float
    sent_per_s: float
    scored_per_s: float


class Pacemaker:
    """Measures the pace over the last five seconds, from ``started_s`` on."""

    def __init__(self, board: Board, started_s: float) -> None:
        self._board = board
        self._started_s = started_s
        self._samples = deque([(started_s, board.sent, board.scored)])

    def measure(self, now_s: float) -> Pace:
        """Take a sample and return the pace."""
        samples = self._samples
        samples.append((now_s, self._board.sent, self._board.scored))
        while samples[1][0] < now_s - _WINDOW_S:
            samples.popleft()
        (then_s, sent, scored), (_, sent_now, scored_now) = samples[0], samples[-1]
        elapsed_s = max(now_s - then_s, 0.001)
        return Pace(now_s - self._started_s, (sent_now - sent) / elapsed_s, (scored_now - scored) / elapsed_s)


def loss_of(board: Board) -> str:
    """Say what was lost, or nothing; what is under way is not lost."""
    return "; ".join(_losses(board))


def _losses(board: Board) -> list[str]:
    losses = [f"{number:,} events were given up ({why})" for why, number in board.given_up.most_common(3)]
    return losses + [f"{number:,} events became dead letters ({why})" for why, number in board.refused.most_common(3)]


def faults_of(board: Board, *, must_turn_hot: bool) -> list[str]:
    """Return what went wrong, after all that was sent has had its time to be scored; nothing if all is well."""
    faults = _losses(board)
    if board.under_way:
        faults.append(f"{board.under_way:,} of {board.sent:,} events that were sent were not scored")
    if board.history_alerts:
        faults.append(
            f"{board.history_alerts} alerts came of the history, which should be too old for them: "
            f"the model's alerts.max_age_h is {board.model.alerts.max_age_h:g}"
        )
    if board.wrong_ledgers:
        faults.append(f"{board.wrong_ledgers} alerts had a ledger that does not sum to the score")
    if must_turn_hot and not board.turned_hot:
        faults.append(f"nothing turned {board.top_band}: does the model know the demo's pages and forms?")
    return faults
