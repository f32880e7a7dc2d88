"""``leadheat accounts profile`` reads a list of accounts, and prints a profile to be pasted into a model."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scoring.errors import SettingsError
from scoring.model import parse_model
from streams.cli.accounts_files import ACCOUNTS_MAX, read_accounts

HEAD = """version: v1
rules: {view: {on: page_viewed, points: 1, half_life_days: 14}}
bands: {warm: {enter: 1, leave: 0.5}}
"""
CSV = """name,industry,employees,technologies,founded
Acme,Software,"1,200","SAP, Kafka",1999
Bravo,software,80,Kafka,
Charlie,Steel,50,,
"""
FACTS = [
    {"name": "Acme", "industry": "Software", "employees": 1200, "technologies": ["SAP", "Kafka"], "founded": 1999},
    {"name": "Bravo", "industry": "software", "employees": 80, "technologies": ["Kafka"]},
    {"name": "Charlie", "industry": "Steel", "employees": 50},
]


@pytest.fixture
def file(tmp_path: Path) -> Callable[[str | bytes], str]:
    """Write a file of accounts, and return its path."""

    def write(content: str | bytes) -> str:
        path = tmp_path / "accounts"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    return write


def test_a_csv_file_becomes_a_profile_that_a_model_takes(run: Callable[..., Any], file: Callable[..., str]) -> None:
    ran = run("accounts", "profile", file(CSV))
    assert (ran.code, ran.err) == (0, "")
    assert ran.lines[:3] == [
        "# Drafted from 3 accounts: what they share. Edit it, and paste it into your model.",
        "profiles:",
        "  drafted:",
    ]
    profile = parse_model(HEAD + ran.out, "m.yaml").profiles["drafted"]
    assert {name: component.weight for name, component in profile.items()} == {
        "size": 7,
        "industry": 6.7,
        "technology": 4.7,
    }
    assert '        "Software": 10 # 2 of 3' in ran.lines
    assert "    # founded: known of 1 of 3" in ran.lines


def test_standard_input_is_read_too(run: Callable[..., Any]) -> None:
    lines = "\n".join(json.dumps(account) for account in FACTS)
    ran = run("accounts", "profile", "-", stdin=lines.encode())
    assert ran.code == 0
    assert run("accounts", "profile", "-", stdin=CSV.encode()).out == ran.out


def test_too_few_accounts_end_with_2_and_say_how_many_are_needed(
    run: Callable[..., Any], file: Callable[..., str]
) -> None:
    for text, count in (("industry\nSoftware\nSteel\n", 2), ("industry\n", 0), ("", 0)):
        ran = run("accounts", "profile", file(text))
        assert (ran.code, ran.out) == (2, "")
        assert ran.err == f"leadheat: a profile needs at least 3 accounts, to tell what they share; got {count}\n"


def test_a_file_that_is_not_there_ends_with_2(run: Callable[..., Any], tmp_path: Path) -> None:
    ran = run("accounts", "profile", tmp_path / "no.csv")
    assert (ran.code, ran.err) == (2, f"leadheat: {tmp_path / 'no.csv'}: cannot be read: No such file or directory\n")


# ── how files are read ───────────────────────────────────────────────────────────────────────────────────────

CELLS = CSV.replace('"SAP, Kafka"', "SAP|Kafka").replace('"1,200"', "1_200").replace(",", ";").replace("_", ",")


@pytest.mark.parametrize(
    "content",
    [
        CSV,
        CELLS,
        CSV.replace("\n", "\r\n"),
        f"\n\n{CSV}\n\n",
        f"\ufeff{CSV}",
        CSV.replace("founded", "founded,,").replace("1999", "1999,,"),
        CSV.replace("Acme,", '" Acme ",'),
        gzip.compress(CSV.encode()),
        "".join(f"{json.dumps(account)}\n" for account in FACTS),
        "".join(f"\n{json.dumps(account | {'founded': account.get('founded')})}\n" for account in FACTS),
        "".join(json.dumps({"id": "u", "domain": "a.example", "facts": account}) + "\n" for account in FACTS),
    ],
    ids=range(11),
)
def test_accounts_are_read_whatever_form_they_have(file: Callable[..., str], content: str | bytes) -> None:
    assert read_accounts(file(content)) == FACTS


@pytest.mark.parametrize(
    ("cell", "fact"),
    [
        ("1,200", 1200),
        ("-1,234,567.5", -1234567.5),
        ("12.50", 12.5),
        ("007", "007"),
        ("1,20", "1,20"),
        ("12,000", 12000),
        ("0,100", "0,100"),
        ("true", True),
        ("yes", "yes"),
        (".inf", ".inf"),
        ("1e999", "1e999"),
        ("2026-11-01", "2026-11-01"),
        ("A, B", "A, B"),
    ],
)
def test_a_cell_is_a_number_where_it_looks_like_one(file: Callable[..., str], cell: str, fact: object) -> None:
    (account,) = read_accounts(file(f"fact;other\n{cell};x\n"))
    assert repr(account["fact"]) == repr(fact)


@pytest.mark.parametrize("cell", ["", "  ", "null", "~"])
def test_a_blank_cell_is_nothing_known(file: Callable[..., str], cell: str) -> None:
    assert read_accounts(file(f"fact,other\n{cell},x\n")) == [{"other": "x"}]


FAULTS = [
    ("a,b\n1,2,3\n", "2: has 3 cells, and the first line names 2"),
    ('a,b\n1,2\n"x,3\n', "3: is not CSV: unexpected end of data"),
    ("\n\na,b\n1,2\n1,2,3\n", "5: has 3 cells, and the first line names 2"),
    ("a, a\n1,2\n", "1: two columns are called 'a'"),
    (f"{'x' * 65},b\n1,2\n", f"1: '{'x' * 59}…': the name of a fact has 1 to 64 characters that can be printed"),
    (b"a,b\n1,\xff\n", "2: is not UTF-8 text: byte 0xff"),
    ('{"a": 1}\n{"a": 1\n', "2: is not JSON: Input data was truncated"),
    ('{"a": 1}\n[1]\n', "2: a list is not an object with an account's facts"),
    ('{"a": {"b": 1}}\n', "1: 'a': a mapping is not a text, a number, true, false or a list of texts"),
    ('\n{"a": [1]}\n', "2: 'a': a list is not a text, a number, true, false or a list of texts"),
]


@pytest.mark.parametrize(("content", "problem"), FAULTS, ids=range(len(FAULTS)))
def test_what_cannot_be_read_is_told_with_its_line(
    file: Callable[..., str], content: str | bytes, problem: str
) -> None:
    path = file(content)
    with pytest.raises(SettingsError) as raised:
        read_accounts(path)
    assert str(raised.value) == f"{path}:{problem}"


def test_the_accounts_of_a_file_are_bounded(file: Callable[..., str]) -> None:
    assert len(read_accounts(file("a\n" + "1\n" * ACCOUNTS_MAX))) == ACCOUNTS_MAX
    with pytest.raises(SettingsError, match=r"has more than 100,000 accounts$"):
        read_accounts(file("a\n" + "1\n" * (ACCOUNTS_MAX + 1)))
