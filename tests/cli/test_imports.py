"""``leadheat leads|accounts|events import``: files in, records out, the same every time."""

from __future__ import annotations

import asyncio
import csv
import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scoring.account_updates import decode_account_update
from scoring.events import decode_event
from streams.reading import open_topic
from streams.settings import Settings
from streams.topics import ACCOUNT_UPDATES, EMAIL_EVENTS, WEB_EVENTS, Topic

AT = 1_767_225_600_000  # 2026-01-01T00:00:00Z
FAR = AT * 2

CONTACTS = """\
Record ID,First Name,Last Name,Email,Phone Number,Contact owner,Job Title,Company Domain Name,Last Modified Date,Notes
101,Ann,Lee,Ann@Acme.com,+31 20 1,Jo Marsh,CTO,www.acme.com,2026-01-01 01:00,likes tea
102,Bob,,bob@gmail.com,,,,gmail.com,2026-01-01 01:00,
103,Cy,Roe,nobody,,,,,2026-01-01 01:00,
104,Di,Fox,di@acme.com,,,,,01/02/2026,
105,Ed,Poe,ed@acme.com,,,,,,
"""
HUBSPOT = ("--preset", "hubspot", "--timezone", "Europe/Amsterdam")

COMPANIES = """\
Id;Name;Website;Industry;NumberOfEmployees;AnnualRevenue;BillingCountry;Owner;LastModifiedDate
0011;Acme;https://www.acme.com;Software;1.200;1.200.000,50;NL;Jo Marsh;2026-01-01T00:00:00.000+0000
0012;Bolt;;;;;;;2026-01-01T00:00:00.000+0000
;Mail;gmail.com;;;;;;2026-01-01T00:00:00.000+0000
"""

