"""The stand-in's client and its site speak HTTP as the application does."""

from __future__ import annotations

import base64
import json
from decimal import Decimal

import httpx
import pytest
import trio

from .bodies import Monitoring, Order
from .client import open_client
from .memory import Door
from .receivers import CALLBACKS, Application
from .web import open_site

FAILED = {"status": "failed", "order_id": "a", "error": "too small"}


def answering(status: int, body: object, seen: list[httpx.Request]) -> httpx.MockTransport:
    async def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(status, json=body)

    return httpx.MockTransport(answer)


async def test_the_password_in_the_address_goes_out_as_basic_authorization():
    seen: list[httpx.Request] = []
    transport = answering(200, {"ok": True}, seen)
    async with open_client("http://user:TOKEN@worker:8089", transport) as client:
        assert (await client.status()).ok
    expected = base64.b64encode(b"user:TOKEN").decode()
    assert seen[0].headers["Authorization"] == f"Basic {expected}"
    assert seen[0].headers["Host"] == "worker:8089"
    async with open_client("http://worker:8089", transport) as client:
        await client.status()
    assert "Authorization" not in seen[1].headers


async def test_bodies_are_written_as_php_writes_them():
    seen: list[httpx.Request] = []
    async with open_client("http://worker", answering(200, {"ok": True}, seen)) as client:
        await client.place(Order(id="a", quantity=0.29, stop_loss=Decimal("60000.070000000003")))
        await client.monitor(Monitoring(id="p", order_id="1", take_profit=66000.0))
    placed, monitored = (each.content.decode() for each in seen)
    assert '"entry_zone_min":64990.0' in placed
    assert '"stop_loss":60000.070000000003' in placed
    assert '"quantity":0.28999999999999998' in placed
    assert '"leverage":null' in placed
    assert '"metadata":[]' in placed
    assert json.loads(monitored)["stop_loss"] is None
    assert client.quantities == {"a": 0.29}


@pytest.mark.parametrize(
    ("status", "body", "ok", "error"),
    [
        (200, {"ok": True}, True, ""),
        (200, {"ok": False, "error": "no"}, False, "no"),
        (202, {"ok": True}, False, "Unknown error"),
        (400, {"ok": False, "error": "Missing required field: side"}, False, "Missing"),
    ],
)
async def test_success_is_200_with_ok_and_of_a_refusal_the_error_is_kept(status, body, ok, error):
    async with open_client("http://worker", answering(status, body, [])) as client:
        reply = await client.status()
    assert reply.ok is ok
    assert reply.error.startswith(error)


async def test_a_list_of_symbols_is_given_up_on_the_first_refusal():
    seen: list[httpx.Request] = []
    async with open_client("http://worker", answering(400, {"ok": False}, seen)) as client:
        assert len(await client.subscribe(["BTCUSDT", "ETHUSDT"], "1m")) == 1
    assert json.loads(seen[0].content) == {"symbol": "BTCUSDT", "tfs": "1m"}


async def test_a_site_that_was_dead_for_a_while_listens_at_the_same_address_again():
    application = Application()
    async with open_site(application) as site, httpx.AsyncClient(trust_env=False) as http:
        url = f"{site.address}{CALLBACKS}"
        assert (await http.post(url, json=FAILED)).status_code == 200
        await site.stop()
        with pytest.raises(httpx.TransportError):
            await http.post(url, json=FAILED)
        await site.start()
        assert (await http.post(url, content=b"{")).status_code == 400
        assert (await http.post(f"{site.address}/elsewhere", json={})).status_code == 404
    assert application.callbacks.of("a") == ["failed"]


async def test_in_memory_an_application_may_be_slow_or_dead(autojump_clock):
    application = Application(slow_s=3)
    async with httpx.AsyncClient(transport=Door(application, lambda: 0)) as http:
        began = trio.current_time()
        assert (await http.post(f"http://app{CALLBACKS}", json=FAILED)).status_code == 200
        assert trio.current_time() - began == pytest.approx(3)
        application.dead = True
        with pytest.raises(httpx.ConnectError):
            await http.post(f"http://app{CALLBACKS}", json=FAILED)
