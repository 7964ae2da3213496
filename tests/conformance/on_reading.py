"""Cases about REST in general and about reading the market: envelopes, keys, clocks, limits, instruments, history."""

from __future__ import annotations

from decimal import Decimal

from . import shapes
from .case import NotEstablished, case, expect, expect_shape
from .desk import PRIVATE, PUBLIC, Desk
from .shapes import misfits

CLOCKS_APART_MS = 5_000
HISTORY_LIMIT = 500


@case("5.2, 2.2", "exchange/clock.py signs with the exchange's time")
async def the_time_is_told_in_milliseconds(desk: Desk) -> str | None:
    data = await desk.rest.data("/system/time")
    expect_shape(misfits(data, {"server_time": shapes.milliseconds}))
    apart_ms = data["server_time"] - desk.venue.now_ms()
    if abs(apart_ms) > CLOCKS_APART_MS:
        raise NotEstablished(f"the clocks are {apart_ms} ms apart")
    return f"{apart_ms} ms ahead of ours"


@case("6.1", "exchange/classify.py decides by `code`, and reads `message`")
async def an_answer_is_an_envelope(desk: Desk) -> str | None:
    answer = await desk.rest.get(f"{PRIVATE}/get-position-mode")
    expect(answer.code == 1000, answer.short)
    expect_shape(misfits(answer.body, {"code": shapes.whole, "message": shapes.word}))
    expect_shape(misfits(answer.data, {"position_mode": shapes.word}))
    return f"{answer.data['position_mode']}, message {answer.body['message']!r}"  # type: ignore[index]


@case("6.1, 7 (28)", "exchange/classify.py reads `msg` where the gateway answers")
async def an_unknown_path_is_refused_by_the_gateway(desk: Desk) -> str | None:
    answer = await desk.rest.get("/contract/public/nothing")
    expect((answer.status, answer.code) == (404, 30000), answer.short)
    return f"words in {'msg' if 'msg' in answer.body else 'message'}"  # type: ignore[operator]


@case("6.2", "exchange/classify.py: missing and unknown keys stop trading")
async def a_key_is_needed_and_must_be_known(desk: Desk) -> str | None:
    path = f"{PRIVATE}/get-position-mode"
    missing, unknown = await desk.rest.get(path, key=None), await desk.rest.get(path, key="nobody")
    expect((missing.status, missing.code) == (401, 30001), f"without a key: {missing.short}")
    expect((unknown.status, unknown.code) == (401, 30002), f"with an unknown key: {unknown.short}")
    return None


@case("2.1, 6.2", "exchange/signing.py: the very bytes of the body are signed")
async def a_wrong_signature_is_30005(desk: Desk) -> str | None:
    body = {"symbol": desk.symbol}
    answer = await desk.rest.post(f"{PRIVATE}/cancel-orders", body, signature="0" * 64)
    expect((answer.status, answer.code) == (401, 30005), answer.short)
    return None


@case("2.2, 8.5", "exchange/calls.py compares clocks after 30007 and sends once more")
async def an_old_timestamp_is_30007(desk: Desk) -> str | None:
    path, body = f"{PRIVATE}/cancel-orders", {"symbol": desk.symbol}
    old = await desk.rest.post(path, body, late_ms=90_000)
    expect(old.code in (30007, 40008, 40039), f"90 s old: {old.short}")
    late = await desk.rest.post(path, body, late_ms=20_000)
    return f"90 s old: {old.code}; 20 s old: {late.code}"


@case("6.4", "exchange/turns.py keeps within limits by these headers")
async def the_rate_headers_count_what_is_used(desk: Desk) -> str | None:
    path, used = f"{PRIVATE}/get-open-orders", []
    for _ in range(3):
        headers = (await desk.rest.get(path, symbol=desk.symbol)).headers
        for name in ("Remaining", "Limit", "Reset", "Mode"):
            expect(f"X-BM-RateLimit-{name}" in headers, f"no X-BM-RateLimit-{name}")
        used.append(int(headers["X-BM-RateLimit-Remaining"]))
    expect(used == sorted(used) or used[-1] == 1, f"Remaining went {used}")
    reset, limit = headers["X-BM-RateLimit-Reset"], headers["X-BM-RateLimit-Limit"]
    expect(reset == "2", f"a window of {reset} s")
    expect(used[0] <= int(limit) / 2, f"Remaining began at {used[0]}: it may be what is left")
    return f"{used} of {limit} in {reset} s, by {headers['X-BM-RateLimit-Mode']}"


@case("5.2", "exchange/rows.py: sizes and ticks come from here")
async def details_have_sizes_in_contracts_and_ticks(desk: Desk) -> str | None:
    row = await desk.details()
    expect_shape(misfits(row, shapes.INSTRUMENT))
    expect(Decimal(row["contract_size"]) > 0, f"contract_size {row['contract_size']}")
    return f"tick {row['price_precision']}, {row['contract_size']} a contract"


@case("7 (28)", "trading/market/instruments.py tells an unknown symbol from a failed query")
async def an_unknown_symbol_is_40012_in_details_and_40034_in_depth(desk: Desk) -> str | None:
    details = await desk.rest.get(f"{PUBLIC}/details", symbol="NOSUCHUSDT")
    depth = await desk.rest.get(f"{PUBLIC}/depth", symbol="NOSUCHUSDT")
    expect((details.status, details.code) == (400, 40012), f"details: {details.short}")
    expect((depth.status, depth.code) == (400, 40034), f"depth: {depth.short}")
    return None


