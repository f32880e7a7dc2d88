"""How much of what could be tried is tried: a third by ``make test``, all by ``make test-thorough``.

``HYPOTHESIS_PROFILE`` decides: ``quick``, which is the default, ``thorough``, or ``search``, which tries fifty times
as much, and other examples at every run.
"""

from __future__ import annotations

import os
from fractions import Fraction

PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "quick")
SHARES = {"quick": Fraction(1, 3), "thorough": Fraction(1), "search": Fraction(50)}


def share(full: int) -> int:
    """Return how many of ``full`` examples to try, at least one.

    A test that asks for it is marked ``share``, unless Hypothesis makes its examples.
    """
    return max(1, round(full * SHARES[PROFILE]))
