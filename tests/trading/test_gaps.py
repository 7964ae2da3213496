"""Gaps in the price stream: what was touched in them closes, and nothing closes for what was before."""

from __future__ import annotations

from decimal import Decimal

import pytest
import trio
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from bitmart_engine import MonitorPosition
from bitmart_engine.exchange import NotSent
from bitmart_engine.model.events import Kline, PastTrade, Tick
from bitmart_engine.model.lifecycle import ProtectionState
from bitmart_engine.model.positions import Protection
from bitmart_engine.model.sides import PositionSide
from bitmart_engine.model.timeframes import Timeframe
from bitmart_engine.store import State
from bitmart_engine.store.records import (
    ProtectionCovers,
    ProtectionLevelled,
    ProtectionMoved,
    ProtectionOpened,
)
from bitmart_engine.trading.clock_tolerance import SURELY_SINCE_MS
from bitmart_engine.trading.entries.zones import Zone, ZoneBook
from bitmart_engine.trading.market.gaps import touched, touched_by_trades
from tests.support.stage import HOOK, open_stage, open_theatre
from tests.test_recovery import crashing

KLINES = "/contract/public/kline"
TRADES = "/contract/public/market-trade"
POSITIONS = "/contract/private/position-v2"
PUBLIC = "public"
T0_MS = 1_785_726_000_000


