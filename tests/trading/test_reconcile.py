"""Reconciliation is a pure comparison: done once, nothing is left to do."""

from __future__ import annotations

from decimal import Decimal

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from bitmart_engine.exchange import PlanOrder
from bitmart_engine.model.events import OrderState, OrderUpdate, PositionUpdate
from bitmart_engine.model.lifecycle import EntryState, ProtectionState
from bitmart_engine.model.orders import EntryOrder
from bitmart_engine.model.positions import Close, CloseReason, MonitorRequest, Protection
from bitmart_engine.model.sides import PositionSide
from bitmart_engine.store import State
from bitmart_engine.store.records import (
    CloseIntended,
    EntryAccepted,
    EntryIntended,
    EntryObserved,
    FiredObserved,
    ProtectionCovers,
    ProtectionKept,
    ProtectionLevelled,
    ProtectionMoved,
    ProtectionOpened,
)
from bitmart_engine.trading.account.reconcile import (
    Cover,
    Fired,
    Gone,
    Keeps,
    Snapshot,
    TakeIn,
    findings,
    reconcile,
)
from bitmart_engine.trading.closes.attribution import observed_there, whose
from bitmart_engine.trading.entries.progress import observed
from bitmart_engine.trading.requests import checked_entry
from tests.support.stage import BTC, entry

LONG, SHORT = PositionSide.LONG, PositionSide.SHORT
OLD, NOW = 1_000, 1_000_000


def with_order(state: State, id: str, filled: int = 0, at_ms: int = OLD, **changes) -> None:
    """An order of ten contracts at the exchange, of which `filled` are filled, with its protection.

    Its stop and target went out with it, and the engine watches the same.
    """
    request, _ = checked_entry(entry(id, **changes), BTC)
    levels = {"stop_loss": request.stop_loss, "take_profit": request.take_profit}
    kept = {f"exchange_{leg}": price for leg, price in levels.items()}
    state.apply(EntryAccepted(EntryOrder(request=request, accepted_ms=at_ms, deadline_ms=NOW)))
    state.apply(EntryIntended(id, at_ms, f"c{id}", Decimal(65000)))
    state.apply(
        ProtectionOpened(
            Protection(
                id=id,
                symbol="BTCUSDT",
                side=request.side,
                created_ms=at_ms,
                entry_id=id,
                **levels,
                **kept,
            )
        )
    )
    state.apply(EntryObserved(id, at_ms, EntryState.OPEN, f"x{id}", update_time_ms=at_ms))
    if filled:
        take_in(state, update(id, filled), at_ms)


def with_monitor(state: State, id: str, size: int | None, covered: int, side=LONG) -> None:
    """A position that the user asked to monitor."""
    request = MonitorRequest(id=id, symbol="BTCUSDT")
    state.apply(
        ProtectionOpened(
            Protection(
                id=id, symbol="BTCUSDT", side=side, created_ms=OLD, request=request, size=size
            )
        )
    )
    if covered:
        cover(state, id, covered, OLD)


def update(id: str, filled: int, final: bool = False) -> OrderUpdate:
    return OrderUpdate(
        order_id=f"x{id}",
        client_order_id=f"c{id}",
        symbol="BTCUSDT",
        state=OrderState.FINISH if final or filled == 10 else OrderState.CHECK,
        size=10,
        deal_size=filled,
        update_time_ms=OLD + filled,
    )


def held(long: int = 0, short: int = 0):
    return {
        ("BTCUSDT", side): PositionUpdate(symbol="BTCUSDT", side=side, size=size)
        for side, size in ((LONG, long), (SHORT, short))
        if size
    }


def plan(kind: str, price: object, side: PositionSide = LONG, size: int | None = 10) -> PlanOrder:
    """A stop or a target that waits at the exchange to close a position."""
    return PlanOrder(
        order_id=f"{kind} {price} {side.value} {size}",
        client_order_id="",
        symbol="BTCUSDT",
        side=side.closing,
        kind=kind,
        trigger_price=Decimal(str(price)),
        size=size,
    )


STOP, TARGET = plan("stop_loss", 64500), plan("take_profit", 66000)
SL, TP = Decimal("64500.0"), Decimal("66000.0")