HISTORY = """\
id,type,time,email,user_id,path,seconds,context.campaign.source,traits.job_title
e-1,page_viewed,2026-01-01T00:00:00Z,ann@acme.com,,/pricing,12,ads,CTO
,email_clicked,2026-01-01T00:00:00Z,,42,,,,
,page_veiwed,2026-01-01T00:00:00Z,ann@acme.com,,/,,,
"""


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str | bytes], Path]:
    def write(content: str | bytes, name: str = "file.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


def told(ran: Any, tag: str) -> list[Any]:
    return [found[tag] for found in map(json.loads, ran.lines) if tag in found]


def values(ran: Any) -> list[dict[str, Any]]:
    """What a dry run would write, without ids."""
    return [{name: told for name, told in row["value"].items() if name != "id"} for row in told(ran, "row")]


def ids(ran: Any) -> list[str]:
    return [row["value"]["id"] for row in told(ran, "row")]


def reasons(ran: Any) -> list[tuple[int, str, str]]:
    return [(row["line"], row["reason"], row["field"]) for row in told(ran, "refused")]


# ── what rows become ─────────────────────────────────────────────────────────────────────────────────────────


def test_a_lead_becomes_an_identified_event_with_what_is_known_of_the_person(run: Any, write: Any) -> None:
    ran = run("leads", "import", write(CONTACTS), *HUBSPOT, "--dry-run")
    ann, bob = values(ran)
    assert ann == {
        "type": "identified",
        "time": AT,
        "email": "Ann@Acme.com",
        "source": "import",
        "traits": {
            "crm_id": "101",
            "first_name": "Ann",
            "last_name": "Lee",
            "name": "Ann Lee",
            "job_title": "CTO",
            "title": "CTO",
            "phone": "+31 20 1",
            "owner": "Jo Marsh",
            "domain": "acme.com",
        },
    }
    assert bob["traits"] == {"crm_id": "102", "first_name": "Bob", "name": "Bob"}
    assert [(row["line"], row["key"], row["topic"]) for row in told(ran, "row")] == [
        (2, "email:ann@acme.com", "leadheat.web-events.v1"),
        (3, "email:bob@gmail.com", "leadheat.web-events.v1"),
    ]
    assert reasons(ran) == [
        (4, "bad_identity", "email"),
        (5, "bad_time", "Last Modified Date"),
        (6, "missing_field", "modified"),
    ]
    assert told(ran, "imported") == [
        {
            "rows": 5,
            "written": 0,
            "known": 0,
            "refused": 3,
            "reasons": {"bad_identity": 1, "bad_time": 1, "missing_field": 1},
            "ignored_columns": ["Notes"],
            "dry_run": True,
        }
    ]
    assert (ran.code, ran.err) == (0, "leadheat: 3 of 5 rows were refused\n")


def test_an_account_becomes_an_update_with_its_facts(run: Any, write: Any) -> None:
    ran = run("accounts", "import", write(COMPANIES), "--preset", "salesforce", "--dry-run", "--source", "crm")
    acme, bolt = values(ran)
    assert acme == {
        "type": "account_updated",
        "time": AT,
        "account_id": "0011",
        "domain": "https://www.acme.com",
        "source": "crm",
        "facts": {
            "name": "Acme",
            "industry": "Software",
            "employees": 1200,
            "revenue": 1_200_000.5,
            "country": "NL",
            "owner": "Jo Marsh",
        },
    }
    assert bolt["facts"] == {"name": "Bolt"}
    assert [row["key"] for row in told(ran, "row")] == ["account:0011", "account:0012"]
    assert reasons(ran) == [(4, "bad_identity", "domain")]


def test_a_row_of_events_becomes_one_of_the_vocabulary_and_its_other_columns_properties(run: Any, write: Any) -> None:
    ran = run("events", "import", write(HISTORY), "--dry-run")
    page, click = values(ran)
    assert page == {
        "type": "page_viewed",
        "time": AT,
        "email": "ann@acme.com",
        "source": "import",
        "properties": {"path": "/pricing", "seconds": 12},
        "traits": {"job_title": "CTO"},
        "context": {"campaign": {"source": "ads"}},
    }
    assert click == {"type": "email_clicked", "time": AT, "user_id": "42", "source": "import"}
    assert [row["topic"] for row in told(ran, "row")] == ["leadheat.web-events.v1", "leadheat.email-events.v1"]
    assert ids(ran)[0] == "e-1"
    assert reasons(ran) == [(4, "unknown_type", "type")]
    assert "did you mean page_viewed?" in told(ran, "refused")[0]["message"]


def test_json_lines_are_events_read_as_strictly_as_by_the_gateway(run: Any, write: Any) -> None:
    lines = [
        {"id": "e-1", "type": "page_viewed", "time": AT, "user_id": "7", "source": "site"},
        {"type": "page_viewed", "time": "2026-01-01T00:00:00Z", "user_id": "7"},
        {"id": "e-3", "type": "page_viewed", "time": AT, "emial": "ann@acme.com"},
        {"id": "e-4", "type": "fundign", "time": AT, "user_id": "7"},
        {"id": "e-5", "type": "page_viewed", "time": AT},
    ]
    raw = "\n\n".join(map(json.dumps, lines)).encode() + b'\n{"id": "\xe9"}\n{\n'
    for file, stdin in ((write(gzip.compress(raw), "history.jsonl.gz"), b""), ("-", b"\xef\xbb\xbf" + raw)):
        ran = run("events", "import", file, "--dry-run", stdin=stdin)
        assert [value["source"] for value in values(ran)] == ["site", "import"]
        assert ids(ran)[0] == "e-1"
        assert ids(ran)[1].startswith("import-")
        assert reasons(ran) == [
            (5, "unknown_field", "emial"),
            (7, "unknown_type", "type"),
            (9, "missing_field", "email"),
            (10, "malformed", ""),
            (11, "malformed", ""),
        ]
        assert "expected one of aliased, consent_withdrawn, email_bounced, " in told(ran, "refused")[1]["message"]


def test_a_list_without_types_or_times_is_told_both(run: Any, write: Any) -> None:
    attendees = write("E-mail;Join Time;Webinar\nann@acme.com;1-2-2026 3:05 PM;Kafka\n")
    ran = run(
        *("events", "import", attendees, "--dry-run", "--type", "webinar_attended", "--map", "Join Time=time"),
        *("--timezone", "UTC", "--dates", "dmy"),
    )
    assert values(ran) == [
        {
            "type": "webinar_attended",
            "time": AT + 31 * 86_400_000 + 54_300_000,
            "email": "ann@acme.com",
            "source": "import",
            "properties": {"Webinar": "Kafka"},
        }
    ]


def test_unknown_columns_are_kept_on_demand_under_names_such_as_ours(run: Any, write: Any) -> None:
    people = write("email,Net Promoter Score,Fan\nann@acme.com,9,TRUE\n")
    companies = write("domain,Tech Stack\nacme.com,Kafka\n", "companies.csv")
    options = ("--as-of", "2026-01-01T00:00Z", "--dry-run")
    assert values(run("leads", "import", people, *options, "--keep-unknown"))[0]["traits"] == {
        "net_promoter_score": 9,
        "fan": True,
    }
    assert values(run("accounts", "import", companies, *options, "--keep-unknown"))[0]["facts"] == {
        "tech_stack": "Kafka"
    }
    ran = run("leads", "import", people, *options)
    assert "traits" not in values(ran)[0] or values(ran)[0]["traits"] == {}
    assert told(ran, "imported")[0]["ignored_columns"] == ["Net Promoter Score", "Fan"]


# ── the same every time ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", ["leads", "accounts", "events"])
def test_the_same_rows_have_the_same_ids_however_they_are_written(run: Any, write: Any, kind: str) -> None:
    heading = ["email", "domain", "modified", "time", "type", "industry"]
    row = ["ann@acme.com", "acme.com", "2026-01-01T00:00Z", "2026-01-01T00:00Z", "page_viewed", "Software"]

    def ids_of(delimiter: str = ",", encoding: str = "utf-8", order: int = 1, **changes: str) -> list[str]:
        cells = [changes.get(column, cell) for column, cell in zip(heading, row, strict=True)]
        text = f"{delimiter.join(heading[::order])}\r\n{delimiter.join(cells[::order])}\r\n"
        return ids(run(kind, "import", write(text.encode(encoding)), "--dry-run"))

    first = ids_of()
    assert first[0].startswith("import-")
    assert ids_of() == ids_of(";", "utf-16") == ids_of(order=-1) == first
    assert ids_of(industry="Steel") != first
    assert ids_of(modified="2026-01-02T00:00Z", time="2026-01-02T00:00Z") != first


def test_what_is_imported_twice_counts_once(run: Any, write: Any) -> None:
    people = told(run("leads", "import", write(CONTACTS), *HUBSPOT, "--dry-run"), "row")
    rows = people + told(run("events", "import", write(HISTORY), "--dry-run"), "row")
    lines = [json.dumps(row["value"]) + "\n" for row in rows]
    once, twice = (run("score", write("".join(lines * times), f"{times}.jsonl")) for times in (1, 2))
    assert told(once, "score") == told(twice, "score")
    assert told(once, "alert") == told(twice, "alert")
    assert "4 duplicates" in run("score", write("".join(lines * 2)), "--text").out


# ── refused rows ─────────────────────────────────────────────────────────────────────────────────────────────


def test_refused_rows_go_to_a_file_that_can_be_mended_and_imported(run: Any, write: Any, tmp_path: Path) -> None:
    rejects = tmp_path / "refused.csv"
    ran = run("leads", "import", write(CONTACTS), *HUBSPOT, "--dry-run", "--rejects", rejects)
    assert reasons(ran) == []
    heading, *rows = csv.reader(io.StringIO(rejects.read_text()))
    assert heading == ["refused_line", "refused_reason", "refused_because", *CONTACTS.splitlines()[0].split(",")]
    assert [row[:2] for row in rows] == [["4", "bad_identity"], ["5", "bad_time"], ["6", "missing_field"]]
    assert rows[0][2] == "email: 'nobody' is not an e-mail address"
    assert rows[0][3:] == CONTACTS.splitlines()[3].split(",")

    rejects.write_text(rejects.read_text().replace("nobody", "cy@acme.com"))
    ran = run("leads", "import", rejects, *HUBSPOT, "--as-of", "2026-01-01", "--dates", "dmy", "--dry-run")
    assert [value["email"] for value in values(ran)] == ["cy@acme.com", "di@acme.com", "ed@acme.com"]
    assert told(ran, "imported")[0]["ignored_columns"] == ["Notes"]


def test_a_person_sees_the_first_rows_the_counts_and_the_first_refusals(run: Any, write: Any) -> None:
    file = write(CONTACTS + "106,Fi,Fo,nobody,,,,,2026-01-01 01:00,\n" * 20)
    ran = run("leads", "import", file, *HUBSPOT, "--dry-run", "--text")
    assert ran.lines[0].startswith(f'{file}:2: {{"id":"import-')
    assert ran.lines[2].startswith(f"{file}: 25 rows, 2 would be written to leadheat.web-events.v1, 23 refused, in ")
    assert ran.lines[3].startswith("Ignored columns: Notes. --keep-unknown keeps them; ")
    assert ran.lines[4] == "Refused rows: 21 bad_identity, 1 bad_time, 1 missing_field; the first 10"
    assert ran.lines[5] == f"{file}:4: bad_identity email: 'nobody' is not an e-mail address"
    assert len(ran.lines) == 15


def test_strict_ends_with_1_when_a_row_was_refused_and_only_then(run: Any, write: Any) -> None:
    assert run("leads", "import", write(CONTACTS), *HUBSPOT, "--dry-run", "--strict").code == 1
    good = write("\n".join(CONTACTS.splitlines()[:3]))
    assert run("leads", "import", good, *HUBSPOT, "--dry-run", "--strict").code == 0


def test_what_is_wrong_with_the_options_or_the_file_is_said_before_anything_is_written(run: Any, write: Any) -> None:
    file = write("E-mail adres,Naam\nann@acme.com,Ann\n")
    lines = write(b'{"id": "e"}', "events.jsonl")
    for arguments, says in [
        (
            ("leads", "import", file),
            f"{file}: no column tells email or user_id or anonymous_id, which a lead needs; is it",
        ),
        (("leads", "import", file, "--map", "Email=email"), "there is no column 'Email'"),
        (
            ("leads", "import", file, "--map", "E-mail adres=email"),
            "no column tells modified, which a lead needs (or say",
        ),
        (
            ("leads", "import", file, "--as-of", "2026-01-01"),
            "--as-of 2026-01-01: '2026-01-01' is not a time: it names no",
        ),
        (("leads", "import", file, "--as-of", "2126-01-01T00:00Z"), "--as-of 2126-01-01T00:00Z: "),
        (("leads", "import", file, "--timezone", "Amsterdam"), "--timezone Amsterdam: is not known"),
        (("accounts", "import", file), f"{file}: no column tells account_id or domain, which an account needs"),
        (("events", "import", file, "--type", "webinar"), "--type: 'webinar' is not in the vocabulary"),
        (("events", "import", lines, "--type", "page_viewed"), "--map and --type are for tables"),
        (("leads", "import", write(b"", "empty.csv")), "is empty; its first line should name the columns"),
        (("leads", "import", "no.csv"), "no.csv: cannot be read: No such file or directory"),
        (("leads", "import", write(gzip.compress(b"a,b\n" * 999)[:-9], "cut.gz"), "--as-of", "2026-01-01T00:00Z"), ""),
    ]:
        ran = run(*arguments, "--dry-run")
        assert (ran.code, ran.out) == (2, ""), arguments
        assert f"leadheat: {says}" in ran.err or says in ran.err


def test_a_file_of_rejects_is_not_the_file_that_is_read(run: Any, write: Any) -> None:
    file = write(CONTACTS)
    ran = run("leads", "import", file, *HUBSPOT, "--dry-run", "--rejects", file)
    assert (ran.code, file.read_text()) == (2, CONTACTS)


def test_without_a_broker_it_is_said_where_one_was_looked_for(run: Any, write: Any) -> None:
    ran = run("leads", "import", write(CONTACTS), *HUBSPOT, LEADHEAT_BROKERS="127.0.0.1:1")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("leadheat: no Kafka answers at 127.0.0.1:1 ")


# ── the real Kafka ───────────────────────────────────────────────────────────────────────────────────────────


def read(settings: Settings, topic: Topic) -> list[tuple[bytes, bytes]]:
    async def collect() -> list[tuple[bytes, bytes]]:
        async with open_topic(settings.brokers, topic.full_name(settings.prefix)) as reader:
            return [(record.key, record.value) async for record in reader.read_to_end()]

    return asyncio.run(collect())


@pytest.mark.kafka
def test_what_is_imported_lies_in_its_topics_once_however_often_it_is_imported(
    run: Any, write: Any, topics: Settings
) -> None:
    contacts, companies, history = write(CONTACTS), write(COMPANIES, "companies.csv"), write(HISTORY, "history.csv")
    for written in (2, 0):
        ran = run("leads", "import", contacts, *HUBSPOT, settings=topics)
        imported = told(ran, "imported")[0]
        assert (ran.code, imported["rows"], imported["written"], imported["known"]) == (0, 5, written, 2 - written)
        ran = run("accounts", "import", companies, "--preset", "salesforce", "--text", settings=topics)
        counts = (
            f"2 written to {ACCOUNT_UPDATES.full_name(topics.prefix)}, "
            if written
            else "none written, 2 known already, "
        )
        assert f"3 rows, {counts}1 refused, in " in ran.out
        ran = run("events", "import", history, settings=topics)
        assert told(ran, "imported")[0]["written"] == written

    web, mail, accounts = (read(topics, topic) for topic in (WEB_EVENTS, EMAIL_EVENTS, ACCOUNT_UPDATES))
    events = [(key.decode(), decode_event(value, FAR)) for key, value in web + mail]
    assert all(event.lead_id == key for key, event in events)
    assert sorted(key for key, _ in events) == ["email:ann@acme.com"] * 2 + ["email:bob@gmail.com", "user:42"]
    updates = [(key.decode(), decode_account_update(value, FAR)) for key, value in accounts]
    assert sorted((key, update.key) for key, update in updates) == [("account:0011",) * 2, ("account:0012",) * 2]


@pytest.mark.kafka
def test_only_what_is_new_of_a_longer_export_is_written_unless_all_is_wanted_again(
    run: Any, write: Any, topics: Settings
) -> None:
    rows = [f"e-{number},page_viewed,2026-01-01T00:00:00Z,ann@acme.com" for number in range(200)]
    heading = "id,type,time,email"
    for count, options, written in ((100, (), 100), (200, (), 100), (200, ("--again",), 200)):
        ran = run("events", "import", write("\n".join([heading, *rows[:count]])), *options, settings=topics)
        assert told(ran, "imported")[0]["written"] == written
    assert len(read(topics, WEB_EVENTS)) == 400


def test_rows_that_are_alike_are_one(run: Any, write: Any) -> None:
    row = "page_viewed,2026-01-01T00:00:00Z,ann@acme.com\n"
    ran = run("events", "import", write("type,time,email\n" + 3 * row), "--dry-run")
    assert (told(ran, "imported")[0]["known"], len(told(ran, "row"))) == (2, 1)


@pytest.mark.kafka
def test_without_the_topics_nothing_is_written_and_the_remedy_is_named(
    run: Any, write: Any, settings: Callable[..., Settings]
) -> None:
    ran = run("leads", "import", write(CONTACTS), *HUBSPOT, settings=settings())
    assert ran.code == 2
    assert "create it with `leadheat topics create`" in ran.err
