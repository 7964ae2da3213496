"""What the WebSocket answers, word for word where the live wire's words are known."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any

import pytest
import trio
from trio_websocket import ConnectionRejected, open_websocket_url

from .conftest import Visiting, sign

KLINE = "futures/klineBin1m:BTCUSDT"


async def test_every_topic_gets_its_own_ack_with_the_whole_request(visiting: Visiting) -> None:
    async with visiting() as visit, visit.dial("/api") as listener:
        request = {"action": "subscribe", "args": [KLINE, "futures/ticker:ETHUSDT"]}
        await listener.say(request)
        for topic in request["args"]:
            assert await listener.hear() == {
                "action": "subscribe",
                "group": topic,
                "success": True,
                "request": request,
            }


async def test_subscribing_again_acks_again_and_sends_once(visiting: Visiting) -> None:
    async with visiting() as visit, visit.public(KLINE) as listener:
        await listener.subscribe(KLINE)
        visit.exchange.set_price("BTCUSDT", Decimal(65001))
        assert (await listener.hear())["data"]["symbol"] == "BTCUSDT"
        assert await listener.hears_nothing()


@pytest.mark.parametrize(
    "topic",
    [
        "futures/klineBin1h:BTCUSDT",
        "futures/klineBin3m:BTCUSDT",
        "futures/klineBin1m:NOUSDT",
        "futures/klineBin1m:btcusdt",
        "futures/nothing:BTCUSDT",
        "futures/klineBin1m",
    ],
)
async def test_an_unknown_topic_is_refused_and_the_others_of_the_frame_work(
    visiting: Visiting, topic: str
) -> None:
    async with visiting() as visit, visit.dial("/api") as listener:
        request = {"action": "subscribe", "args": [topic, KLINE]}
        assert await listener.ask(request) == {
            "action": "subscribe",
            "group": topic,
            "success": False,
            "error": f"Invalid channel: not found {topic}",
            "request": request,
        }
        assert (await listener.hear())["success"]


@pytest.mark.parametrize("suffix", ["1m", "5m", "15m", "30m", "1H", "2H", "4H", "1D", "1W"])
async def test_every_timeframe_pushes_its_running_bar(visiting: Visiting, suffix: str) -> None:
    topic = f"futures/klineBin{suffix}:BTCUSDT"
    async with visiting() as visit, visit.public(topic) as listener:
        visit.exchange.set_price("BTCUSDT", Decimal("65001.5"))
        data = await listener.hear_about(topic)
        (bar,) = data["items"]
        assert data["symbol"] == "BTCUSDT"
        assert (bar["o"], bar["h"], bar["l"], bar["c"]) == ("65000", "65001.5", "65000", "65001.5")
        assert int(bar["v"]) > 0
        units = {"m": 60, "H": 3600, "D": 86400, "W": 604800}
        assert bar["ts"] % (int(suffix[:-1]) * units[suffix[-1]]) == 0
        assert 0 <= visit.exchange.now_ms() // 1000 - bar["ts"] < 604800


async def test_every_trade_is_pushed(visiting: Visiting) -> None:
    topic = "futures/trade:BTCUSDT"
    async with visiting() as visit, visit.public(topic) as listener:
        visit.exchange.set_price("BTCUSDT", Decimal(65010))
        visit.exchange.set_price("BTCUSDT", Decimal(65005))
        (up,), (down,) = await listener.hear_about(topic), await listener.hear_about(topic)
        assert (up["deal_price"], up["way"], up["m"]) == ("65010", 1, False)
        assert (down["deal_price"], down["way"], down["m"]) == ("65005", 5, True)
        assert isinstance(up["trade_id"], int)
        assert isinstance(up["deal_vol"], str)
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z", up["created_at"])


async def test_unsubscribing_ends_the_pushes(visiting: Visiting) -> None:
    async with visiting() as visit, visit.public(KLINE) as listener:
        ack = await listener.ask({"action": "unsubscribe", "args": [KLINE]})
        assert (ack["action"], ack["group"], ack["success"]) == ("unsubscribe", KLINE, True)
        visit.exchange.set_price("BTCUSDT", Decimal(65001))
        assert await listener.hears_nothing()


async def test_a_ping_is_answered_the_live_way(visiting: Visiting) -> None:
    async with visiting() as visit, visit.dial("/api") as listener:
        pong = await listener.ask({"action": "ping"})
        assert pong["group"] == "System"
        assert re.fullmatch(r"pong\+[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", pong["data"])


@pytest.mark.parametrize("text", ["ping", "{", "[1]", '"x"'])
async def test_what_is_no_json_object_is_refused_and_the_socket_stays_open(
    visiting: Visiting, text: str
) -> None:
    async with visiting() as visit, visit.dial("/api") as listener:
        assert await listener.ask(text) == {
            "success": False,
            "error": f"Invalid message: message must be JSON: {text}",
        }
        assert await listener.hears_nothing()


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        ({"action": "buy", "args": ["x"]}, "Invalid action [buy] for group [x]"),
        ({"op": "subscribe"}, "Invalid action [] for group []"),
        ({"action": "access", "args": []}, "Invalid action [access] for group []"),
    ],
)
async def test_a_wrong_action_is_named(visiting: Visiting, request_: Any, error: str) -> None:
    async with visiting() as visit, visit.dial("/api") as listener:
        answer = await listener.ask(request_)
        assert (answer["success"], answer["error"]) == (False, error)


async def test_binary_frames_are_read_as_text(visiting: Visiting) -> None:
    async with visiting() as visit, visit.dial("/api") as listener:
        await listener.socket.send_message(b'{"action":"ping"}')
        assert (await listener.hear())["group"] == "System"


async def test_a_frame_that_is_too_long_closes_with_1009(visiting: Visiting) -> None:
    async with visiting() as visit, visit.dial("/api") as listener:
        frame = {"action": "subscribe", "args": [KLINE]}
        fits = json.dumps(frame)
        await listener.say(fits + " " * (2150 - len(fits)))
        assert (await listener.hear())["success"]
        await listener.say(fits + " " * (2151 - len(fits)))
        assert await listener.is_closed() == 1009


async def test_private_topics_need_a_login(visiting: Visiting) -> None:
    async with visiting() as visit, visit.dial("/user") as listener:
        assert await listener.ask({"action": "subscribe", "args": ["futures/order"]}) == {
            "action": "subscribe",
            "group": "futures/order",
            "success": False,
            "error": "futures/order need authenication",
        }


async def test_a_good_login_is_acknowledged(visiting: Visiting) -> None:
    async with visiting() as visit, visit.dial("/user") as listener:
        now_ms = visit.exchange.now_ms()
        assert await listener.login(now_ms) == {"action": "access", "success": True}
        ack = await listener.ask({"action": "subscribe", "args": [KLINE]})
        assert ack["error"] == f"Invalid channel: not found {KLINE}"


@pytest.mark.parametrize("wrong", ["key", "sign", "old", "text", "few"])
async def test_a_bad_login_is_refused_and_the_socket_closed(visiting: Visiting, wrong: str) -> None:
    async with visiting() as visit, visit.dial("/user") as listener:
        now_ms = visit.exchange.now_ms() - (61_000 if wrong == "old" else 0)
        stamp = "soon" if wrong == "text" else str(now_ms)
        signed = sign(stamp, "other" if wrong == "sign" else "bitmart.WebSocket")
        args = ["wrong-key" if wrong == "key" else "paper-key", stamp, signed, "web"]
        answer = await listener.ask(
            {"action": "access", "args": args[: 0 if wrong == "few" else 4]}
        )
        start = {"key": "wron", "few": ""}.get(wrong, "pape")
        assert answer == {
            "action": "access",
            "success": False,
            "error": f"access failed: openapi auth: apiKey {start}**** failed: openapi auth failed",
        }
        assert await listener.is_closed() == 1000


async def test_other_paths_are_no_websockets(visiting: Visiting) -> None:
    async with visiting() as visit:
        uri = visit.exchange.public_ws_uri.replace("/api", "/other")
        with pytest.raises(ConnectionRejected) as rejected:
            async with open_websocket_url(uri):
                pass
        assert rejected.value.status_code == 404


@pytest.mark.parametrize("said", [b"", b"GET / HTTP/1.1\r\n\r\n", b"\x00\x01"])
async def test_a_handshake_that_never_comes_is_given_up(
    visiting: Visiting, autojump_clock: trio.testing.MockClock, said: bytes
) -> None:
    async with visiting(memory=True) as visit:
        ours, theirs = trio.testing.memory_stream_pair()
        await ours.send_all(said)
        before = trio.current_time()
        await visit.exchange.serve_ws_stream(theirs)
        assert trio.current_time() - before <= 10
        assert visit.exchange.connections == 0


HANDSHAKE = (
    b"GET /api?protocol=1.1 HTTP/1.1\r\nHost: paper\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


@pytest.mark.parametrize("path", [b"/api", b"/other"])
async def test_a_client_that_vanishes_in_the_handshake_harms_nobody(
    visiting: Visiting, path: bytes
) -> None:
    async with visiting(memory=True) as visit:
        ours, theirs = trio.testing.memory_stream_pair()
        await ours.send_all(HANDSHAKE.replace(b"/api", path))
        await ours.aclose()
        with trio.fail_after(5):
            await visit.exchange.serve_ws_stream(theirs)
        assert visit.exchange.connections == 0


async def test_a_client_that_vanishes_while_it_is_sent_to_harms_nobody(
    visiting: Visiting,
) -> None:
    async with visiting(memory=True) as visit:
        ours, theirs = trio.testing.memory_stream_pair()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(visit.exchange.serve_ws_stream, theirs)
            await ours.send_all(HANDSHAKE)
            assert b"101" in await ours.receive_some()
            (connection,) = visit.exchange.hub.connections
            connection.topics.add("futures/trade:BTCUSDT")
            await ours.aclose()
            visit.exchange.set_price("BTCUSDT", "65001")
        assert visit.exchange.connections == 0


async def test_refused_dials_are_answered_503(visiting: Visiting) -> None:
    async with visiting() as visit:
        visit.exchange.refuse_dials()
        with pytest.raises(ConnectionRejected) as rejected:
            async with open_websocket_url(visit.exchange.public_ws_uri):
                pass
        assert rejected.value.status_code == 503
        visit.exchange.refuse_dials(False)
        async with visit.dial("/api") as listener:
            assert await listener.hears_nothing()


async def test_or_closed_without_a_word(visiting: Visiting) -> None:
    async with visiting() as visit:
        visit.exchange.refuse_dials(abruptly=True)
        port = int(visit.exchange.public_ws_uri.split(":")[2].split("/")[0])
        stream = await trio.open_tcp_stream("127.0.0.1", port)
        with trio.fail_after(5):
            assert await stream.receive_some() == b""
        await stream.aclose()


async def test_a_client_that_does_not_read_loses_its_connection_and_nobody_waits(
    visiting: Visiting,
) -> None:
    topic = "futures/trade:BTCUSDT"
    async with (
        visiting(memory=True, send_queue_frames=50) as visit,
        visit.public(topic) as slow,
        visit.public(topic) as other,
    ):
        for step in range(60):
            visit.exchange.set_price("BTCUSDT", Decimal(65000 + step))
            if step % 20 == 19:
                for _ in range(20):
                    await other.hear()
                if step < 40:
                    for _ in range(20):
                        await slow.hear()
        assert visit.exchange.hub.overflowed == 0
        for step in range(60):
            visit.exchange.set_price("BTCUSDT", Decimal(65000 + step))
        assert await slow.is_closed() == 1006
        assert visit.exchange.hub.overflowed == 2


async def test_a_silent_client_is_closed_when_so_configured(
    visiting: Visiting, autojump_clock: trio.testing.MockClock
) -> None:
    async with visiting(memory=True, idle_close_s=20) as visit, visit.dial("/api") as listener:
        for _ in range(3):
            await trio.sleep(15)
            assert await listener.hears_nothing()
        at = trio.current_time()
        assert await listener.is_closed() == 1000
        assert trio.current_time() - at == pytest.approx(20)


async def test_tickers_come_every_few_seconds(
    visiting: Visiting, autojump_clock: trio.testing.MockClock
) -> None:
    topics = ("futures/ticker:BTCUSDT", "futures/ticker")
    async with (
        visiting(memory=True, ticker_group_suffix="@100ms") as visit,
        visit.public(*topics) as listener,
    ):
        visit.exchange.set_price("BTCUSDT", Decimal(65650))
        at = trio.current_time()
        one = await listener.hear()
        assert trio.current_time() - at == pytest.approx(2.5, abs=0.1)
        assert one["group"] == "futures/ticker:BTCUSDT@100ms"
        data = one["data"]
        assert (data["symbol"], data["last_price"], data["range"]) == ("BTCUSDT", "65650", "0.01")
        assert (data["bid_price"], data["ask_price"]) == ("65649.9", "65650.1")
        everyone = [await listener.hear() for _ in visit.exchange.config.symbols]
        assert {frame["group"] for frame in everyone} == {"futures/ticker@100ms"}
        assert len({frame["data"]["symbol"] for frame in everyone}) == 4


async def test_frames_and_subscriptions_can_be_looked_at(visiting: Visiting) -> None:
    async with visiting(memory=True) as visit:
        async with visit.public(KLINE), visit.private("futures/order"):
            assert visit.exchange.subscriptions == {KLINE, "futures/order"}
            subscribe, login, _ = visit.exchange.frames
            assert json.loads(subscribe.text) == {"action": "subscribe", "args": [KLINE]}
            assert (subscribe.private, login.private) == (False, True)
            assert (subscribe.connection, login.connection) == (1, 2)
        assert visit.exchange.connections_opened == 2


async def test_connections_are_counted(visiting: Visiting) -> None:
    async with visiting() as visit:
        async with visit.dial("/api") as one, visit.dial("/user") as two:
            assert await one.hears_nothing()
            assert await two.hears_nothing()
            assert visit.exchange.connections == 2
        with trio.fail_after(5):
            while visit.exchange.connections:  # the exchange offers no event for it
                await trio.sleep(0.001)
