"""What the exchange says oddly on purpose: data that was right, altered on its way out. The books stay as they are.

An alteration is a word: `empty`, `null`, `absent` (no `data` at all), `nested` (3,000 lists in each other),
`without:FIELD`, `set:FIELD=JSON`, or `unreadable_row` (one more row, of a symbol that may be named, whose numbers are
none). With a symbol only that symbol's rows are altered. It is used up by what it changes: an answer that is empty
already does not count as one that was emptied. Decisions only; the servers ask.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

from attrs import define

from .wire import Json, encode

NESTED_DEEP = 3_000
MARK = "\x00nested"
"""Stands for what no encoder can write, until the text is made."""
WORDS = ("empty", "null", "absent", "nested", "unreadable_row")
FIELD_WORDS = ("without", "set")
NO_NUMBER = "no number"
SIZES = ("size", "deal_size", "current_amount", "position_amount", "hold_volume", "state")


@define
class Alteration:
    """The next `times` answers of a path, or pushes of a channel (as it begins), are altered so."""

    where: str
    how: str
    times: int
    symbol: str | None = None

    def __attrs_post_init__(self) -> None:
        """Raises ValueError for what is no alteration."""
        word, _, rest = self.how.partition(":")
        if self.times < 1:
            raise ValueError(f"times must be 1 or more, not {self.times}")
        if word in FIELD_WORDS and rest:
            if word == "set":
                _, equals, value = rest.partition("=")
                try:
                    json.loads(value if equals else "")
                except ValueError:
                    raise ValueError(f"set needs FIELD=JSON, not {rest!r}") from None
        elif self.how not in WORDS:
            known = ", ".join((*WORDS, "without:FIELD", "set:FIELD=JSON"))
            raise ValueError(f"how must be one of {known}, not {self.how!r}")

    def apply(self, data: Any) -> Any:
        """The data as it is said; the very object that was given where there is nothing to alter."""
        word, _, rest = self.how.partition(":")
        match word:
            case "null":
                return data if data is None else None
            case "absent" | "nested":
                return MARK
            case "empty":
                return self._emptied(data)
            case "unreadable_row":
                return self._with_a_bad_row(data)
        altered = deepcopy(data)
        changed = False
        for row in rows_in(altered):
            if self.symbol is not None and row.get("symbol") != self.symbol:
                continue
            name, _, value = rest.partition("=")
            if word == "without":
                changed |= row.pop(name, MARK) is not MARK
            else:
                new = json.loads(value)
                changed |= row.get(name, MARK) != new
                row[name] = new
        return altered if changed else data

    def _emptied(self, data: Any) -> Any:
        if isinstance(data, list):
            kept = [row for row in data if self.symbol not in (None, _symbol_of(row))]
            return kept if len(kept) < len(data) else data
        return {} if data else data

    def _with_a_bad_row(self, data: Any) -> Any:
        if not isinstance(data, list):
            return data
        row: Json = {"symbol": self.symbol or "ODDUSDT", "order_id": "1", "side": [], "type": 7}
        row |= dict.fromkeys(SIZES, NO_NUMBER)
        wrapped = bool(data) and isinstance(data[0], dict) and "order" in data[0]
        return [*data, {"action": "x", "order": row} if wrapped else row]


class Oddities:
    """All alterations that are still to come, those of answers and those of pushes."""

    def __init__(self) -> None:
        self.answers: list[Alteration] = []
        self.pushes: list[Alteration] = []

    def answer(self, path: str, body: bytes) -> bytes:
        """The body of an answer as it leaves. Only successes are altered."""
        for each in self.answers:
            if each.where in ("*", path):
                envelope = json.loads(body)
                if envelope.get("code") != 1000:
                    continue
                said = each.apply(envelope.get("data"))
                if said is envelope.get("data"):
                    continue
                self._used(self.answers, each)
                if each.how == "absent":
                    del envelope["data"]
                    return encode(envelope).encode()
                return text_of({**envelope, "data": said}).encode()
        return body

    def push(self, topic: str, frame: Json) -> str:
        """The text of a frame as it leaves."""
        for each in self.pushes:
            if each.where == "*" or topic.startswith(each.where):
                said = each.apply(frame["data"])
                if said is frame["data"]:
                    continue
                self._used(self.pushes, each)
                if each.how == "absent":
                    return encode({"group": frame["group"]})
                return text_of({**frame, "data": said})
        return encode(frame)

    def clear(self) -> None:
        """What is said is right."""
        self.answers.clear()
        self.pushes.clear()

    @staticmethod
    def _used(where: list[Alteration], each: Alteration) -> None:
        each.times -= 1
        if each.times <= 0:
            where.remove(each)


def rows_in(data: Any) -> Iterator[Json]:
    """The rows that data has: of a list, of the lists in an object, the object itself, or what an event is about."""
    if isinstance(data, list):
        for each in data:
            yield from rows_in(each)
    elif isinstance(data, dict):
        inner = [value for value in data.values() if isinstance(value, list)]
        if isinstance(data.get("order"), dict):
            yield data["order"]
        elif inner and all(isinstance(row, dict) for rows in inner for row in rows):
            yield from rows_in(inner)
        else:
            yield data


def text_of(frame: Json) -> str:
    """A frame as text, with what is nested as deep as it is to be."""
    nested = "[" * NESTED_DEEP + "]" * NESTED_DEEP
    return encode(frame).replace(encode(MARK), nested)


def _symbol_of(row: Any) -> Any:
    if not isinstance(row, dict):
        return None
    return row["order"].get("symbol") if isinstance(row.get("order"), dict) else row.get("symbol")
