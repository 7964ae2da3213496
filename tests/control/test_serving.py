from __future__ import annotations

import socket
from decimal import Decimal

import httpx
import pytest
import trio

from bitmart_engine import Settings, open_engine
from bitmart_engine.control import AddressUnavailable, listen, serve_control
from bitmart_engine.settings import IN_MEMORY

from .conftest import ORDER, Desk, Open


async def listens(address: str) -> bool:
    host, port = httpx.URL(address).host, httpx.URL(address).port
    try:
        stream = await trio.open_tcp_stream(host, port or 0)
    except OSError:
        return False
    await stream.aclose()
    return True


async def test_stop_is_answered_before_it_happens(open_desk: Open) -> None:
    async with open_desk() as desk:
        answer = await desk.post("/stop")
        assert answer == {"ok": True, "message": "stopping", "unprotected": []}
        assert desk.engine.stopping
    assert not await listens(desk.address)


async def test_stop_names_who_is_left_without_a_stop(desk: Desk) -> None:
    await desk.post("/api/place-order", {**ORDER, "exchange_protection": False})
    await desk.fill()
    answer = await desk.post("/stop")
    [left] = answer["unprotected"]
    assert (left["id"], left["covered"], left["stop_loss"]) == ("order-123", 10, "63000")
    assert "1 position" in answer["message"]


async def test_what_the_exchange_guards_is_not_named(desk: Desk) -> None:
    await desk.post("/api/place-order", ORDER)
    await desk.fill()
    assert (await desk.post("/stop"))["unprotected"] == []


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "localhost", "0.0.0.0"])
async def test_it_listens_where_it_is_told(open_desk: Open, host: str) -> None:
    async with open_desk(control_address=f"{host}:0") as desk:
        port = httpx.URL(desk.address).port
        assert port
        assert host == "localhost" or desk.address == f"http://{host}:{port}"
        assert (await desk.ask("GET", f"http://{host}:{port}/status")).status_code == (
            403 if host == "0.0.0.0" else 200
        )


async def test_every_address_of_ipv6_is_every_address_of_ipv4_too(open_desk: Open) -> None:
    async with open_desk(control_address="[::]:0") as desk:
        port = httpx.URL(desk.address).port
        for host in ("127.0.0.1", "[::1]"):
            assert (await desk.ask("GET", f"http://{host}:{port}/status")).is_success


