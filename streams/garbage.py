"""How often a process that runs for long looks for garbage."""

from __future__ import annotations

import gc


def collect_rarely(objects: int) -> None:
    """Never look again at what is here now, and at new objects only when so many more were made than thrown away.

    What our processes make by the thousand are short-lived lists and records, without cycles. To look at them took a
    tenth of their time; to look at all that was imported holds everything up for a tenth of a second.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(objects, 10, 10)
