"""What a program that embeds the engine can rely on: names, types, readiness, an engine on paper in one call."""

from __future__ import annotations

import inspect
import subprocess
import sys
import types
import typing
from pathlib import Path

import pytest
import trio

import bitmart_engine
from bitmart_engine import (
    Conflict,
    Engine,
    PlaceOrder,
    Settings,
    Unavailable,
    make_app,
    open_paper_engine,
    serve_control,
)
from bitmart_engine.paper import ManualMarket
from bitmart_engine.standing import Standing

from .support.stage import open_stage, open_theatre

ROOT = Path(__file__).parent.parent


# Names and types


@pytest.mark.parametrize("name", bitmart_engine.__all__)
def test_every_public_name_exists_and_is_documented(name):
    found = getattr(bitmart_engine, name)
    assert isinstance(found, types.UnionType) or found.__doc__


def mentioned(hint: object) -> set[type]:
    """The classes that a type hint speaks of."""
    inner = typing.get_args(hint)
    return {hint} if isinstance(hint, type) and not inner else set().union(*map(mentioned, inner))


def public_members() -> dict[str, object]:
    every = {**vars(Standing), **vars(Engine)}
    found = {name: each for name, each in every.items() if not name.startswith("_")}
    return {name: each.fget if isinstance(each, property) else each for name, each in found.items()}


def test_every_type_that_the_engine_takes_or_returns_is_exported():
    public = {getattr(bitmart_engine, name) for name in bitmart_engine.__all__}
    members = public_members()
    assert len(members) > 30
    for name, function in members.items():
        for hint in typing.get_type_hints(inspect.unwrap(function)).values():
            for kind in mentioned(hint):
                ours = kind.__module__.startswith("bitmart_engine")
                assert not ours or kind in public, f"{name} speaks of {kind.__name__}"


def test_everything_that_the_engine_can_be_asked_is_documented():
    assert not [name for name, each in public_members().items() if not inspect.getdoc(each)]


def test_neither_the_web_framework_nor_the_paper_exchange_is_loaded_before_it_is_asked_for():
    script = (
        "import sys, bitmart_engine\n"
        "heavy = [name for name in ('quart', 'hypercorn', 'bitmart_engine.paper') if name in sys.modules]\n"
        "assert not heavy, heavy\n"
        "from bitmart_engine import *\n"
        "assert open_paper_engine and make_app\n"
    )
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True, timeout=60)


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'open_engines'"):
        _ = bitmart_engine.open_engines


# On paper in one call


async def test_an_engine_on_paper_needs_no_settings_and_buys(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BITMART_API_KEY", "of-somebody-else")
    with trio.fail_after(60):
        async with open_paper_engine(market=ManualMarket()) as (engine, exchange):
            await engine.wait_ready()
            price = exchange.last_price("BTCUSDT")
            order = PlaceOrder(
                id="a",
                symbol="BTCUSDT",
                side="long",
                entry_zone_min=price - 10,
                entry_zone_max=price + 10,
                size=1,
                type="market",
            )
            await engine.place_order(order)
            while not engine.state.orders["a"].state.final:
                exchange.set_price("BTCUSDT", price)
                await trio.sleep(0.05)
            assert engine.state.orders["a"].state.value == "filled"
            assert (engine.settings.mode, engine.settings.api_key) == (
                "paper",
                exchange.config.api_key,
            )
    assert not list(tmp_path.iterdir())


async def test_settings_of_the_program_count_but_for_the_exchange(tmp_path):
    asked = Settings(quantity_unit="contracts", state_dir=str(tmp_path / "state"), api_key="mine")
    with trio.fail_after(30):
        async with open_paper_engine(asked) as (engine, exchange):
            assert engine.settings.quantity_unit == "contracts"
            assert engine.settings.rest_uri == exchange.rest_uri
            assert engine.settings.api_key == exchange.config.api_key
    assert (tmp_path / "state/engine.sqlite3").exists()


# Until it can be trusted with an order


async def test_waiting_until_ready_ends_when_nothing_is_missing(autojump_clock):
    async with open_stage() as stage:
        assert stage.engine.not_ready()
        await stage.engine.wait_ready()
        assert not stage.engine.not_ready()


async def test_waiting_until_ready_goes_on_while_positions_cannot_be_read(autojump_clock):
    async with open_theatre() as theatre:
        theatre.paper.fail("/contract/private/position-v2", status=502, times=10_000)
        async with theatre.engine() as stage:
            with pytest.raises(trio.TooSlowError), trio.fail_after(60):
                await stage.engine.wait_ready()
            theatre.paper.clear_faults()
            with trio.fail_after(120):
                await stage.engine.wait_ready()


async def test_waiting_until_ready_without_credentials_is_a_conflict(autojump_clock):
    async with open_stage(api_key="", api_secret="", api_memo="") as stage:
        with pytest.raises(Conflict, match="BITMART_API_KEY"):
            await stage.engine.wait_ready()


async def test_waiting_until_ready_ends_with_the_engine(autojump_clock):
    async with open_theatre() as theatre:
        theatre.paper.fail("/contract/private/position-v2", status=502, times=10_000)
        async with theatre.engine() as stage, trio.open_nursery() as nursery:

            async def ended() -> None:
                with pytest.raises(Unavailable, match="stopping"):
                    await stage.engine.wait_ready()

            nursery.start_soon(ended)
            await stage.settle()
            stage.engine.stop()


# The control API in a program's own nursery


async def test_the_control_api_runs_in_the_nursery_of_the_program():
    async with open_paper_engine(Settings(control_address="127.0.0.1:0", state_dir=":memory:")) as (
        engine,
        _,
    ):
        with trio.fail_after(30):
            async with trio.open_nursery() as nursery:
                address = await nursery.start(serve_control, engine)
                host, port = address.removeprefix("http://").split(":")
                stream = await trio.open_tcp_stream(host, int(port))
                await stream.send_all(f"GET /healthz HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
                assert (await stream.receive_some()).startswith(b"HTTP/1.1 200")
                await stream.aclose()
                engine.stop()  # which ends serve_control, too


async def test_the_control_app_can_be_served_by_the_program_itself(autojump_clock):
    async with open_stage() as stage:
        app = make_app(stage.engine)
        client = app.test_client()
        answer = await client.get("/healthz", scope_base={"client": ("127.0.0.1", 1)})
        assert answer.status_code == 200
        assert (await answer.get_json())["ok"] is True
