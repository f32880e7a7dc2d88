"""What is seen in the logs while a broker is away."""

from __future__ import annotations

import logging

import pytest

from streams.logs import Seldom


@pytest.mark.parametrize(
    ("logger", "level", "passed"),
    [
        ("aiokafka.consumer.fetcher", logging.ERROR, [True, False, False, True, True]),
        ("aiokafka", logging.INFO, [True] * 5),
        ("streams.app", logging.ERROR, [True] * 5),
    ],
)
def test_aiokafka_tells_each_kind_of_error_once_in_ten_seconds(logger: str, level: int, passed: list[bool]) -> None:
    seconds = [0.0]
    seldom = Seldom(lambda: seconds[0])
    found = []
    for at_s, line in ((0.0, 10), (0.1, 10), (9.9, 10), (10.0, 10), (10.1, 20)):
        seconds[0] = at_s
        found.append(seldom.filter(logging.LogRecord(logger, level, "client.py", line, "to node %s", (at_s,), None)))
    assert found == passed
