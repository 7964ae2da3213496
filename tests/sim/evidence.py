"""What there is to be seen of a run, as the judge takes it, and what the run came to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from tests.support.books import asked_of
from tests.support.judge import Evidence
from tests.support.wishes import UNGUARDED

if TYPE_CHECKING:
    from .run import Run

__all__ = ["evidence_of", "sum_up"]


async def evidence_of(run: Run, *, over: bool = True) -> Evidence:
    """All that is known of a run now. `over`: nothing is wished for any more."""
    return Evidence(
        **asked_of(run.app),
        shown_orders=await run.rest.shown("orders"),
        shown_positions=await run.rest.shown("positions"),
        owed=await run.rest.owed(),
        unwritten=frozenset(run.chronicle.unwritten),
        reduced=_reduced(run),
        orders=run.books.orders(),
        held=run.books.held(),
        own=run.holdings.all_own(),
        foreign=_foreign(run),
        tried={id: frozenset(ids) for id, ids in run.restoring.tried.items()},
        excused=frozenset(run.holdings.excused),
        amended={id: frozenset(sizes) for id, sizes in run.owner.amended.items()},
        received=list(run.receiver.receipts),
        redirected=frozenset(run.doorway.redirected),
        given_up=await run.rest.given_up() if run.choices.world > 2 else frozenset(),
        unguarded=UNGUARDED,
        now_ms=run.lives.now_ms(),
        true_now_ms=round(trio.current_time() * 1000) if run.machine.jumped else None,
        journal=run.chronicle.rows,
        over=over,
    )


def _foreign(run: Run) -> frozenset[str]:
    """The client order ids of what is not this journal's: another program's orders, and forgotten lives'."""
    lost = {run.books.name_of(each) for each in run.books.lost}
    return run.owner.others | lost | run.restoring.closed_with


def _reduced(run: Run) -> frozenset[tuple[str, str]]:
    """The positions of which somebody closed something who is neither an engine nor a stop at the exchange."""
    return frozenset(
        (each.symbol, each.side.direction.name.lower())
        for each in run.paper.books.orders.values()
        if each.side.is_close and not each.client_order_id
    )


def sum_up(run: Run) -> None:
    """Write down what a run came to."""
    outcome, books = run.outcome, run.paper.books
    outcome.at_s = trio.current_time()
    outcome.exposed_ms = run.exposure.intervals_ms
    outcome.exposed_in_calm_s = run.exposure.longest_in_calm_s
    outcome.counts.update(
        {
            "orders asked for": len(run.user.asked),
            "orders accepted": len(run.app.placed),
            "positions monitored": len(run.app.monitored),
            "orders at the exchange": len(books.orders),
            "fills": len(books.fills),
            "closes": run.books.closes(),
            "callbacks": len({key for key, _, _ in run.receiver.receipts}),
            "callbacks delivered again": len(run.receiver.receipts)
            - len({key for key, _, _ in run.receiver.receipts}),
            "requests repeated": run.app.repeated,
            "requests served": len(run.paper.requests),
            "journal records": len(run.chronicle.rows),
        }
    )
