"""Write keys on disk: only hashes, two live ones a source, and changes that a running gateway sees."""

from __future__ import annotations

import json
import stat

import pytest
from typer.testing import CliRunner

from scoring.errors import SettingsError
from streams.cli import app
from streams.gateway.write_keys import add_key, hash_key, revoke_key
from streams.settings import Settings

EVENT = {"id": "e-1", "type": "page_viewed", "time": 1_767_268_800_000, "user_id": "42"}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "keys.json"


def send(gateway, key):
    return gateway.post("/v1/events", EVENT, Authorization=f"Bearer {key}").status_code


def test_a_new_key_is_taken_at_once_and_the_old_one_until_it_is_withdrawn(make_gateway, path):
    first, _ = add_key(path, "site", 0)
    gateway = make_gateway("192.0.2.1", write_keys_file=path)
    assert send(gateway, first) == 200
    second, withdrawn = add_key(path, "site", 1, rotate=True)
    assert withdrawn is None
    assert [send(gateway, key) for key in (first, second)] == [200, 200]
    third, withdrawn = add_key(path, "site", 2, rotate=True)
    assert withdrawn.sha256 == hash_key(first)
    assert [send(gateway, key) for key in (first, second, third)] == [401, 200, 200]
    revoke_key(path, "site", hash_key(second)[:8])
    assert [send(gateway, key) for key in (first, second, third)] == [401, 401, 200]
    assert {event.source for event in gateway.events} == {"site"}


def test_only_hashes_lie_on_disk_and_only_the_owner_reads_them(path):
    key, _ = add_key(path, "site", 0)
    assert key not in path.read_text()
    assert hash_key(key) in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_third_live_key_is_refused(path):
    add_key(path, "site", 0)
    add_key(path, "site", 0)
    with pytest.raises(SettingsError, match="leadheat keys rotate site"):
        add_key(path, "site", 0)
    add_key(path, "app", 0)
    with pytest.raises(ValueError, match="more than 2 keys"):
        Settings(write_keys="site=abcdef1,site=abcdef2,site=abcdef3")


def test_a_key_of_the_settings_may_be_given_as_its_hash(make_gateway):
    gateway = make_gateway("192.0.2.1", write_keys=f"site=sha256:{hash_key('abc123')}")
    assert send(gateway, "abc123") == 200
    assert send(gateway, f"sha256:{hash_key('abc123')}") == 401
    with pytest.raises(SettingsError, match="64 hex digits"):
        make_gateway(write_keys="site=sha256:123")


def test_a_file_that_cannot_be_read_leaves_the_keys_of_before(make_gateway, path):
    key, _ = add_key(path, "site", 0)
    gateway = make_gateway("192.0.2.1", write_keys_file=path)
    path.write_text("{")
    assert send(gateway, key) == 200
    with pytest.raises(SettingsError, match="LEADHEAT_WRITE_KEYS_FILE"):
        make_gateway(write_keys_file=path)


def test_when_the_last_key_is_withdrawn_nobody_may_send(make_gateway, path):
    key, _ = add_key(path, "site", 0)
    gateway = make_gateway("127.0.0.1", write_keys_file=path)
    revoke_key(path, "site", hash_key(key)[:8])
    assert send(gateway, key) == 401
    assert gateway.post("/v1/events", EVENT).status_code == 401


def test_the_commands_make_list_rotate_and_revoke(path):
    def run(*arguments):
        return CliRunner().invoke(app, ["keys", *arguments, "--file", str(path)])

    made = json.loads(run("create", "site", "--json").stdout)
    assert made["key"].startswith("lh_")
    rotated = json.loads(run("rotate", "site", "--json").stdout)
    listed = [json.loads(line) for line in run("list", "--json").stdout.splitlines()]
    assert [key["id"] for key in listed] == [made["id"], rotated["id"]]
    assert made["key"] not in run("list").stdout
    assert f"withdrawn: site {made['id']}" in run("revoke", "site", made["id"]).stdout
    assert json.loads(run("list", "--json").stdout)["id"] == rotated["id"]


@pytest.mark.parametrize("source", ["", "a b", "site=x", "x" * 81, "\n"])
def test_a_source_that_is_no_name_is_refused(path, source):
    with pytest.raises(SettingsError, match="expected 1 to 80 letters"):
        add_key(path, source, 0)
