"""The delivery file: faults are told with line, field, value and what was expected, and secrets stand elsewhere."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from scoring.errors import SettingsError
from streams.delivery.config import load_delivery, parse_delivery
from streams.delivery.config_words import Secret
from streams.delivery.routing import Facts, facts_of, known_owner, route
from tests.delivery.builders import HOUR, MONDAY_9H, config, entered

DOCS = Path(__file__).parents[2] / "docs" / "delivery.md"
HOOK = "{kind: webhook, url: https://example.com, secret: {env: S}}"


def faults(sinks: str = f"{{a: {HOOK}}}", routes: str = "[{name: r, to: [a]}]", more: str = "") -> list[str]:
    with pytest.raises(SettingsError) as raised:
        parse_delivery(f"sinks: {sinks}\nroutes: {routes}\n{more}", "d.yaml")
    return str(raised.value).splitlines()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"sinks": "{a: {kind: webhok}}"}, "d.yaml:1: sinks.a: its kind 'webhok' is unknown; did you mean 'webhook'?"),
        (
            {"sinks": "{a: {kind: slack, token: {env: S}, channel: C, chanel: C}}"},
            "sinks.a.chanel: unknown key 'chanel'; did you",
        ),
        ({"sinks": "{a: {kind: webhook, url: https://e.com, secret: abc}}"}, "sinks.a.secret: 'abc' is not a mapping"),
        ({"sinks": "{a: {kind: teams, url: {env: A, file: b}}}"}, "sinks.a.url: is found in exactly one place"),
        ({"sinks": f"{{A b: {HOOK}}}", "routes": "[{name: r, to: [A b]}]"}, "sinks.'A b': a name has up to 40"),
        ({"routes": "[{name: r, to: [b]}]"}, "d.yaml:2: routes.to: 'b' is not among the sinks; there are a"),
        ({"routes": "[{name: r, to: [a], owners: [ann]}]"}, "routes.owners: 'ann' is not among the owners"),
        ({"routes": "[{name: r, to: [a], digest: true}]"}, "routes.digest: none of its sinks is read by people"),
        (
            {"sinks": "{c: {kind: hubspot, token: {env: S}}}", "routes": "[{name: r, to: [c], when: {bands: [hot]}}]"},
            "routes.to: 'c' is a CRM, which has no place for buying signals: give it a route of its own with when: "
            "{kinds: [alert]}",
        ),
        ({"routes": "[{name: r, to: [a], cooldown_h: 1000}]"}, "routes.cooldown_h: is longer than kept_days"),
        ({"routes": "[{name: r, to: [a], when: {band: [hot]}}]"}, "routes.when.band: unknown key 'band'; did you mean"),
        ({"more": "hours: {o: {timezone: Berlin}}"}, "d.yaml:3: hours.o.timezone: 'Berlin' is not a time zone such as"),
        ({"more": 'hours: {o: {from: "17:00", to: "09:00"}}'}, "hours.o: `to` does not lie after `from`"),
        ({"more": 'hours: {o: {from: "9:00"}}'}, "hours.o.from: '9:00' is not a time of day such as \"09:00\""),
        ({"more": "default_hours: office"}, "default_hours: 'office' is not among the hours"),
        ({"more": "allow: [localhost]"}, "allow: 'localhost' is not an address or network such as 127.0.0.1"),
    ],
)
def test_a_fault_is_told_with_its_line_field_value_and_what_was_expected(
    changes: dict[str, Any], expected: str
) -> None:
    (fault,) = faults(**changes)
    assert expected in fault


def test_the_examples_of_the_documentation_are_delivery_files() -> None:
    whole, crms = re.findall(r"```yaml\n(.*?)```", DOCS.read_text(), re.DOTALL)
    assert set(parse_delivery(whole, "docs").sinks) == {"crm-hook", "sales", "team", "mail", "others"}
    assert set(
        parse_delivery(f"{crms}routes: [{{name: r, to: [hubspot], when: {{kinds: [alert]}}}}]", "docs").sinks
    ) == {"hubspot", "salesforce"}


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"LEADHEAT_DELIVERY: .*nothing\.yaml cannot be read"):
        load_delivery(tmp_path / "nothing.yaml")


def test_a_secret_comes_from_the_environment_or_a_file_and_is_never_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("S", "one")
    (tmp_path / "s").write_text("two\n")
    assert Secret(env="S").read("x") == "one"
    assert Secret(file=str(tmp_path / "s")).read("x") == "two"
    monkeypatch.setenv("S", "")
    with pytest.raises(SettingsError, match=r"sinks.a.secret: the environment variable S is not set"):
        Secret(env="S").read("sinks.a.secret")


# ── routing ──────────────────────────────────────────────────────────────────────────────────────────────────

TEAM = {"ann": {"email": "ann@example.com", "crm": ["00501"]}, "bob": {}, "eve": {}}


@pytest.mark.parametrize(
    ("when", "facts", "is_for"),
    [
        ({}, {}, True),
        ({"kinds": ["signal"]}, {}, False),
        ({"bands": ["warm", "hot"]}, {}, True),
        ({"fit_min": 6}, {"fit": 6.0}, True),
        ({"fit_min": 6}, {"fit": 5.9}, False),
        ({"fit_min": 0}, {"fit": None}, False),
        ({"countries": ["de"]}, {"country": "DE"}, True),
        ({"countries": ["DE"]}, {}, False),
        ({"owners": ["ann"]}, {"owner": "00501"}, True),
        ({"owners": ["bob"]}, {"owner": "00501"}, False),
        ({"customers": True}, {}, False),
        ({"customers": False}, {}, True),
        ({"signals": ["surge"], "polarity": "positive"}, {"signal": "surge", "polarity": "positive"}, True),
        ({"polarity": "negative"}, {"polarity": "positive"}, False),
    ],
)
def test_a_route_is_for_what_its_conditions_say(when: dict[str, Any], facts: dict[str, Any], is_for: bool) -> None:
    file = config(routes=[{"name": "r", "to": ["hook"], "when": when}], owners=TEAM)
    known = Facts(**{"is_signal": False, "subject": "user:7", "band": "hot"} | facts)
    assert bool(route(known, file, MONDAY_9H, HOUR).targets) is is_for


def test_routes_add_up_each_sink_once_up_to_the_last() -> None:
    routes = [
        {"name": "first", "to": ["hook"]},
        {"name": "second", "to": ["hook", "chat"], "last": True},
        {"name": "third", "to": ["late"]},
    ]
    late = {"kind": "teams", "url": {"env": "T"}}
    sinks = {"late": late, "hook": {"kind": "webhook", "url": "https://e.com", "secret": {"env": "S"}}, "chat": late}
    found = route(facts_of(entered()), config(sinks=sinks, routes=routes), MONDAY_9H, HOUR).targets
    assert [(each.sink, each.route) for each in found] == [("hook", "first"), ("chat", "second")]


def test_a_lead_s_own_owner_is_asked_first_and_others_share_the_rest_evenly() -> None:
    file = config(routes=[{"name": "r", "to": ["hook"], "owners": ["ann", "bob", "eve"]}], owners=TEAM)
    own = route(Facts(False, "user:1", "hot", owner="ANN@example.com"), file, MONDAY_9H, HOUR)
    assert own.owners == ("ann", "bob", "eve")
    assert known_owner("nobody", file) == ""
    firsts = [route(Facts(False, f"user:{n}", "hot"), file, MONDAY_9H, HOUR).owners for n in range(300)]
    assert {len(set(each)) for each in firsts} == {3}
    assert min(sum(each[0] == name for each in firsts) for name in TEAM) > 70
    assert firsts[5] == route(Facts(False, "user:5", "hot"), file, MONDAY_9H, HOUR).owners