def seen(*plans: PlanOrder, long: int = 10, **changes) -> Snapshot:
    """A snapshot in which so much is held, and the exchange keeps just these."""
    return Snapshot(
        **{"at_ms": NOW, "plans_at_ms": NOW, "positions": held(long), "plans": plans, **changes}
    )


def kept(state: State, snapshot: Snapshot) -> list[Keeps]:
    """What is new of the levels that the exchange keeps, whatever the ids of its orders are."""
    news = [each for each in reconcile(state, snapshot) if isinstance(each, Keeps)]
    before = state.protections
    return [
        evolve(each, plans=())
        for each in news
        if (each.stop_loss, each.take_profit)
        != (before[each.id].exchange_stop_loss, before[each.id].exchange_take_profit)
    ]


# Doing what was decided, with records as the engine makes them


def take_in(state: State, told: OrderUpdate, at_ms: int) -> None:
    order = state.entry_of(told.client_order_id)
    record = observed(order, told, at_ms)
    if record is None:
        return
    state.apply(record)
    protection = state.protection_of(order.id)
    if record.filled > order.filled:
        state.apply(ProtectionCovers(protection.id, record.filled, at_ms))
        if protection.state is ProtectionState.PENDING_FILL:
            state.apply(ProtectionMoved(protection.id, at_ms, ProtectionState.ARMED))
    elif record.to.final and not record.filled:
        state.apply(ProtectionMoved(protection.id, at_ms, ProtectionState.RELEASED))


def cover(state: State, id: str, size: int, at_ms: int) -> None:
    protection = state.protections[id]
    state.apply(ProtectionCovers(id, protection.closed + size, at_ms))
    if protection.state is ProtectionState.PENDING_FILL:
        state.apply(ProtectionMoved(id, at_ms, ProtectionState.ARMED))


def do(state: State, actions, at_ms: int = NOW) -> None:
    for action in actions:
        match action:
            case TakeIn(update=told):
                take_in(state, told, at_ms)
            case Cover(id=id, size=size):
                cover(state, id, size, at_ms)
            case Gone(id=id):
                state.apply(ProtectionMoved(id, at_ms, ProtectionState.CLOSED))
            case Keeps(id=id, stop_loss=stop, take_profit=target, plans=ids, parts=parts):
                state.apply(ProtectionKept(id, at_ms, stop, target, ids, parts))
            case Fired(id=id, update=told):
                fire_there(state, id, told, at_ms)


def fire_there(state: State, id: str, told: OrderUpdate, at_ms: int) -> None:
    found = whose(told, [state.protections[id]])
    reason = found[1] if found is not None else CloseReason.EXCHANGE_STOP_LOSS
    state.apply(FiredObserved(id, observed_there(told, reason)))
    if state.protections[id].state is ProtectionState.ARMED:
        state.apply(ProtectionMoved(id, at_ms, ProtectionState.CLOSING, reason.value, reason))


orders = st.tuples(
    st.integers(0, 9),  # filled, as we know it
    st.integers(0, 10),  # filled, as the exchange knows it
    st.booleans(),  # ended there
    st.booleans(),  # listed at all
    st.sampled_from(["long", "short"]),
    st.integers(OLD, NOW),
)
monitors = st.tuples(
    st.none() | st.integers(1, 12), st.integers(0, 12), st.sampled_from([LONG, SHORT])
)


plans = st.builds(
    lambda kind, price, side, size: plan(kind, price, side, size),
    st.sampled_from(["stop_loss", "take_profit", "plan"]),
    st.sampled_from([64000, 64400, 64500, 66000]),
    st.sampled_from([LONG, SHORT]),
    st.none() | st.integers(1, 30),
)
firings = st.builds(
    lambda number, of, size, price, side, at: fired(
        f"f{number}", of, size, price, side=side.closing, create_time_ms=at
    ),
    st.integers(1, 3),
    st.sampled_from(["", "stop_loss 64500 long 10", "else"]),
    st.integers(1, 12),
    st.sampled_from([64000, 64490, 66010]),
    st.sampled_from([LONG, SHORT]),
    st.integers(OLD, NOW),
)
moves = st.tuples(st.integers(0, 3), st.sampled_from([64400, 64500, 66000]))


