"""What the engine believes, against what the exchange says: a pure comparison.

`reconcile` takes the engine's state and a snapshot, and returns what has to be done so that the two agree. Done, and
compared again, nothing is left to do. Only what a query that succeeded says (or does not list) counts; a snapshot is
not made of failed ones. Nothing is ever sent to the exchange from here: orders and positions that are not ours are
left alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Set

from attrs import Factory, frozen

from ...exchange.rows import PlanOrder
from ...model.events import OrderUpdate, PositionUpdate
from ...model.lifecycle import EntryState, ProtectionState
from ...model.orders import EntryOrder
from ...model.positions import FiredOrder, Protection
from ...model.sides import PositionSide
from ...store import State, Unreadable
from ...store.protection_fold import protection_after
from ...store.records import FiredObserved, ProtectionCovers, ProtectionMoved
from ..closes.attribution import Earliest, never_set_back, observed_there, whose
from ..entries.progress import observed
from ..protections.exchange_stops import Brought, Keeps, keeping

__all__ = [
    "Action",
    "Cover",
    "Findings",
    "Fired",
    "Gone",
    "Keeps",
    "Key",
    "Snapshot",
    "TakeIn",
    "findings",
    "is_live",
    "is_young",
    "live_orders",
    "reconcile",
]

Key = tuple[str, PositionSide]

YOUNG_MS = 5_000
"""How long a fill may take to show in the positions and plan orders that the exchange lists, which documents no lag."""


@frozen(kw_only=True)
class Snapshot:
    """What the exchange said when it was asked, in queries that all succeeded."""

    at_ms: int
    orders: Mapping[str, OrderUpdate] = Factory(dict)
    """Our orders that it knows, working or ended, by client order id."""
    absent: frozenset[str] = frozenset()
    """Client order ids of ours that it was asked for and does not know."""
    foreign: tuple[OrderUpdate, ...] = ()
    """Working orders that are not ours."""
    more_foreign: bool = False
    """Whether there may be more of them: more orders work than can be read."""
    left_out: frozenset[str] = frozenset()
    """Symbols in which we have nothing and of which nothing was learned: their rows could not be read."""
    positions: Mapping[Key, PositionUpdate] = Factory(dict)
    """Everything held; a side that is not listed is flat, unless its symbol was left out."""
    plans: tuple[PlanOrder, ...] | None = None
    """The stops and targets that it keeps; None where that was not learned, which proves nothing."""
    plans_at_ms: int = 0
    """When they were asked for: what is newer cannot be among them."""
    clock_ahead_ms: int | None = 0
    """How far the exchange's clock is ahead of ours; None where that is not known."""
    earliest_ms: Earliest = never_set_back
    fired: tuple[OrderUpdate, ...] = ()
    """Orders that it made of stops and targets it kept, read after the positions where those are short of something."""

    def held(self, key: Key) -> int:
        """Contracts held on a side."""
        update = self.positions.get(key)
        return update.size if update is not None else 0


@frozen
class TakeIn:
    """The exchange knows more of an entry order than we do."""

    id: str
    update: OrderUpdate


@frozen
class Fired:
    """The exchange closed contracts of a protection by the stop or the target that it keeps of it."""

    id: str
    update: OrderUpdate


@frozen
class Cover:
    """A protection has to cover `size` contracts from here on: the position shows up, grew, or shrank."""

    id: str
    size: int


@frozen
class Gone:
    """The position under an armed protection is gone."""

    id: str


Action = TakeIn | Fired | Cover | Gone | Keeps


@frozen(kw_only=True)
class Findings:
    """What a comparison found, in numbers and names: for the log and for `/status`."""

    at_ms: int
    adopted: int = 0
    """Orders of which the exchange knew more than we did, still working."""
    filled_while_away: int = 0
    closed_while_away: int = 0
    unknown: tuple[str, ...] = ()
    """Orders that the exchange should know and does not."""
    foreign_orders: int = 0
    foreign_orders_at_least: bool = False
    """Whether more orders work than can be read, so that there may be more than `foreign_orders`."""
    foreign_positions: Mapping[str, int] = Factory(dict)
    """Contracts held beyond what our protections and orders account for, by `SYMBOL side`."""


def is_live(order: EntryOrder) -> bool:
    """Whether the exchange may know more of the order than we do."""
    if order.state is EntryState.WAITING:  # most of them are
        return bool(order.client_order_id)
    return order.state.at_exchange


def live_orders(state: State) -> list[EntryOrder]:
    """Our entry orders that the exchange has to be asked about."""
    return [order for order in state.orders.alive() if is_live(order)]


