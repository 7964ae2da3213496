"""What systemd is told of the engine, and the unit that it is started by."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio
import trio.testing

from bitmart_engine.systemd import Manager, keep_told, manager_of

from .support.stage import open_stage

UNIT = Path(__file__).parents[1] / "examples" / "deploy" / "bitmart-engine.service"


class Systemd:
    """The socket of a service manager, and what it was told."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(address)
        self._socket.setblocking(False)

    def told(self) -> list[str]:
        """The lines since the last time."""
        lines: list[str] = []
        while True:
            try:
                lines += self._socket.recv(4096).decode().splitlines()
            except BlockingIOError:
                return lines

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[Systemd]:
    manager = Systemd(str(tmp_path / "notify"))
    yield manager
    manager.close()


async def test_it_is_told_ready_how_things_stand_and_stopping(systemd, autojump_clock):
    async with open_stage() as stage, trio.open_nursery() as nursery:
        nursery.start_soon(keep_told, stage.engine, Manager(systemd.address))
        await trio.sleep(1)
        told = systemd.told()
        assert told.count("READY=1") == 1
        assert "STATUS=0 orders alive, 0 positions guarded, ready" in told
        assert "WATCHDOG=1" not in told
        await stage.bought()
        await trio.sleep(11)
        assert systemd.told()[-1] == "STATUS=0 orders alive, 1 positions guarded, ready"
        stage.engine.stop()
        await trio.testing.wait_all_tasks_blocked()
        assert systemd.told() == ["STOPPING=1", "STATUS=stopping"]


async def test_an_engine_that_is_not_ready_says_what_is_missing(systemd, autojump_clock):
    async with open_stage() as stage, trio.open_nursery() as nursery:
        stage.paper.refuse_dials()
        stage.paper.drop_connections("private")
        await stage.until(stage.engine.not_ready)
        nursery.start_soon(keep_told, stage.engine, Manager(systemd.address))
        await trio.sleep(1)
        told = systemd.told()
        assert "READY=1" not in told
        assert any("not ready: not logged in" in line for line in told)
        stage.engine.stop()


async def test_it_is_told_that_the_engine_is_alive_while_prices_are_taken(
    systemd, autojump_clock, monkeypatch
):
    async with open_stage() as stage, trio.open_nursery() as nursery:
        await stage.bought()
        nursery.start_soon(keep_told, stage.engine, Manager(systemd.address, watchdog_s=4))
        for price in (65001, 65002, 65003):
            stage.move(price)
            await trio.sleep(1.9)
        assert systemd.told().count("WATCHDOG=1") == 3
        await trio.sleep(10)
        assert systemd.told().count("WATCHDOG=1") == 5, "no price comes, and none waits"
        stage.engine.stop()


async def test_a_core_that_takes_no_prices_is_not_said_to_be_alive(systemd, autojump_clock):
    async with open_stage() as stage, trio.open_nursery() as nursery:
        await stage.bought()
        stuck = trio.Event()

        async def receive() -> None:
            await stuck.wait()

        stage.engine._streams.ticks.receive = receive
        stage.move(65001)  # which ends the wait that had begun
        await trio.sleep(1)
        nursery.start_soon(keep_told, stage.engine, Manager(systemd.address, watchdog_s=4))
        stage.move(65002)
        await trio.sleep(3)
        systemd.told()
        await trio.sleep(20)
        assert stage.engine.ticks_waiting == 1
        assert "WATCHDOG=1" not in systemd.told()
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("environ", "watchdog_s"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 30),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "17"}, 30),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "18"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_the_watchdog_is_fed_where_it_is_meant_for_this_process(environ, watchdog_s):
    found = manager_of({"NOTIFY_SOCKET": "/run/notify", **environ}, pid=17)
    assert found == Manager("/run/notify", watchdog_s)


def test_nobody_is_told_where_nobody_waits():
    assert manager_of({}) is None
    assert manager_of({"NOTIFY_SOCKET": "vsock:2:1"}) is None
    assert manager_of({"NOTIFY_SOCKET": "@named"}) == Manager("\0named")


def test_a_manager_that_is_gone_is_no_trouble(tmp_path):
    Manager(str(tmp_path / "gone")).tell("WATCHDOG=1")


async def test_the_command_tells_systemd(systemd, tmp_path):
    env = {"NOTIFY_SOCKET": systemd.address, "PATH": "/usr/bin:/bin", "CTRL_ADDR": "127.0.0.1:0"}
    command = [
        sys.executable, "-m", "bitmart_engine", "serve", "--paper", "--paper-admin-port", "0",
    ]  # fmt: skip
    process = await trio.lowlevel.open_process(
        command, cwd=tmp_path, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        told: list[str] = []
        with trio.fail_after(30):
            while "READY=1" not in told:
                await trio.sleep(0.02)
                told += systemd.told()
        process.terminate()
        with trio.fail_after(10):
            await process.wait()
        assert "STOPPING=1" in systemd.told()
    finally:
        process.kill()
        await process.wait()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze here")
def test_systemd_takes_the_unit(tmp_path):
    unit = tmp_path / UNIT.name
    text = UNIT.read_text().replace("/opt/bitmart-engine/bin/bitmart-engine", sys.executable)
    unit.write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