@given(
    st.lists(orders, max_size=4),
    st.lists(monitors, max_size=2),
    st.integers(0, 30),
    st.integers(0, 30),
    st.booleans(),
    st.none() | st.lists(plans, max_size=5),
    st.lists(moves, max_size=2),
    st.integers(NOW - 6_000, NOW),
    st.lists(firings, max_size=3),
)
def test_applied_twice_the_second_time_there_is_nothing_to_do(
    asked, watched, long, short, closing, kept, moved, plans_at_ms, closed_there
):
    state = State()
    listed, absent = {}, set()
    for number, (known, there, final, shown, side, at_ms) in enumerate(asked):
        id = str(number)
        levels = {"stop_loss": 66000, "take_profit": 64000} if side == "short" else {}
        with_order(state, id, known, at_ms, side=side, **levels)
        if shown:
            listed[f"c{id}"] = update(id, max(known, there), final)
        else:
            absent.add(f"c{id}")
    for number, (size, covered, side) in enumerate(watched):
        with_monitor(state, f"m{number}", size, covered, side)
    if closing and state.protections:
        first = next(iter(state.protections))
        if state.protections[first].state is ProtectionState.ARMED:
            reason = CloseReason.STOP_LOSS
            state.apply(ProtectionMoved(first, OLD, ProtectionState.CLOSING, "", reason))
    for number, price in moved:
        if str(number) in state.protections:
            state.apply(ProtectionLevelled(str(number), OLD, Decimal(price), None))
    snapshot = Snapshot(
        at_ms=NOW,
        orders=listed,
        absent=frozenset(absent),
        positions=held(long, short),
        plans=None if kept is None else tuple(kept),
        plans_at_ms=plans_at_ms,
        fired=tuple(closed_there),
    )
    actions = reconcile(state, snapshot)
    findings(state, snapshot, actions)
    do(state, actions)
    assert reconcile(state, snapshot) == []


def test_what_agrees_needs_nothing():
    state = State()
    with_order(state, "a", 10)
    with_order(state, "b")
    snapshot = Snapshot(at_ms=NOW, orders={"cb": update("b", 0)}, positions=held(10))
    assert reconcile(state, snapshot) == []


def test_a_fill_that_was_missed_is_taken_in():
    state = State()
    with_order(state, "a")
    told = update("a", 10)
    assert reconcile(state, Snapshot(at_ms=NOW, orders={"ca": told}, positions=held(10))) == [
        TakeIn("a", told)
    ]


def test_an_order_that_is_not_listed_is_not_believed_gone():
    state = State()
    with_order(state, "a", 4)
    snapshot = Snapshot(at_ms=NOW, absent=frozenset({"ca"}), positions=held(4))
    actions = reconcile(state, snapshot)
    assert actions == []
    assert findings(state, snapshot, actions).unknown == ("a",)


def test_a_position_that_is_flat_ends_its_protection_but_not_a_young_one():
    state = State()
    with_order(state, "old", 10)
    with_order(state, "young", 10, at_ms=NOW - 4_000)
    assert reconcile(state, Snapshot(at_ms=NOW)) == [Gone("old")]


def test_a_position_partly_closed_by_hand_shrinks_the_youngest_protection():
    state = State()
    with_order(state, "a", 10, at_ms=OLD)
    with_order(state, "b", 10, at_ms=OLD + 1)
    assert reconcile(state, Snapshot(at_ms=NOW, positions=held(13))) == [Cover("b", 3)]


def test_a_protection_that_shrank_covers_again_what_its_order_filled_once_that_is_held():
    state = State()
    with_order(state, "a", 10, at_ms=OLD)
    with_order(state, "b", 10, at_ms=OLD + 1)
    cover(state, "b", 8, OLD)
    assert reconcile(state, Snapshot(at_ms=NOW, positions=held(18))) == []
    assert reconcile(state, Snapshot(at_ms=NOW, positions=held(19))) == [Cover("b", 9)]
    assert reconcile(state, Snapshot(at_ms=NOW, positions=held(40))) == [Cover("b", 10)]


def test_a_position_increased_by_hand_is_protected_for_our_part_and_reported():
    state = State()
    with_order(state, "a", 10)
    snapshot = Snapshot(at_ms=NOW, positions=held(25, short=2))
    assert reconcile(state, snapshot) == []
    assert findings(state, snapshot, []).foreign_positions == {
        "BTCUSDT long": 15,
        "BTCUSDT short": 2,
    }