def bar(minute: int, low: object, high: object = 70000) -> Kline:
    """The bar that opens so many minutes after T0."""
    low, high = Decimal(str(low)), Decimal(str(high))
    return Kline("X", Timeframe.M1, T0_MS // 1000 + minute * 60, low, high, low, high, Decimal(1))


def protection(id: str = "p", set_s: float = 0, **changes: object) -> Protection:
    """A long with its stop at 64500, set so many seconds after T0."""
    made = Protection(
        id=id,
        symbol="X",
        side=PositionSide.LONG,
        created_ms=T0_MS,
        stop_loss=Decimal(64500),
        state=ProtectionState.ARMED,
        levelled_ms=T0_MS + round(set_s * 1000),
    )
    return evolve(made, **changes)


# Which stops were touched


def test_a_bar_that_reaches_the_stop_touches_it_and_one_that_does_not_does_not():
    assert touched([protection()], [bar(1, 64500)]) == ["p"]
    assert touched([protection()], [bar(1, "64500.1")]) == []


def test_a_short_is_touched_from_below():
    short = protection(side=PositionSide.SHORT)
    assert touched([short], [bar(1, 64000, 64500)]) == ["p"]
    assert touched([short], [bar(1, 64000, "64499.9")]) == []


@pytest.mark.parametrize(("set_s", "counts"), [(0, True), (59, True), (59.5, False), (60, False)])
def test_a_bar_counts_only_if_it_opened_after_the_stop_was_set(set_s, counts):
    assert touched([protection(set_s=set_s)], [bar(1, 60000)]) == ["p"] * counts
    assert touched([protection(set_s=set_s)], [bar(2, 60000)]) == ["p"]


def test_bars_open_by_the_exchanges_clock_and_stops_are_set_by_ours():
    behind = protection(set_s=50)  # by our clock; by the exchange's it is ten past already
    assert touched([behind], [bar(1, 60000)], lambda ms: ms + 20_000) == []
    ahead = protection(set_s=70)
    assert touched([ahead], [bar(1, 60000)], lambda ms: ms - 20_000) == ["p"]


def test_what_the_exchange_dates_before_the_fill_is_from_before_though_its_clock_is_behind_now():
    filled = protection(set_s=200, filled_there_ms=T0_MS + 200_000)
    assert touched([filled], [bar(2, 60000)], lambda ms: ms - 120_000) == []
    assert touched([filled], [bar(4, 60000)], lambda ms: ms - 120_000) == ["p"]


@pytest.mark.parametrize("state", [s for s in ProtectionState if s is not ProtectionState.ARMED])
def test_what_is_not_armed_is_not_touched(state):
    assert touched([protection(state=state)], [bar(1, 60000)]) == []


@pytest.mark.parametrize(("set_s", "touches"), [(0, True), (29, True), (29.5, False), (31, False)])
def test_a_trade_touches_a_stop_that_was_set_before_it(set_s, touches):
    trades = [PastTrade("X", Decimal(64500), T0_MS // 1000 + 30)]
    assert touched_by_trades([protection(set_s=set_s)], trades) == ["p"] * touches
    above = [evolve(trades[0], price=Decimal("64500.1"))]
    assert touched_by_trades([protection(set_s=set_s)], above) == []


@pytest.mark.parametrize(("now_s", "touches"), [(28.9, False), (29, True), (300, True)])
def test_a_trade_of_a_time_to_come_touches_nothing(now_s, touches):
    trades = [PastTrade("X", Decimal(64500), T0_MS // 1000 + 30)]
    now_ms = T0_MS + round(now_s * 1000)
    assert touched_by_trades([protection()], trades, now_ms=now_ms) == ["p"] * touches


@pytest.mark.parametrize("price", [0, -5])
def test_a_trade_that_cannot_be_is_not_believed(price):
    nonsense = [PastTrade("X", Decimal(price), T0_MS // 1000 + 30)]
    assert touched_by_trades([protection()], nonsense) == []


def test_without_a_stop_or_bars_nothing_is_touched():
    assert touched([protection(stop_loss=None, take_profit=Decimal(66000))], [bar(1, 1)]) == []
    assert touched([protection()], []) == []
    assert touched([], [bar(1, 1)]) == []


@pytest.mark.parametrize("nonsense", [bar(1, 0), bar(1, -5), bar(1, 60000, 59999)])
def test_a_bar_that_cannot_be_is_not_believed(nonsense):
    assert touched([protection()], [nonsense]) == []


@given(
    stops=st.lists(st.tuples(st.booleans(), st.integers(1, 100), st.integers(0, 600)), max_size=6),
    extremes=st.lists(st.tuples(st.integers(1, 100), st.integers(0, 30)), max_size=10),
    ahead_s=st.integers(-90, 90),
)
def test_exactly_those_are_touched_of_whom_a_bar_from_after_they_were_set_says_so(
    stops, extremes, ahead_s
):
    armed = [
        protection(
            str(n),
            set_s,
            side=PositionSide.LONG if long else PositionSide.SHORT,
            stop_loss=Decimal(stop),
        )
        for n, (long, stop, set_s) in enumerate(stops)
    ]
    bars = [bar(minute, low, low + span) for minute, (low, span) in enumerate(extremes)]
    expected = []
    for n, (long, stop, set_s) in enumerate(stops):
        for minute, (low, span) in enumerate(extremes):
            after = minute * 60 >= set_s + ahead_s + SURELY_SINCE_MS / 1000
            if after and (low <= stop if long else low + span >= stop):
                expected.append(str(n))
                break
    assert touched(armed, bars, lambda ms: ms + ahead_s * 1000) == expected
    assert touched(armed, [*bars, *bars], lambda ms: ms + ahead_s * 1000) == expected


# Since when a stop counts


def test_a_stop_counts_since_it_was_armed_or_moved_and_not_since_its_target_was():
    state = State()
    made = evolve(protection(), state=ProtectionState.PENDING_FILL, levelled_ms=0)
    state.apply(ProtectionOpened(made))
    assert state.protections["p"].levelled_ms == 0
    state.apply(ProtectionMoved("p", 10, ProtectionState.ARMED))
    assert state.protections["p"].levelled_ms == 10
    state.apply(ProtectionCovers("p", 5, 20))
    state.apply(ProtectionLevelled("p", 30, Decimal(64500), Decimal(66000)))
    state.apply(ProtectionMoved("p", 40, ProtectionState.ARMED, "still"))
    assert state.protections["p"].levelled_ms == 10
    state.apply(ProtectionLevelled("p", 50, Decimal(64600), Decimal(66000)))
    assert state.protections["p"].levelled_ms == 50
    state.apply(ProtectionMoved("p", 60, ProtectionState.CLOSED))
    assert state.protections["p"].levelled_ms == 50
    state.apply(ProtectionMoved("p", 70, ProtectionState.ARMED, "late fill"))
    assert state.protections["p"].levelled_ms == 70


# What the first tick after a gap may say


def test_a_merged_tick_is_as_old_as_the_oldest_gap_in_it():
    def tick(gap_since):
        return Tick("X", Decimal(2), Decimal(3), Decimal(1), 9, gap_since)

    assert tick(None).merge(tick(None)).gap_since is None
    assert tick(5).merge(tick(None)).gap_since == 5
    assert tick(5).merge(tick(4)).gap_since == 4
    assert (tick(5).only_last().low, tick(5).only_last().high) == (2, 2)


def test_the_extremes_of_a_gap_enter_no_zone_and_its_last_price_does():
    def after_a_gap(low, last):
        return Tick("X", Decimal(last), Decimal(last), Decimal(low), 9, gap_since=1)

    book = ZoneBook()
    book.entered(Tick("X", Decimal(100), Decimal(100), Decimal(100), 0))
    book.arm(Zone("z", "X", Decimal(80), Decimal(90)))
    assert book.entered(after_a_gap(85, 100)) == []
    assert book.entered(after_a_gap(70, 85)) == ["z"]


# On the whole engine


def asked(stage, symbol="BTCUSDT"):
    """How often the bars of a symbol were asked for."""
    return sum(
        each.path == KLINES and each.query.get("symbol") == symbol for each in stage.paper.requests
    )


async def up_to_second(stage, second):
    """Wait until that second of a minute."""
    await trio.sleep((second - stage.paper.now_ms() / 1000) % 60)


async def guarded_for_a_while(stage, **changes):
    """A position with its stop at 64500, set in the middle of a minute, twenty seconds into a later one."""
    await up_to_second(stage, 30)
    await stage.bought(exchange_protection=False, **changes)
    await stage.settle(60)
    await up_to_second(stage, 20)
    stage.move(stage.price)
    await stage.settle(1)
    assert stage.guarded() == "armed"


async def guarded_after_a_low(stage):
    """A position with its stop at 64500, set in a minute that had been lower before."""
    await up_to_second(stage, 5)
    stage.move(64400)
    stage.move(65000)
    await up_to_second(stage, 20)
    await stage.bought(exchange_protection=False)
    stage.move(65000)
    await stage.settle(2)


async def blind(stage, seconds, *prices):
    """The public stream is away for so long at least, while the price goes through `prices`."""
    stage.paper.refuse_dials()
    stage.paper.drop_connections(PUBLIC)
    await stage.settle(1)
    for price in prices:
        stage.move(price)
        await stage.settle(0.5)
    await stage.settle(seconds)
    stage.paper.refuse_dials(False)


async def test_a_stop_touched_while_the_stream_was_away_closes_though_the_price_is_back(
    autojump_clock,
):
    async with open_stage(stale_after_s=1000) as stage:
        await guarded_for_a_while(stage)
        stage.paper.refuse_dials()
        stage.paper.drop_connections(PUBLIC)
        await up_to_second(stage, 2)
        stage.move(64400)
        stage.move(65000)
        await stage.settle(150)
        assert stage.guarded() == "armed"  # nobody told yet
        stage.paper.refuse_dials(False)
        await stage.until(lambda: stage.guarded() == "closed", within=90)
        assert stage.protection().reason == "stop_loss"
        (close,) = stage.submits(2, 3)
        assert (close["side"], close["size"]) == (3, 10)
        await stage.until(lambda: stage.receiver.names()[-1] == "closed")


async def test_a_stop_touched_in_a_gap_of_seconds_closes_though_the_price_is_back(autojump_clock):
    async with open_stage() as stage:
        await guarded_for_a_while(stage)
        await blind(stage, 0, 64400, 65000)
        await stage.until(lambda: stage.guarded() == "closed", within=20)
        assert stage.protection().reason == "stop_loss"


async def test_a_low_from_before_a_stop_closes_nothing_though_the_exchange_dates_it_after_it(
    autojump_clock,
):
    async with open_stage() as stage:
        await up_to_second(stage, 5)
        stage.move(64400)
        stage.move(65000)
        stage.paper.set_clock_skew(-120_000)  # so the minute of the low comes once more
        await stage.engine._core.exchange.measure_clock()
        await stage.bought(exchange_protection=False)
        await stage.settle(120)
        assert stage.guarded() == "armed"
        before = asked(stage)
        stage.paper.drop_connections(PUBLIC)
        await stage.settle(70)
        assert asked(stage) > before
        assert stage.guarded() == "armed"
        await blind(stage, 0, 64400, 65000)  # in a minute that nothing was dated in before
        await stage.until(lambda: stage.guarded() == "closed", within=100)


async def test_a_gap_is_looked_back_over_though_the_exchanges_clock_was_set_back_since(
    autojump_clock,
):
    async with open_stage() as stage:
        await guarded_for_a_while(stage)
        await stage.settle(600)
        exchange = stage.engine._core.exchange
        klines, fails = exchange.klines, [True]

        async def failing(*args, **more):
            await trio.lowlevel.checkpoint()
            if fails:
                raise NotSent("no answer")
            return await klines(*args, **more)

        exchange.klines = failing
        await blind(stage, 0, 64400, 65000)
        await stage.settle(10)
        stage.paper.set_clock_skew(-300_000)
        await exchange.measure_clock()
        fails.clear()
        await stage.until(lambda: stage.guarded() == "closed", within=30)


async def test_a_short_is_closed_for_a_gap_too(autojump_clock):
    async with open_stage() as stage:
        await guarded_for_a_while(stage, side="short", stop_loss=65500, take_profit=64000)
        await blind(stage, 61, 65600, 65000)
        await stage.until(lambda: stage.guarded() == "closed", within=80)
        (close,) = stage.submits(2, 3)
        assert close["side"] == 2


async def test_a_stop_touched_while_a_channel_was_frozen_closes(autojump_clock):
    async with open_stage() as stage:
        await guarded_for_a_while(stage)
        stage.paper.freeze("*", until="resubscribe")
        stage.move(64400)
        stage.move(65000)
        await stage.until(lambda: stage.guarded() == "closed", within=20)


async def test_a_silence_that_ends_by_itself_is_looked_back_over(autojump_clock):
    async with open_stage(stale_after_s=20) as stage:
        await guarded_for_a_while(stage)
        stage.paper.freeze("*", until="forever")
        stage.move(64400)
        stage.move(65000)
        await stage.settle(20 - stage.engine.prices()["BTCUSDT"][1])
        stage.paper.unfreeze()
        stage.paper.freeze("futures/klineBin1m:BTCUSDT", until="forever")
        before = asked(stage)
        stage.move(65001)  # a trade says nothing of the time before it
        await stage.until(lambda: stage.guarded() == "closed", within=2)
        assert asked(stage) > before


async def test_while_the_stream_stays_away_the_bars_are_looked_at_all_the_same(autojump_clock):
    async with open_stage() as stage:
        await guarded_for_a_while(stage)
        stage.paper.refuse_dials()
        stage.paper.drop_connections(PUBLIC)
        await stage.settle(200)
        stage.move(64400)
        stage.move(65000)
        await stage.until(lambda: stage.guarded() == "closed", within=20)
        assert not stage.prices_come()


async def test_bars_that_history_tells_late_are_looked_at_once_more(autojump_clock):
    async with open_stage(stale_after_s=1000) as stage:
        await guarded_for_a_while(stage)
        exchange, answers = stage.engine._core.exchange, []
        klines = exchange.klines

        async def late(*args, **more):
            answers.append(await klines(*args, **more))
            return answers[-1] if len(answers) > 1 else []

        exchange.klines = late
        await blind(stage, 0, 64400, 65000)
        await stage.until(lambda: len(answers) == 1, within=20)
        await stage.settle(1)
        assert stage.guarded() == "armed"
        await stage.until(lambda: stage.guarded() == "closed", within=66)
        assert len(answers) == 2


async def test_a_gap_in_which_nothing_was_touched_closes_nothing(autojump_clock):
    async with open_stage() as stage:
        await guarded_for_a_while(stage)
        before = asked(stage)
        await blind(stage, 70, 64501, 65000)
        await stage.settle(120)
        assert asked(stage) > before
        assert stage.guarded() == "armed"
        stage.move(64400)
        await stage.until(lambda: stage.guarded() == "closed", within=3)


async def test_a_low_from_before_the_stop_was_armed_is_not_held_against_it(autojump_clock):
    async with open_stage() as stage:
        await up_to_second(stage, 5)
        stage.move(64400)
        stage.move(65000)
        await stage.settle(1)
        await stage.bought(exchange_protection=False)
        await blind(stage, 90)
        await stage.settle(120)
        assert stage.guarded() == "armed"
        assert asked(stage) > 0


@pytest.mark.parametrize("side", ["long", "short"])
async def test_a_stop_set_in_the_minute_in_which_a_gap_begins_is_looked_for_in_the_rest_of_it(
    side, autojump_clock
):
    async with open_stage(stale_after_s=1000) as stage:
        levels = {"stop_loss": 64500, "take_profit": 66000}
        if side == "short":
            levels = {"side": "short", "stop_loss": 65500, "take_profit": 64000}
        await up_to_second(stage, 20)
        await stage.bought(exchange_protection=False, **levels)
        await stage.settle(2)
        stage.move(65000)
        await stage.settle(1)
        await blind(stage, 70, 64400 if side == "long" else 65600, 65000)
        await stage.until(lambda: stage.guarded() == "closed", within=90)
        assert stage.protection().reason == "stop_loss"


async def test_a_low_from_before_the_stop_in_the_minute_in_which_a_gap_begins_closes_nothing(
    autojump_clock,
):
    async with open_stage(stale_after_s=1000) as stage:
        await guarded_after_a_low(stage)
        await blind(stage, 70, 64900, 65000)
        await stage.settle(90)
        assert stage.guarded() == "armed"


async def test_a_stop_touched_in_a_gap_as_it_was_in_its_minute_before_it_was_set_closes(
    autojump_clock,
):
    async with open_stage() as stage:
        await guarded_after_a_low(stage)
        await blind(stage, 0, 64400, 65000)
        await stage.until(lambda: stage.guarded() == "closed", within=20)
        assert stage.protection().reason == "stop_loss"


async def test_trades_that_cannot_be_read_close_nothing_and_are_counted(autojump_clock):
    async with open_stage() as stage:
        stage.paper.fail(TRADES, times=100_000)
        await guarded_after_a_low(stage)
        await blind(stage, 0, 64400, 65000)
        await stage.settle(55)
        assert stage.guarded() == "armed"
        looks = sum(each.path == TRADES for each in stage.paper.requests)
        assert stage.engine.dropped()["gap_trades_read_failed"] == looks > 0


async def test_trades_are_asked_for_only_where_the_bar_leaves_a_doubt(autojump_clock):
    async with open_stage() as stage:
        await up_to_second(stage, 5)
        await stage.bought(exchange_protection=False)
        await blind(stage, 90, 64501, 65000)
        await stage.settle(90)
        assert asked(stage) > 0
        assert not any(each.path == TRADES for each in stage.paper.requests)


async def test_a_low_in_the_gap_from_before_the_stop_was_moved_is_not_held_against_it(
    autojump_clock,
):
    async with open_stage() as stage:
        await guarded_for_a_while(stage, stop_loss=64000)
        stage.paper.refuse_dials()
        stage.paper.drop_connections(PUBLIC)
        await stage.settle(1)
        stage.move(64400)
        stage.move(65000)
        await stage.settle(3)
        await stage.engine.change_protection("a", stop_loss=Decimal(64500))
        stage.paper.refuse_dials(False)
        await stage.until(stage.prices_come)
        stage.move(65001)  # the bar that comes with it holds the low
        await stage.settle(120)
        assert stage.guarded() == "armed"
        stage.move(64500)
        await stage.until(lambda: stage.guarded() == "closed", within=3)


async def test_a_stop_moved_in_the_gap_fires_at_the_price_now(autojump_clock):
    async with open_stage() as stage:
        await guarded_for_a_while(stage, stop_loss=64000)
        stage.paper.refuse_dials()
        stage.paper.drop_connections(PUBLIC)
        await stage.settle(1)
        await stage.engine.change_protection("a", stop_loss=Decimal(64500))
        stage.paper.refuse_dials(False)
        await stage.until(stage.prices_come)
        stage.paper.freeze("futures/trade:BTCUSDT", until="forever")
        stage.move(64450)
        await stage.until(lambda: stage.guarded() == "closed", within=3)


async def test_moving_the_target_does_not_make_the_stop_forget_the_gap(autojump_clock):
    async with open_stage(stale_after_s=1000) as stage:
        await guarded_for_a_while(stage)
        stage.paper.refuse_dials()
        stage.paper.drop_connections(PUBLIC)
        await stage.settle(1)
        stage.move(64400)
        stage.move(65000)
        await up_to_second(stage, 2)
        await stage.engine.change_protection("a", take_profit=Decimal(67000))
        stage.paper.refuse_dials(False)
        await stage.until(lambda: stage.guarded() == "closed", within=90)


async def test_history_that_fails_is_asked_until_it_answers(autojump_clock):
    async with open_stage(stale_after_s=1000) as stage:
        await guarded_for_a_while(stage)
        stage.paper.fail(KLINES, times=3)
        await blind(stage, 0, 64400, 65000)
        await stage.until(stage.prices_come, within=20)
        await stage.settle(1.5)
        assert stage.guarded() == "armed"
        await stage.until(lambda: stage.guarded() == "closed", within=5)
        assert stage.engine.dropped()["gap_bars_read_failed"] == 3


async def test_history_that_fails_for_minutes_is_asked_until_it_answers(autojump_clock):
    async with open_stage() as stage:
        await guarded_for_a_while(stage)
        stage.paper.fail(KLINES, times=100_000)
        await blind(stage, 300, 64400, 65000)
        await stage.settle(60)
        assert stage.guarded() == "armed"
        stage.paper.clear_faults()
        await stage.until(lambda: stage.guarded() == "closed", within=7)


async def test_positions_that_cannot_be_read_do_not_keep_a_stop_from_closing(autojump_clock):
    async with open_stage() as stage:
        await guarded_for_a_while(stage)
        stage.paper.fail(POSITIONS, times=100_000)
        await blind(stage, 5, 64400, 65000)
        await stage.until(lambda: stage.guarded() == "closed", within=60)


async def test_a_zone_and_a_target_are_not_entered_by_what_was_in_the_gap(autojump_clock):
    async with open_stage() as stage:
        await guarded_for_a_while(stage)
        await stage.place(
            "b",
            entry_zone_min=64700,
            entry_zone_max=64800,
            stop_loss=64000,
            timeout_seconds=Decimal(3600),
        )
        await stage.settle(1)
        await blind(stage, 0, 66500, 64750, 65000)
        await stage.until(stage.prices_come, within=90)
        stage.move(65001)  # the bar that comes with it holds both
        await stage.settle(120)
        assert (stage.guarded(), stage.state("b")) == ("armed", "waiting")
        stage.move(64800)
        await stage.until(lambda: stage.state("b") != "waiting", within=3)
        stage.move(66000)
        await stage.until(lambda: stage.guarded() == "closed", within=3)
        assert stage.protection().reason == "take_profit"


async def test_each_symbol_has_its_own_gap(autojump_clock):
    async with open_stage() as stage:
        await up_to_second(stage, 30)
        await stage.bought(exchange_protection=False)
        stage.paper.set_price("ETHUSDT", Decimal(3500))
        await stage.bought(
            "e",
            symbol="ETHUSDT",
            entry_zone_min=3490,
            entry_zone_max=3510,
            stop_loss=3400,
            take_profit=3900,
            exchange_protection=False,
        )
        await stage.settle(60)
        stage.paper.refuse_dials()
        stage.paper.drop_connections(PUBLIC)
        await stage.settle(1)
        stage.move(3399, "ETHUSDT")
        stage.move(3500, "ETHUSDT")
        stage.paper.refuse_dials(False)
        await stage.until(lambda: stage.guarded("e") == "closed", within=90)
        await stage.settle(90)
        assert stage.guarded() == "armed"
        assert asked(stage)
        assert asked(stage, "ETHUSDT")


async def test_without_anything_armed_no_bars_are_asked_for(autojump_clock):
    async with open_stage() as stage:
        await stage.place(entry_zone_max=64995, timeout_seconds=Decimal(3600))
        await stage.engine.monitor_position(
            MonitorPosition(id="m", symbol="BTCUSDT", side="long", stop_loss=Decimal(64500))
        )
        await stage.settle(70)
        await blind(stage, 70, 64400, 65000)
        await stage.settle(60)
        stage.paper.drop_connections(PUBLIC)
        await stage.settle(60)
        assert asked(stage) == 0


async def test_a_position_that_went_otherwise_in_the_gap_is_not_closed_by_us(autojump_clock):
    async with open_stage() as stage:
        await guarded_for_a_while(stage)
        stage.paper.freeze("futures/position", until="forever")
        stage.paper.freeze("futures/order", until="forever")
        stage.paper.refuse_dials()
        stage.paper.drop_connections(PUBLIC)
        await stage.settle(1)
        stage.move(64400)
        await stage.open_by_hand(side=3)
        stage.move(65000)
        stage.paper.refuse_dials(False)
        await stage.until(lambda: stage.guarded() == "closed", within=90)
        assert stage.protection().reason == "closed_elsewhere"
        assert len(stage.submits(2, 3)) == 1  # by hand


async def test_a_stop_that_is_moved_while_the_position_is_read_is_not_fired(autojump_clock):
    async with open_stage() as stage:
        await guarded_for_a_while(stage)
        await blind(stage, 0, 64400, 65000)
        stage.paper.delay(POSITIONS, 3)
        before = asked(stage)
        await stage.until(lambda: asked(stage) > before, within=20)
        await stage.engine.change_protection("a", stop_loss=Decimal(64000))
        await stage.settle(120)
        assert stage.guarded() == "armed"


# After a start


async def test_a_stop_touched_while_the_engine_was_down_closes(tmp_path, autojump_clock):
    async with open_theatre() as theatre:
        async with crashing(theatre, tmp_path) as stage:
            await guarded_for_a_while(stage)
        theatre.paper.set_price("BTCUSDT", Decimal(64400))
        theatre.paper.set_price("BTCUSDT", Decimal(65000))
        await trio.sleep(200)
        async with theatre.engine(state_dir=str(tmp_path / "lives")) as stage:
            await stage.until(lambda: stage.guarded() == "closed", within=5)
            assert stage.protection().reason == "stop_loss"
            assert stage.held() == 0


async def test_a_stop_touched_in_the_minute_in_which_it_was_set_while_the_engine_was_down_closes(
    tmp_path, autojump_clock
):
    async with open_theatre() as theatre:
        async with crashing(theatre, tmp_path) as stage:
            await up_to_second(stage, 20)
            await stage.bought(exchange_protection=False)
            await stage.settle(3)
        theatre.paper.set_price("BTCUSDT", Decimal(64400))
        theatre.paper.set_price("BTCUSDT", Decimal(65000))
        await trio.sleep(5)
        async with theatre.engine(state_dir=str(tmp_path / "lives")) as stage:
            await stage.until(lambda: stage.guarded() == "closed", within=5)
            assert stage.protection().reason == "stop_loss"
            assert stage.held() == 0


async def test_a_low_from_before_the_stop_closes_nothing_after_a_restart(tmp_path, autojump_clock):
    async with open_theatre() as theatre:
        async with crashing(theatre, tmp_path) as stage:
            await guarded_for_a_while(stage, stop_loss=64000)
            stage.move(64400)
            stage.move(65000)
            await stage.settle(1)
            await stage.engine.change_protection("a", stop_loss=Decimal(64500))
        await trio.sleep(100)
        async with theatre.engine(state_dir=str(tmp_path / "lives")) as stage:
            await stage.settle(120)
            assert stage.guarded() == "armed"
            assert asked(stage) > 0


async def test_after_a_restart_no_more_than_499_bars_are_asked_for_in_one_request(
    tmp_path, autojump_clock
):
    async with open_theatre() as theatre:
        async with crashing(theatre, tmp_path) as stage:
            await guarded_for_a_while(stage)
        before = asked(stage)
        await trio.sleep(3600 * 24)
        async with theatre.engine(state_dir=str(tmp_path / "lives")) as stage:
            await stage.settle(2)
            queries = [each.query for each in stage.paper.requests if each.path == KLINES]
            (query,) = queries[before:]
            span_s = int(query["end_time"]) - int(query["start_time"])
            assert 498 * 60 <= span_s <= 499 * 60


async def test_a_position_that_went_while_the_engine_was_down_is_not_closed_again(
    tmp_path, autojump_clock
):
    async with open_theatre() as theatre:
        async with crashing(theatre, tmp_path) as stage:
            await guarded_for_a_while(stage)
        theatre.paper.set_price("BTCUSDT", Decimal(64400))
        theatre.paper.close_position_by_hand("BTCUSDT", "long")
        theatre.paper.set_price("BTCUSDT", Decimal(65000))
        await trio.sleep(200)
        async with theatre.engine(state_dir=str(tmp_path / "lives")) as stage:
            await stage.until(lambda: stage.guarded() == "closed", within=30)
            assert stage.submits(2, 3) == []


async def test_what_is_held_has_to_be_known_before_a_restarted_engine_closes_for_the_past(
    tmp_path, autojump_clock
):
    async with open_theatre() as theatre:
        async with crashing(theatre, tmp_path) as stage:
            await guarded_for_a_while(stage)
        theatre.paper.set_price("BTCUSDT", Decimal(64400))
        theatre.paper.set_price("BTCUSDT", Decimal(65000))
        await trio.sleep(200)
        theatre.paper.freeze("futures/position", until="forever")
        theatre.paper.fail(POSITIONS, times=100_000)
        async with theatre.engine(state_dir=str(tmp_path / "lives")) as stage:
            await stage.settle(30)
            assert stage.guarded() == "armed"
            theatre.paper.clear_faults()
            await stage.until(lambda: stage.guarded() == "closed", within=20)


async def test_a_stop_of_an_older_journal_counts_from_the_start_on(tmp_path, autojump_clock):
    async with open_theatre() as theatre, theatre.engine() as stage:
        await stage.open_by_hand()
        await stage.settle(130)
        stage.move(64400)
        stage.move(65000)
        await stage.settle(61)
        await stage.engine.monitor_position(
            MonitorPosition(
                id="m", symbol="BTCUSDT", side="long", stop_loss=Decimal(64500), callback_url=HOOK
            )
        )
        archive = stage.engine.state.protections
        archive["m"] = evolve(archive["m"], levelled_ms=0)
        (known,) = stage.engine._core.protections.index.with_stop("BTCUSDT")
        assert known.levelled_ms == stage.engine.started_ms
