"""Forms that the signals to the application share: moments, keys left out, and what the exchange said, as it said it.

Pure. Source: the application's contract.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec
from attrs import frozen
from msgspec import Raw

from ..model.decimals import decimal_or_none, plain
from ..model.events import OrderState, plan_order_id
from ..model.futures_orders import OrderAction, name_of

__all__ = ["NOTHING_SAID", "PAYLOAD_VERSION", "SOURCE", "Said", "moment", "without_nothing"]

SOURCE = "bitmart_ws_worker"
PAYLOAD_VERSION = "1.0"

_READ_EVENT = msgspec.json.Decoder(dict[str, Raw])


@frozen(kw_only=True)
class Said:
    """One order event of the exchange, as it came: an element of a push, or a row that was read over REST."""

    action: int | None = None
    state: int | None = None
    trigger_price: str | None = None
    executive_price: str | None = None
    plan_order_id: str = ""
    """The plan order that the exchange made the order of."""
    response: dict[str, object] | None = None
    """`order` as the exchange sent it, `action` (absent for what was read over REST), and the whole event as `raw`."""

    @classmethod
    def of(cls, raw: bytes) -> Said:
        """What `raw` says; nothing where it cannot be read."""
        try:
            event = _READ_EVENT.decode(raw)
            order = event.get("order", Raw(raw))
            fields = _READ_EVENT.decode(order)
            action = _whole(event.get("action"))
            return cls(
                action=action,
                state=_whole(fields.get("state")),
                trigger_price=_price(fields.get("trigger_price")),
                executive_price=_price(
                    fields.get("executive_price") or fields.get("execution_price")
                ),
                plan_order_id=plan_order_id(
                    _text(fields.get("plan_order_id")), _text(fields.get("client_order_id"))
                ),
                response=without_nothing({"order": order, "action": action, "raw": Raw(raw)}),
            )
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return NOTHING_SAID

    @property
    def action_name(self) -> str | None:
        """`MATCH_DEAL`, say; None where nothing, or nothing known, was said."""
        return name_of(OrderAction, self.action)

    @property
    def state_name(self) -> str | None:
        """`APPROVAL`, `CHECK` or `FINISH`."""
        return name_of(OrderState, self.state)


NOTHING_SAID = Said()


def moment(at_ms: int) -> str:
    """ISO 8601 with its offset and with milliseconds: `2026-11-30T16:00:00.000+00:00`."""
    seconds, rest = divmod(at_ms, 1000)
    return (
        datetime.fromtimestamp(seconds, UTC)
        .replace(microsecond=rest * 1000)
        .isoformat(timespec="milliseconds")
    )


def without_nothing(body: Mapping[str, object]) -> dict[str, object]:
    """`body` without the keys that have no value: None, and text that is empty."""
    return {key: value for key, value in body.items() if value is not None and value != ""}


def _text(raw: Raw | None) -> str:
    """Text, or a number as it was written; empty for anything else."""
    token = b"" if raw is None else bytes(raw).strip()
    if token.startswith(b'"'):
        return str(msgspec.json.decode(token)).strip()
    return token.decode() if token[:1] in b"-0123456789" else ""


def _whole(raw: Raw | None) -> int | None:
    text = _text(raw)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def _price(raw: Raw | None) -> str | None:
    """A price as plain text, or the word that stands for one (`market`); None where there is none."""
    text = _text(raw)
    number = decimal_or_none(text)
    if number is not None:
        return plain(number) if number else None
    return text if text.isalpha() else None
