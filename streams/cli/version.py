"""``leadheat version``: what is installed."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of

_PARTS = ("faust-streaming", "aiokafka", "msgspec", "pydantic")


def version() -> None:
    """Print the versions that belong into a report about a fault.

    Example: leadheat version
    """
    print(describe_version())
    print(f"Python {platform.python_version()} on {platform.system()}, {', '.join(map(_describe, _PARTS))}")


def describe_version() -> str:
    """Return leadheat's version, as in ``leadheat 0.1.0``."""
    return _describe("leadheat")


def _describe(package: str) -> str:
    try:
        return f"{package} {version_of(package)}"
    except PackageNotFoundError:
        return f"{package} (not installed as a package)"
