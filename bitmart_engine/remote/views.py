"""What is shown of the engine's answers: which facts, in which order, under which names.

The answers are another process's, perhaps of another version: what is missing is left out, and what is new in `/status`
is shown as it is.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .tables import Column, Screen, escaped, facts, table

__all__ = [
    "event",
    "held",
    "letters",
    "moments",
    "order",
    "orders",
    "placed",
    "protection",
    "protections",
    "status",
]

View = Mapping[str, Any]

ORDERS = (
    Column("ID", id=True), Column("SYMBOL"), Column("SIDE"), Column("STATE"),
    Column("FILLED", right=True), Column("ZONE", right=True), Column("PRICE", right=True),
    Column("STOP", right=True), Column("TARGET", right=True), Column("ACCEPTED", spare=True),
)  # fmt: skip
PROTECTIONS = (
    Column("ID", id=True), Column("SYMBOL"), Column("SIDE"), Column("STATE"),
    Column("COVERED", right=True), Column("CLOSED", right=True), Column("STOP", right=True),
    Column("TARGET", right=True), Column("STOP AT EXCHANGE", right=True, spare=True),
    Column("CREATED", spare=True),
)  # fmt: skip
HELD = (
    Column("HELD"), Column("SIDE"), Column("SIZE", right=True), Column("COVERED", right=True),
    Column("ENTRY", right=True), Column("LIQUIDATION", right=True),
)  # fmt: skip
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
MOMENTS = (Column("AT"), Column("STATE"), Column("WHY"))
LETTERS = (
    Column("ID", id=True), Column("STATE"), Column("OF", id=True), Column("KIND"),
    Column("CREATED", spare=True), Column("GIVEN UP"), Column("WHY"), Column("URL", spare=True),
)  # fmt: skip
DROPPED = (Column("DROPPED, MERGED, RETRIED"), Column("TIMES", right=True))


# Entry orders


def placed(answer: View, screen: Screen) -> list[str]:
    """What was promised."""
    rounded = answer.get("rounded") or {}
    return facts(
        [
            ("order", answer.get("id")),
            ("status", answer.get("status")),
            ("symbol", answer.get("symbol")),
            ("size", _contracts(answer.get("size"))),
            ("rounded", ", ".join(f"{name} to {price}" for name, price in rounded.items()) or None),
            ("duplicate", "yes, this id was promised before" if answer.get("duplicate") else None),
        ],
        screen,
    )


def orders(found: Sequence[View], screen: Screen) -> list[str]:
    """A line for each entry order."""
    return table(
        ORDERS,
        (
            (
                each.get("id"), each.get("symbol"), each.get("side"), each.get("state"),
                _filled(each), _zone(each), each.get("average_price") or each.get("price"),
                each.get("stop_loss"), each.get("take_profit"), screen.time(each.get("accepted_ms")),
            )
            for each in found
        ),
        screen,
    )  # fmt: skip


def order(each: View, screen: Screen) -> list[str]:
    """Everything about one entry order, and how it got there."""
    lines = facts(
        [
            ("order", each.get("id")),
            ("state", each.get("state")),
            ("reason", each.get("reason") or None),
            ("cancel", "asked for" if each.get("cancel_asked") else None),
            ("what", _words(each.get("side"), each.get("symbol"), each.get("type"))),
            ("zone", _zone(each)),
            ("filled", f"{_filled(each)} contracts"),
            ("price", each.get("price")),
            ("average", each.get("average_price")),
            ("stop", each.get("stop_loss")),
            ("target", each.get("take_profit")),
            ("leverage", _words(each.get("leverage"), each.get("open_type"))),
            ("waits until", screen.time(each.get("deadline_ms"))),
            ("exchange id", each.get("exchange_order_id")),
            ("client id", each.get("client_order_id")),
            ("callbacks", each.get("callback_url")),
            ("metadata", _json(each.get("metadata") or None)),
        ],
        screen,
    )
    return [*lines, "", *moments(each.get("history") or (), screen)]


# Positions


def protections(found: Sequence[View], screen: Screen) -> list[str]:
    """A line for each guarded position."""
    return table(
        PROTECTIONS,
        (
            (
                each.get("id"), each.get("symbol"), each.get("side"), each.get("state"),
                each.get("covered"), each.get("closed"), each.get("stop_loss"),
                each.get("take_profit"), each.get("exchange_stop_loss"),
                screen.time(each.get("created_ms")),
            )
            for each in found
        ),
        screen,
    )  # fmt: skip


def protection(each: View, screen: Screen) -> list[str]:
    """Everything about one guarded position, and how it got there."""
    lines = facts(
        [
            ("position", each.get("id")),
            ("state", each.get("state")),
            ("reason", each.get("reason") or None),
            ("what", _words(each.get("side"), each.get("symbol"))),
            ("covered", _contracts(each.get("covered"))),
            ("closed", _contracts(each.get("closed"))),
            ("stop", each.get("stop_loss")),
            ("target", each.get("take_profit")),
            (
                "at exchange",
                _levels(each.get("exchange_stop_loss"), each.get("exchange_take_profit")),
            ),
            ("closing for", each.get("closing_for")),
            ("close price", each.get("close_price")),
            ("order", each.get("order_id")),
            ("callbacks", each.get("callback_url")),
            ("metadata", _json(each.get("metadata") or None)),
        ],
        screen,
    )
    return [*lines, "", *moments(each.get("history") or (), screen)]


def held(found: Sequence[View], screen: Screen) -> list[str]:
    """A line for each position as the exchange holds it, of whomever it is."""
    return table(
        HELD,
        (
            (
                each.get("symbol"), each.get("side"), each.get("size"), each.get("covered"),
                each.get("entry_price"), each.get("liquidation_price"),
            )
            for each in found
        ),
        screen,
    )  # fmt: skip


def moments(history: Sequence[View], screen: Screen) -> list[str]:
    """The states something went through."""
    return table(
        MOMENTS,
        (
            (screen.time(each.get("at_ms")), each.get("state"), each.get("reason") or None)
            for each in history
        ),
        screen,
    )


# The outbox


def letters(found: Sequence[View], screen: Screen) -> list[str]:
    """A line for each callback that is owed, or was given up."""
    return table(
        LETTERS,
        (
            (
                each.get("id"), each.get("state"), each.get("lane"), each.get("kind"),
                screen.time(each.get("created_ms")), screen.time(each.get("at_ms")),
                each.get("why"), each.get("url"),
            )
            for each in found
        ),
        screen,
    )  # fmt: skip


# Events

TOLD_OF = {
    "kline": ("timeframe", "open", "high", "low", "close", "volume", "closed", "backfilled"),
    "order": (
        "order_id", "client_order_id", "state", "side", "type", "price", "deal_size", "size",
        "deal_avg_price",
    ),
    "position": ("side", "size", "entry_price", "liquidation_price"),
    "balance": ("currency", "available", "frozen", "position_deposit"),
    "entry": ("id", "state", "reason", "side", "filled_size", "size", "average_price"),
    "protection": ("id", "state", "reason", "side", "covered", "closed", "stop_loss", "take_profit"),
}  # fmt: skip
"""What matters of an event, by its type. Of one of another type everything is shown."""


def event(told: View, screen: Screen) -> str:
    """One line about something that happened."""
    type = str(told.get("type"))
    data = told.get("data")
    if not isinstance(data, Mapping):
        data = {name: value for name, value in told.items() if name != "type"}
    shown = (
        f"{name}={_worth(data[name])}" for name in TOLD_OF.get(type, data) if _tells(data, name)
    )
    head = (screen.time(told.get("at_ms")), type, told.get("symbol"))
    words = [
        f"{escaped(str(each or '-')):<{width}}"
        for each, width in zip(head, (0, 10, 8), strict=True)
    ]
    return screen.encodable("  ".join([*words, " ".join(shown)]).rstrip())


def _tells(data: View, name: str) -> bool:
    value = data.get(name)
    return value is not None and value is not False and value != ""


def _worth(value: object) -> str:
    text = escaped(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
    return f'"{text}"' if " " in text else text


# The engine


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
    "journal", "connections", "refused_channels", "prices", "stale", "exchange", "outbox", "dropped",
))  # fmt: skip
"""What is new in an engine is shown too, after these."""
SUBSCRIBED = {
    "order_subscribed": "orders",
    "position_subscribed": "positions",
    "balance_subscribed": "balance",
}


def _status_facts(answer: View, screen: Screen) -> Iterator[tuple[str, object]]:
    missing = answer.get("not_ready") or ()
    uptime = _duration(answer.get("uptime_s") or 0)
    version, mode = answer.get("version"), answer.get("mode")
    yield "engine", f"{version}, {mode} mode, up {uptime}"
    yield "state", f"not ready: {'; '.join(map(str, missing))}" if missing else "ready"
    yield "orders", f"{answer.get('pending_orders', 0)} pending"
    yield "positions", f"{answer.get('monitored_positions', 0)} guarded"
    yield "balance", _balance(answer.get("balance"))
    yield "streams", _words(*(answer.get("kline_channels") or ())) or "no klines"
    yield "shown", _words(*(name for key, name in SUBSCRIBED.items() if answer.get(key)))
    yield "refused", _json(answer.get("refused_channels") or None)
    yield "stale", _words(*(answer.get("stale") or ()))
    outbox = answer.get("outbox") or {}
    yield "outbox", f"{outbox.get('owed', 0)} owed, {outbox.get('dead', 0)} dead"
    yield from _journal_facts(answer.get("journal") or {}, answer.get("recovery"), screen)
    yield from _exchange_facts(answer.get("exchange") or {})
    yield "foreign", _json(answer.get("foreign_positions") or None)
    for name, value in answer.items():
        if name not in SHOWN_IN_STATUS:
            yield name, value if isinstance(value, str) else _json(value)


def _balance(known: View | None) -> str | None:
    """The account, in units of its currency."""
    if known is None:
        return None
    held = ("frozen", "in orders"), ("position_deposit", "in positions")
    parts = [f"{known.get('available')} {known.get('currency')} free"]
    parts += [f"{known[name]} {where}" for name, where in held if known.get(name) is not None]
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
                _age(each.get("last_message_age_s")), each.get("last_error") or None,
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
                _age(each.get("age_s")),
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
                each.get("price"), _filled(each),
            )
            for each in answer.get("foreign_orders") or ()
        ),
        screen,
    )  # fmt: skip
    yield table(DROPPED, (answer.get("dropped") or {}).items(), screen)


# Words


def _zone(each: View) -> str:
    return f"{each.get('entry_zone_min')}..{each.get('entry_zone_max')}"


def _filled(each: View) -> str:
    return f"{each.get('filled_size')}/{each.get('size')}"


def _contracts(size: object) -> str | None:
    return None if size is None else f"{size} contract{'' if size == 1 else 's'}"


def _levels(stop: object, target: object) -> str | None:
    told = [f"{name} {price}" for name, price in (("stop", stop), ("target", target)) if price]
    return ", ".join(told) or None


def _words(*words: object) -> str | None:
    return " ".join(str(each) for each in words if each is not None) or None


def _json(value: object) -> str | None:
    return None if value is None else json.dumps(value, ensure_ascii=False)


def _age(seconds: float | None) -> str | None:
    return None if seconds is None else f"{seconds:.1f} s"


def _duration(seconds: float) -> str:
    """The largest unit, and the next one."""
    left = int(seconds)
    parts: list[str] = []
    for name, size in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        count, left = divmod(left, size)
        if count or parts or name == "s":
            parts.append(f"{count} {name}")
    return " ".join(parts[:2])
