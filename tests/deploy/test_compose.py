"""docker-compose.yml and the Dockerfile name only what exists: settings, commands, services, pinned images."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from streams.cli import app
from streams.settings import Settings

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "docker-compose.yml"
DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text()
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(COMPOSE.read_text())["services"]
OURS = {name: service for name, service in SERVICES.items() if "build" in service}


def test_our_processes_and_their_servers_are_there() -> None:
    assert set(SERVICES) == {"kafka", "redis", "prometheus", "grafana"} | set(OURS)
    assert set(OURS) == {"topics", "worker", "projector", "gateway", "delivery"}


@pytest.mark.parametrize("name", OURS)
def test_every_variable_is_a_setting_with_a_value_that_it_takes(name: str) -> None:
    values = {}
    for variable, value in OURS[name]["environment"].items():
        assert variable.startswith("LEADHEAT_"), variable
        values[variable.removeprefix("LEADHEAT_").lower()] = re.sub(r"\$\{\w+:-(.*)\}", r"\1", value)
    assert set(values) <= set(Settings.model_fields)
    Settings(**values)


def test_the_images_variables_are_settings() -> None:
    variables = re.findall(r"LEADHEAT_(\w+)=", DOCKERFILE)
    assert variables
    assert {name.lower() for name in variables} <= set(Settings.model_fields)


@pytest.mark.parametrize("name", OURS)
def test_every_command_is_one_of_leadheat(name: str) -> None:
    commands = {"leadheat": typer.main.get_command(app)}
    for word in ("leadheat", *OURS[name]["command"]):
        assert word in commands
        commands = getattr(commands[word], "commands", {})
    assert not commands, f"{word} is a group of {sorted(commands)}"


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_waits_for_what_exists_and_can_become_ready(name: str) -> None:
    for other, when in SERVICES[name].get("depends_on", {}).items():
        assert other in SERVICES
        if when["condition"] == "service_healthy":
            assert "healthcheck" in SERVICES[other]
        else:
            assert when["condition"] == "service_completed_successfully"
            assert SERVICES[other]["restart"] == "no"


def test_every_service_that_stays_tells_its_health() -> None:
    assert {name for name, service in SERVICES.items() if "healthcheck" not in service} == {"topics"}


def test_every_image_has_a_version() -> None:
    images = [service["image"] for service in SERVICES.values()] + re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    for image in images:
        assert re.fullmatch(r"[\w./-]+:[\w.-]+", image), image
        assert not image.endswith(":latest")


def test_all_services_of_ours_are_one_image_that_is_not_run_by_root() -> None:
    assert len({service["image"] for service in OURS.values()}) == 1
    assert re.search(r"^USER (?!root)", DOCKERFILE, re.MULTILINE)


def test_the_dockerfile_copies_what_the_build_context_holds() -> None:
    context = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {
        word for line in re.findall(r"^COPY (?!--from)(.*) \S+$", DOCKERFILE, re.MULTILINE) for word in line.split()
    }
    assert copied == context
    assert all((ROOT / name).exists() for name in context)


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_docker_compose_accepts_the_file() -> None:
    for command in (["docker", "compose"], ["docker-compose"]):
        if shutil.which(command[0]) and run(*command, "version").returncode == 0:
            checked = run(*command, "-f", str(COMPOSE), "config", "-q")
            assert checked.returncode == 0, checked.stderr
            return
    pytest.skip("no docker compose here; the other tests have read the file")


def test_what_a_service_mounts_from_here_is_here_but_for_what_a_user_brings() -> None:
    mounted = {volume.partition(":")[0] for service in SERVICES.values() for volume in service.get("volumes", ())}
    from_here = {path for path in mounted if path.startswith("./")} - {"./delivery.yaml"}
    assert from_here
    for path in from_here:
        assert (ROOT / path).exists(), path


def test_prometheus_asks_every_process_that_counts_at_the_port_where_it_does() -> None:
    config = yaml.safe_load((ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text())
    asked = set()
    for job in config["scrape_configs"]:
        for found in job.get("dns_sd_configs", ()):
            asked |= {(name, str(found["port"])) for name in found["names"]}
        for found in job.get("static_configs", ()):
            asked |= {tuple(target.split(":")) for target in found["targets"]}
    counting = {
        (name, service["environment"].get("LEADHEAT_METRICS_PORT") or service["environment"]["LEADHEAT_GATEWAY_PORT"])
        for name, service in OURS.items()
        if name != "topics"
    }
    assert asked == counting


def test_grafana_finds_its_data_and_its_dashboard_by_itself() -> None:
    provisioning = ROOT / "deploy" / "grafana" / "provisioning"
    (source,) = yaml.safe_load((provisioning / "datasources" / "prometheus.yml").read_text())["datasources"]
    assert (source["url"], source["isDefault"]) == ("http://prometheus:9090", True)
    (provider,) = yaml.safe_load((provisioning / "dashboards" / "leadheat.yml").read_text())["providers"]
    targets = [volume.split(":")[1] for volume in SERVICES["grafana"]["volumes"]]
    home = SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert home in targets
    assert home.startswith(provider["options"]["path"] + "/")
    assert "/etc/grafana/provisioning" in targets


def test_nothing_is_open_to_other_machines() -> None:
    for name, service in SERVICES.items():
        for port in service.get("ports", ()):
            assert port.startswith("127.0.0.1:"), name


def test_what_runs_is_what_was_tested() -> None:
    pins, dev_pins = (
        set(re.findall(r"^[\w.-]+(?:\[\S+\])?==\S+", (ROOT / name).read_text(), re.MULTILINE))
        for name in ("requirements.txt", "requirements-dev.txt")
    )
    assert pins
    assert pins <= dev_pins


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_requirements_are_hashed_and_name_no_host(name: str) -> None:
    text = (ROOT / name).read_text()
    assert "://" not in text
    requirements = [line for line in text.splitlines() if re.match(r"\w", line)]
    assert all(line.endswith("\\") for line in requirements)
    assert text.count("--hash=sha256:") >= len(requirements)
