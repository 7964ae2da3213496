"""Commands that only look at a running engine: its lists, one thing of them, and what happens."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

import click

from . import glance, views
from .client import Answer, Code, Failed
from .completing import order_ids, order_states, protection_ids, protection_states
from .promises import order_in
from .session import Session, checked_id, remote_command

__all__ = [
    "callbacks",
    "events",
    "given",
    "orders",
    "outbox",
    "positions",
    "status",
    "summary",
    "trades",
]


@remote_command("status", "status --json | jq .not_ready")
def status(session: Session) -> None:
    """The engine at a glance: is it ready, what is pending, connections, prices."""
    answer = session.remote.ask("GET", "status")
    session.tell(answer, lambda: glance.status(answer.body, session.screen))


@remote_command("orders --state waiting,open", "orders order-123")
@click.argument("id", callback=checked_id, required=False, shell_complete=order_ids)
@click.option(
    "--state",
    shell_complete=order_states,
    help="Only those in this state, or in one of several with commas between.",
)
@click.option("--symbol", help="Only those of this symbol.")
@click.option("--limit", type=int, help="How many.  [default: 100]")
@click.option("--after", callback=checked_id, metavar="ID", help="Go on after this one.")
def orders(session: Session, id: str | None, **query: Any) -> None:
    """Entry orders, newest first; or the order ID with its history."""
    if id is not None:
        only_one(query)
        answer = session.remote.ask("GET", "api", "orders", id)
        session.tell(answer, lambda: views.order(order_in(answer, id), session.screen))
        return
    answer = session.remote.ask("GET", "api", "orders", query=given(query))
    found = answer.body.get("orders", [])
    session.tell(answer, lambda: views.orders(found, session.screen) or ["no orders"])
    more(session, answer)


@remote_command("trades --since 1785726000000", "trades --json | jq .trades[].realised_pnl")
@click.option("--since", type=int, metavar="MS", help="Only those with a fill since then, Unix ms.")
@click.option("--symbol", help="Only those of this symbol.")
@click.option("--limit", type=int, help="How many.  [default: 100]")
@click.option("--after", callback=checked_id, metavar="ID", help="Go on after this one.")
def trades(session: Session, **query: Any) -> None:
    """What entries came to: average prices, fees, PnL and R; '-' where it is not known, and --json says why."""
    answer = session.remote.ask("GET", "api", "trades", query=given(query))
    found = answer.body.get("trades", [])
    session.tell(answer, lambda: views.trades(found, session.screen) or ["no trades"])
    more(session, answer)


@remote_command("summary --since 1785726000000", "summary --json | jq .trades.realised_pnl")
@click.option("--since", type=int, metavar="MS", help="What happened since then, Unix ms.")
def summary(session: Session, **query: Any) -> None:
    """What happened: orders, trades won and lost, PnL, fees, outages of connections."""
    answer = session.remote.ask("GET", "api", "summary", query=given(query))
    session.tell(answer, lambda: views.summary(answer.body, session.screen))


@remote_command("positions --state armed", "positions order-123")
@click.argument("id", callback=checked_id, required=False, shell_complete=protection_ids)
@click.option(
    "--state",
    shell_complete=protection_states,
    help="Only those in this state, or in one of several with commas between.",
)
@click.option("--symbol", help="Only those of this symbol.")
@click.option("--limit", type=int, help="How many.  [default: 100]")
@click.option("--after", callback=checked_id, metavar="ID", help="Go on after this one.")
def positions(session: Session, id: str | None, **query: Any) -> None:
    """Protections, newest first, and the positions at the exchange; or the protection ID with its history."""
    if id is not None:
        only_one(query)
        answer = session.remote.ask("GET", "api", "protections", id)
        shown = answer.body.get("position", {})
        session.tell(answer, lambda: views.protection(shown, session.screen))
        return
    answer = session.remote.ask("GET", "api", "protections", query=given(query))

    def lines() -> list[str]:
        guarded = views.protections(answer.body.get("positions", []), session.screen)
        held = views.held_or_not(answer.body.get("held"), session.screen)
        return [*(guarded or ["no guarded positions"]), "", *held]

    session.tell(answer, lines)
    more(session, answer)


@remote_command("outbox", "outbox --retry order-123:3")
@click.option("--retry", callback=checked_id, metavar="ID", help="Send this dead one again.")
@click.option("--owed", is_flag=True, help="Those that are still tried, in place of the dead ones.")
@click.option("--limit", type=int, help="How many.  [default: 100]")
@click.option("--after", callback=checked_id, metavar="ID", help="Go on after this one.")
def outbox(session: Session, retry: str | None, owed: bool, **query: Any) -> None:
    """Callbacks that were given up (dead), newest first."""
    if retry is not None:
        only_one({**query, "owed": owed or None})
        answer = session.remote.ask("POST", "api", "outbox", retry, "retry")
        shown = [answer.body.get("notification", {})]
        session.tell(answer, lambda: views.letters(shown, session.screen))
        return
    state = "owed" if owed else "dead"
    answer = session.remote.ask("GET", "api", "outbox", query={"state": state, **given(query)})
    found = answer.body.get("notifications", [])
    session.tell(answer, lambda: views.letters(found, session.screen) or [f"nothing is {state}"])
    more(session, answer)


@remote_command("callbacks order-123", "callbacks order-123 --limit 5 --json")
@click.argument("id", callback=checked_id, shell_complete=order_ids)
@click.option("--limit", type=int, help="How many, the latest.  [default: 100]")
def callbacks(session: Session, id: str, **query: Any) -> None:
    """What was sent, or is owed, of the order or position ID, in the order made: each body and its answer."""
    answer = session.remote.ask("GET", "api", "callbacks", id, query=given(query))
    found = answer.body.get("callbacks", [])

    def lines() -> list[str]:
        return views.callbacks(found, answer.raw, session.screen) or ["nothing was sent of it"]

    session.tell(answer, lines)
    left_off = answer.body.get("left_off")
    if left_off and not session.as_json:
        session.note(f"{left_off} earlier left out: --limit {len(found) + left_off}")


@remote_command("events --types order,entry", "events --symbol BTCUSDT --json")
@click.option(
    "--types",
    metavar="TYPE,...",
    help="Only these: kline, order, position, balance, fill, entry, protection, trading.",
)
@click.option("--symbol", help="Only those of this symbol.")
@click.option(
    "--after", metavar="EVENT", help="First what came after this one, as far as it is kept."
)
@click.option("--count", type=click.IntRange(1), help="End after so many.")
def events(
    session: Session, types: str | None, symbol: str | None, after: str | None, count: int | None
) -> None:
    """What happens, as it happens, until Ctrl-C; with --json one document a line.

    Klines come of what is subscribed. 'lagged' says how many were missed by reading too slowly.
    """
    query = given({"types": types, "symbol": symbol, "last_event_id": after})
    seen = 0
    try:
        for told in session.remote.listen("events", query):
            session.tell_line(told, views.event(told.body, session.screen))
            after = str(told.body.get("id", after or ""))
            seen += 1
            if seen == count:
                return
        raise Failed(Code.UNREACHABLE, "the engine has ended the stream")
    except Failed as failure:
        if failure.code is Code.UNREACHABLE and seen and after:
            raise failure.adding(f"--after {after} goes on from here") from None
        raise


def more(session: Session, answer: Answer) -> None:
    """Say that a list goes on."""
    after = answer.body.get("next")
    if after is not None and not session.as_json:
        session.note(f"there are more: --after {shlex.quote(str(after))}")


def only_one(query: Mapping[str, object]) -> None:
    for name, value in query.items():
        if value is not None:
            raise click.UsageError(f"--{name} is for lists")


def given(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that were given; what was not is the engine's to decide."""
    return {name: value for name, value in options.items() if value is not None}
