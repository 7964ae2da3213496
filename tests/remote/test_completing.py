"""What a shell completes."""

from __future__ import annotations

from typing import Any

import click
import pytest
import trio
from click.shell_completion import ShellComplete

from bitmart_engine.cli import main
from bitmart_engine.remote.completing import SHELLS, script


def completed(*typed: str) -> list[str]:
    shell = ShellComplete(main, {}, "bitmart-engine", "_BITMART_ENGINE_COMPLETE")
    return [each.value for each in shell.get_completions(list(typed[:-1]), typed[-1])]


@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_has_a_script(shell: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "click.shell_completion.BashComplete._check_version", staticmethod(lambda: None)
    )
    assert "_BITMART_ENGINE_COMPLETE" in script(main, shell)


def test_commands_and_states_complete() -> None:
    assert "positions" in completed("pos")
    assert completed("orders", "--state", "wai") == ["waiting"]
    assert completed("orders", "--state", "waiting,ope") == ["waiting,open"]
    assert "waiting,waiting" not in completed("orders", "--state", "waiting,")
    assert completed("positions", "--state", "arm") == ["armed"]


def test_without_an_engine_no_id_completes_and_nothing_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("BITMART_ENGINE_URL", "http://127.0.0.1:9")
    assert completed("cancel", "ord") == []
    monkeypatch.setenv("BITMART_ENGINE_URL", "not an address")
    assert completed("cancel", "ord") == []


async def test_ids_of_the_running_engine_complete(
    desk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    await place(desk, "order-1")
    await place(desk, "order-2")
    await place(desk, "other")
    monkeypatch.setenv("BITMART_ENGINE_URL", desk.address)
    found = await trio.to_thread.run_sync(completed, "cancel", "order")
    assert sorted(found) == ["order-1", "order-2"]
    kept = await trio.to_thread.run_sync(completed, "close", "other")
    assert kept == ["other"]


async def place(desk: Any, id: str) -> None:
    from tests.support.stage import entry

    await desk.engine.place_order(entry(id, entry_zone_min=64600, entry_zone_max=64700))


def test_every_command_that_takes_an_id_completes_it() -> None:
    for name in ("orders", "positions", "cancel", "protect", "close", "callbacks"):
        command = main.commands[name]
        (id,) = (each for each in command.params if each.name == "id")
        assert isinstance(id, click.Argument)
        assert id._custom_shell_complete is not None, name
