"""The files of `examples/deploy` fit the engine and one another: metrics, paths, users, ports."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from attrs import evolve

from bitmart_engine.control.metrics import families
from bitmart_engine.health_watch import HealthWatch
from bitmart_engine.loop_watch import LoopWatch
from bitmart_engine.settings import Settings
from tests.support.stage import Stage, open_theatre

DEPLOY = Path(__file__).parents[2] / "examples" / "deploy"
BOARD = DEPLOY / "grafana" / "dashboard.json"
RULES = DEPLOY / "prometheus-rules.yml"
SCRAPE = DEPLOY / "prometheus.yml"
PREFIX = "bitmart_engine_"


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def compose() -> dict[str, Any]:
    found: dict[str, Any] = read(DEPLOY / "compose.yaml")
    return found


def docker_lines() -> list[tuple[str, str]]:
    """(instruction, rest) of the Dockerfile, continued lines joined."""
    text = (DEPLOY / "Dockerfile").read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(line.split(" ", 1)[0], line.split(" ", 1)[1].strip()) for line in lines]


def expressions() -> list[str]:
    """Every expression of the dashboard and of the rules."""
    shown = [
        each["expr"] for one in json.loads(BOARD.read_text())["panels"] for each in one["targets"]
    ]
    rules = [rule["expr"] for group in read(RULES)["groups"] for rule in group["rules"]]
    return [*shown, *rules]


async def _names(stage: Stage) -> set[str]:
    """The names of every sample that can be scraped."""
    report = await HealthWatch(stage.engine).look()
    names: set[str] = set()
    for family in families(stage.engine, report):
        names.add(family.name if family.type != "counter" else f"{family.name}_total")
        names |= {f"{family.name}_{end}" for end in ("bucket", "sum", "count")}
    return names


async def test_every_metric_of_the_dashboard_and_of_the_rules_exists(
    autojump_clock: object,
) -> None:
    named = set(re.findall(rf"{PREFIX}\w+", " ".join(expressions())))
    assert len(named) > 20
    async with open_theatre() as theatre:
        theatre.world = evolve(theatre.world, loop_watch=LoopWatch())
        async with theatre.engine() as stage:
            await stage.bought()
            assert named <= await _names(stage)


def test_the_dashboard_can_be_read_and_its_panels_do_not_overlap() -> None:
    board = json.loads(BOARD.read_text())
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert place["x"] + place["w"] <= 24, panel["title"]
        assert not cells & taken, panel["title"]
        taken |= cells
        assert panel["datasource"]["uid"] == "prometheus"
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    sources = read(DEPLOY / "grafana/provisioning/datasources/prometheus.yml")["datasources"]
    assert [each["uid"] for each in sources] == ["prometheus"]


def test_the_container_has_no_root_a_health_check_and_an_end_in_time() -> None:
    lines = docker_lines()
    bases = [rest.split(" ")[0] for name, rest in lines if name == "FROM"]
    assert set(bases) == {"python:3.11-slim"}
    last = dict(lines)
    assert last["USER"].split(":")[0].isdigit()
    assert int(last["USER"].split(":")[0]) > 0
    assert [name for name, _ in lines].index("USER") > [name for name, _ in lines].index("RUN")
    assert last["VOLUME"] in last["ENV"]
    assert "/healthz" in last["HEALTHCHECK"]
    assert json.loads(last["ENTRYPOINT"])[0].endswith("/bitmart-engine")
    assert json.loads(last["CMD"])[0] == "serve"
    assert last["EXPOSE"] == Settings().control_address.rpartition(":")[2]


def test_the_engine_of_the_composition_writes_into_its_volume_only() -> None:
    engine = compose()["services"]["engine"]
    assert engine["read_only"] is True
    assert engine["cap_drop"] == ["ALL"]
    assert engine["volumes"] == [f"state:{dict(docker_lines())['VOLUME']}"]
    assert (DEPLOY / engine["build"]["context"] / engine["build"]["dockerfile"]).is_file()
    assert int(engine["stop_grace_period"].removesuffix("s")) > 5


def test_nothing_of_the_composition_listens_beyond_this_machine() -> None:
    for service in compose()["services"].values():
        assert all(port.startswith("127.0.0.1:") for port in service["ports"])


def test_files_services_and_secrets_that_are_named_exist() -> None:
    whole = compose()
    for service in whole["services"].values():
        for volume in service["volumes"]:
            source = volume.split(":")[0]
            if source.startswith("./"):
                assert (DEPLOY / source).exists(), source
            else:
                assert source in whole["volumes"]
        assert set(service.get("secrets", [])) <= set(whole["secrets"])
        if "build" not in service:
            assert re.fullmatch(r"[\w/]+:v?\d+\.\d+\.\d+", service["image"]), "pinned"
    [scrape] = read(SCRAPE)["scrape_configs"]
    [target] = scrape["static_configs"][0]["targets"]
    assert target == "engine:8089"
    assert scrape["authorization"]["credentials_file"] == "/run/secrets/token"
    assert read(SCRAPE)["rule_files"] == [RULES.name]
    job = scrape["job_name"]
    assert f'up{{job="{job}"}} == 0' in expressions()


@pytest.mark.parametrize(
    "command",
    [
        ["hadolint", "Dockerfile"],
        ["promtool", "check", "rules", RULES.name],
        ["check-jsonschema", "--builtin-schema", "vendor.compose-spec", "compose.yaml"],
    ],
    ids=lambda command: command[0],
)
def test_a_tool_that_checks_such_files_finds_nothing(command: list[str]) -> None:
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    done = subprocess.run(
        command, cwd=DEPLOY, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