def reconcile(state: State, snapshot: Snapshot) -> list[Action]:
    """What has to be done so that `state` agrees with `snapshot`."""
    actions: list[Action] = []
    filling: dict[str, int] = {}
    for order in live_orders(state):
        update = snapshot.orders.get(order.client_order_id)
        if update is not None:
            record = observed(order, update, snapshot.at_ms)
            if record is not None:
                actions.append(TakeIn(order.id, update))
                if record.filled > order.filled:
                    filling[order.id] = record.filled
    sides = _as_filled(_alive_by_side(state), filling)
    newest = sorted(snapshot.fired, key=lambda update: (update.final, update.deal_size))
    for update in {update.order_id: update for update in newest}.values():
        actions += _fired(state, sides, update, snapshot.clock_ahead_ms, snapshot.earliest_ms)
    for key, protections in sides.items():
        filled = {
            each.id: state.orders[each.entry_id].filled
            for each in protections
            if each.remaining and each.entry_id is not None and each.entry_id in state.orders
        }
        changes = _reconcile_side(protections, snapshot.held(key), filled, filling, snapshot.at_ms)
        actions += changes
        changing = {each.id for each in changes}
        ours = sum(each.remaining for each in protections)
        holding = [each for each in protections if each.remaining or each.id in changing]
        ended = _ended(state, holding) if snapshot.held(key) > ours else {}
        brought = _brought(state, holding)
        actions += _compare_kept(key, holding, snapshot, changing, filling, ended, brought)
    return actions


def _as_filled(
    sides: Mapping[Key, list[Protection]], filling: Mapping[str, int]
) -> Mapping[Key, list[Protection]]:
    """The protections as they are once what their orders are about to have filled is taken in."""
    return {
        key: [_filled(each, filling.get(each.entry_id or "")) for each in protections]
        for key, protections in sides.items()
    }


def _filled(protection: Protection, filled: int | None) -> Protection:
    if filled is None:
        return protection
    id, at_ms = protection.id, protection.covered_ms
    protection = protection_after(protection, ProtectionCovers(id, filled, at_ms))
    if protection.state is ProtectionState.PENDING_FILL:
        moved = ProtectionMoved(id, at_ms, ProtectionState.ARMED)
        protection = protection_after(protection, moved)
    return protection


def _fired(
    state: State,
    sides: Mapping[Key, list[Protection]],
    update: OrderUpdate,
    clock_ahead_ms: int | None,
    earliest_ms: Earliest = never_set_back,
) -> list[Fired]:
    """Whose stop it was, if that is new; that one is in `sides` as it is from then on."""
    if update.side is None:
        return []
    on_side = sides.get((update.symbol, update.side.position_side), [])
    try:
        known = state.fired_for(update.order_id)
    except Unreadable:
        return []  # of one that ended long ago: the next comparison looks again
    if known is not None:
        before = next(each for each in known.fired if each.order_id == update.order_id)
        if update.deal_size <= before.filled and (before.final or not update.final):
            return []
        reason = before.reason
    else:
        found = whose(update, on_side, clock_ahead_ms, earliest_ms)
        if found is None:
            return []
        known, reason = found
    for place, each in enumerate(on_side):
        if each.id == known.id:
            order = observed_there(update, reason)
            on_side[place] = _after_fire(each, order)
    return [Fired(known.id, update)]


def _after_fire(protection: Protection, order: FiredOrder) -> Protection:
    """The protection once it is taken in that the exchange made `order` of a stop or target of it."""
    id, at_ms = protection.id, protection.covered_ms
    protection = protection_after(protection, FiredObserved(id, order))
    if protection.state is ProtectionState.ARMED:
        to, why = ProtectionState.CLOSING, order.reason
        return protection_after(protection, ProtectionMoved(id, at_ms, to, why.value, why))
    return protection


def _reconcile_side(
    protections: list[Protection],
    held: int,
    filled: Mapping[str, int],
    filling: Mapping[str, int],
    at_ms: int,
) -> list[Cover | Gone]:
    """The actions for the protections of one side.

    `filled` has what their orders have filled, by the id of a protection that covers something, `filling` what orders
    are about to have filled, by theirs. What orders of ours filled is shared out of what is held, the oldest first,
    after the closes under way. What is held beyond that and was filled by an order whose protection shrank is covered
    again. A monitored position is covered as far as it goes, whoever else covers it too. While a close is under way
    nothing shrinks: what it has closed may show in the position before we hear of it.
    """
    actions: list[Cover | Gone] = []
    shrunk: list[Protection] = []
    closing = any(each.state is ProtectionState.CLOSING for each in protections)
    left = held
    for each in sorted(protections, key=_precedence):
        new = filling.get(each.entry_id or "")
        wants = each.remaining if new is None else max(new - each.closed, 0)
        if each.state is ProtectionState.CLOSING:
            left = max(left - wants, 0)
            continue
        if each.entry_id is not None:
            covers = min(wants, left)
            left -= covers
        else:
            covers = held if each.size is None else min(held, max(each.size - each.closed, 0))
        if new is not None or (each.state is ProtectionState.ARMED and is_young(each, at_ms)):
            continue
        if not held and each.state is ProtectionState.ARMED:
            actions.append(Gone(each.id))
        elif covers and covers != each.remaining and not (closing and covers < each.remaining):
            actions.append(Cover(each.id, covers))
        elif covers and filled.get(each.id, 0) > each.covered:
            shrunk.append(each)
    for each in shrunk:
        more = min(filled[each.id] - each.covered, left)
        if more:
            left -= more
            actions.append(Cover(each.id, each.remaining + more))
    return actions


