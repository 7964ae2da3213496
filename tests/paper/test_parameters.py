"""What nobody has established of BitMart: each a parameter with a name, and each of them decides something."""

from __future__ import annotations

import json
import re
import zlib
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import trio

import bitmart_engine.paper
from bitmart_engine.paper import PaperConfig, in_force, set_parameters, unknowns

from .conftest import CANCEL, SUBMIT, Visiting

PRIVATE = "/contract/private"
ORDER, POSITION = "futures/order", "futures/position"
KLINE = "futures/klineBin1m:BTCUSDT"
SOURCES = "\n".join(
    path.read_text()
    for path in Path(bitmart_engine.paper.__file__).parent.glob("*.py")
    if path.name != "config.py"
)
NAMES = [one.name for one in unknowns()]


# The list


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_decides_something(name: str) -> None:
    assert re.search(rf"config\.{name}\b", SOURCES), name


def test_every_parameter_says_what_it_decides_and_where_that_is_left_open() -> None:
    for one in unknowns():
        assert re.fullmatch(r"[\d.]+( \(\d+\))?(, [\d.]+)*", one.where), one.name
        assert len(one.what) > 15
    left_open = {f"8.{n}" for n in range(1, 11)}
    assert left_open <= {where for one in unknowns() for where in one.where.split(", ")}


def test_a_parameter_is_set_by_its_name() -> None:
    given = {
        "maker_only_refusal": "cancel",
        "pending_push": "true",
        "fee_sign": "1",
        "idle_close_s": "2.5",
        "session_expiry_s": "none",
        "order_visibility_delay_ms": "300",
        "extra_kline_bins": "6H,12H",
        "ticker_group_suffix": "@100ms",
    }
    config = set_parameters(PaperConfig(), given)
    assert (config.maker_only_refusal, config.pending_push, config.fee_sign) == ("cancel", True, 1)
    assert (config.idle_close_s, config.session_expiry_s) == (2.5, None)
    assert in_force(config) == {
        name: text for name, text in given.items() if name != "session_expiry_s"
    }


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("pending_push", "yes", "pending_push must be true or false, not 'yes'"),
        ("fee_sign", "2", "fee_sign must be -1 or 1, not '2'"),
        ("idle_close_s", "-1", "idle_close_s must be a number or none, not '-1'"),
        ("ban_after", "0", "ban_after must be a whole number, not '0'"),
        ("extra_kline_bins", "3m", "extra_kline_bins must be names with commas between"),
        ("nothing", "1", "unknown parameter 'nothing'; there are push_before_reply"),
    ],
)
def test_a_value_that_makes_no_sense_is_refused(name: str, text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=re.escape(problem)):
        set_parameters(PaperConfig(), {name: text})


# Orders


async def pushed(listener: Any, count: int) -> list[tuple[int, int, str]]:
    """Action, state and what is filled of the next order events."""
    events = [(await listener.hear_about(ORDER))[0] for _ in range(count)]
    return [(one["action"], one["order"]["state"], one["order"]["deal_size"]) for one in events]


@pytest.mark.parametrize(
    ("form", "mode", "events"),
    [
        ("cancel", 3, [(2, 2, "0"), (1, 2, "6"), (3, 4, "6")]),
        ("finish", 3, [(2, 2, "0"), (1, 4, "6")]),
        ("cancel", 2, [(2, 2, "0"), (3, 4, "0")]),
        ("finish", 2, [(2, 4, "0")]),
    ],
)
async def test_what_is_left_of_an_ioc_or_fok_order_ends_in_one_of_two_forms(
    visiting: Visiting, form: str, mode: int, events: list[Any]
) -> None:
    async with (
        visiting(memory=True, liquidity=6, remainder_push=form) as visit,
        visit.private(ORDER) as listener,
    ):
        order_id = await visit.owner.submit(price="66000", mode=mode)
        assert await pushed(listener, len(events)) == events
        assert (await visit.owner.order(order_id))["state"] == 4
        assert await listener.hears_nothing()


async def test_a_cancel_event_may_have_state_2(visiting: Visiting) -> None:
    async with (
        visiting(memory=True, cancel_event_state=2) as visit,
        visit.private(ORDER) as listener,
    ):
        order_id = await visit.owner.submit(price="64000")
        await visit.owner.do(CANCEL, {"symbol": "BTCUSDT", "order_id": str(order_id)})
        assert await pushed(listener, 2) == [(2, 2, "0"), (3, 2, "0")]
        assert (await visit.owner.order(order_id))["state"] == 4


