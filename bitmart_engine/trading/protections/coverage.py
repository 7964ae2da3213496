"""How much a protection covers, from the fills of its order or the size of its position. Pure: records, no IO.

A protection of an entry order covers what that order has filled, whatever its size was; a monitored one covers the
position, as far as it was told to. What fills after the end arms it again.
"""

from __future__ import annotations

from ...model.lifecycle import ProtectionState
from ...model.orders import EntryRequest
from ...model.positions import Protection
from ...store.records import ProtectionCovers, ProtectionKept, ProtectionMoved, Record

__all__ = ["covering", "fills_covered", "sent_along", "waits_no_more"]

ORDER_ENDED = "the order ended unfilled"


def fills_covered(
    protection: Protection,
    request: EntryRequest,
    filled: int,
    now_ms: int,
    there_ms: int,
    since_ms: int = 0,
) -> list[Record]:
    """The records of `filled` contracts, in all, being protected; none where the user has dropped the protection.

    `request` is that of its entry order, `there_ms` the exchange's time of what told of the fill, 0 if not known, and
    `since_ms` that since which some of it may have filled unheard, 0 if none has.
    """
    late = protection.state is ProtectionState.CLOSED
    if protection.state is ProtectionState.RELEASED:
        if protection.reason != ORDER_ENDED:
            return []
        late = True
    records: list[Record] = [ProtectionCovers(protection.id, filled, now_ms, there_ms, since_ms)]
    records += _kept_for_more(protection, request, late, now_ms)
    if late or protection.state is ProtectionState.PENDING_FILL:
        why = "late fill" if late else "filled"
        records.append(ProtectionMoved(protection.id, now_ms, ProtectionState.ARMED, why))
    return records


def _kept_for_more(
    protection: Protection, request: EntryRequest, late: bool, now_ms: int
) -> list[Record]:
    """What the exchange keeps once more contracts have filled: it may have made stops for them that are new to us.

    Those that it made before are for a part by then, and its own still; the new ones have other ids.
    """
    stop, target = protection.exchange_stop_loss, protection.exchange_take_profit
    if (late or protection.state is ProtectionState.CLOSING) and request.exchange_protection:
        stop, target = request.stop_loss, request.take_profit
    elif not protection.exchange_plans:
        return []
    parts = (*protection.exchange_parts, *protection.exchange_plans)
    return [ProtectionKept(protection.id, now_ms, stop, target, parts=parts)]


def sent_along(
    protection: Protection, asked: EntryRequest, sent: EntryRequest, now_ms: int
) -> list[Record]:
    """The records of stop and target going out with an order as `sent`, where they are not those that were `asked`."""
    if not sent.exchange_protection:
        return []
    levels = (sent.stop_loss, sent.take_profit)
    kept = (protection.exchange_stop_loss, protection.exchange_take_profit)
    if levels in (kept, (asked.stop_loss, asked.take_profit)):
        return []
    return [ProtectionKept(protection.id, now_ms, *levels)]


def waits_no_more(protection: Protection, now_ms: int) -> list[Record]:
    """The record of a protection whose order has ended unfilled."""
    if protection.state is not ProtectionState.PENDING_FILL:
        return []
    return [ProtectionMoved(protection.id, now_ms, ProtectionState.RELEASED, ORDER_ENDED)]


def covering(protection: Protection, held: int, now_ms: int) -> list[Record]:
    """The records of a protection covering `held` contracts, of which it may want fewer."""
    covered = protection.closed + held
    if protection.entry_id is None and protection.size is not None:
        covered = min(covered, protection.size)
    records: list[Record] = []
    if covered != protection.covered:
        records.append(ProtectionCovers(protection.id, covered, now_ms))
    if held and protection.state is ProtectionState.PENDING_FILL:
        moved = ProtectionMoved(protection.id, now_ms, ProtectionState.ARMED, "position held")
        records.append(moved)
    return records
