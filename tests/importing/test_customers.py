"""A table of customers is read whole: its faults all at once, and in work that grows no faster than the table."""

from __future__ import annotations

from scoring.customers import segment_customers
from scoring.model_customers import Customers
from streams.importing.customers import map_customer_columns, read_customers
from streams.importing.table import Row
from streams.importing.times import TimeReader
from tests.unit.test_customers import NOW, count_calls

ASKED = Customers.model_validate(
    {
        "criteria": {
            "revenue": {"kind": "quantiles", "quantiles": 4},
            "payment": {"kind": "answers", "answers": {"late": 1, "early": 2}},
            "fits": {"kind": "yes_no"},
            "upsell": {"kind": "rating"},
        }
    }
)


def segment(count: int) -> None:
    """Read and part a table of so many customers."""
    mapped = map_customer_columns(
        ["customer", "revenue", "payment", "fits", "upsell"], ASKED, chosen={}, times=TimeReader()
    )
    rows = [
        Row(n + 2, [f"c{n}", f"{n},50", ("late", "early")[n % 2], ("yes", "no", "")[n % 3], str(n % 10 + 1)])
        for n in range(count)
    ]
    segment_customers(ASKED, read_customers(rows, mapped, "customers.csv"), NOW)


def test_the_work_of_reading_and_parting_a_table_grows_with_its_rows_and_no_faster() -> None:
    """Counted in calls, which no other load on this machine changes."""
    some, twice = count_calls(lambda: segment(500)), count_calls(lambda: segment(1_000))
    assert twice < 2.1 * some
    assert some < 500 * 150