@pytest.mark.parametrize(("side", "price"), [(1, "65032.5"), (4, "64967.5")])
async def test_a_market_order_may_show_a_protective_price(
    visiting: Visiting, side: int, price: str
) -> None:
    async with (
        visiting(memory=True, market_order_price="protective") as visit,
        visit.private(ORDER) as listener,
    ):
        order_id = await visit.owner.submit(type="market", side=side)
        assert (await listener.hear_about(ORDER))[0]["order"]["price"] == price
        row = await visit.owner.order(order_id)
        assert (row["price"], row["deal_avg_price"]) == (price, "65000")


@pytest.mark.parametrize(
    ("form", "rest"), [("object", {"data": {}}), ("null", {"data": None}), ("absent", {})]
)
async def test_a_reply_that_says_nothing_has_one_of_three_forms(
    visiting: Visiting, form: str, rest: dict[str, Any]
) -> None:
    async with visiting(memory=True, empty_reply=form) as visit:
        order_id = await visit.owner.submit(price="64000")
        answer = await visit.owner.post(CANCEL, {"symbol": "BTCUSDT", "order_id": str(order_id)})
        body = answer.json()
        body.pop("trace")
        assert body == {"code": 1000, "message": "Ok", **rest}


async def test_the_sign_of_paid_fees_is_a_parameter(visiting: Visiting) -> None:
    async with visiting(memory=True, paid_fees_sign=-1) as visit:
        await visit.owner.submit(type="market")
        (row,) = await visit.owner.read(f"{PRIVATE}/trades", symbol="BTCUSDT")
        assert row["paid_fees"] == "-0.39"


async def test_a_client_order_id_may_become_free_again(
    visiting: Visiting, autojump_clock: Any
) -> None:
    body = {"symbol": "BTCUSDT", "side": 1, "size": 1, "price": "64000", "client_order_id": "a"}
    async with visiting(memory=True, client_order_id_reuse_s=60) as visit:
        order_id = await visit.owner.submit(**body)
        await trio.sleep(120)
        assert (await visit.owner.refused(SUBMIT, body))[1] == 40050
        await visit.owner.do(CANCEL, {"symbol": "BTCUSDT", "order_id": str(order_id)})
        await trio.sleep(59)
        assert (await visit.owner.refused(SUBMIT, body))[1] == 40050
        await trio.sleep(2)
        assert await visit.owner.submit(**body) != order_id


@pytest.mark.parametrize(
    ("form", "flat", "holding"),
    [("checked", 1000, 40059), ("accepted", 1000, 1000), ("refused", 40059, 40059)],
)
async def test_setting_the_mode_that_is_set_already(
    visiting: Visiting, form: str, flat: int, holding: int
) -> None:
    config = {"same_position_mode": form, "position_mode_refusal_status": 403}
    async with visiting(memory=True, **config) as visit:
        for expected in (flat, holding):
            answer = await visit.owner.post(
                f"{PRIVATE}/set-position-mode", {"position_mode": "hedge_mode"}
            )
            assert answer.json()["code"] == expected
            assert answer.status_code == (200 if expected == 1000 else 403)
            await visit.owner.submit(type="market")


# What can be read, and when


async def test_an_order_that_is_not_visible_yet_may_be_a_bare_404(visiting: Visiting) -> None:
    config = {"order_visibility_delay_ms": 60_000, "order_invisible_as": "http"}
    async with visiting(memory=True, **config) as visit:
        order_id = await visit.owner.submit(price="64000")
        answer = await visit.owner.get(f"{PRIVATE}/order", symbol="BTCUSDT", order_id=order_id)
        assert answer.status_code == 404
        with pytest.raises(json.JSONDecodeError):
            answer.json()