def _compare_kept(
    key: Key,
    holding: list[Protection],
    snapshot: Snapshot,
    changing: Set[str],
    filling: Mapping[str, int],
    ended: Mapping[str, int],
    brought: Mapping[str, Brought],
) -> list[Keeps]:
    """What the exchange keeps of what the protections of one side hold, as far as that can be told."""
    if snapshot.plans is None:
        return []
    settled = set()
    for each in holding:
        changes = each.id in changing or (each.entry_id or "") in filling
        armed = each.state is ProtectionState.ARMED
        if armed and not changes and not is_young(each, snapshot.at_ms, snapshot.plans_at_ms):
            settled.add(each.id)
    symbol, side = key
    closing = [
        plan for plan in snapshot.plans if (plan.symbol, plan.side) == (symbol, side.closing)
    ]
    return keeping(holding, settled, closing, ended, brought)


def _brought(state: State, protections: Iterable[Protection]) -> dict[str, Brought]:
    """By protection, what its order brought along to the exchange, of those that brought anything."""
    found = {}
    for each in protections:
        order = state.orders.get(each.entry_id or "")
        if order is not None and order.request.exchange_protection:
            times = (each.filled_there_ms, *each.filled_further_ms, order.update_time_ms)
            levels = (order.request.stop_loss, order.request.take_profit)
            found[each.id] = Brought(*levels, tuple(time for time in times if time > 1))
    return found


def _ended(state: State, protections: Iterable[Protection]) -> dict[str, int]:
    """By protection, when its order had ended by the exchange's clock, where that is known."""
    orders = {each.id: state.orders.get(each.entry_id or "") for each in protections}
    return {
        id: order.update_time_ms
        for id, order in orders.items()
        if order is not None and order.state.final and order.update_time_ms > 1
    }


def findings(state: State, snapshot: Snapshot, actions: Iterable[Action]) -> Findings:
    """What `actions`, about to be done to `state`, amount to."""
    taken = [each.update for each in actions if isinstance(each, TakeIn)]
    unknown = tuple(
        order.id
        for order in live_orders(state)
        if order.client_order_id in snapshot.absent
        or (order.state is EntryState.UNKNOWN and order.client_order_id not in snapshot.orders)
    )
    ours: dict[Key, int] = defaultdict(int)
    for key, protections in _alive_by_side(state).items():
        ours[key] += sum(each.remaining for each in protections)
    foreign = {
        f"{symbol} {side.value}": update.size - ours[symbol, side]
        for (symbol, side), update in snapshot.positions.items()
        if update.size > ours[symbol, side]
    }
    return Findings(
        at_ms=snapshot.at_ms,
        adopted=sum(not each.final for each in taken),
        filled_while_away=sum(each.final and each.deal_size > 0 for each in taken),
        closed_while_away=len({each.id for each in actions if isinstance(each, Gone | Fired)}),
        unknown=unknown,
        foreign_orders=len(snapshot.foreign),
        foreign_orders_at_least=snapshot.more_foreign,
        foreign_positions=foreign,
    )


def _alive_by_side(state: State) -> Mapping[Key, list[Protection]]:
    sides: dict[Key, list[Protection]] = defaultdict(list)
    for each in state.protections.alive():
        sides[each.symbol, each.side].append(each)
    return sides


def _precedence(protection: Protection) -> tuple[bool, int, str]:
    """Closes under way first, then the oldest."""
    closing = protection.state is ProtectionState.CLOSING
    return (not closing, protection.created_ms, protection.id)


def is_young(protection: Protection, now_ms: int, asked_ms: int | None = None) -> bool:
    """Whether what the protection covers may be too new for an answer that was asked for at `asked_ms`, or now.

    A time that is to come is of a clock that was set before the last start, and says nothing.
    """
    since_ms = (now_ms if asked_ms is None else asked_ms) - YOUNG_MS
    return since_ms < protection.covered_ms < now_ms + YOUNG_MS
