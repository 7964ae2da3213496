"""Cases about the WebSocket: acknowledgements, keep-alive, login, and what is pushed of the market."""

from __future__ import annotations

import msgspec
import trio

from bitmart_engine.counters import Counters
from bitmart_engine.model.events import Kline, Trade
from bitmart_engine.streams.normalize import events as engine_events
from bitmart_engine.streams.topics import parse

from . import shapes
from .case import Differs, NotEstablished, case, expect, expect_shape
from .desk import ORDERS, POSITIONS, Desk, is_ack
from .shapes import misfits

TIMEFRAMES = ("1m", "5m", "15m", "30m", "1H", "2H", "4H", "1D", "1W")
QUIET_S = 45.0
"""How long a market may be quiet before it is too quiet to say anything."""
FRAME_BYTES = 1990


@case(
    "3.2", "streams/subscriptions.py waits for one acknowledgement a topic, and sends again without"
)
async def a_subscribe_frame_is_acknowledged_topic_by_topic(desk: Desk) -> str | None:
    topics = [f"futures/klineBin{each}:{desk.symbol}" for each in TIMEFRAMES]
    async with desk.socket() as socket:
        request = {"action": "subscribe", "args": topics}
        await socket.say(request)
        for topic in topics:
            ack = await socket.hear(is_ack(topic))
            expect_shape(misfits(ack, shapes.ACK))
            expect(ack["success"] is True, f"{topic}: {ack.get('error')}")
            expect(ack["action"] == "subscribe", f"action {ack['action']}")
            expect(ack.get("request") == request, f"the request echoed is {ack.get('request')}")
        return "binary frames" if socket.binary else "text frames"


@case("3.2", "streams/subscriptions.py reports a refused topic and keeps the others of its frame")
async def a_topic_that_does_not_exist_is_refused_alone(desk: Desk) -> str | None:
    good, bad = f"futures/klineBin1m:{desk.symbol}", f"futures/klineBin1h:{desk.symbol}"
    async with desk.socket() as socket:
        await socket.say({"action": "subscribe", "args": [bad, good]})
        refused = await socket.hear(is_ack(bad))
        expect(refused["success"] is False, f"{bad} was acknowledged")
        expect((await socket.hear(is_ack(good)))["success"] is True, f"{good} was refused, too")
    return str(refused.get("error"))


@case("3.2", "streams/subscriptions.py repairs a silent channel by subscribing it again")
async def a_second_subscription_is_acknowledged_again(desk: Desk) -> str | None:
    topic = f"futures/trade:{desk.symbol}"
    async with desk.public(topic) as socket:
        await socket.subscribe(topic)
    return None


@case("3.2", "streams/subscriptions.py takes a topic for gone when that is acknowledged")
async def unsubscribing_is_acknowledged(desk: Desk) -> str | None:
    topic = f"futures/trade:{desk.symbol}"
    async with desk.public(topic) as socket:
        await socket.say({"action": "unsubscribe", "args": [topic]})
        ack = await socket.hear(lambda one: is_ack(topic)(one) and one["action"] == "unsubscribe")
        expect(ack["success"] is True, str(ack))
    return None


@case("3.5", "streams/subscriptions.py fills frames up to 2,000 bytes")
async def a_frame_of_just_under_2000_bytes_is_taken(desk: Desk) -> str | None:
    data = await desk.rest.data("/contract/public/details")
    symbols = [row["symbol"] for row in data["symbols"] if row["status"] == "Trading"]
    kinds = [f"{name}Bin{each}" for name in ("kline", "markPriceKline") for each in TIMEFRAMES]
    topics = [f"futures/{kind}:{symbol}" for symbol in symbols for kind in kinds]
    request = {"action": "subscribe", "args": topics}
    while len(msgspec.json.encode(request)) > FRAME_BYTES:
        topics.pop()
    size = len(msgspec.json.encode(request))
    async with desk.socket() as socket:
        await socket.say(request)
        for topic in topics:
            await socket.hear(is_ack(topic))
    return f"{size} bytes, {len(topics)} topics"


@case("3.3", "streams/connection.py takes a connection that says nothing after a ping for dead")
async def a_ping_is_answered_in_one_form_or_another(desk: Desk) -> str | None:
    async with desk.socket() as socket:
        await socket.say({"action": "ping"})
        frame = await socket.hear(lambda one: "pong" in str(one), within_s=5)
    group, action = frame.get("group"), frame.get("action")
    return f"group {group}" if group else f"action {action}" if action else "the bare text"


