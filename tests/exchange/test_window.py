"""What a probe shows, when a submit is dead, and how old one is signed."""

from __future__ import annotations

from itertools import product

import pytest

from bitmart_engine.exchange.errors import Meaning, NotSent, OutcomeUnknown, Refused
from bitmart_engine.exchange.window import Seen, age_s, is_dead, seen_in

TAKEN, REFUSED, UNCLEAR = Seen
SHOWN = {
    "its timestamp is refused": (Refused(30007, "", 401, Meaning.CLOCK, ""), REFUSED),
    "or by another code": (Refused(40039, "", 400, Meaning.CLOCK, ""), REFUSED),
    "there is no such contract": (Refused(40034, "", 400, Meaning.INSTRUMENT, ""), TAKEN),
    "what it asks is malformed": (Refused(40011, "", 400, Meaning.INVALID, ""), TAKEN),
    "a gateway that cannot read it": (Refused(30018, "", 400, Meaning.INVALID, ""), UNCLEAR),
    "a path that is not there": (Refused(30000, "", 404, Meaning.INVALID, ""), UNCLEAR),
    "a key that may not": (Refused(40001, "", 401, Meaning.KEY, ""), UNCLEAR),
    "too many requests, or a clock": (Refused(40013, "", 429, Meaning.RATE, ""), UNCLEAR),
    "maintenance": (Refused(30016, "", 503, Meaning.MAINTENANCE, ""), UNCLEAR),
    "a lost answer": (OutcomeUnknown("late", ""), UNCLEAR),
    "what never left": (NotSent("down"), UNCLEAR),
    "accepted, which cannot be": (None, UNCLEAR),
}


@pytest.mark.parametrize(("failure", "seen"), SHOWN.values(), ids=SHOWN)
def test_what_a_probe_shows(failure, seen):
    assert seen_in(failure) is seen


@pytest.mark.parametrize("probes", product(Seen, repeat=3))
def test_a_timestamp_is_dead_only_if_it_alone_is_refused(probes):
    assert is_dead(*probes) is (probes == (TAKEN, REFUSED, TAKEN))


@pytest.mark.parametrize(
    ("taken_s", "valid_s", "old_s"),
    [(59.5, 2, 57.5), (4.5, 2, 2.5), (3.0, 5, 0), (0.0, 2, 0), (None, 2, 0)],
)
def test_a_submit_is_signed_as_old_as_leaves_it_so_long_to_live(taken_s, valid_s, old_s):
    assert age_s(taken_s, valid_s) == old_s
