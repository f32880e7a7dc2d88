"""``leadheat customers segment`` reads a spreadsheet, and says whom to keep; the table in the guide is as it says."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook

from scoring.model import parse_model

GUIDE = Path(__file__).parents[2] / "docs" / "model.md"
HEAD = """version: v1
rules: {view: {on: page_viewed, points: 1, half_life_days: 14}}
bands: {warm: {enter: 1, leave: 0.5}}
"""
QUESTIONS = "fits_profile,offer_meets_need,low_service_effort,revenue_potential"
SIX = f"""customer,{QUESTIONS},revenue,profit
Acme,yes,yes,yes,yes,"1.200,50",300
Bolt,yes,yes,yes,no,900,200
Cork,yes,yes,no,no,300,-50
Dust,no,no,no,no,50,10
Elm,no,no,,no,20,
Fig,,,,yes,,
"""

Run = Callable[..., Any]
Write = Callable[..., str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a file, and return its path."""

    def write(content: str | bytes, name: str = "customers.csv") -> str:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    return write


def block_of(language: str) -> str:
    (found,) = re.findall(rf"^```{language}\n(.*?)^```$", GUIDE.read_text(), re.MULTILINE | re.DOTALL)
    return str(found)


def model_of_the_guide() -> str:
    blocks = re.findall(r"^```yaml\n(customers:.*?)^```$", GUIDE.read_text(), re.MULTILINE | re.DOTALL)
    return HEAD + blocks[0]


def workbook(rows: Sequence[Sequence[object]], title: str = "Sheet", far: str = "A1") -> bytes:
    book, raw = Workbook(), io.BytesIO()
    sheet: Any = book.active
    sheet.title = title
    for row in rows:
        sheet.append(row)
    if far != "A1":
        sheet[far] = "x"
    book.save(raw)
    return raw.getvalue()


# ── what it says ─────────────────────────────────────────────────────────────────────────────────────────────


def test_the_table_of_thirty_in_the_guide_has_the_segments_that_it_says(run: Run, write: Write) -> None:
    assert parse_model(model_of_the_guide(), "m.yaml").customers.value_max == 6
    file, model = write(block_of("csv customers")), write(model_of_the_guide(), "m.yaml")
    ran = run("customers", "segment", file, "--model", model, "--as-of", "2026-11-01", "--text")
    assert (ran.code, ran.err) == (0, "")
    shown = ran.out.partition("\n\n")[2].splitlines()
    assert [line.rstrip() for line in shown] == block_of("text customers").splitlines()


def test_a_report_says_what_each_segment_brings_and_how_few_bring_the_most(run: Run, write: Write) -> None:
    ran = run("customers", "segment", write(SIX), "--text")
    assert ran.code == 0
    lines = [re.sub(r"\s+", " ", line).strip() for line in ran.lines]
    assert lines[:9] == [
        "segment customers share revenue profit action service",
        "A 1 17% 1,200 300 fight for a contact of their own, answers the same day",
        "B 2 33% 1,200 150 keep regular contact, answers within two days",
        "C 1 17% 20 – serve cheaply self-service",
        "exit 1 17% 50 10 let go",
        "unknown 1 17% – –",
        "80% of revenue comes from 2 of 5 customers (40%); of 1 it is unknown",
        "80% of profit comes from 2 of 4 customers (50%); 1 of them loses 50; of 2 it is unknown",
        "Note: 4 customers are few to part into 3 segments; look at each yourself",
    ]


def test_csv_and_json_have_every_customer_with_its_ratings(run: Run, write: Write, tmp_path: Path) -> None:
    file, saved = write(SIX), tmp_path / "out.csv"
    rows = list(csv.DictReader(io.StringIO(run("customers", "segment", file, "--csv", "--save", saved).out)))
    assert [(row["customer"], row["segment"], row["value"], row["fits_profile_rating"]) for row in rows] == [
        ("Acme", "A", "4.0", "1.0"),
        ("Bolt", "B", "3.0", "1.0"),
        ("Cork", "B", "2.0", "1.0"),
        ("Dust", "exit", "0.0", "0.0"),
        ("Elm", "C", "0.0", "0.0"),
        ("Fig", "unknown", "", ""),
    ]
    assert list(csv.DictReader(io.StringIO(saved.read_text("utf-8-sig")))) == rows
    found = json.loads(run("customers", "segment", file, "--json").out)
    assert [each["customer"] for each in found["customers"]] == [row["customer"] for row in rows]
    assert found["limits"] == {"segments": {"A": 4.0, "B": 2.0}, "quantiles": {}}