@case("3.3", "nothing yet: proxies between may ask for it")
async def a_protocol_ping_is_answered(desk: Desk) -> str | None:
    async with desk.socket() as socket:
        with trio.move_on_after(5):
            await socket.raw.ping()
            return None
    raise Differs("no pong in 5 s")


@case("3.2", "streams/connection.py goes on after an error frame")
async def what_is_not_json_is_answered_and_the_connection_stays(desk: Desk) -> str | None:
    async with desk.socket() as socket:
        await socket.say("ping")
        answer = await socket.hear(lambda one: one.get("success") is False, within_s=5)
        await socket.subscribe(f"futures/klineBin1m:{desk.symbol}")
    return str(answer.get("error"))


@case("4.1", "streams/normalize.py: prices of stops and zones come from here")
async def a_kline_push_has_bars_with_their_open_time_in_seconds(desk: Desk) -> str | None:
    topic = f"futures/klineBin1m:{desk.symbol}"
    async with desk.public(topic) as socket:
        try:
            data = await socket.push(topic, QUIET_S)
        except Differs as quiet:
            raise NotEstablished(f"no trade: {quiet}") from None
    expect(data.get("symbol") == desk.symbol, f"symbol {data.get('symbol')}")
    bars = data.get("items", [data])
    expect(bars, "no bar in it")
    for bar in bars:
        expect_shape(misfits(bar, shapes.BAR))
        expect(bar["ts"] % 60 in (0, 1), f"ts {bar['ts']} is not at the beginning of a minute")
    counters = Counters()
    made = engine_events(parse(topic), msgspec.json.encode(data), counters)
    expect(len(made) == len(bars), f"the engine read {len(made)} of {len(bars)} bars")
    expect(all(isinstance(one, Kline) for one in made), f"the engine read {made}")
    return f"{'items' if 'items' in data else 'flat'}, ts % 60 = {bars[0]['ts'] % 60}"


@case("4.2", "streams/normalize.py: every trade is a price that can touch a stop")
async def a_trade_push_has_prices_as_text(desk: Desk) -> str | None:
    topic = f"futures/trade:{desk.symbol}"
    async with desk.public(topic) as socket:
        try:
            data = await socket.push(topic, QUIET_S)
        except Differs as quiet:
            raise NotEstablished(f"no trade: {quiet}") from None
    expect(isinstance(data, list) and data, f"data is {data!r}")
    for row in data:
        expect_shape(misfits(row, shapes.TRADE))
    made = engine_events(parse(topic), msgspec.json.encode(data), Counters())
    expect(
        len(made) == len(data) and all(isinstance(one, Trade) for one in made),
        f"the engine read {made}",
    )
    return f"{len(data)} in the frame, m {'there' if 'm' in data[0] else 'missing'}"


@case("4.2, 3.6", "nothing yet: shown to readers of the event stream one day")
async def a_ticker_comes_every_few_seconds(desk: Desk) -> str | None:
    topic = f"futures/ticker:{desk.symbol}"
    async with desk.public(topic) as socket:
        expect_shape(misfits(await socket.push(topic, 10), shapes.TICKER))
        at = trio.current_time()
        await socket.push(topic, 10)
        return f"after {trio.current_time() - at:.1f} s"


@case("2.3", "streams/connection.py logs in before it subscribes private topics")
async def a_login_is_acknowledged(desk: Desk) -> str | None:
    async with desk.socket("/user") as socket:
        answer = await socket.login()
        expect(answer.get("success") is True, str(answer.get("error")))
        await socket.subscribe(ORDERS, POSITIONS)
    return None


@case("2.3", "streams/connection.py tells a refused login from a lost one, and tries again slowly")
async def a_wrong_signature_is_refused_and_the_connection_closed(desk: Desk) -> str | None:
    async with desk.socket("/user") as socket:
        answer = await socket.login(secret="not-the-secret")
        expect(answer.get("success") is False, f"it was taken: {answer}")
        try:
            await socket.hear(lambda one: False, within_s=10)
        except Differs as end:
            seen = str(end)
    expect("the connection was closed" in seen, f"not closed: {seen}")
    return str(answer.get("error"))


@case(
    "2.3", "streams/connection.py never subscribes a private topic before the login is acknowledged"
)
async def a_private_topic_needs_a_login(desk: Desk) -> str | None:
    async with desk.socket("/user") as socket:
        await socket.say({"action": "subscribe", "args": [ORDERS]})
        answer = await socket.hear(is_ack(ORDERS))
        expect(answer["success"] is False, "it was acknowledged")
    return str(answer.get("error"))
