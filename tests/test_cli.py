"""The command as a process: what it says, how it ends, and with which exit code."""

from __future__ import annotations

import errno
import json
import logging
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
import trio
from attrs import define, field
from click.testing import CliRunner

from bitmart_engine import __version__, process
from bitmart_engine.cli import main
from bitmart_engine.logs import configure_logs
from bitmart_engine.options import read_settings as settings_of
from bitmart_engine.store import JournalError

COMMAND = [sys.executable, "-m", "bitmart_engine"]
NOBODY = "http://127.0.0.1:1"
ANY_PORT = {"CTRL_ADDR": "127.0.0.1:0"}
PAPER = ["serve", "--paper", "--paper-admin-port", "0"]
ENDS_WITHIN_S = STARTS_WITHIN_S = 20
"""Two seconds on a machine of its own; tests share theirs."""

CSV = """timestamp,open,high,low,close,volume
2024-01-01T00:00:00,42000,42100,41900,42050,1
2024-01-01T00:01:00,42050,42200,42000,42150,2
"""


@pytest.fixture(autouse=True)
def same_handlers() -> Iterator[None]:
    """The process's log handlers, as they were."""
    before = logging.root.handlers[:]
    yield
    logging.root.handlers[:] = before


@define
class Command:
    """A running command; `lines` are what it has said on stdout so far."""

    process: trio.Process
    lines: list[str] = field(factory=list)
    log: bytes = b""

    def address(self, name: str) -> str:
        """The address on the line that begins with `name`."""
        [line] = [each for each in self.lines if each.startswith(name)]
        found = re.search(r"https?://\S+", line)
        assert found, line
        return found[0]

    async def ends(self) -> int:
        with trio.fail_after(ENDS_WITHIN_S):
            return await self.process.wait()


