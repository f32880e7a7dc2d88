"""The models that leadheat comes with."""

from pathlib import Path

DEFAULT_MODEL = Path(__file__).parent / "default.yaml"
"""The default model, commented with its sources."""