@case("5.2", "bars.py, trading/market/gaps.py: what was missed is read from history")
async def history_is_ascending_on_the_minute_and_500_bars_at_most(desk: Desk) -> str | None:
    end = desk.venue.now_ms() // 60_000 * 60
    query = {"symbol": desk.symbol, "step": 1, "start_time": end - 900 * 60, "end_time": end}
    bars = await desk.rest.data(f"{PUBLIC}/kline", **query)
    expect(bars, "no bars")
    for bar in bars:
        expect_shape(misfits(bar, shapes.HISTORY_BAR))
    opens = [bar["timestamp"] for bar in bars]
    expect(opens == sorted(opens), "not ascending")
    expect(all(at % 60 == 0 for at in opens), "not on the minute")
    expect(len(bars) <= HISTORY_LIMIT, f"{len(bars)} bars")
    which = "newest" if opens[-1] >= end - 120 else "oldest"
    return f"{len(bars)} bars of 900 minutes, the {which}"


@case("8.10", "trading/market/gaps.py asks so that neither the bounds nor the running bar matter")
async def a_kline_query_may_include_its_bounds_and_the_running_bar(desk: Desk) -> str | None:
    now = desk.venue.now_ms() // 60_000 * 60
    query = {"symbol": desk.symbol, "step": 1, "start_time": now - 600, "end_time": now}
    opens = [bar["timestamp"] for bar in await desk.rest.data(f"{PUBLIC}/kline", **query)]
    expect(all(now - 600 <= at <= now for at in opens), f"bars outside of the query: {opens}")
    inner = {"symbol": desk.symbol, "step": 1, "start_time": now - 600, "end_time": now - 300}
    ends = [bar["timestamp"] for bar in await desk.rest.data(f"{PUBLIC}/kline", **inner)]
    seen = [
        f"the start {'included' if now - 600 in ends else 'not included (or without trades)'}",
        f"the end {'included' if now - 300 in ends else 'not included (or without trades)'}",
        f"the running bar {'there' if now in opens else 'not there'}",
    ]
    return ", ".join(seen)


@case(
    "5.2, 7.1",
    "trading/market/gaps.py: what the bar of a minute leaves open is read from the last trades",
)
async def the_last_trades_have_their_price_and_their_time_in_seconds(desk: Desk) -> str | None:
    trades = await desk.rest.data(f"{PUBLIC}/market-trade", symbol=desk.symbol, limit=100)
    expect(isinstance(trades, list) and len(trades) <= 100, f"not a list of 100 at most: {trades}")
    for trade in trades:
        expect_shape(misfits(trade, shapes.PAST_TRADE))
    times = [trade["time"] for trade in trades]
    return f"{len(trades)} trades of {max(times) - min(times)} s" if times else "no trades"


@case("5.2, 6.3", "model/timeframes.py asks for the steps there are")
async def a_step_that_does_not_exist_is_40038(desk: Desk) -> str | None:
    now = desk.venue.now_ms() // 1000
    query = {"symbol": desk.symbol, "step": 7, "start_time": now - 600, "end_time": now}
    answer = await desk.rest.get(f"{PUBLIC}/kline", **query)
    expect(answer.code == 40038, answer.short)
    return None


@case("5.3", "trading/account/balance.py: equity and what is available")
async def the_balance_has_its_fields(desk: Desk) -> str | None:
    rows = await desk.rest.data(f"{PRIVATE}/assets-detail")
    found = [row for row in rows if row.get("currency") == "USDT"]
    expect(found, f"no USDT among {[row.get('currency') for row in rows]}")
    expect_shape(misfits(found[0], shapes.ASSET))
    return None


@case("5.3", "trading/account/leverage.py reads leverage and mode where nothing is held")
async def position_v2_has_rows_for_a_symbol_that_is_flat(desk: Desk) -> str | None:
    mode = (await desk.rest.data(f"{PRIVATE}/get-position-mode"))["position_mode"]
    await desk.rest.done(
        f"{PRIVATE}/submit-leverage",
        {"symbol": desk.symbol, "leverage": "7", "open_type": "isolated"},
    )
    rows = await desk.rest.data(f"{PRIVATE}/position-v2", symbol=desk.symbol)
    expect(len(rows) == (2 if mode == "hedge_mode" else 1), f"{len(rows)} rows in {mode}")
    for row in rows:
        expect_shape(misfits(row, shapes.POSITION_V2))
        expect(Decimal(row["current_amount"]) == 0, f"held: {row['current_amount']}")
        expect(Decimal(row["leverage"]) == 7, f"leverage {row['leverage']} after setting 7")
        expect(row["open_type"] == "isolated", f"open_type {row['open_type']}")
    sides = {row["position_side"] for row in rows}
    expect(sides == ({"long", "short"} if mode == "hedge_mode" else {"both"}), f"sides {sides}")
    every = await desk.rest.data(f"{PRIVATE}/position-v2")
    expect(desk.symbol not in {row["symbol"] for row in every}, "listed without a symbol, too")
    return mode
