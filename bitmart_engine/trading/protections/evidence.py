"""What speaks for contracts being held on a side, and how much has to speak against it before they are believed gone.

An answer that lists nothing is weak: an exchange in trouble answers so too. A push or a read that showed contracts, a
fill, and a stop that the exchange still lists speak against it. So one empty answer ends nothing: it is asked again,
for as long as the evidence asks for. Soon, where orders have closed all that was held, and at once where a push says
that nothing is held too. Longer, where only a position
push (or a refusal of a close) says so. Longest, where nothing does: the exchange pushes what is held every 10 s, so
nothing was held if it has not for two such intervals. Whatever speaks for contracts begins the count anew.

Also what tells a position from another on the same side: an ended protection is taken up again only over its own.

Plain objects: they do no IO and read no clock. Times are seconds on one clock that never goes back.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from decimal import Decimal
from math import inf

from attrs import Factory, define, evolve, frozen

from ...model.events import PositionUpdate
from ...model.sides import PositionSide
from ..clock_tolerance import MAY_BE_SINCE_MS

__all__ = ["ROUNDED_MS", "Ended", "Evidence", "SideEvidence", "Word", "is_same_position"]

APART_S = 0.4
"""Answers that come closer together than this count once."""
CERTAIN = (1, 0.0)
EXPLAINED = (2, 0.4)
TOLD = (3, 2.0)
UNTOLD = (4, 25.0)
CONTRADICTED = (5, 60.0)
"""How many answers have to show nothing, over how many seconds: see above, and where our stop is listed meanwhile."""
REMEMBERED_S = 30.0
ROUNDED_MS = 1_000
"""How far the times may differ that a push and a read tell of one opening."""
SAME_PRICE = Decimal("0.000001")


@frozen
class Word:
    """What was said to be held of a side, when, and how much of it our orders had filled by then."""

    at: float
    size: int
    owed: int
    said_ms: int | None = None
    """When that was so, by the exchange's clock."""

    @property
    def others(self) -> int:
        """Contracts that are not of our orders."""
        return max(self.size - self.owed, 0)


@frozen
class Marks:
    """What a position is known by: when it was opened, by the exchange's clock, and its entry price."""

    opened_ms: int | None
    price: Decimal | None


@define
class SideEvidence:
    """All that was said about one side of a symbol lately."""

    size: int | None = None
    """What was held when contracts were spoken of last; None if they never were."""
    marks: Mapping[bool, Marks] = Factory(dict)
    """What was told of the position last, by whether it was read rather than pushed: the two may differ in detail."""
    before: tuple[int, Mapping[bool, Marks]] | None = None
    """The size and the marks of what was held before it was said to be gone last."""
    told_flat: bool = False
    """Whether a push, or the refusal of a close, has said since that nothing is held."""
    words: deque[Word] = Factory(deque)
    _said_ms: int | None = None
    _pushed: bool = False
    """Whether that was pushed: then the order whose fill it tells has the very same time."""
    _closed: dict[str, int] = Factory(dict)
    """What orders have closed since, by their ids."""
    _answers: int = 0
    _first_at: float = inf
    _last_at: float = -inf
    _listed: bool = False

    # For

    def held(
        self, update: PositionUpdate, now: float, owed: int = 0, *, was_read: bool = False
    ) -> None:
        """Contracts are said to be held."""
        if update.update_time_ms is None or update.update_time_ms != self._said_ms:
            self._closed.clear()
        self.size, self._said_ms = update.size, update.update_time_ms
        self._pushed = not was_read
        self.marks = {**self.marks, was_read: Marks(update.open_time_ms, update.entry_price)}
        self._note(Word(now, update.size, owed, update.update_time_ms))
        self.filled()

    def filled(self, size: int = 0, there_ms: int = 0) -> None:
        """Something speaks for contracts, an order that filled, say: what was said against them is too old.

        `size` contracts of ours that filled at `there_ms`, by the exchange's clock; 0 where it did not say. What was
        said of the position since then had them already, though nobody knew that they were ours.
        """
        for place, word in enumerate(list(self.words) if there_ms else ()):
            if word.said_ms is not None and word.said_ms >= there_ms:
                self.words[place] = evolve(word, owed=word.owed + size)
        self._answers, self._first_at, self._last_at = 0, inf, -inf
        self.told_flat = self._listed = False

    def stop_listed(self, listed: bool) -> None:
        """Whether the exchange still lists a stop of ours for what it says is not held."""
        self._listed = listed

    def expect(self, size: int) -> None:
        """So much should be held: what counts where the exchange was not heard speaking of contracts yet."""
        if self.size is None:
            self.size = size

    # Against

    def closed(self, order_id: str, size: int, at_ms: int | None) -> None:
        """An order has closed `size` contracts in all, at the exchange's time `at_ms` at the latest."""
        if at_ms is not None and self._said_ms is not None and at_ms < self._said_ms + self._pushed:
            return  # what is said to be held is without them already
        self._closed[order_id] = max(size, self._closed.get(order_id, 0))

    def flat(self, now: float, owed: int = 0, *, was_read: bool) -> None:
        """Nothing is said to be held: read, or pushed."""
        self._note(Word(now, 0, owed))
        if self.size is not None and not self._answers and not self.told_flat:
            self.before = (self.size, self.marks)
        if not was_read:
            self.told_flat = True
        elif now - self._last_at >= APART_S:
            self._answers += 1
            self._first_at, self._last_at = min(self._first_at, now), now

    def refused(self) -> None:
        """A close was refused because there is nothing to close."""
        self.told_flat = True

    # So

    @property
    def said_at(self) -> float:
        """When it was last said what is held; -infinity before that."""
        return self.words[-1].at if self.words else -inf

    @property
    def explained(self) -> bool:
        """Whether orders have closed all that was held."""
        return self.size is not None and sum(self._closed.values()) >= self.size

    def is_gone(self, now: float) -> bool:
        """Whether nothing is held, as surely as the evidence asks for."""
        if self.explained:
            answers, over_s = CERTAIN if self.told_flat else EXPLAINED
        elif self._listed:
            answers, over_s = CONTRADICTED
        else:
            answers, over_s = TOLD if self.told_flat else UNTOLD
        return self._answers >= answers and now - self._first_at >= over_s

    def is_another(self, update: PositionUpdate) -> bool:
        """Whether `update` is of a position that was opened after the one before was told to be gone."""
        if self.before is None or not update.open_time_ms:
            return False
        opened = [each.opened_ms for each in self.before[1].values() if each.opened_ms]
        return bool(opened) and update.open_time_ms > max(opened)

    def others(self, now: float, within_s: float, before_ms: int | None = None) -> int | None:
        """The most contracts that were not of our orders within the last seconds; None if nothing was said, ever.

        With `before_ms` only what was so before then, by the exchange's clock, counts.
        """
        words = [
            each
            for each in self.words
            if before_ms is None or (each.said_ms is not None and each.said_ms < before_ms)
        ]
        lately = [each.others for each in words if each.at >= now - within_s]
        before = [each.others for each in words if each.at < now - within_s][-1:]
        return max(lately + before, default=None)

    def _note(self, word: Word) -> None:
        self.words.append(word)
        while len(self.words) > 1 and self.words[1].at < word.at - REMEMBERED_S:
            self.words.popleft()


