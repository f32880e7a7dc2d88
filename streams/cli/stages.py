"""Which leads a command is to show: by how far they have come."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer


class Stage(StrEnum):
    """How far a lead has come."""

    VISITOR = "visitor"
    INACTIVE = "inactive"
    CONVERTED = "converted"


StageOption = Annotated[
    Stage | None,
    typer.Option(
        help="Only those not identified yet (visitor), without a conversion (inactive), or with one (converted).",
        show_default="all",
    ),
]
