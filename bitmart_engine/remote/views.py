"""Orders, protections, callbacks and events for people: which facts, in which order, under which names.

The answers are another process's, perhaps of another version: what is missing is left out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import msgspec

from .tables import Column, Screen, escaped, facts, table
from .words import UNKNOWN, View, as_json, contracts, filled, joined, levels, zone

__all__ = [
    "callbacks",
    "event",
    "held",
    "held_or_not",
    "letters",
    "moments",
    "order",
    "orders",
    "placed",
    "protection",
    "protections",
    "summary",
    "trades",
]

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
TRADES = (
    Column("ID", id=True), Column("SYMBOL"), Column("SIDE"), Column("STATE"), Column("WHY"),
    Column("SIZE", right=True), Column("ENTRY", right=True), Column("EXIT", right=True),
    Column("FEES", right=True, spare=True), Column("PNL", right=True), Column("%", right=True),
    Column("R", right=True), Column("OPENED", spare=True), Column("TOOK", spare=True),
)  # fmt: skip
MOMENTS = (Column("AT"), Column("STATE"), Column("WHY"))
LETTERS = (
    Column("ID", id=True), Column("STATE"), Column("OF", id=True), Column("KIND"),
    Column("CREATED", spare=True), Column("GIVEN UP"), Column("WHY"), Column("URL", spare=True),
)  # fmt: skip


class _Told(msgspec.Struct):
    body: msgspec.Raw


class _AllTold(msgspec.Struct):
    callbacks: list[_Told]


_TOLD = msgspec.json.Decoder(_AllTold)


# Entry orders


def _usdt(amount: object, where: str) -> str | None:
    return None if amount is None else f"{amount} USDT {where}"


def placed(answer: View, screen: Screen) -> list[str]:
    """What was promised."""
    rounded = answer.get("rounded") or {}
    return facts(
        [
            ("order", answer.get("id")),
            ("status", answer.get("status")),
            ("symbol", answer.get("symbol")),
            ("size", contracts(answer.get("size"))),
            ("risk", _usdt(answer.get("risk"), "at the stop")),
            ("margin", _usdt(answer.get("margin"), "at most")),
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
                filled(each), zone(each), each.get("average_price") or each.get("price"),
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
            ("what", joined(each.get("side"), each.get("symbol"), each.get("type"))),
            ("zone", zone(each)),
            ("filled", f"{filled(each)} contracts"),
            ("price", each.get("price")),
            ("average", each.get("average_price")),
            ("stop", each.get("stop_loss")),
            ("target", each.get("take_profit")),
            ("leverage", joined(each.get("leverage"), each.get("open_type"))),
            ("waits until", screen.time(each.get("deadline_ms"))),
            ("exchange id", each.get("exchange_order_id")),
            ("client id", each.get("client_order_id")),
            ("callbacks", each.get("callback_url")),
            ("metadata", as_json(each.get("metadata") or None)),
        ],
        screen,
    )
    return [*lines, "", *moments(each.get("history") or (), screen)]


# Trades


def trades(found: Sequence[View], screen: Screen) -> list[str]:
    """A line for each trade."""
    return table(
        TRADES,
        (
            (
                each.get("id"), each.get("symbol"), each.get("side"), each.get("state"),
                each.get("reason"), each.get("size"), each.get("entry_price"),
                each.get("exit_price"), each.get("fees"), each.get("realised_pnl"),
                _short(each.get("percent")), _short(each.get("r")),
                screen.time(each.get("opened_ms")), _took(each.get("duration_ms")),
            )
            for each in found
        ),
        screen,
    )  # fmt: skip


def summary(answer: View, screen: Screen) -> list[str]:
    """What happened since a time."""
    orders_, trades_ = (answer.get(each) or {} for each in ("orders", "trades"))
    return facts(
        [
            ("since", screen.time(answer.get("since_ms") or None) or "the beginning"),
            ("orders", ", ".join(f"{n} {name}".replace("_", " ") for name, n in orders_.items())),
            (
                "trades",
                ", ".join(
                    f"{trades_.get(name)} {name}"
                    for name in ("closed", "won", "lost", "even", "unknown")
                ),
            ),
            ("pnl", joined(trades_.get("realised_pnl"), "USDT after fees of", trades_.get("fees"))),
            ("r", joined(trades_.get("r"), "over", trades_.get("r_known"))),
            ("outages", answer.get("connection_drops")),
            ("close failures", answer.get("close_failures")),
            ("longest naked", f"{answer.get('longest_naked_s')} s"),
        ],
        screen,
    )


def _short(number: object) -> str | None:
    """A ratio, to two decimals."""
    try:
        return None if number is None else f"{float(str(number)):.2f}"
    except ValueError:  # of an engine that answers otherwise
        return str(number)


def _took(ms: object) -> str | None:
    if not isinstance(ms, int):
        return None
    minutes, seconds = divmod(ms // 1000, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}"


# Positions


def protections(found: Sequence[View], screen: Screen) -> list[str]:
    """A line for each protection."""
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
    """Everything about one protection, and how it got there."""
    lines = facts(
        [
            ("position", each.get("id")),
            ("state", each.get("state")),
            ("reason", each.get("reason") or None),
            ("what", joined(each.get("side"), each.get("symbol"))),
            ("covered", contracts(each.get("covered"))),
            ("closed", contracts(each.get("closed"))),
            ("stop", each.get("stop_loss")),
            ("target", each.get("take_profit")),
            (
                "at exchange",
                levels(each.get("exchange_stop_loss"), each.get("exchange_take_profit")),
            ),
            ("closing for", each.get("closing_for")),
            ("close price", each.get("close_price")),
            ("order", each.get("order_id")),
            ("callbacks", each.get("callback_url")),
            ("metadata", as_json(each.get("metadata") or None)),
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


def held_or_not(found: Sequence[View] | None, screen: Screen) -> list[str]:
    """The same; or in words that nothing is held, or that nobody knows."""
    if found is None:
        return [f"what is held is {UNKNOWN}"]
    return held(found, screen) or ["nothing is held"]


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


def callbacks(found: Sequence[View], raw: bytes, screen: Screen) -> list[str]:
    """A few lines for each callback: when it was made, what it is, what came of it, where it went, its body.

    `raw` is the answer as it came: a body is shown as it was sent, with every digit.
    """
    lines: list[str] = []
    for each, body in zip(found, _bodies(found, raw), strict=True):
        attempts = each.get("attempts")
        told = (
            each.get("answer") if each.get("why") is None else each.get("why"),
            None if not attempts else f"{attempts} attempt{'' if attempts == 1 else 's'}",
            screen.time(each.get("at_ms")),
        )
        outcome = ", ".join(str(word) for word in told if word is not None)
        state = str(each.get("state"))
        lines += ["", *facts(
            [
                ("made", screen.time(each.get("created_ms"))),
                ("kind", each.get("kind")),
                ("state", f"{state}: {outcome}" if outcome else state),
                ("again", screen.time(each.get("next_attempt_ms"))),
                ("to", each.get("url")),
                ("body", body),
                ("id", each.get("id")),
            ],
            screen,
        )]  # fmt: skip
    return lines[1:]


def _bodies(found: Sequence[View], raw: bytes) -> list[str | None]:
    try:
        told = _TOLD.decode(raw).callbacks
    except ValueError:  # of an engine that answers otherwise
        return [as_json(each.get("body")) for each in found]
    return [bytes(each.body).decode(errors="backslashreplace") for each in told]


# Events

TOLD_OF = {
    "kline": ("timeframe", "open", "high", "low", "close", "volume", "closed", "backfilled"),
    "order": (
        "order_id", "client_order_id", "state", "side", "type", "price", "deal_size", "size",
        "deal_avg_price",
    ),
    "position": ("side", "size", "entry_price", "liquidation_price"),
    "balance": ("currency", "available", "frozen", "position_deposit"),
    "fill": (
        "id", "whose", "side", "price", "size", "fee", "fee_currency", "liquidity", "order_id",
        "protection_id",
    ),
    "entry": ("id", "state", "reason", "side", "filled_size", "size", "average_price"),
    "protection": ("id", "state", "reason", "side", "covered", "closed", "stop_loss", "take_profit"),
    "trading": ("state", "level"),
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