async def test_a_port_that_only_one_family_has_free_is_not_half_taken() -> None:
    with socket.socket() as other:
        other.bind(("0.0.0.0", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(AddressUnavailable, match=f"0.0.0.0:{port}"):
            await listen(Settings(control_address=f"[::]:{port}"))
        with socket.socket(socket.AF_INET6) as again:
            again.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            again.bind(("::", port))


@pytest.mark.parametrize("taken", [True, False])
async def test_an_address_that_cannot_be_had_is_one_clear_line(taken: bool) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        host = "127.0.0.1" if taken else "192.0.2.1"
        settings = Settings(control_address=f"{host}:{port}", state_dir=IN_MEMORY)
        with pytest.RaisesGroup(AddressUnavailable, flatten_subgroups=True) as caught:
            async with open_engine(settings) as engine, trio.open_nursery() as nursery:
                await nursery.start(serve_control, engine)
    error: BaseException = caught.value
    while isinstance(error, BaseExceptionGroup):
        [error] = error.exceptions
    assert f"cannot listen at {host}:{port}" in str(error)
    assert "set CTRL_ADDR to another address" in str(error)
    assert "\n" not in str(error)


async def test_a_reader_that_stopped_reading_does_not_hold_up_the_end(open_desk: Open) -> None:
    """Hypercorn shields what it sends: only a closed socket ends that."""
    async with open_desk() as desk:
        note = "x" * 60_000
        for number in range(200):
            body = {**ORDER, "id": f"o{number}", "metadata": {"note": note}}
            await desk.post("/api/place-order", body)
        host, port = httpx.URL(desk.address).host, httpx.URL(desk.address).port
        stream = await trio.open_tcp_stream(host, port or 0)
        await stream.send_all(b"GET /api/orders?limit=200 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert (await stream.receive_some(100)).startswith(b"HTTP/1.1 200")
        desk.engine.stop()
        began = trio.current_time()
    assert trio.current_time() - began < 3
    await stream.aclose()


async def test_a_connection_that_says_nothing_does_not_hold_up_the_end(open_desk: Open) -> None:
    async with open_desk() as desk:
        host, port = httpx.URL(desk.address).host, httpx.URL(desk.address).port
        async with (
            await trio.open_tcp_stream(host, port or 0) as silent,
            await trio.open_tcp_stream(host, port or 0) as halfway,
        ):
            await halfway.send_all(b"POST /stop HTTP/1.1\r\nHost: localhost\r\nContent-Le")
            await desk.get("/healthz")
            began = trio.current_time()
            desk.engine.stop()
            with trio.fail_after(3):
                assert await silent.receive_some(1) == b""
                while await halfway.receive_some(1000):
                    pass
            assert trio.current_time() - began < 3


HALF_A_BODY = b"Content-Length: 9\r\n\r\nhalf"


@pytest.mark.parametrize("token", ["", "s3cret"])
@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"GET /healthz HTTP/1.1\r\nHost",
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /status HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /status HTTP/1.1\r\nHost: evil.example\r\n" + HALF_A_BODY,
        b"POST /orders/subscribe HTTP/1.1\r\nHost: localhost\r\n" + HALF_A_BODY,
        b"POST /nowhere HTTP/1.1\r\nHost: localhost\r\n" + HALF_A_BODY,
    ],
)
async def test_a_connection_that_nobody_uses_is_closed(
    open_desk: Open, monkeypatch: pytest.MonkeyPatch, said: bytes, token: str
) -> None:
    """Whoever may not ask may still connect: what stayed open would use up the engine's own sockets."""
    monkeypatch.setattr("bitmart_engine.control.serve.IDLE_S", 0.05)
    monkeypatch.setattr("bitmart_engine.control.app.BODY_WITHIN_S", 0.05)
    async with open_desk(control_token=token) as desk:
        host, port = httpx.URL(desk.address).host, httpx.URL(desk.address).port
        async with await trio.open_tcp_stream(host, port or 0) as stream:
            with trio.fail_after(5):
                await stream.send_all(said)
                while await stream.receive_some(1000):
                    pass


async def test_a_connection_may_ask_again_before_that(desk: Desk) -> None:
    host, port = httpx.URL(desk.address).host, httpx.URL(desk.address).port
    asked = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    async with await trio.open_tcp_stream(host, port or 0) as stream:
        for _ in range(20):
            await stream.send_all(asked)
            with trio.fail_after(5):
                answer = b""
                while not answer.endswith(b"}\n"):
                    answer += await stream.receive_some(1000)
            assert answer.startswith(b"HTTP/1.1 200")


async def test_nonsense_on_a_connection_concerns_nobody_else(desk: Desk) -> None:
    host, port = httpx.URL(desk.address).host, httpx.URL(desk.address).port
    for nonsense in (
        b"\x00\xff\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\x16\x03\x01",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nxxxxxxxxxx",
    ):
        async with await trio.open_tcp_stream(host, port or 0) as stream:
            await stream.send_all(nonsense)
            await stream.send_eof()
            with trio.move_on_after(1):
                while await stream.receive_some(1000):
                    pass
    assert (await desk.get("/healthz"))["ok"]


async def test_a_connection_that_crashes_concerns_nobody_else(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def crash(*_: object) -> None:
        raise RuntimeError

    with monkeypatch.context() as patched:
        patched.setattr("hypercorn.trio.tcp_server.TCPServer.run", crash)
        with pytest.raises(httpx.RemoteProtocolError):
            async with httpx.AsyncClient() as other:
                await other.get(f"{desk.address}/healthz")
    assert (await desk.get("/healthz"))["ok"]
    desk.paper.set_price("BTCUSDT", Decimal(65001))