def test_a_monitored_position_follows_what_is_held_up_to_its_size():
    state = State()
    with_monitor(state, "whole", None, 10)
    with_monitor(state, "part", 4, 4)
    with_monitor(state, "waiting", None, 0, side=SHORT)
    snapshot = Snapshot(at_ms=NOW, positions=held(3, short=5))
    assert set(reconcile(state, snapshot)) == {
        Cover("whole", 3),
        Cover("part", 3),
        Cover("waiting", 5),
    }


def test_while_a_close_is_under_way_nothing_shrinks():
    state = State()
    with_order(state, "a", 10)
    with_order(state, "b", 10, at_ms=OLD + 1)
    state.apply(ProtectionMoved("b", OLD, ProtectionState.CLOSING, "", CloseReason.STOP_LOSS))
    state.apply(CloseIntended("b", Close(attempt=1, client_order_id="k", size=10, intended_ms=OLD)))
    assert reconcile(state, Snapshot(at_ms=NOW, positions=held(14))) == []
    assert reconcile(state, Snapshot(at_ms=NOW)) == [Gone("a")]


def test_orders_of_others_are_counted_and_nothing_is_done_about_them():
    foreign = OrderUpdate(order_id="9", symbol="BTCUSDT", state=OrderState.CHECK)
    snapshot = Snapshot(at_ms=NOW, foreign=(foreign,))
    assert reconcile(State(), snapshot) == []
    assert findings(State(), snapshot, []).foreign_orders == 1


# What the exchange keeps


def test_a_stop_that_is_listed_is_kept():
    state = State()
    with_order(state, "a", 10)
    assert kept(state, seen(STOP, TARGET)) == []


def test_a_stop_that_is_not_listed_is_not_kept_any_more_and_is_again_once_it_is():
    state = State()
    with_order(state, "a", 10)
    assert kept(state, seen(TARGET)) == [Keeps("a", None, TP)]
    do(state, reconcile(state, seen(TARGET)))
    assert reconcile(state, seen(TARGET)) == []
    assert kept(state, seen(STOP)) == [Keeps("a", SL, None)]


def test_a_list_that_was_not_learned_proves_nothing():
    state = State()
    with_order(state, "a", 10)
    assert kept(state, seen(plans=None)) == []


def test_what_filled_just_before_the_list_was_asked_for_may_be_missing_from_it():
    state = State()
    with_order(state, "a", 10, at_ms=NOW - 9_000)
    assert kept(state, seen(plans_at_ms=NOW - 4_001)) == []
    assert kept(state, seen(plans_at_ms=NOW - 4_000)) == [Keeps("a", None, None)]


def test_nothing_is_expected_of_an_order_that_has_not_filled():
    state = State()
    with_order(state, "a")
    assert kept(state, seen(long=0)) == []


def test_what_is_elsewhere_says_nothing():
    state = State()
    with_order(state, "a", 10)
    for other in (
        plan("stop_loss", 64600),
        plan("take_profit", 64500),
        plan("stop_loss", 64500, SHORT),
        evolve(STOP, symbol="ETHUSDT"),
        evolve(STOP, side=LONG.opening),
    ):
        assert kept(state, seen(other, TARGET)) == [Keeps("a", None, TP)]


def test_a_stop_counts_for_the_contracts_it_would_close():
    state = State()
    with_order(state, "a", 10)
    assert kept(state, seen(plan("stop_loss", 64500, size=9), TARGET)) == [Keeps("a", None, TP)]
    for enough in ([plan("stop_loss", 64500, size=5)] * 2, [plan("plan", "64500.00", size=None)]):
        assert kept(state, seen(*enough, TARGET)) == []


def test_stops_at_one_price_are_shared_and_the_oldest_order_of_ours_comes_first():
    state = State()
    with_monitor(state, "m", None, 30)
    state.apply(ProtectionLevelled("m", OLD, SL, None))
    with_order(state, "a", 10, at_ms=OLD)
    with_order(state, "b", 10, at_ms=OLD + 1)
    one, all_of_it = plan("stop_loss", 64500, size=15), plan("stop_loss", 64500, size=None)
    targets = plan("take_profit", 66000, size=20)
    assert kept(state, seen(one, targets, long=30)) == [Keeps("b", None, TP)]
    assert kept(state, seen(all_of_it, targets, long=30)) == [Keeps("m", SL, None)]