async def test_lists_may_lag_so_that_an_order_is_in_none_of_them(
    visiting: Visiting, autojump_clock: Any
) -> None:
    async with visiting(memory=True, listing_delay_ms=500) as visit:
        order_id = await visit.owner.submit(price="64000")

        async def listed() -> list[int]:
            paths = ("get-open-orders", "order-history", "trades")
            query = {"symbol": "BTCUSDT"}
            return [len(await visit.owner.read(f"{PRIVATE}/{path}", **query)) for path in paths]

        assert await listed() == [0, 0, 0]
        await trio.sleep(0.6)
        assert await listed() == [1, 0, 0]
        visit.exchange.set_price("BTCUSDT", Decimal(64000))
        assert await listed() == [0, 0, 0]
        assert (await visit.owner.order(order_id))["state"] == 4
        await trio.sleep(0.6)
        assert await listed() == [0, 1, 1]


async def test_an_order_that_has_ended_may_become_unknown(
    visiting: Visiting, autojump_clock: Any
) -> None:
    async with visiting(memory=True, finished_readable_s=10) as visit:
        order_id = await visit.owner.submit(type="market")
        await trio.sleep(9)
        assert (await visit.owner.order(order_id))["state"] == 4
        await trio.sleep(2)
        answer = await visit.owner.get(f"{PRIVATE}/order", symbol="BTCUSDT", order_id=order_id)
        assert answer.json()["code"] == 40035


