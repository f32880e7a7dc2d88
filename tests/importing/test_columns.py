"""Which column tells what: presets, our own names, what was chosen, and what is missing."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from scoring.errors import EventError, SettingsError
from streams.importing.columns import Columns, map_columns, parse_choices
from streams.importing.fields import ACCOUNTS, EVENTS, LEADS, FieldSet, plain
from streams.importing.presets import Preset, names_of
from streams.importing.times import TimeReader


def columns_of(
    heading: Sequence[str], fields: FieldSet = LEADS, preset: Preset = Preset.LEADHEAT, **chosen: str
) -> Columns:
    return map_columns(
        heading,
        fields,
        preset=names_of(preset, fields.noun),
        chosen=chosen,
        given={fields.time, "type"},
        times=TimeReader(),
    )


HUBSPOT_CONTACT = {
    "Record ID": ("101", "crm_id", "101"),
    "First Name": ("Ann", "first_name", "Ann"),
    "Last Name": ("Lee", "last_name", "Lee"),
    "Email": ("ann@acme.com", "email", "ann@acme.com"),
    "Phone Number": ("+31 20 1", "phone", "+31 20 1"),
    "Contact owner": ("Jo Marsh", "owner", "Jo Marsh"),
    "Job Title": ("CTO", "job_title", "CTO"),
    "Company name": ("Acme", "company", "Acme"),
    "Company Domain Name": ("acme.com", "domain", "acme.com"),
    "Industry": ("Software", "industry", "Software"),
    "Number of Employees": ("1,200", "employees", 1200),
    "Annual Revenue": ("1000000.5", "revenue", 1000000.5),
    "Country/Region": ("NL", "country", "NL"),
    "Lifecycle Stage": ("Lead", "lifecycle_stage", "Lead"),
    "Last Modified Date": ("2026-01-01T00:00Z", "modified", 1_767_225_600_000),
}
HUBSPOT_COMPANY = {
    "Record ID": ("55", "account_id", "55"),
    "Company name": ("Acme", "name", "Acme"),
    "Company owner": ("Jo Marsh", "owner", "Jo Marsh"),
    "Company Domain Name": ("acme.com", "domain", "acme.com"),
    "Industry": ("COMPUTER_SOFTWARE", "industry", "COMPUTER_SOFTWARE"),
    "Number of Employees": ("120", "employees", 120),
    "Annual Revenue": ("$1,200,000", "revenue", 1_200_000),
    "Country/Region": ("NL", "country", "NL"),
    "Web Technologies": ("Kafka;Redis", "technologies", ["Kafka", "Redis"]),
    "Number of Associated Contacts": ("3", "stakeholders", 3),
    "Last Modified Date": ("2026-01-01T00:00Z", "modified", 1_767_225_600_000),
}
SALESFORCE_LEAD = {
    "Id": ("00Q1", "crm_id", "00Q1"),
    "FirstName": ("Ann", "first_name", "Ann"),
    "LastName": ("Lee", "last_name", "Lee"),
    "Email": ("ann@acme.com", "email", "ann@acme.com"),
    "Title": ("CTO", "job_title", "CTO"),
    "Company": ("Acme", "company", "Acme"),
    "Phone": ("+31 20 1", "phone", "+31 20 1"),
    "OwnerId": ("0051", "owner", "0051"),
    "LeadSource": ("Web", "lead_source", "Web"),
    "Website": ("https://acme.com", "domain", "https://acme.com"),
    "LastModifiedDate": ("2026-01-01T00:00:00.000+0000", "modified", 1_767_225_600_000),
}
SALESFORCE_ACCOUNT_REPORT = {
    "Account ID": ("0011", "account_id", "0011"),
    "Account Name": ("Acme", "name", "Acme"),
    "Account Owner": ("Jo Marsh", "owner", "Jo Marsh"),
    "Website": ("www.acme.com", "domain", "www.acme.com"),
    "Industry": ("Software", "industry", "Software"),
    "Employees": ("1.200", "employees", 1200),
    "Annual Revenue": ("USD 1,200,000.00", "revenue", 1_200_000),
    "Billing Country": ("NL", "country", "NL"),
    "Type": ("Prospect", "account_type", "Prospect"),
    "Last Modified Date": ("2026-01-01T00:00Z", "modified", 1_767_225_600_000),
}


@pytest.mark.parametrize(
    ("preset", "fields", "export"),
    [
        (Preset.HUBSPOT, LEADS, HUBSPOT_CONTACT),
        (Preset.HUBSPOT, ACCOUNTS, HUBSPOT_COMPANY),
        (Preset.SALESFORCE, LEADS, SALESFORCE_LEAD),
        (Preset.SALESFORCE, ACCOUNTS, SALESFORCE_ACCOUNT_REPORT),
    ],
    ids=["hubspot contacts", "hubspot companies", "salesforce leads", "salesforce accounts"],
)
def test_a_preset_knows_every_column_of_its_export(
    preset: Preset, fields: FieldSet, export: dict[str, tuple[str, str, object]]
) -> None:
    columns = columns_of(list(export), fields, preset)
    assert columns.ignored == []
    assert columns.read([cell for cell, _, _ in export.values()]) == {field: told for _, field, told in export.values()}


@pytest.mark.parametrize("fields", [LEADS, ACCOUNTS, EVENTS], ids=lambda fields: fields.noun)
def test_our_own_names_are_columns_and_no_name_stands_for_two_fields(fields: FieldSet) -> None:
    columns = columns_of([name.replace("_", " ").title() for name in fields.kinds], fields)
    assert list(columns.of_field) == list(fields.kinds)
    for preset in Preset:
        names = names_of(preset, fields.noun)
        assert names.keys() <= fields.kinds.keys()
        known = [plain(column) for columns in names.values() for column in columns]
        assert len(set(known)) == len(known)


def test_of_several_columns_the_first_that_is_not_blank_tells() -> None:
    columns = columns_of(["Website URL", "Company Domain Name", "Record ID"], ACCOUNTS, Preset.HUBSPOT)
    assert columns.read(["shop.example", "acme.com", "1"])["domain"] == "acme.com"
    assert columns.read(["shop.example", " - ", "1"])["domain"] == "shop.example"
    assert columns.read(["", "", "1"]) == {"account_id": "1"}


def test_what_was_chosen_goes_before_what_is_known_and_may_be_nothing() -> None:
    columns = columns_of(["Email", "Werkmail", "Owner"], Werkmail="email", owner="")
    assert columns.read(["ann@gmail.com", "ann@acme.com", "Jo"]) == {"email": "ann@acme.com"}
    assert columns.read(["ann@gmail.com", "", "Jo"]) == {"email": "ann@gmail.com"}
    assert columns.ignored == []


def test_a_column_can_be_any_trait() -> None:
    assert columns_of(["email", "NPS"], NPS="nps").read(["a@b.co", "9"]) == {"email": "a@b.co", "nps": 9}


def test_columns_that_nothing_knows_are_named_and_told_apart() -> None:
    columns = columns_of(["email", "Fax No.", "", "%", "refused_line"])
    assert columns.ignored == ["Fax No.", "%"]
    assert list(columns.read_others(["a@b.co", "12", "x", "y", "3"])) == [("Fax No.", 12), ("%", "y")]
    assert list(columns.read_unknown(["a@b.co", "12", "x", "y", "3"])) == [("fax_no", 12)]


def test_a_cell_that_is_not_what_its_field_needs_is_refused_with_the_column() -> None:
    with pytest.raises(EventError) as raised:
        columns_of(["email", "Employees"]).read(["a@b.co", "51-200"])
    assert str(raised.value) == "Employees: '51-200' is not a number for employees"
    assert raised.value.reason == "wrong_type"


@pytest.mark.parametrize(
    ("heading", "says"),
    [
        (["E-mail adres", "Naam"], "is it 'E-mail adres'? then say --map \"E-mail adres=email\""),
        (["Naam", "Plaats"], "no column tells email or user_id or anonymous_id, which a lead needs; there are 'Naam'"),
    ],
)
def test_a_missing_column_is_named_with_the_one_that_may_be_it(heading: list[str], says: str) -> None:
    with pytest.raises(SettingsError) as raised:
        columns_of(heading)
    assert says in str(raised.value)


def test_what_else_would_do_is_said() -> None:
    for fields, hint in ((LEADS, "--as-of"), (EVENTS, "--type")):
        with pytest.raises(SettingsError, match=hint):
            map_columns(["email"], fields, preset={}, chosen={}, times=TimeReader())


def test_a_chosen_column_must_be_there() -> None:
    with pytest.raises(SettingsError, match="there is no column 'Emial'; did you mean 'Email'"):
        columns_of(["Email"], Emial="email")


@pytest.mark.parametrize("text", ["", "=", "=email", "Email"])
def test_a_choice_names_a_column_and_a_field(text: str) -> None:
    with pytest.raises(SettingsError, match="expected"):
        parse_choices([text])