@asynccontextmanager
async def started(
    *arguments: str, cwd: Path, env: Mapping[str, str] = ANY_PORT, last: str = "stop "
) -> AsyncIterator[Command]:
    """A command that has said its lines up to the one that begins with `last`."""
    environment = {
        name: text
        for name, text in os.environ.items()
        if not name.startswith(
            ("BITMART_", "CTRL_", "TRADING_", "CALLBACK_", "STATE_", "QUANTITY_")
        )
    }
    environment |= {"PYTHONPATH": str(Path(__file__).parent.parent), **env}
    async with trio.open_nursery() as nursery:
        process = await trio.lowlevel.open_process(
            [*COMMAND, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=cwd,
            env=environment,
        )
        command = Command(process)

        async def read_log() -> None:
            assert process.stderr
            async for part in process.stderr:
                command.log += part

        nursery.start_soon(read_log)
        assert process.stdout
        try:
            said = b""
            with trio.fail_after(STARTS_WITHIN_S):
                while last and f"\n{last}" not in said.decode():
                    part = await process.stdout.receive_some()
                    if not part:
                        break
                    said += part
            command.lines = said.decode().splitlines()
            yield command
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()
            await process.stdout.aclose()


def is_free(address: str) -> bool:
    """Whether nothing listens at an address any more."""
    url = httpx.URL(address)
    with socket.socket() as probe:
        return probe.connect_ex((url.host, url.port or 80)) != 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_the_engine_on_paper_serves_and_ends_on_a_signal(
    tmp_path: Path, number: signal.Signals
) -> None:
    async with started(*PAPER, cwd=tmp_path) as command:
        control, admin = command.address("control API"), command.address("paper exchange")
        assert command.lines[0].startswith(f"bitmart-engine {__version__}, paper mode")
        async with httpx.AsyncClient() as http:
            status = (await http.get(f"{control}/status")).json()
            assert (status["mode"], status["missing_credentials"]) == ("paper", [])
            assert "BTCUSDT" in (await http.get(f"{admin}/state")).json()["prices"]
        command.process.send_signal(number)
        assert await command.ends() == 0
        assert is_free(control)
        assert is_free(admin)
    events = [json.loads(line)["event"] for line in command.log.splitlines()]
    assert "engine_running" in events
    assert "engine_stopping" in events[events.index("stop_requested") :]
    assert events[-1] == "engine_ended"
    for line in command.log.splitlines():
        assert re.fullmatch(r"[\d-]+T[\d:.]+Z", json.loads(line)["timestamp"])
    assert b"paper-secret" not in command.log


async def test_it_ends_when_asked_over_http(tmp_path: Path) -> None:
    async with started(*PAPER, cwd=tmp_path) as command:
        control = command.address("control API")
        async with httpx.AsyncClient() as http:
            answer = await http.post(f"{control}/stop")
        assert answer.json() == {"ok": True, "message": "stopping", "unprotected": []}
        assert await command.ends() == 0
        assert is_free(control)


async def test_the_lines_to_try_work(tmp_path: Path) -> None:
    async with started(*PAPER, cwd=tmp_path) as command:
        curls = [line[line.index("curl") :] for line in command.lines if "curl" in line]
        assert len(curls) == 3
        for curl in curls:
            done = await trio.run_process(["sh", "-c", f"{curl} -s -f"], capture_stdout=True)
            assert json.loads(done.stdout)["ok"] is True
        assert await command.ends() == 0


async def test_a_recording_is_replayed(tmp_path: Path) -> None:
    recording = tmp_path / "candles.csv"
    recording.write_text(CSV)
    replay = ["--replay", str(recording), "--speed", "600"]
    async with started(*PAPER, *replay, cwd=tmp_path) as command:
        admin = command.address("paper exchange")
        async with httpx.AsyncClient() as http:
            with trio.fail_after(10):
                while True:
                    prices = (await http.get(f"{admin}/state")).json()["prices"]
                    if prices["BTCUSDT"] == "42150":
                        break
                    await trio.sleep(0.02)
        command.process.terminate()
        assert await command.ends() == 0


async def test_without_credentials_it_says_so_and_serves(tmp_path: Path) -> None:
    env = {
        "BITMART_PUBLIC_WS_URI": "ws://127.0.0.1:1",
        "BITMART_PRIVATE_WS_URI": "ws://127.0.0.1:1",
        "BITMART_REST_URI": NOBODY,
        "BITMART_API_KEY": "k",
    }
    (tmp_path / ".env").write_text("CTRL_ADDR=0.0.0.0:0\nCTRL_TOKEN=open-sesame\n")
    async with started("serve", "--log-console", cwd=tmp_path, env=env) as command:
        assert command.lines[0] == f"bitmart-engine {__version__}, live mode, {NOBODY}"
        assert command.lines[1] == (
            "no API credentials (BITMART_API_SECRET, BITMART_API_MEMO not set): prices only, no orders"
        )
        control = command.address("control API")
        assert control.startswith("http://127.0.0.1:")
        assert "and this machine's other addresses" in command.lines[2]
        assert f"settings        {tmp_path / '.env'}" in command.lines
        assert f"journal         {tmp_path / 'state'}, a new state directory" in command.lines
        async with httpx.AsyncClient() as http:
            assert (await http.get(f"{control}/status")).status_code == 401
            token = {"Authorization": "Bearer open-sesame"}
            status = (await http.get(f"{control}/status", headers=token)).json()
            assert status["missing_credentials"] == ["BITMART_API_SECRET", "BITMART_API_MEMO"]
        command.process.terminate()
        assert await command.ends() == 0
    assert "open-sesame" not in "\n".join(command.lines)
    assert b"[info     ] engine_running" in command.log


async def test_the_paper_exchange_runs_alone_and_an_engine_trades_on_it(tmp_path: Path) -> None:
    ports = ["--admin-port", "0", "--ws-port", "0", "--rest-port", "0"]
    parameters = ["--set", "push_before_reply=true", "--set", "fee_sign=1"]
    async with started("paper", *ports, *parameters, cwd=tmp_path) as exchange:
        async with httpx.AsyncClient() as http:
            state = (await http.get(f"{exchange.address('paper exchange')}/state")).json()
            assert state["parameters"] == {"push_before_reply": "true", "fee_sign": "1"}
        env = dict(line.split("=", 1) for line in exchange.lines if line.startswith("BITMART_"))
        assert len(env) == 6
        async with started("serve", cwd=tmp_path, env={**env, **ANY_PORT}) as command:
            control = command.address("control API")
            async with httpx.AsyncClient() as http:
                with trio.fail_after(10):
                    while (await http.get(f"{control}/readyz")).status_code != 200:
                        await trio.sleep(0.02)
            command.process.terminate()
            assert await command.ends() == 0
        exchange.process.terminate()
        assert await exchange.ends() == 0


async def test_an_address_that_is_taken_is_one_line_and_code_1(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        env = {"CTRL_ADDR": f"127.0.0.1:{taken}"}
        level = ["--log-level", "error"]
        async with started(*PAPER, *level, cwd=tmp_path, env=env) as command:
            assert (command.lines, await command.ends()) == ([], 1)
        assert f"cannot listen at 127.0.0.1:{taken}" in command.log.decode()
        assert command.log.count(b"\n") == 1
        port = ["--paper-admin-port", str(taken)]
        async with started("serve", "--paper", *port, *level, cwd=tmp_path) as command:
            assert (command.lines, await command.ends()) == ([], 1)
        assert f"cannot listen on 127.0.0.1:{taken}" in command.log.decode()
        assert command.log.count(b"\n") == 1


async def test_with_its_address_taken_an_engine_asks_nothing_of_the_exchange_and_keeps_nothing(
    tmp_path: Path,
) -> None:
    with socket.socket() as other, socket.socket() as exchange:
        for each in (other, exchange):
            each.bind(("127.0.0.1", 0))
            each.listen()
        exchange.settimeout(0)
        env = {
            "CTRL_ADDR": f"127.0.0.1:{other.getsockname()[1]}",
            "BITMART_REST_URI": f"http://127.0.0.1:{exchange.getsockname()[1]}",
            "BITMART_PUBLIC_WS_URI": f"ws://127.0.0.1:{exchange.getsockname()[1]}",
        }
        async with started("serve", cwd=tmp_path, env=env) as command:
            assert (command.lines, await command.ends()) == ([], 1)
        with pytest.raises(BlockingIOError):
            exchange.accept()
    assert names_in(tmp_path) == []
    assert "cannot listen at" in command.log.decode()


async def test_the_end_says_which_positions_have_no_stop_at_the_exchange(tmp_path: Path) -> None:
    order = {
        "id": "naked", "symbol": "BTCUSDT", "side": "long", "size": 1, "stop_loss": 100, "type": "market",
        "entry_zone_min": 200, "entry_zone_max": 900000, "exchange_protection": False,
    }  # fmt: skip
    async with started(*PAPER, cwd=tmp_path) as command:
        control = command.address("control API")
        async with httpx.AsyncClient() as http:
            with trio.fail_after(20):
                while (await http.get(f"{control}/readyz")).status_code != 200:
                    await trio.sleep(0.02)
                placed = await http.post(f"{control}/api/place-order", json=order)
                assert placed.is_success
                while True:
                    shown = (await http.get(f"{control}/api/orders/naked")).json()["order"]
                    if shown["state"] == "filled":
                        break
                    await trio.sleep(0.02)
        command.process.send_signal(signal.SIGHUP)
        assert await command.ends() == 0
    last = json.loads(command.log.splitlines()[-1])
    assert (last["event"], last["level"]) == ("engine_ended", "warning")
    assert (last["without_a_stop_at_the_exchange"], last["ids"]) == (1, ["naked"])


def test_as_many_descriptors_are_taken_as_there_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = []
    monkeypatch.setattr(resource, "getrlimit", lambda which: (1024, 4096))
    monkeypatch.setattr(resource, "setrlimit", lambda which, limits: taken.append(limits))
    process.raise_descriptor_limit()
    assert taken == [(4096, 4096)]


def test_an_end_that_is_held_up_is_cut_short(monkeypatch: pytest.MonkeyPatch) -> None:
    codes: list[int] = []
    monkeypatch.setattr("os._exit", codes.append)
    monkeypatch.setattr(process, "ENDS_WITHIN_S", 0.01)

    async def job(end: process.End) -> None:
        end.ask = lambda: None
        signal.raise_signal(signal.SIGHUP)
        while not codes:
            await trio.sleep(0.001)

    with structlog.testing.capture_logs() as logs:
        process.run(job)
    assert codes == [0]
    assert "shutdown_cut_short" in [each["event"] for each in logs]


def test_an_end_in_time_is_not_cut_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os._exit", lambda code: pytest.fail("cut short"))
    monkeypatch.setattr(process, "ENDS_WITHIN_S", 0.2)

    async def job(end: process.End) -> None:
        end.begin()

    process.run(job)
    timers = [each for each in threading.enumerate() if isinstance(each, threading.Timer)]
    assert all(each.finished.is_set() for each in timers)


def test_what_ignores_a_hang_up_at_the_start_goes_on_ignoring_it() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)

    async def job(end: process.End) -> None:
        end.ask = lambda: pytest.fail("asked to stop")
        signal.raise_signal(signal.SIGHUP)
        await trio.sleep(0.01)

    try:
        process.run(job)
    finally:
        signal.signal(signal.SIGHUP, before)


async def test_a_second_signal_does_not_wait(tmp_path: Path) -> None:
    """The end is held up by a request in flight that the paper exchange does not answer."""
    async with started(*PAPER, cwd=tmp_path) as command:
        control, admin = command.address("control API"), command.address("paper exchange")
        order = {
            "id": "a", "symbol": "BTCUSDT", "side": "long", "size": 1,
            "entry_zone_min": 60000, "entry_zone_max": 70000, "type": "market",
        }  # fmt: skip
        async with httpx.AsyncClient() as http:
            path = "/contract/private/submit-order"
            hung = await http.post(f"{admin}/faults/delay", json={"path": path, "seconds": 60})
            assert hung.is_success
            assert (await http.post(f"{control}/api/place-order", json=order)).is_success
            with trio.fail_after(10):
                while True:
                    shown = (await http.get(f"{control}/api/orders/a")).json()["order"]
                    if shown["state"] == "submitting":
                        break
                    await trio.sleep(0.02)
        command.process.terminate()
        while b"stop_requested" not in command.log:
            await trio.sleep(0.01)
        command.process.terminate()
        assert await command.ends() == 128 + signal.SIGTERM


async def test_it_goes_on_when_nobody_reads_what_it_says(tmp_path: Path) -> None:
    async with started(*PAPER, cwd=tmp_path) as command:
        control = command.address("control API")
        assert command.process.stdout
        await command.process.stdout.aclose()
        async with httpx.AsyncClient() as http:
            assert (await http.get(f"{control}/status")).is_success
            await http.post(f"{control}/stop")
        assert await command.ends() == 0


async def test_an_engine_with_alerts_and_a_monitor_ends_by_itself_too(tmp_path: Path) -> None:
    """What runs beside it for ever is ended with it, and keeps it from nothing."""
    beside = {"HEARTBEAT_URL": "http://127.0.0.1:9/", "ALERT_URLS": "json://127.0.0.1:9/"}
    env = {**ANY_PORT, **beside}
    async with started(*PAPER, "--state-dir", "state", cwd=tmp_path, env=env) as command:
        control = command.address("control API")
        async with httpx.AsyncClient() as http:
            await http.post(f"{control}/stop")
        assert await command.ends() == 0
    assert b"shutdown_cut_short" not in command.log
    assert b"engine_ended" in command.log
    assert (tmp_path / "state" / "outages.json").exists()


@pytest.mark.parametrize(
    ("arguments", "env", "said"),
    [
        (PAPER, {}, "paper mode"),
        ([*PAPER, "--replay", "good.csv"], {"CTRL_ADDR": "[::]:0"}, "http://[::1]:"),
        (["serve"], {"CTRL_TOKEN": "hush"}, "with the token of CTRL_TOKEN"),
        (["serve"], {"CTRL_ALLOW": "172.16.0.0/12"}, "without a token from 172.16.0.0/12"),
        (["serve"], {"QUANTITY_UNIT": "contracts"}, "quantity        counts contracts"),
        (["serve"], {"CTRL_ADDR": "0.0.0.0:0"}, "and this machine's other addresses"),
        (
            ["paper", "--admin-port", "0", "--ws-port", "0", "--rest-port", "0"],
            {},
            "BITMART_API_KEY=paper-key",
        ),
    ],
)
def test_it_says_what_runs_and_ends_on_a_signal_in_the_same_process_too(
    arguments: list[str],
    env: dict[str, str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("good.csv").write_text(CSV)
    for name, text in {**ANY_PORT, **env}.items():
        monkeypatch.setenv(name, text)
    lines: list[str] = []

    def say_and_end(more: Iterable[str]) -> None:
        lines.extend(more)
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr("bitmart_engine.cli.say", say_and_end)
    result = CliRunner().invoke(main, arguments)
    assert (result.exit_code, result.stdout) == (0, "")
    assert said in "\n".join(lines)
    assert "hush" not in "\n".join(lines) + result.stderr


def test_where_paper_listens_unless_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CTRL_ADDR", raising=False)
    env_file = tmp_path / ".env"
    assert settings_of(env_file, paper=True).control_address == "127.0.0.1:8089"
    assert settings_of(env_file, paper=False).control_address == "0.0.0.0:8089"
    env_file.write_text("CTRL_ADDR=0.0.0.0:8089")
    assert settings_of(env_file, paper=True).control_address == "0.0.0.0:8089"


@pytest.mark.parametrize("which", ["CTRL_ADDR", "--paper-admin-port"])
def test_a_taken_address_is_said_in_the_same_process_too(
    which: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        here = which == "CTRL_ADDR"
        monkeypatch.setenv("CTRL_ADDR", f"127.0.0.1:{taken if here else 0}")
        port = "0" if here else str(taken)
        result = CliRunner().invoke(main, ["serve", "--paper", "--paper-admin-port", port])
    assert (result.exit_code, result.stdout) == (1, "")
    assert f"127.0.0.1:{taken}" in result.stderr.splitlines()[-1]


def test_the_parameters_of_the_paper_exchange_are_listed() -> None:
    result = CliRunner().invoke(main, ["paper", "--set", "list"])
    assert result.exit_code == 0
    assert "\nfee_sign=-1\n    the sign of a cost" in result.output


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["serve", "--replay", "x.csv"], "--replay needs --paper"),
        (["serve", "--seed", "1"], "--seed needs --paper"),
        (["serve", "--paper", "--speed", "2"], "--speed and --symbol need --replay"),
        (["serve", "--paper", "--replay", "absent.csv"], "absent.csv: cannot be read"),
        (["serve", "--paper", "--replay", "bad.csv"], "bad.csv: line 1: column 'open' is missing"),
        (["serve", "--paper", "--replay", "good.csv", "--symbol", "X"], "--symbol X: the paper"),
        (["serve", "--paper", "--replay", "good.csv", "--speed", "0"], "--speed"),
        (["serve", "--paper", "--replay", "good.csv", "--speed", "inf"], "must be a number"),
        (["serve", "--paper", "--paper-admin-port", "70000"], "70000"),
        (["serve", "--env-file", "absent.env"], "absent.env"),
        (["serve", "--env-file", "binary.env"], "binary.env cannot be read"),
        (["serve", "--env-file", "wrong.env"], "CTRL_ADDR=nowhere: must be HOST:PORT"),
        (
            ["serve", "--env-file", "mistyped.env"],
            "unknown variable CTRL_TOKN; did you mean CTRL_TOKEN?",
        ),
        (["serve", "--log-level", "loud"], "--log-level"),
        (["paper", "--symbol", "BTCUSDT"], "--speed and --symbol need --replay"),
        (["serve", "--set", "fee_sign=1"], "--set needs --paper"),
        (["paper", "--set", "fee_sign"], "--set fee_sign: it takes NAME=VALUE, or list"),
        (["paper", "--set", "fee_sign=2"], "--set: fee_sign must be -1 or 1, not '2'"),
        (["paper", "--set", "sign=1"], "--set: unknown parameter 'sign'; there are push_before"),
        (["nonsense"], "nonsense"),
    ],
)
def test_what_cannot_be_started_is_said_and_is_code_2(
    arguments: list[str], error: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("good.csv").write_text(CSV)
    Path("bad.csv").write_text("timestamp,high\n")
    Path("binary.env").write_bytes(b"\xff\xfe=\x00")
    Path("wrong.env").write_text("CTRL_ADDR=nowhere\n")
    Path("mistyped.env").write_text("CTRL_TOKN=hush\n")
    result = CliRunner().invoke(main, arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert error in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("env", "line"),
    [
        ({"CTRL_ADDR": "nowhere"}, "bitmart-engine: CTRL_ADDR=nowhere: must be HOST:PORT"),
        ({"PING_INTERVAL_S": "soon"}, "bitmart-engine: PING_INTERVAL_S=soon: must be a number"),
        (
            {"TRADING_APP_BASE_URI": "http://me:hunter2@app.test"},
            "bitmart-engine: TRADING_APP_BASE_URI=***: must be",
        ),
        (
            {"CTRL_ALLOW": "0.0.0.0/0"},
            "bitmart-engine: CTRL_ALLOW=0.0.0.0/0: 0.0.0.0/0 is not within a private, loopback",
        ),
        (
            {"TRADING_APP_BASE_URI": "http://169.254.169.254"},
            "bitmart-engine: TRADING_APP_BASE_URI=http://169.254.169.254: is a link-local",
        ),
    ],
)
async def test_a_wrong_setting_is_one_line_and_code_2(
    tmp_path: Path, env: dict[str, str], line: str
) -> None:
    async with started("serve", cwd=tmp_path, env=env) as command:
        assert (command.lines, await command.ends()) == ([], 2)
    assert command.log.decode().startswith(line)
    assert command.log.count(b"\n") == 1
    assert b"hunter2" not in command.log


# What is kept between two lives

FAR_AWAY = {
    "id": "patient", "symbol": "BTCUSDT", "side": "long", "size": 1, "timeout_seconds": 86_400,
    "entry_zone_min": 30000, "entry_zone_max": 31000, "stop_loss": 29000,
}  # fmt: skip
ERRORS_ONLY = ["--log-level", "error"]


async def test_a_waiting_order_survives_a_kill(tmp_path: Path) -> None:
    kept = [*PAPER, "--state-dir", str(tmp_path / "kept")]
    async with httpx.AsyncClient() as http:
        async with started(*kept, cwd=tmp_path) as command:
            control = command.address("control API")
            placed = await http.post(f"{control}/api/place-order", json=FAR_AWAY)
            assert placed.json()["status"] == "waiting"
            before = (await http.get(f"{control}/api/orders/patient")).json()["order"]
            command.process.kill()
            assert await command.ends() == -signal.SIGKILL
        async with started(*kept, cwd=tmp_path) as command:
            control = command.address("control API")
            with trio.fail_after(10):
                while (await http.get(f"{control}/readyz")).status_code != 200:
                    await trio.sleep(0.02)
            assert (await http.get(f"{control}/api/orders/patient")).json()["order"] == before
            status = (await http.get(f"{control}/status")).json()
            assert (status["pending_orders"], status["mode"]) == (1, "paper")
            assert status["journal"] == {"state_dir": str(tmp_path / "kept"), "trouble": None}
            again = await http.post(f"{control}/api/place-order", json=FAR_AWAY)
            assert again.json()["duplicate"] is True
            command.process.terminate()
            assert await command.ends() == 0
    assert names_in(tmp_path) == ["kept"]


async def test_a_second_engine_on_a_state_directory_is_told_who_has_it(tmp_path: Path) -> None:
    kept = ["--state-dir", "kept", *ERRORS_ONLY]
    async with started(*PAPER, *kept, cwd=tmp_path) as first:
        async with started(*PAPER, *kept, cwd=tmp_path) as second:
            assert (second.lines, await second.ends()) == ([], 1)
        assert second.log.decode().startswith(
            f"bitmart-engine: another engine uses kept: process {first.process.pid} ("
        )
        assert second.log.count(b"\n") == 1
        first.process.terminate()
        assert await first.ends() == 0


def names_in(directory: Path) -> list[str]:
    return [each.name for each in directory.iterdir()]


def a_file(directory: Path) -> None:
    directory.write_text("notes")


def no_database(directory: Path) -> None:
    directory.mkdir()
    (directory / "engine.sqlite3").write_bytes(b"not a database, but long enough for one" * 100)


def another_mode(directory: Path) -> None:
    directory.mkdir()
    (directory / "exchange").write_text("live\n")


def read_only(directory: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write anywhere")
    directory.mkdir(mode=0o500)


@pytest.mark.parametrize(
    ("spoil", "error"),
    [
        (a_file, "the state directory kept is a file; name a directory, or move the file away"),
        (no_database, "kept/engine.sqlite3 is not a database; move it away, or name another"),
        (another_mode, "the state directory kept belongs to live trading, and this is paper;"),
        (read_only, "permission denied"),
    ],
)
async def test_a_state_directory_that_cannot_be_used_is_one_line_and_code_1(
    tmp_path: Path, spoil: Callable[[Path], None], error: str
) -> None:
    spoil(tmp_path / "kept")
    kept = ["--state-dir", "kept", *ERRORS_ONLY]
    async with started(*PAPER, *kept, cwd=tmp_path) as command:
        assert (command.lines, await command.ends()) == ([], 1)
    said = command.log.decode()
    assert said.startswith("bitmart-engine: ")
    assert error in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("number", "reason"),
    [(errno.EROFS, "read-only file system"), (errno.EACCES, "permission denied")],
)
def test_a_state_directory_that_cannot_be_written_is_said_in_the_same_process_too(
    number: int, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, text: str) -> int:
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Path, "write_text", refuse)
    result = CliRunner(env=ANY_PORT).invoke(main, [*PAPER, "--state-dir", "kept", *ERRORS_ONLY])
    assert (result.exit_code, result.stdout) == (1, "")
    assert f"kept/exchange cannot be used: {reason}" in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("env", [{}, {"STATE_DIR": "kept"}])
async def test_paper_keeps_nothing_unless_it_is_told_where(
    tmp_path: Path, env: dict[str, str]
) -> None:
    async with started(*PAPER, cwd=tmp_path, env={**ANY_PORT, **env}) as command:
        control = command.address("control API")
        async with httpx.AsyncClient() as http:
            placed = await http.post(f"{control}/api/place-order", json=FAR_AWAY)
            assert placed.json()["ok"] is True
            status = (await http.get(f"{control}/status")).json()
            assert status["journal"]["state_dir"] == ":memory:"
        command.process.terminate()
        assert await command.ends() == 0
    assert names_in(tmp_path) == []


async def test_the_engine_keeps_its_journal_in_state_unless_it_is_told_where(
    tmp_path: Path,
) -> None:
    env = {**ANY_PORT, "BITMART_REST_URI": NOBODY, "BITMART_PUBLIC_WS_URI": "ws://127.0.0.1:1"}
    for more, name in (({}, "state"), ({"STATE_DIR": "elsewhere"}, "elsewhere")):
        async with started("serve", cwd=tmp_path, env={**env, **more}) as command:
            command.process.terminate()
            assert await command.ends() == 0
        assert (tmp_path / name / "engine.sqlite3").is_file()


def test_it_knows_its_version() -> None:
    result = CliRunner().invoke(main, ["--version"])
    assert result.output.strip() == f"bitmart-engine, version {__version__}"


def test_a_crash_is_logged_and_is_code_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def job(end: process.End) -> None:
        async with trio.open_nursery():
            raise RuntimeError("out of luck")

    with structlog.testing.capture_logs() as logs, pytest.raises(SystemExit) as exit:
        process.run(job)
    assert exit.value.code == 1
    assert capsys.readouterr().err == "bitmart-engine: crashed: RuntimeError('out of luck')\n"
    assert [each["event"] for each in logs] == ["engine_crashed"]
    assert isinstance(logs[0]["exc_info"], BaseExceptionGroup)


def test_a_journal_that_cannot_be_used_is_one_line_and_code_1(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def job(end: process.End) -> None:
        async with trio.open_nursery():
            raise JournalError("state/ is used by process 7")

    with structlog.testing.capture_logs() as logs, pytest.raises(SystemExit) as exit:
        process.run(job)
    assert (exit.value.code, logs) == (1, [])
    assert capsys.readouterr().err == "bitmart-engine: state/ is used by process 7\n"


def test_a_second_signal_in_the_same_process_too(monkeypatch: pytest.MonkeyPatch) -> None:
    codes: list[int] = []
    monkeypatch.setattr("os._exit", codes.append)

    async def job(end: process.End) -> None:
        asked = trio.Event()
        end.ask = asked.set
        signal.raise_signal(signal.SIGINT)
        await asked.wait()
        signal.raise_signal(signal.SIGINT)
        while not codes:
            await trio.sleep(0.001)

    process.run(job)
    assert codes == [128 + signal.SIGINT]


@pytest.mark.parametrize("as_json", [True, False])
def test_a_traceback_in_the_log_shows_no_locals(
    as_json: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logs("info", as_json)
    try:
        api_secret = "hush" + "-hush"
        assert api_secret
        raise RuntimeError("out of luck")
    except RuntimeError:
        structlog.get_logger().error("engine_crashed", exc_info=True)
    logged = capsys.readouterr().err
    assert "out of luck" in logged
    assert "Traceback" in logged
    assert "hush-hush" not in logged


def test_what_libraries_warn_of_is_logged_the_same_way(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("info", True)
    logging.getLogger("lib").info("chatter")
    logging.getLogger("lib").warning("look at %s", "this")
    [line] = capsys.readouterr().err.splitlines()
    shown: dict[str, Any] = json.loads(line)
    assert (shown["event"], shown["logger"], shown["level"]) == ("look at this", "lib", "warning")


def test_an_engine_that_cannot_log_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        def isatty(self) -> bool:
            return False

        def write(self, text: str) -> None:
            raise OSError(28, "No space left on device")

        def flush(self) -> None:
            raise ValueError("I/O operation on closed file")

    monkeypatch.setattr(sys, "stderr", Full())
    configure_logs("info")
    structlog.get_logger().info("lost")