class Evidence:
    """That of every side."""

    def __init__(self) -> None:
        self._sides: dict[tuple[str, PositionSide], SideEvidence] = {}

    def on(self, symbol: str, side: PositionSide) -> SideEvidence:
        """What is known of that side."""
        return self._sides.setdefault((symbol, side), SideEvidence())


@frozen(kw_only=True)
class Ended:
    """A protection that ended though nobody was seen to close what it covered."""

    id: str
    at: float
    covered_ms: int
    """Since when it covered what it did, by our clock."""
    ended_ms: int = 0
    size: int
    """Contracts that it covered."""
    others: int = 0
    """Contracts of the side that were nobody's whom the engine knows, before it was said to be gone."""
    joined: bool = False
    """Whether somebody else was seen to open contracts of the side since."""
    marks: Mapping[bool, Marks] = Factory(dict)
    """Those of the position that it covered, by whether they were read; empty where they are not known."""


def is_same_position(
    ended: Ended,
    update: PositionUpdate,
    unclaimed: int,
    together: int,
    clock_ahead_ms: int | None,
    *,
    was_read: bool = True,
    grown: bool = False,
) -> bool:
    """Whether the contracts in `update` are those that the ended protection covered, rather than opened since.

    What is `unclaimed` is not more than all the protections that ended so covered `together`, the position was opened
    when it was, and its entry price is what it was: one of the two has to be told alike, and neither may contradict.
    Where an order of ours, or somebody else, has `grown` the position since, its price says nothing.
    """
    if not 0 < unclaimed <= together:
        return False
    known = ended.marks.get(was_read)
    others = ended.marks.get(not was_read)
    said = [
        _same_opening(known, others, update.open_time_ms, ended, clock_ahead_ms),
        None if grown else _same_price(known, others, update.entry_price),
    ]
    return False not in said and True in said


def _same_opening(
    known: Marks | None,
    others: Marks | None,
    opened_ms: int | None,
    ended: Ended,
    clock_ahead_ms: int | None,
) -> bool | None:
    """Whether a position was opened when the one that was covered was; None where that cannot be told."""
    if not opened_ms:
        return None
    if known is not None and known.opened_ms:
        return opened_ms == known.opened_ms
    if others is not None and others.opened_ms:
        return abs(opened_ms - others.opened_ms) <= ROUNDED_MS
    if ended.marks or clock_ahead_ms is None:
        return None
    return opened_ms <= ended.covered_ms + clock_ahead_ms + MAY_BE_SINCE_MS


def _same_price(known: Marks | None, others: Marks | None, price: Decimal | None) -> bool | None:
    if price is None:
        return None
    if known is not None and known.price is not None:
        return abs(price - known.price) <= known.price * SAME_PRICE
    if others is not None and others.price is not None:
        return abs(price - others.price) <= others.price * SAME_PRICE or None
    return None