def test_nothing_is_said_of_a_stop_that_what_is_not_settled_may_share():
    state = State()
    with_order(state, "a", 10, at_ms=OLD)
    with_order(state, "new", 10, at_ms=NOW - 1_000)
    with_order(state, "other", 10, at_ms=OLD, stop_loss=64400)
    assert kept(state, seen(TARGET, long=30)) == [Keeps("other", None, TP)]
    do(state, [Gone("new")])
    targets = plan("take_profit", 66000, size=None)
    assert kept(state, seen(targets, long=20)) == [
        Keeps("a", None, TP),
        Keeps("other", None, TP),
    ]


def test_a_protection_that_is_about_to_change_or_to_close_is_not_judged():
    state = State()
    with_order(state, "a", 10)
    assert reconcile(state, seen(long=4)) == [Cover("a", 4)]
    assert reconcile(state, seen(long=0)) == [Gone("a")]
    state.apply(ProtectionMoved("a", OLD, ProtectionState.CLOSING, "", CloseReason.MANUAL))
    assert kept(state, seen()) == []


def test_a_level_that_was_moved_here_is_kept_where_it_went_out_until_it_is_moved_there_too():
    state = State()
    with_order(state, "a", 10)
    moved = Decimal(64600)
    state.apply(ProtectionLevelled("a", OLD, moved, TP))
    assert kept(state, seen(STOP, TARGET)) == []
    assert kept(state, seen(plan("stop_loss", 64600), TARGET)) == [Keeps("a", moved, TP)]


def test_the_orders_that_keep_a_stop_and_a_target_are_known_by_their_ids():
    state = State()
    with_order(state, "a", 10)
    do(state, reconcile(state, seen(STOP, TARGET)))
    assert state.protections["a"].exchange_plans == (STOP.order_id, TARGET.order_id)
    do(state, reconcile(state, seen(TARGET)))
    assert state.protections["a"].exchange_plans == (TARGET.order_id,)


def test_of_two_alike_each_is_known_for_one_order_only_and_stays_so():
    state = State()
    with_order(state, "a", 10, at_ms=OLD)
    with_order(state, "b", 10, at_ms=OLD + 1)
    twins = [evolve(STOP, order_id=id) for id in "xy"]
    do(state, reconcile(state, seen(*twins, long=20)))
    ids = [state.protections[id].exchange_plans for id in "ab"]
    assert ids == [("x",), ("y",)]
    assert reconcile(state, seen(*reversed(twins), long=20)) == []


def test_a_stop_of_another_size_is_nobodys_to_name():
    state = State()
    with_order(state, "a", 10)
    do(state, reconcile(state, seen(plan("stop_loss", 64500, size=15), TARGET)))
    assert state.protections["a"].exchange_plans == (TARGET.order_id,)


def test_a_stop_for_a_part_is_an_orders_own_only_if_it_was_made_with_one_of_its_fills():
    state = State()
    with_order(state, "a", 10)
    filled_ms = state.orders["a"].update_time_ms
    own = evolve(plan("stop_loss", 64500, size=4), order_id="own", create_time_ms=filled_ms)
    another = evolve(own, order_id="another", size=3, create_time_ms=filled_ms + 20_000)
    undated = evolve(own, order_id="undated", size=2, create_time_ms=None)
    do(state, reconcile(state, seen(another, undated, own, TARGET)))
    protection = state.protections["a"]
    assert (protection.exchange_stop_loss, protection.exchange_parts) == (None, ("own",))
    assert reconcile(state, seen(another, undated, own, TARGET)) == []
    do(state, reconcile(state, seen(another, undated, TARGET)))
    assert state.protections["a"].exchange_parts == ()


# What the exchange closed by itself


def fired(order_id: str = "f", of: str = "", size: int = 10, price: object = 64490, **changes):
    """A stop of a long that the exchange kept, and that has closed."""
    return OrderUpdate(
        **{
            "order_id": order_id,
            "client_order_id": f"PLAN_{of}",
            "plan_order_id": of,
            "symbol": "BTCUSDT",
            "state": OrderState.FINISH,
            "side": LONG.closing,
            "type": "planorder",
            "size": size,
            "deal_size": size,
            "deal_avg_price": Decimal(str(price)),
            "create_time_ms": NOW,
            **changes,
        }
    )


