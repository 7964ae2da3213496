"""`/status` for people: the engine at a glance.

What is missing is left out, and what is new in an engine is shown as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from .tables import Column, Screen, facts, table
from .views import held
from .words import UNKNOWN, View, age, as_json, duration, filled, joined

__all__ = ["status"]

CONNECTIONS = (
    Column("CONNECTION"), Column("STATE"), Column("CHANNELS", right=True),
    Column("RECONNECTS", right=True), Column("LAST MESSAGE", right=True), Column("LAST ERROR"),
    Column("SINCE", spare=True),
)  # fmt: skip
PRICES = (Column("PRICE OF"), Column("LAST", right=True), Column("AGE", right=True), Column("FEED"))
FOREIGN = (
    Column("NOT OURS", id=True), Column("SYMBOL"), Column("SIDE"), Column("TYPE"),
    Column("PRICE", right=True), Column("FILLED", right=True),
)  # fmt: skip
DROPPED = (Column("DROPPED, MERGED, RETRIED"), Column("TIMES", right=True))


def status(answer: View, screen: Screen) -> list[str]:
    """The engine at a glance, and its connections, prices and positions as tables."""
    lines = facts(_status_facts(answer, screen), screen)
    for part in _status_tables(answer, screen):
        if part:
            lines += ["", *part]
    return lines


SHOWN_IN_STATUS = frozenset((
    "ok", "is_running", "mode", "version", "uptime_s", "not_ready", "missing_credentials",
    "public_ws_connected", "private_ws_connected", "authenticated", "kline_channels",
    "order_subscribed", "position_subscribed", "balance_subscribed", "balance", "positions",
    "foreign_positions", "foreign_orders", "pending_orders", "monitored_positions", "recovery",
    "unguarded", "journal", "connections", "refused_channels", "prices", "stale", "exchange", "outbox", "dropped",
))  # fmt: skip
"""What is new in an engine is shown too, after these."""
SUBSCRIBED = {
    "order_subscribed": "orders",
    "position_subscribed": "positions",
    "balance_subscribed": "balance",
}


def _status_facts(answer: View, screen: Screen) -> Iterator[tuple[str, object]]:
    missing = answer.get("not_ready") or ()
    uptime = duration(answer.get("uptime_s") or 0)
    version, mode = answer.get("version"), answer.get("mode")
    yield "engine", f"{version}, {mode} mode, up {uptime}"
    yield "state", f"not ready: {'; '.join(map(str, missing))}" if missing else "ready"
    yield "orders", f"{answer.get('pending_orders', 0)} pending"
    guarded = "unguarded: no credentials" if answer.get("unguarded") else "guarded"
    yield "positions", f"{answer.get('monitored_positions', 0)} {guarded}"
    yield "balance", _balance(answer.get("balance"))
    yield from _unknown_facts(answer)
    yield "streams", joined(*(answer.get("kline_channels") or ())) or "no klines"
    yield "shown", joined(*(name for key, name in SUBSCRIBED.items() if answer.get(key)))
    yield "refused", as_json(answer.get("refused_channels") or None)
    yield "stale", joined(*(answer.get("stale") or ()))
    outbox = answer.get("outbox") or {}
    yield "outbox", f"{outbox.get('owed', 0)} owed, {outbox.get('dead', 0)} dead"
    yield from _journal_facts(answer.get("journal") or {}, answer.get("recovery"), screen)
    yield from _exchange_facts(answer.get("exchange") or {})
    yield "foreign", as_json(answer.get("foreign_positions") or None)
    for name, value in answer.items():
        if name not in SHOWN_IN_STATUS:
            yield name, value if isinstance(value, str) else as_json(value)


def _unknown_facts(answer: View) -> Iterator[tuple[str, object]]:
    """What an engine that has an account could not read yet."""
    if answer.get("missing_credentials"):
        return
    names = {
        "balance": "balance",
        "positions": "held",
        "foreign_positions": "foreign",
        "foreign_orders": "not ours",
    }
    for key, name in names.items():
        if key in answer and answer[key] is None:
            yield name, UNKNOWN


def _balance(known: View | None) -> str | None:
    """The account, in units of its currency."""
    if known is None:
        return None
    bound = ("frozen", "in orders"), ("position_deposit", "in positions")
    parts = [f"{known.get('available')} {known.get('currency')} free"]
    parts += [f"{known[name]} {where}" for name, where in bound if known.get(name) is not None]
    return ", ".join(parts)


def _journal_facts(
    journal: View, found: View | None, screen: Screen
) -> Iterator[tuple[str, object]]:
    yield "journal", journal.get("state_dir")
    yield "trouble", journal.get("trouble")
    if found is not None:
        counts = [
            f"{name.replace('_', ' ')} {len(value) if isinstance(value, Sequence | Mapping) else value}"
            for name, value in found.items()
            if name != "at_ms" and value
        ]
        yield (
            "start",
            f"agreed at {screen.time(found.get('at_ms'))}: {', '.join(counts) or 'as it was'}",
        )


def _exchange_facts(exchange: View) -> Iterator[tuple[str, object]]:
    offset_ms = exchange.get("clock_offset_ms")
    if offset_ms is not None:
        skewed = ", too far apart" if exchange.get("clock_skewed") else ""
        yield "clocks", f"{offset_ms} ms apart{skewed}"
    for path, each in (exchange.get("endpoints") or {}).items():
        if each.get("waiting") or each.get("paused_for_s"):
            yield (
                "limit",
                f"{path}: {each.get('waiting')} waiting, paused for {each.get('paused_for_s')} s",
            )


def _status_tables(answer: View, screen: Screen) -> Iterator[list[str]]:
    yield table(
        CONNECTIONS,
        (
            (
                each.get("name"), each.get("state"), each.get("channels"), each.get("reconnects"),
                age(each.get("last_message_age_s")), each.get("last_error") or None,
                screen.time(each.get("since")),
            )
            for each in answer.get("connections") or ()
        ),
        screen,
    )  # fmt: skip
    yield table(
        PRICES,
        (
            (
                symbol,
                each.get("last"),
                age(each.get("age_s")),
                "stale" if each.get("stale") else "fresh",
            )
            for symbol, each in (answer.get("prices") or {}).items()
        ),
        screen,
    )
    yield held(answer.get("positions") or (), screen)
    yield table(
        FOREIGN,
        (
            (
                each.get("order_id"), each.get("symbol"), each.get("side"), each.get("type"),
                each.get("price"), filled(each),
            )
            for each in answer.get("foreign_orders") or ()
        ),
        screen,
    )  # fmt: skip
    yield table(DROPPED, (answer.get("dropped") or {}).items(), screen)
