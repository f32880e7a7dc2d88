"""``python -m streams.cli`` is ``leadheat``."""

from streams.cli import main

main()
