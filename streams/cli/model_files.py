"""Which file a person means by the name of a model."""

from __future__ import annotations

from pathlib import Path

from scoring.models import DEFAULT_MODEL


def find_model(path: Path) -> Path:
    """Return the file of a model, which is ours where it is called ``default`` and there is no such file."""
    return DEFAULT_MODEL if str(path) == "default" and not path.exists() else path