def test_a_workbook_says_the_same_as_the_csv_file(run: Run, write: Write) -> None:
    rows: list[list[object]] = [list(row) for row in csv.reader(io.StringIO(SIX))]
    rows[1][5] = 1200.5
    rows[2][5] = 900
    file = write(workbook([[], *rows], "2026"), "customers.xlsx")
    found = json.loads(run("customers", "segment", file, "--json", "--sheet", "2026").out)
    assert found == json.loads(run("customers", "segment", write(SIX), "--json").out)


def test_an_override_in_a_workbook_ends_with_its_day(run: Run, write: Write) -> None:
    heading = ["customer", *QUESTIONS.split(","), "override", "override_reason", "override_until"]
    rows = [[f"c{number}", "yes", "yes", "yes", "no", *[None] * 3] for number in range(3)]
    rows[0][5:] = ["c", "moves away", date(2026, 6, 30)]  # type: ignore[list-item]
    file = write(workbook([heading, *rows]), "customers.xlsx")
    for as_of, segment in (("2026-06-30 23:59", "C"), ("2026-07-01", "B")):
        found = json.loads(run("customers", "segment", file, "--json", "--as-of", as_of).out)
        assert next(each["segment"] for each in found["customers"] if each["customer"] == "c0") == segment


def test_by_group_customers_are_where_their_group_is(run: Run, write: Write) -> None:
    rows = [f"{group}{number},{group},{word},yes,yes,{word}" for group, word in ("xy", "zn") for number in range(20)]
    rows = [row.replace(",y,", ",yes,").replace(",n,", ",no,") for row in rows]
    file = write("\n".join([f"customer,group,{QUESTIONS}", *rows]) + "\n")
    found = json.loads(run("customers", "segment", file, "--by", "group", "--json").out)
    assert {(each["group"], each["segment"]) for each in found["customers"]} == {("x", "A"), ("z", "C")}


def test_the_best_segment_drafts_a_profile_of_what_else_is_known(run: Run, write: Write, tmp_path: Path) -> None:
    rows = [f"c{number},yes,yes,yes,yes,Software" for number in range(3)]
    rows += [f"d{number},yes,yes,no,no,Steel" for number in range(6)]
    drafted = tmp_path / "profile.yaml"
    ran = run("customers", "segment", write("\n".join([f"customer,{QUESTIONS},Industry", *rows])), "--profile", drafted)
    assert ran.code == 0
    profile = parse_model(HEAD + drafted.read_text(), "m.yaml").profiles["drafted"]
    assert list(profile) == ["industry"]


# ── what is refused ──────────────────────────────────────────────────────────────────────────────────────────


def refused(run: Run, *arguments: object) -> list[str]:
    ran = run("customers", "segment", *arguments)
    assert (ran.code, ran.out) == (2, "")
    return [re.sub(r"\S*/", "", line) for line in ran.err.removeprefix("leadheat: ").splitlines()]


def test_missing_columns_are_named_with_what_they_may_be_called(run: Run, write: Write) -> None:
    file = write("Company,Fit Profile,offer meets need,effort\nAcme,yes,yes,no\n")
    assert refused(run, file) == [
        "customers.csv: no column tells fits_profile or fits, which the criterion fits_profile asks for; is it "
        "'Fit Profile'? "
        'then say --map "Fit Profile=fits_profile"',
        "customers.csv: no column tells low_service_effort, which the criterion low_service_effort asks for",
        "customers.csv: no column tells revenue_potential, which the criterion revenue_potential asks for",
        "customers.csv: with --allow-missing, what no column tells is unknown of every customer",
    ]
    ran = run("customers", "segment", file, "--allow-missing", "--map", "Fit Profile=fits_profile", "--text")
    assert ran.code == 0
    assert "no column tells low_service_effort, revenue_potential, unknown of everybody" in ran.out


def test_every_fault_of_a_table_is_told_with_its_line(run: Run, write: Write) -> None:
    rows = [
        "Acme,perhaps,yes,yes,yes,lots",
        "Bolt,perhaps,yes,yes,so so,5",
        "acme,yes,yes,yes,yes,7",
        ",yes,yes,yes,yes,7",
    ]
    file = write("\n".join([f"customer,{QUESTIONS},revenue", *rows]))
    assert refused(run, file) == [
        "customers.csv: line 2: revenue: 'lots' is not a number for revenue",
        "customers.csv: line 3: fits_profile: 'perhaps' is neither yes nor no",
        "customers.csv: line 3: revenue_potential: 'so so' is neither yes nor no",
        "customers.csv: line 5: customer: is blank; say who it is",
    ]
    twice = write("\n".join([f"customer,{QUESTIONS},revenue", rows[2], rows[2].upper()]))
    assert refused(run, twice) == ["customers.csv: line 3: 'ACME' is on line 2 already; a customer has one row"]