def test_a_stop_that_fired_unseen_is_its_own_orders_and_nothing_shrinks_for_it():
    state = State()
    with_order(state, "old", 10, at_ms=OLD)
    with_order(state, "low", 10, at_ms=OLD + 1, stop_loss=60000)
    told = fired(of="1")
    snapshot = seen(plans=None, long=10, fired=(told,))
    assert reconcile(state, snapshot) == [Fired("old", told)]
    do(state, reconcile(state, snapshot))
    assert state.protections["old"].remaining == 0
    assert reconcile(state, snapshot) == []


def test_a_stop_whose_id_is_known_is_told_by_it_whatever_its_price():
    state = State()
    with_order(state, "a", 10, at_ms=OLD)
    with_order(state, "b", 10, at_ms=OLD + 1, stop_loss=60000)
    state.apply(ProtectionKept("b", OLD, Decimal(60000), TP, ("b-stop", "b-target")))
    told = fired(of="b-stop", price=64490)
    assert reconcile(state, seen(plans=None, fired=(told,))) == [Fired("b", told)]


def test_a_stop_of_an_id_that_none_of_ours_has_is_nobodys():
    state = State()
    with_order(state, "a", 10)
    state.apply(ProtectionKept("a", OLD, SL, TP, ("a-stop", "a-target")))
    assert whose(fired(of="else"), state.protections.alive()) is None


def test_a_stop_that_fired_before_an_order_was_filled_is_not_of_that_order():
    state = State()
    with_order(state, "a", 10, at_ms=NOW)
    assert whose(fired(create_time_ms=OLD), state.protections.alive()) is None


def test_a_stop_that_fired_by_a_clock_that_is_behind_is_still_told():
    state = State()
    with_order(state, "a", 10, at_ms=NOW)
    late = fired(create_time_ms=NOW - 20_000)
    assert whose(late, state.protections.alive()) is None
    assert whose(late, state.protections.alive(), clock_ahead_ms=-20_000) is not None
    assert whose(late, state.protections.alive(), clock_ahead_ms=None) is not None


def test_a_stop_that_the_price_did_not_reach_did_not_fire():
    state = State()
    with_order(state, "a", 10)
    assert whose(fired(price=65000), state.protections.alive()) is None


def test_of_two_stops_that_were_reached_the_one_of_the_same_size_fired():
    state = State()
    with_order(state, "a", 10, at_ms=OLD)
    with_order(state, "b", 6, at_ms=OLD + 1)
    protection, reason = whose(fired(size=6), state.protections.alive())
    assert (protection.id, reason) == ("b", CloseReason.EXCHANGE_STOP_LOSS)


def test_of_two_that_are_alike_the_one_fired_whose_contracts_none_of_its_stops_is_closing_yet():
    state = State()
    with_order(state, "a", 10, at_ms=OLD)
    with_order(state, "b", 10, at_ms=OLD + 1)
    begun = {"deal_size": 0, "state": OrderState.CHECK, "trigger_price": SL}
    for id, size, order_id in (("a", 10, "91"), ("b", 7, "92")):
        told = fired(size=size, order_id=order_id, **begun)
        state.apply(FiredObserved(id, observed_there(told, CloseReason.EXCHANGE_STOP_LOSS)))
    protection, _ = whose(fired(size=3, order_id="93", **begun), state.protections.alive())
    assert protection.id == "b"


def test_the_price_that_a_stop_waited_for_tells_whose_it_was_before_anything_is_closed():
    state = State()
    with_order(state, "a", 10, at_ms=OLD)
    with_order(state, "b", 10, at_ms=OLD + 1, stop_loss=60000)
    told = fired(deal_size=0, state=OrderState.CHECK, trigger_price=Decimal(60000))
    protection, reason = whose(told, state.protections.alive())
    assert (protection.id, reason) == ("b", CloseReason.EXCHANGE_STOP_LOSS)


def test_a_stop_that_waited_for_another_price_than_ours_is_nobodys_even_if_ours_was_reached():
    state = State()
    with_order(state, "a", 10)
    assert whose(fired(trigger_price=Decimal(64499)), state.protections.alive()) is None
