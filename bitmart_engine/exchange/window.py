"""How old a signed request may be, and how a submit whose answer was lost is proved dead. Pure.

The exchange refuses a request whose timestamp is older than its window: 5 s or 60 s, which of them is not established
(fact sheet 2.2). So the window is measured by probes: submits that can be no order, of no contract, without a side and
a size, each signed as if it was made so many seconds ago, at `AGES_S`. They are refused for their timestamp or for what
they ask; the path is that of orders, for a window may differ by path. Submits that open are then signed with a
timestamp so old that they die `SUBMIT_VALID_S` after they leave, or soon after that. The measurement has in it by how
much the exchange's clock is known wrongly and how long a request is under way; so have submits.

The rule by which a lost submit is believed dead. What was measured before proves nothing, for a window may have grown
since. A submit is dead once a probe that is signed `LATER_MS` after it, and sent after it was lost, is refused for its
timestamp, while one signed with the present time is not, before and after that: then the refusal is not for the whole
path, nor for a timestamp of the future. Whatever is not as clear proves nothing, and `REQUEST_VALID_S` decides as if
nobody had asked. A look-up that begins when all that was taken before that probe shows, and finds nothing, proves
absence. A death is believed for `BELIEVED_S` only, then it is asked again.

What is left: a window that grows, or a clock of the exchange that is set back, after that look-up, with the lost submit
still under way. The next attempt goes out under the same client order id, so of the two the exchange takes one, as long
as it does not free an id again within the time that a request may be under way. Where there is no next attempt, for the
order's time is over, it is told as expired and may still be taken: so `SUBMIT_VALID_S` is 0 unless it is asked for.

A refusal of a submit for its timestamp is definite. It is sent again at once, signed with the present time, and none is
aged until the window was measured again.
"""

from __future__ import annotations

from enum import Enum

from .errors import ExchangeError, Meaning, Refused

__all__ = ["AGES_S", "BELIEVED_S", "LATER_MS", "Seen", "age_s", "is_dead", "seen_in"]

LATER_MS = 500
"""How much younger than the lost submit the probe is that has to be dead: the exchange's machines have clocks of their
own, and no two requests are under way equally long."""
BELIEVED_S = 30.0
AGES_S = (59.5, 58.0, 29.5, 28.0, 4.5, 3.0)
"""How old probes are, one after the other until one is taken: just within what the documents name, and 30 s. A window
of another length is used in part: then a lost submit is dead later."""
OF_WHAT_IS_ASKED = range(40_000, 50_000)
"""Codes about a request whose key, timestamp and signature were good. Source: fact sheet 6.2, 6.3."""
SAYS_NOTHING = frozenset({Meaning.CLOCK, Meaning.KEY, Meaning.RATE, Meaning.MAINTENANCE})


class Seen(Enum):
    """What a probe shows of the timestamp that it was signed with."""

    TAKEN = "taken"
    REFUSED = "refused"
    UNCLEAR = "unclear"


def seen_in(failure: ExchangeError | None) -> Seen:
    """What the answer to a probe shows; None: it was accepted, which says nothing, for it never should be."""
    if not isinstance(failure, Refused):
        return Seen.UNCLEAR
    if failure.meaning is Meaning.CLOCK:
        return Seen.REFUSED
    if failure.code in OF_WHAT_IS_ASKED and failure.meaning not in SAYS_NOTHING:
        return Seen.TAKEN
    return Seen.UNCLEAR


def is_dead(present: Seen, old: Seen, present_again: Seen) -> bool:
    """Whether a timestamp is dead, by three probes one after the other, the first and the last of the present time."""
    return (present, old, present_again) == (Seen.TAKEN, Seen.REFUSED, Seen.TAKEN)


def age_s(taken_s: float | None, valid_s: float) -> float:
    """How old a submit is to be signed that should live for `valid_s`, where one of age `taken_s` was taken."""
    return 0.0 if taken_s is None else max(0.0, taken_s - valid_s)