@pytest.mark.parametrize(
    ("told", "revenues"),
    [
        (["1.200", "950,50"], [1200, 950.5]),
        (["1,200", "950.50"], [1200, 950.5]),
        (["1.200", "1.200.300"], [1200, 1_200_300]),
        (["€ 1.200", "7", "0,125"], [1200, 7, 0.125]),
        (["1200", "12345,678"], [1200, 12345.678]),
        (["1.5", "2,5"], [1.5, 2.5]),
    ],
)
def test_the_numbers_that_leave_no_doubt_tell_how_the_others_are_read(
    run: Run, write: Write, told: list[str], revenues: list[float]
) -> None:
    rows = [f'c{number};yes;yes;yes;no;"{cell}"' for number, cell in enumerate(told)]
    file = write("\n".join([f"customer,{QUESTIONS},revenue".replace(",", ";"), *rows]))
    found = json.loads(run("customers", "segment", file, "--json").out)
    assert {each["customer"]: each["revenue"] for each in found["customers"]} == {
        f"c{number}": revenue for number, revenue in enumerate(revenues)
    }


def test_a_number_that_may_be_read_in_two_ways_is_refused_until_it_is_said_which(run: Run, write: Write) -> None:
    file = write(f"customer;{QUESTIONS.replace(',', ';')};revenue\nAcme;yes;yes;yes;no;1.200\nBolt;no;yes;yes;no;7\n")
    assert refused(run, file) == [
        "customers.csv: line 2: revenue: '1.200' is a thousand times more where points part thousands, or commas do, "
        "and nothing in the table tells; say --decimal point or --decimal comma"
    ]
    for decimal, revenue in (("comma", 1200), ("point", 1.2)):
        found = json.loads(run("customers", "segment", file, "--decimal", decimal, "--json").out)
        assert next(each["revenue"] for each in found["customers"] if each["customer"] == "Acme") == revenue


@pytest.mark.parametrize(
    ("override", "problem"),
    [
        ("D,because,2026-01-01", "override: 'D' is not a segment; there are A, B, C, exit"),
        ("A,,2026-01-01", "override_reason: is blank; say why the segment is set by hand"),
        ("A,because,", "override_until: is blank; say on which day the override ends"),
        ("A,because,soon", "override_until: 'soon' is not a time such as 2026-01-31 14:05 or …T14:05:00Z"),
    ],
)
def test_an_override_needs_a_segment_a_reason_and_an_end(run: Run, write: Write, override: str, problem: str) -> None:
    heading = f"customer,{QUESTIONS},override,override_reason,override_until"
    assert refused(run, write(f"{heading}\nAcme,yes,yes,yes,yes,{override}\n")) == [f"customers.csv: line 2: {problem}"]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "customers.csv: is empty; its first line should name the columns"),
        (f"customer,{QUESTIONS}\n", "customers.csv: has a heading and no customers below it"),
        (f"who,{QUESTIONS}\nAcme,1,1,1,1\n", "customers.csv: no column tells customer or name, which a customer needs"),
        (b"PK\x03\x04nonsense", "customers.csv: is not a whole workbook: File is not a zip file"),
        (b"\xd0\xcf\x11\xe0" + bytes(9), "customers.csv: is a workbook of an older kind (.xls); save it as .xlsx or"),
        (workbook([[]]), "customers.csv: the sheet 'Sheet' is empty; its first row should name the columns"),
        (workbook([["customer"]], far="XFD1048576"), "customers.csv: has a cell far outside; delete all columns and"),
    ],
)
def test_what_is_no_table_is_refused_in_words(run: Run, write: Write, content: str | bytes, problem: str) -> None:
    assert refused(run, write(content))[0].startswith(problem)


def test_options_that_do_not_go_with_a_table_are_refused(run: Run, write: Write) -> None:
    file, book = write(SIX), write(workbook([["customer"]], "2026"), "book.xlsx")
    assert refused(run, file, "--sheet", "x") == ["--sheet x: customers.csv is no workbook"]
    assert refused(run, book, "--sheet", "2025") == ["book.xlsx: there is no sheet '2025'; did you mean '2026'?"]
    assert refused(run, file, "--by", "group")[0].startswith("customers.csv: --by group needs a column group")
    assert refused(run, file, "--map", "revenue=turnovr") == [
        "customers.csv: --map revenue=turnovr: 'turnovr' is not asked for; fields are customer, name, group, revenue, "
        "profit, override, override_reason, override_until, fits_profile, fits, offer_meets_need, low_service_effort, "
        "revenue_potential"
    ]
    assert refused(run, file, "--as-of", "soon")[0].startswith("--as-of soon: ")
