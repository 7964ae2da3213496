"""`doctor`: a report to attach to a bug, with and without a running engine, and no secret in it."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import attrs
import pytest
import trio
from click.testing import CliRunner

from bitmart_engine.cli import main
from bitmart_engine.doctor import examined, without_secrets
from bitmart_engine.settings import Settings
from bitmart_engine.store import inspect_journal
from bitmart_engine.version import VERSION
from tests.support.stage import open_stage

from .conftest import ORDER, Open

NOBODY = "http://127.0.0.1:9"
SECRETS = {
    "BITMART_API_KEY": "hush-key",
    "BITMART_API_SECRET": "hush-secret",
    "BITMART_API_MEMO": "hush-memo",
    "CTRL_TOKEN": "hush-token",
    "TRADING_APP_SHARED_SECRET": "hush-shared",
    "TRADING_APP_BASE_URI": "https://app.example/hush-path",
    "RAW_EVENTS_URI": "https://events.example/hush-path?key=hush-query",
    "RAW_EVENTS_TOKEN": "hush-raw",
    "ALERT_URLS": "ntfys://hush-topic mailto://hush:hush-password@example.com",
    "HEARTBEAT_URL": "https://monitor.example/hush-ping",
}


def test_every_secret_of_the_settings_is_tried_here() -> None:
    secret = {
        each.metadata["variable"] for each in attrs.fields(Settings) if each.metadata.get("secret")
    }
    assert secret <= set(SECRETS)


def test_a_report_says_of_secrets_only_that_they_are_set(tmp_path: Path) -> None:
    arguments = ["doctor", "--state-dir", str(tmp_path), "--url", NOBODY]
    done = CliRunner().invoke(main, arguments, env=SECRETS)
    assert done.exit_code == 0, done.output
    assert "hush" not in done.output
    assert "(set)" in done.output
    assert f"bitmart-engine {VERSION}" in done.output
    for title in ("Engine", "Machine", "Settings", "State directory", "Running engine"):
        assert f"## {title}\n" in done.output
    assert "not told: " in done.output


def test_a_secret_that_came_in_by_some_other_way_is_struck_out() -> None:
    settings = Settings(control_token="hush-token", api_key="abc")
    lines = ["last_error: HTTP 401 for hush-token-2", "abc"]
    assert without_secrets(lines, settings) == ["last_error: HTTP 401 for ***-2", "abc"]


async def test_a_report_of_a_running_engine_has_its_health_and_nothing_that_it_trades(
    open_desk: Open, tmp_path: Path
) -> None:
    async with open_desk(state_dir=str(tmp_path), control_token="hush-token") as desk:
        bearer = {"Authorization": "Bearer hush-token"}
        placed = await desk.ask("POST", "/api/place-order", ORDER, headers=bearer)
        assert placed.status_code == 200
        made = partial(examined, desk.engine.settings, desk.address)
        report = "\n".join(await trio.to_thread.run_sync(made))
    for told in (
        "api/health level: ",
        "status exchange.clock_offset_ms: ",
        "status latency.journal_commit: ",
        "status connections: ",
        "journal: schema ",
        "EntryAccepted ",
        "engine.sqlite3: ",
    ):
        assert told in report, told
    for kept_back in ("hush", ORDER["id"], "64500", desk.paper.config.api_secret):
        assert kept_back not in report


async def test_a_journal_is_inspected_while_its_engine_writes_it(
    autojump_clock: trio.abc.Clock, tmp_path: Path
) -> None:
    async with open_stage(state_dir=str(tmp_path)) as stage:
        await stage.place()
        facts = inspect_journal(tmp_path)
    assert facts.trouble is None
    assert facts.schema is not None
    assert facts.last_seq is not None
    assert sum(facts.kinds.values()) == facts.rows["journal"] > 0


@pytest.mark.parametrize(
    "content", [None, b"", b"not a database at all, and too long for one" * 50]
)
def test_what_is_no_journal_is_said_and_fails_nothing(
    tmp_path: Path, content: bytes | None
) -> None:
    if content is not None:
        (tmp_path / "engine.sqlite3").write_bytes(content)
    facts = inspect_journal(tmp_path)
    assert facts.trouble
    report = "\n".join(examined(Settings(state_dir=str(tmp_path)), NOBODY))
    assert f"journal: {facts.trouble}" in report


def test_a_directory_that_is_not_there_is_said(tmp_path: Path) -> None:
    report = examined(Settings(state_dir=str(tmp_path / "gone")), NOBODY)
    assert any("No such file or directory" in line for line in report)


def test_an_address_that_is_none_is_refused() -> None:
    done = CliRunner().invoke(main, ["doctor", "--url", "http://me:hush@host"])
    assert done.exit_code == 2
    assert "hush" not in done.output
