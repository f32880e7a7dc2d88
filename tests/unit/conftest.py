"""Hypothesis tries the same examples at every run; ``HYPOTHESIS_PROFILE=search`` looks for new ones."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

_SLOW_IS_FINE = [HealthCheck.too_slow, HealthCheck.data_too_large]

settings.register_profile(
    "steady", deadline=None, max_examples=40, derandomize=True, database=None, suppress_health_check=_SLOW_IS_FINE
)
settings.register_profile("search", deadline=None, max_examples=2_000, suppress_health_check=_SLOW_IS_FINE)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "steady"))
