"""Commands that ask a running engine: those that change something, and the list of all.

Prices and quantities go to the engine as they were typed; it alone judges them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import click

from . import views
from .completing import order_ids, protection_ids
from .looking import (
    callbacks,
    events,
    given,
    orders,
    outbox,
    positions,
    status,
    summary,
    trades,
)
from .promises import FINAL, follow, fresh_id, promise
from .session import EXIT_CODES, Session, checked_id, remote_command

__all__ = ["COMMANDS", "EXIT_CODES"]

SIDE = click.Choice(["long", "short", "buy", "sell"], case_sensitive=False)


# Entry orders


@remote_command(
    "place BTCUSDT long --zone 64900 65100 --quantity 0.01 --stop 64000 --target 68000",
    "place ETHUSDT short --zone 3500 3510 --size 20 --leverage 5 --id swing-7 --wait",
)
@click.argument("symbol")
@click.argument("side", type=SIDE)
@click.option(
    "--zone",
    nargs=2,
    required=True,
    metavar="LOW HIGH",
    help="The order is placed once the price is in here.",
)
@click.option("--size", type=int, help="In contracts.")
@click.option(
    "--quantity",
    help="In place of --size: in the base currency, unless the engine's QUANTITY_UNIT says contracts.",
)
@click.option(
    "--risk",
    metavar="USDT",
    help="In place of --size: what may be lost at the stop, without fees; the size follows.",
)
@click.option("--stop", "--stop-loss", "stop_loss", metavar="PRICE", help="The stop-loss.")
@click.option("--target", "--take-profit", "take_profit", metavar="PRICE", help="The take-profit.")
@click.option("--leverage", metavar="X", help="Times.")
@click.option(
    "--id",
    callback=checked_id,
    metavar="ID",
    help="The same id twice is one order.  [default: one is made up and printed]",
)
@click.option(
    "--expires",
    "timeout_seconds",
    metavar="SECONDS",
    help="How long the order waits for its zone.  [default: 300]",
)
@click.option("--type", type=click.Choice(["limit", "market"]), help="[default: limit]")
@click.option("--post-only/--taker", default=None, help="[default: --post-only]")
@click.option("--open-type", type=click.Choice(["isolated", "cross"]), help="[default: isolated]")
@click.option(
    "--exchange-protection/--no-exchange-protection",
    default=None,
    help="Leave stop and target at the exchange too.  [default: they are]",
)
@click.option("--callback-url", metavar="URL", help="Where to tell what becomes of it.")
@click.option("--metadata", metavar="JSON", help="An object that is told with it.")
@click.option("--wait", is_flag=True, help="Follow the order until it has ended.")
@click.option(
    "--wait-at-most",
    type=click.FloatRange(0),
    default=300.0,
    show_default=True,
    metavar="SECONDS",
    help="Of --wait.",
)
def place(
    session: Session,
    symbol: str,
    side: str,
    zone: tuple[str, str],
    id: str | None,
    metadata: str | None,
    risk: str | None,
    wait: bool,
    wait_at_most: float,
    **asked: Any,
) -> None:
    """Promise an entry order: SIDE (long, short) of SYMBOL, placed when the price enters its zone."""
    id = id or fresh_id(symbol, side)
    body = {
        "id": id,
        "symbol": symbol,
        "side": side.lower(),
        "entry_zone_min": zone[0],
        "entry_zone_max": zone[1],
        **given(
            {**asked, "risk": {"amount": risk} if risk else None, "metadata": _object(metadata)}
        ),
    }
    answer = promise(session, "place-order", id, body)
    if not wait:
        session.tell(answer, lambda: views.placed(answer.body, session.screen))
        return
    if not session.as_json:
        session.say([*views.placed(answer.body, session.screen), ""])
    follow(session, id, answer, wait_at_most)


@remote_command("cancel order-123", "cancel order-123 --json")
@click.argument("id", callback=checked_id, shell_complete=order_ids)
def cancel(session: Session, id: str) -> None:
    """Cancel the order ID, here or at the exchange."""
    answer = session.remote.ask("DELETE", "api", "orders", id)
    session.tell(answer, lambda: views.order(answer.body.get("order", {}), session.screen))
    if answer.body.get("status") not in FINAL:
        session.note("the cancel is on its way; 'bitmart-engine orders ID' shows when it is done")


# Positions


@remote_command(
    "monitor BTCUSDT --stop 64000 --target 68000",
    "monitor BTCUSDT --side short --size 5 --stop 66000 --id hedge-1",
)
@click.argument("symbol")
@click.option("--stop", "--stop-loss", "stop_loss", metavar="PRICE", help="The stop-loss.")
@click.option("--target", "--take-profit", "take_profit", metavar="PRICE", help="The take-profit.")
@click.option("--side", type=SIDE, help="[default: the one that is open]")
@click.option("--size", type=int, help="In contracts.  [default: all of it]")
@click.option(
    "--order-id", callback=checked_id, metavar="ID", help="Protect what this order fills."
)
@click.option(
    "--id",
    callback=checked_id,
    metavar="ID",
    help="The same id twice is one protection.  [default: one is made up and printed]",
)
@click.option("--callback-url", metavar="URL", help="Where to tell what becomes of it.")
@click.option("--metadata", metavar="JSON", help="An object that is told with it.")
def monitor(
    session: Session, symbol: str, id: str | None, metadata: str | None, **asked: Any
) -> None:
    """Protect a position of SYMBOL that was opened elsewhere, or what an order fills."""
    id = id or fresh_id(symbol, "position")
    body = {"id": id, "symbol": symbol, **given({**asked, "metadata": _object(metadata)})}
    answer = promise(session, "monitor-position", id, body)
    session.tell(answer, lambda: views.protection(answer.body.get("position", {}), session.screen))


@remote_command("protect order-123 --stop 64800", "protect order-123 --drop")
@click.argument("id", callback=checked_id, shell_complete=protection_ids)
@click.option("--stop", "--stop-loss", "stop_loss", metavar="PRICE", help="Move the stop-loss.")
@click.option("--target", "--take-profit", "take_profit", metavar="PRICE", help="Move the target.")
@click.option("--drop", is_flag=True, help="Protect it no longer; the position stays.")
def protect(session: Session, id: str, drop: bool, **levels: str | None) -> None:
    """Move the stop or the target of the protection ID, or drop it.

    'monitor' protects a position that has no protection yet.
    """
    moved = given(levels)
    if drop == bool(moved):
        raise click.UsageError("give --stop, --target or both; or --drop alone")
    if drop:
        answer = session.remote.ask("DELETE", "api", "protections", id)
    else:
        answer = session.remote.ask("PATCH", "api", "protections", id, body=moved)
    session.tell(answer, lambda: views.protection(answer.body.get("position", {}), session.screen))


@remote_command("close order-123", "close order-123 --json")
@click.argument("id", callback=checked_id, shell_complete=protection_ids)
def close(session: Session, id: str) -> None:
    """Close the position of the protection ID now, at the market. 'positions ID' shows when it is closed."""
    answer = session.remote.ask("POST", "api", "protections", id, "close")
    session.tell(answer, lambda: views.protection(answer.body.get("position", {}), session.screen))


# The engine


@remote_command("subscribe BTCUSDT 1m 5m", "subscribe --orders")
@click.argument("symbol", required=False)
@click.argument("timeframes", nargs=-1, metavar="[TIMEFRAME]...")
@click.option("--orders", is_flag=True, help="Order events, in place of klines.")
@click.option("--positions", is_flag=True, help="Position events, in place of klines.")
@click.option("--balance", is_flag=True, help="Balance events, in place of klines.")
def subscribe(session: Session, **what: Any) -> None:
    """Show readers the klines of SYMBOL; or order, position or balance events."""
    _view(session, "subscribe", **what)


@remote_command("unsubscribe BTCUSDT 5m", "unsubscribe --positions")
@click.argument("symbol", required=False)
@click.argument("timeframes", nargs=-1, metavar="[TIMEFRAME]...")
@click.option("--orders", is_flag=True, help="Order events, in place of klines.")
@click.option("--positions", is_flag=True, help="Position events, in place of klines.")
@click.option("--balance", is_flag=True, help="Balance events, in place of klines.")
def unsubscribe(session: Session, **what: Any) -> None:
    """Undo 'subscribe'. What the engine itself needs stays subscribed underneath."""
    _view(session, "unsubscribe", **what)


@remote_command("pause", "pause --url http://127.0.0.1:8091")
def pause(session: Session) -> None:
    """Let no waiting order go out until 'resume', across restarts. Stops and targets are watched on."""
    answer = session.remote.ask("POST", "pause")
    session.tell(answer, lambda: [session.screen.line(str(answer.body.get("message", "paused")))])


@remote_command("halt no_new", "halt flatten --url http://127.0.0.1:8091")
@click.argument("level", type=click.Choice(["no_new", "cancel", "flatten"]))
def halt(session: Session, level: str) -> None:
    """The kill switch, until 'resume', across restarts.

    no_new opens nothing new. cancel also takes every entry order back. flatten also closes every position that the
    engine guards, at the market; contracts that it does not guard stay. The level can be raised.
    """
    answer = session.remote.ask("POST", "api", "halt", body={"level": level})

    def lines() -> list[str]:
        left = answer.body.get("halt", {})
        said = [str(answer.body.get("message", "halted"))]
        if left.get("orders_left") or left.get("positions_left"):
            said.append(
                f"left: {left.get('orders_left')} orders, {left.get('positions_left')} positions; 'status' says more"
            )
        return [session.screen.line(each) for each in said]

    session.tell(answer, lines)


@remote_command("resume", "resume --url http://127.0.0.1:8091")
def resume(session: Session) -> None:
    """Undo 'pause' and 'halt': orders whose zone the price is in go out at once."""
    answer = session.remote.ask("POST", "resume")
    session.tell(answer, lambda: [session.screen.line(str(answer.body.get("message", "resumed")))])


@remote_command("stop", "stop --url http://127.0.0.1:8091")
def stop(session: Session) -> None:
    """Stop the engine. Names the positions whose stop nobody keeps until it is back."""
    answer = session.remote.ask("POST", "stop")

    def lines() -> list[str]:
        naked = views.protections(answer.body.get("unprotected", []), session.screen)
        return [session.screen.line(str(answer.body.get("message", "stopping"))), *naked]

    session.tell(answer, lines)


COMMANDS = (
    status, place, orders, cancel, positions, protect, monitor, close,
    trades, summary, subscribe, unsubscribe, events, outbox, callbacks, pause, halt, resume, stop,
)  # fmt: skip


# Parts of them


def _view(
    session: Session,
    verb: str,
    symbol: str | None,
    timeframes: tuple[str, ...],
    **account: bool,
) -> None:
    chosen = [name for name, wanted in account.items() if wanted]
    if len(chosen) + bool(timeframes) != 1 or bool(symbol) != bool(timeframes):
        others = "; or ".join(f"--{name}" for name in account)
        raise click.UsageError(f"give a symbol and its timeframes; or {others}")
    if symbol:
        body = {"symbol": symbol, "tfs": list(timeframes)}
        answer = session.remote.ask("POST", "klines", verb, body=body)
    else:
        answer = session.remote.ask("POST", *chosen, verb)
    session.tell(answer, lambda: [session.screen.line(str(answer.body.get("message", "done")))])


def _object(text: str | None) -> Mapping[str, object] | None:
    """JSON that was typed; the engine says what is wrong with anything but an object."""
    try:
        value: Mapping[str, object] | None = (
            None if text is None else json.loads(text, parse_constant=_no_number)
        )
    except (ValueError, RecursionError) as error:
        raise click.BadParameter(f"is not JSON: {error}", param_hint="--metadata") from None
    return value


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no number")
