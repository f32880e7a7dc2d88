"""The default model, and boards with something on them."""

from __future__ import annotations

import pytest

from scoring.model import ScoringModel, load_model
from scoring.models import DEFAULT_MODEL


@pytest.fixture(scope="session")
def model() -> ScoringModel:
    return load_model(DEFAULT_MODEL)
