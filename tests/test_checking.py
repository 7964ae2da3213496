"""`bitmart-engine check`: what an engine would be started with, said without starting one."""

from __future__ import annotations

import attrs
import pytest
from click.testing import CliRunner

from bitmart_engine import Settings
from bitmart_engine.checking import settings_report
from bitmart_engine.cli import main

SECRETS = {
    "BITMART_API_KEY": "key-that-nobody-sees",
    "BITMART_API_SECRET": "secret-that-nobody-sees",
    "BITMART_API_MEMO": "memo-that-nobody-sees",
    "CTRL_TOKEN": "token-that-nobody-sees",
    "TRADING_APP_SHARED_SECRET": "shared-that-nobody-sees",
    "RAW_EVENTS_TOKEN": "raw-that-nobody-sees",
}


def reported(**variables: str) -> list[str]:
    return settings_report(Settings.from_environment(variables, env_file=None))


def line(lines: list[str], name: str) -> list[str]:
    """The words of the line about a setting."""
    (found,) = [each for each in lines if each.split()[0] == name]
    return found.split()


def test_every_setting_has_a_line_that_says_whether_it_was_given():
    lines = reported(PING_INTERVAL_S="7", CTRL_ALLOW="10.0.0.0/8, 172.16.0.0/12", BITMART_DEMO="1")
    names = [each.metadata.get("variable") for each in attrs.fields(Settings)]
    for name in filter(None, names):
        line(lines, name)
    assert line(lines, "PING_INTERVAL_S") == ["PING_INTERVAL_S", "7", "given"]
    assert line(lines, "STALE_AFTER_S") == ["STALE_AFTER_S", "10", "default"]
    assert line(lines, "CTRL_ALLOW")[1:] == ["10.0.0.0/8,172.16.0.0/12", "given"]
    assert line(lines, "BITMART_DEMO")[1:] == ["1", "given"]
    assert line(lines, "CALLBACK_ALLOW")[1:] == ["(not", "set)", "default"]


def test_no_secret_is_shown():
    text = "\n".join(reported(**SECRETS, RAW_EVENTS_URI="http://127.0.0.1:9/raw"))
    assert "that-nobody-sees" not in text
    assert text.count("(set)") == len(SECRETS)


def test_what_follows_from_the_settings_is_said():
    text = "\n".join(
        reported(
            QUANTITY_UNIT="contracts",
            CTRL_ALLOW="172.16.0.0/12",
            TRADING_APP_BASE_URI="http://127.0.0.1:9",
            TRADING_APP_SHARED_SECRET="x",
            TRADING_APP_BALANCE_SIGNAL_PATH="off",
            STATE_DIR=":memory:",
        )
    )
    assert "prices only, no orders: BITMART_API_KEY" in text
    assert "counts contracts" in text
    assert "172.16.0.0/12 trades without a token" in text
    assert "order signals: http://127.0.0.1:9/api/ws-worker/orders" in text
    assert "balance signals: off" in text
    assert "journal: in memory" in text


def test_an_engine_without_anything_set_trades_nothing_and_serves_this_machine_only():
    text = "\n".join(reported(STATE_DIR=":memory:"))
    assert "counts the base currency" in text
    assert "this machine only" in text
    assert "callbacks: unsigned" in text
    assert "order signals: off" in text


def test_the_command_says_it_and_starts_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("QUANTITY_UNIT", "contracts")
    result = CliRunner().invoke(main, ["check"])
    assert result.exit_code == 0
    assert "counts contracts" in result.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [("QUANTITY_UNIT", "lots"), ("CTRL_ALLOW", "0.0.0.0/0"), ("RAW_EVENTS_TOKEN", "alone")],
)
def test_what_serve_would_refuse_is_refused_with_code_2(tmp_path, monkeypatch, name, value):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(name, value)
    result = CliRunner().invoke(main, ["check"])
    assert result.exit_code == 2
    assert name in result.stderr