@pytest.mark.parametrize(
    ("bounds", "first", "last"),
    [("both", 0, 5), ("start", 0, 4), ("end", 1, 5), ("neither", 1, 4)],
)
async def test_which_end_of_a_kline_query_counts_is_a_parameter(
    visiting: Visiting, bounds: str, first: int, last: int
) -> None:
    async with visiting(memory=True, kline_bounds=bounds) as visit:
        start = visit.exchange.now_ms() // 60_000 * 60 - 3600
        query = {"symbol": "BTCUSDT", "start_time": start, "end_time": start + 300}
        bars = await visit.owner.read("/contract/public/kline", **query)
        opens = [(bar["timestamp"] - start) // 60 for bar in bars]
        assert opens == list(range(first, last + 1))


@pytest.mark.parametrize("running", [True, False])
async def test_whether_history_has_the_running_bar_is_a_parameter(
    visiting: Visiting, running: bool
) -> None:
    async with visiting(memory=True, kline_running_bar=running) as visit:
        now_s = visit.exchange.now_ms() // 1000
        query = {"symbol": "BTCUSDT", "start_time": now_s - 600, "end_time": now_s}
        bars = await visit.owner.read("/contract/public/kline", **query)
        assert (bars[-1]["timestamp"] == now_s // 60 * 60) is running


# Pushes


async def test_a_position_that_closes_may_go_without_a_word(visiting: Visiting) -> None:
    async with (
        visiting(memory=True, zero_position_push=False) as visit,
        visit.private(POSITION) as listener,
    ):
        await visit.owner.submit(type="market")
        await listener.hear_about(POSITION)
        await visit.owner.submit(type="market", side=3)
        assert await listener.hears_nothing()


@pytest.mark.parametrize(
    ("form", "row"), [("unsigned", (2, "10", "0")), ("signed", (1, "-10", "0"))]
)
async def test_a_short_in_one_way_mode_is_pushed_in_one_of_two_forms(
    visiting: Visiting, form: str, row: Any
) -> None:
    config = {"position_mode": "one_way_mode", "one_way_position_push": form}
    async with visiting(memory=True, **config) as visit, visit.private(POSITION) as listener:
        await visit.owner.submit(type="market", side=4)
        (told,) = await listener.hear_about(POSITION)
        assert (told["position_type"], told["hold_volume"], told["close_volume"]) == row


@pytest.mark.parametrize("channel", ["klineBin1m", "markPriceKlineBin1m"])
async def test_bars_may_come_flat_and_a_second_late(visiting: Visiting, channel: str) -> None:
    topic = f"futures/{channel}:BTCUSDT"
    config = {"kline_shape": "flat", "mark_price_kline_shape": "flat", "kline_ts_offset_s": 1}
    async with visiting(memory=True, **config) as visit, visit.public(topic) as listener:
        visit.exchange.set_price("BTCUSDT", 65100)
        data = await listener.hear_about(topic)
        assert data.pop("ts") % 60 == 1
        assert set(data) == {"symbol", "o", "h", "l", "c", "v"}
        assert (data["symbol"], data["c"]) == ("BTCUSDT", "65100")


async def test_bars_may_come_at_most_once_in_some_seconds(
    visiting: Visiting, autojump_clock: Any
) -> None:
    async with visiting(memory=True, kline_interval_s=3) as visit, visit.public(KLINE) as listener:
        for price in (65100, 65200, 65300):
            visit.exchange.set_price("BTCUSDT", price)
        assert await listener.hears_nothing()
        await trio.sleep(3)
        (bar,) = (await listener.hear_about(KLINE))["items"]
        assert (bar["c"], bar["l"]) == ("65300", "65000")
        await trio.sleep(10)
        assert await listener.hears_nothing()


@pytest.mark.parametrize(("bins", "found"), [((), False), (("6H", "12H"), True)])
async def test_further_kline_channels_may_be_there(
    visiting: Visiting, bins: tuple[str, ...], found: bool
) -> None:
    async with (
        visiting(memory=True, extra_kline_bins=bins) as visit,
        visit.dial("/api") as listener,
    ):
        topic = "futures/klineBin12H:BTCUSDT"
        ack = await listener.ask({"action": "subscribe", "args": [topic]})
        assert ack["success"] is found


@pytest.mark.parametrize("there", [False, True])
async def test_unicast_may_be_there_and_never_says_anything(
    visiting: Visiting, autojump_clock: Any, there: bool
) -> None:
    async with visiting(memory=True, unicast=there) as visit, visit.private() as listener:
        ack = await listener.ask({"action": "subscribe", "args": ["futures/unicast"]})
        assert ack["success"] is there
        await visit.owner.submit(type="market")
        assert await listener.hears_nothing()


# The socket


async def test_frames_may_be_raw_deflate_in_both_directions(visiting: Visiting) -> None:
    async with visiting(frames="deflate") as visit, visit.dial("/api") as listener:
        packer = zlib.compressobj(wbits=-15)
        ask = json.dumps({"action": "subscribe", "args": [KLINE]}).encode()
        await listener.socket.send_message(packer.compress(ask) + packer.flush())
        frame = await listener.socket.get_message()
        assert isinstance(frame, bytes)
        assert frame[:1] not in (b"\x1f", b"\x78")
        assert json.loads(zlib.decompress(frame, -15))["success"]
        visit.exchange.set_price("BTCUSDT", 65100)
        data = json.loads(zlib.decompress(await listener.socket.get_message(), -15))
        assert data["data"]["items"][0]["c"] == "65100"


async def test_a_frames_text_may_end_in_a_line_feed(visiting: Visiting) -> None:
    async with visiting(memory=True, frame_newline=True) as visit, visit.dial("/user") as listener:
        await listener.say({"action": "ping"})
        text = await listener.socket.get_message()
        assert text.endswith("}\n")


async def test_one_topic_too_many_closes_the_connection(visiting: Visiting) -> None:
    async with visiting(memory=True, max_topics=2, limit_close_code=4001) as visit:
        topics = [f"futures/klineBin{each}:BTCUSDT" for each in ("1m", "5m", "15m")]
        async with visit.public(*topics[:2]) as listener:
            assert await listener.hears_nothing()
            await listener.say({"action": "subscribe", "args": topics[2:]})
            assert await listener.is_closed() == 4001


async def test_one_private_connection_too_many_is_closed(visiting: Visiting) -> None:
    config = {"max_private_connections": 1, "limit_close_code": 4001}
    async with visiting(memory=True, **config) as visit, visit.private() as first:
        async with visit.dial("/user") as second:
            await second.login(visit.exchange.now_ms())
            assert await second.is_closed() == 4001
        async with visit.public(KLINE) as listener:
            assert await listener.hears_nothing()
        assert await first.hears_nothing()


async def test_one_frame_too_many_in_ten_seconds_closes_the_connection(
    visiting: Visiting, autojump_clock: Any
) -> None:
    config = {"max_messages_10_s": 3, "limit_close_code": 4001}
    async with visiting(memory=True, **config) as visit, visit.dial("/api") as listener:
        for _ in range(3):
            assert await listener.hears_nothing()
        await trio.sleep(10.5)
        for _ in range(3):
            assert await listener.hears_nothing()
        await listener.say({"action": "ping"})
        assert await listener.is_closed() == 4001


async def test_connections_beyond_the_documented_500_are_refused(visiting: Visiting) -> None:
    async with visiting(max_connections=1) as visit, visit.public(KLINE):
        with pytest.raises(Exception, match="429") as caught:
            async with visit.dial("/api"):
                pass
        assert "Rejected" in type(caught.value).__name__


async def test_a_login_may_expire(visiting: Visiting, autojump_clock: Any) -> None:
    config = {"session_expiry_s": 30, "limit_close_code": 4001}
    async with visiting(memory=True, **config) as visit, visit.private() as listener:
        at = trio.current_time()
        await trio.sleep(20)
        assert await listener.hears_nothing()
        assert await listener.is_closed() == 4001
        assert trio.current_time() - at == pytest.approx(30, abs=0.1)


@pytest.mark.parametrize("form", ["accepted", "refused"])
async def test_a_second_login_is_taken_or_refused_and_the_first_one_holds(
    visiting: Visiting, form: str
) -> None:
    async with visiting(memory=True, second_login=form) as visit, visit.private(ORDER) as listener:
        answer = await listener.login(visit.exchange.now_ms())
        assert answer["success"] is (form == "accepted")
        await visit.owner.submit(price="64000")
        assert await pushed(listener, 1) == [(2, 2, "0")]


async def test_the_close_code_after_a_failed_login_is_a_parameter(visiting: Visiting) -> None:
    async with (
        visiting(memory=True, login_close_code=4003) as visit,
        visit.dial("/user") as listener,
    ):
        await listener.login(0)
        assert await listener.is_closed() == 4003


# Clock and delays


async def test_the_exchanges_clock_may_be_off_and_can_be_changed(visiting: Visiting) -> None:
    async with visiting(memory=True, clock_skew_ms=90_000) as visit:
        ours = visit.exchange.now_ms() - 90_000
        told = (await visit.owner.read("/system/time"))["server_time"]
        assert told - ours == pytest.approx(90_000, abs=5000)
        body = {"symbol": "BTCUSDT"}
        late = await visit.owner.post(f"{PRIVATE}/cancel-orders", body, TIMESTAMP=str(ours))
        assert late.json()["code"] == 30007
        visit.exchange.set_clock_skew(-30_000)
        told = (await visit.owner.read("/system/time"))["server_time"]
        assert told - ours == pytest.approx(-30_000, abs=5000)
        visit.exchange.clear_faults()
        assert visit.exchange.clock_skew_ms == 90_000


@pytest.mark.parametrize(
    ("rule", "old_ms", "taken"),
    [
        ("both sides", 3_000, True),
        ("both sides", -3_000, True),
        ("both sides", 20_000, False),
        ("both sides", -20_000, False),
        ("behind", 3_000, True),
        ("behind", 20_000, False),
        ("behind", -20_000, False),
        ("behind", -3_000, False),
    ],
)
async def test_a_timestamp_is_taken_by_either_rule(
    visiting: Visiting, rule: str, old_ms: int, taken: bool
) -> None:
    async with visiting(memory=True, timestamp_rule=rule, timestamp_window_ms=10_000) as visit:
        stamp = str(visit.exchange.now_ms() - old_ms)
        body = {"symbol": "BTCUSDT"}
        answer = await visit.owner.post(f"{PRIVATE}/cancel-orders", body, TIMESTAMP=stamp)
        assert (answer.json()["code"] != 30007) is taken


async def test_how_old_a_timestamp_may_be_can_be_changed(visiting: Visiting) -> None:
    async with visiting(memory=True) as visit:
        old = str(visit.exchange.now_ms() - 30_000)
        for window_ms, taken in ((60_000, True), (5_000, False), (60_000, True)):
            visit.exchange.set_timestamp_window(window_ms)
            body = {"symbol": "BTCUSDT"}
            answer = await visit.owner.post(f"{PRIVATE}/cancel-orders", body, TIMESTAMP=old)
            assert (answer.json()["code"] != 30007) is taken
        visit.exchange.set_timestamp_window(1)
        visit.exchange.clear_faults()
        assert visit.exchange.timestamp_window_ms == 60_000
        with pytest.raises(ValueError, match="0 or more"):
            visit.exchange.set_timestamp_window(-1)


@pytest.mark.parametrize(
    ("name", "topic", "late_s"),
    [
        ("order_push", ORDER, 0.3),
        ("position_push", POSITION, 5),
        ("asset_push", "futures/asset:USDT", 1),
    ],
)
async def test_pushes_may_be_late_each_by_its_own_name(
    visiting: Visiting, autojump_clock: Any, name: str, topic: str, late_s: float
) -> None:
    config = {f"{name}_delay_ms": int(late_s * 1000)}
    topics = (ORDER, POSITION, "futures/asset:USDT")
    async with visiting(memory=True, **config) as visit, visit.private(*topics) as listener:
        at = trio.current_time()
        await visit.owner.submit(type="market")
        heard = []
        while topic not in heard:
            heard.append((await listener.hear())["group"])
        assert trio.current_time() - at == pytest.approx(late_s, abs=0.05)
        assert set(heard) == set(topics)


async def test_late_pushes_keep_their_order_when_the_delay_shrinks(
    visiting: Visiting, autojump_clock: Any
) -> None:
    async with (
        visiting(memory=True, market_push_delay_ms=2000) as visit,
        visit.public(KLINE) as listener,
    ):
        visit.exchange.set_price("BTCUSDT", 65100)
        visit.exchange.set_delay("market_push", 0)
        visit.exchange.set_price("BTCUSDT", 65200)
        at = trio.current_time()
        closes = [(await listener.hear_about(KLINE))["items"][0]["c"] for _ in range(2)]
        assert closes == ["65100", "65200"]
        assert trio.current_time() - at == pytest.approx(2, abs=0.05)


async def test_replies_may_be_late_while_what_they_say_is_done(
    visiting: Visiting, autojump_clock: Any
) -> None:
    async with (
        visiting(memory=True, reply_delay_ms=1500) as visit,
        visit.private(ORDER) as listener,
    ):
        at = trio.current_time()
        async with trio.open_nursery() as nursery:

            async def submit() -> None:
                await visit.owner.submit(price="64000")

            nursery.start_soon(submit)
            assert await pushed(listener, 1) == [(2, 2, "0")]
            assert trio.current_time() - at < 0.1
        assert trio.current_time() - at == pytest.approx(1.5, abs=0.05)


async def test_a_delay_that_is_not_there_is_named(visiting: Visiting) -> None:
    async with visiting(memory=True) as visit:
        with pytest.raises(ValueError, match="there are reply, order_visibility"):
            visit.exchange.set_delay("nothing", 1)
        with pytest.raises(ValueError, match="0 ms or more"):
            visit.exchange.set_delay("reply", -1)


# What is made to go wrong


@pytest.mark.parametrize("memory", [True, False])
@pytest.mark.parametrize(("status", "after"), [(403, False), (502, True), (524, True)])
async def test_the_gateway_answers_in_html_whether_or_not_the_order_was_taken(
    visiting: Visiting, memory: bool, status: int, after: bool
) -> None:
    async with visiting(memory=memory) as visit:
        visit.exchange.gateway_error(status=status, after=after)
        body = {"symbol": "BTCUSDT", "side": 1, "size": 1, "price": "64000"}
        answer = await visit.owner.post(SUBMIT, body)
        assert answer.status_code == status
        assert answer.headers["server"] == "cloudflare"
        assert answer.headers["content-type"] == "text/html; charset=UTF-8"
        assert answer.text.startswith("<!DOCTYPE html>")
        assert len(visit.books.orders) == after
        assert (await visit.owner.get("/system/time")).status_code == 200


@pytest.mark.parametrize(("code", "status"), [(30014, 503), (40055, 400), (42000, 200)])
async def test_any_request_can_be_refused_with_any_code(
    visiting: Visiting, code: int, status: int
) -> None:
    async with visiting(memory=True) as visit:
        visit.exchange.refuse(SUBMIT, code)
        body = {"symbol": "BTCUSDT", "side": 1, "size": 1, "price": "64000"}
        answer = await visit.owner.post(SUBMIT, body)
        assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert set(answer.json()) == {"code", "message", "trace", "data"}
        assert not visit.books.orders


async def test_faults_that_make_no_sense_are_refused(visiting: Visiting) -> None:
    async with visiting(memory=True) as visit:
        with pytest.raises(ValueError, match="status must be one of 403, 502"):
            visit.exchange.gateway_error(status=200)
        with pytest.raises(ValueError, match="code must be one of the exchange's"):
            visit.exchange.refuse(SUBMIT, 1000)
