"""What the simulation's judge sees of pauses and halts."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.judge import Violation

from .chronicle import Chronicle, Guard
from .halts_kept import HaltsKept


@pytest.fixture
def found() -> list[Violation]:
    return []


@pytest.fixture
def kept(tmp_path: Path, found: list[Violation]) -> HaltsKept:
    return HaltsKept(Chronicle(tmp_path / "none"), found.append)


def test_what_is_sent_while_entries_are_paused_or_halted_is_seen_until_the_resume(kept, found):
    for kind, body in (
        ("EntriesPaused", {"paused": True}),
        ("EntriesHalted", {"level": "no_new"}),
    ):
        found.clear()
        kept.written(kind, body, 10.0)
        kept.intended({"id": "a"}, is_there=True)
        kept.left("c", 10.0)
        assert not found
        kept.intended({"id": "a"}, is_there=False)
        kept.left("c", 10.1)
        assert [each.promise for each in found] == ["halted is halted"] * 2
        kept.written("EntriesPaused", {"paused": False}, 20.0)
        kept.intended({"id": "b"}, is_there=False)
        kept.left("d", 20.1)
        assert len(found) == 2


def test_what_a_halt_has_not_cancelled_or_closed_in_a_calm_is_seen(kept, found):
    kept.chronicle.state.update(a="open", b="filled")
    guard = Guard("b", "BTCUSDT", "long", "b", "1", "2", state="armed", covered=3)
    kept.chronicle.alive["b"] = guard
    kept.written("EntriesHalted", {"level": "cancel"}, 10.0)
    kept.look(100.0, None)
    kept.look(39.0, 0.0)
    assert not found
    kept.look(41.0, 0.0)
    assert [each.subject for each in found] == ["a"]
    kept.written("EntriesHalted", {"level": "flatten"}, 50.0)
    kept.look(81.0, 0.0)
    assert [each.subject for each in found] == ["a", "a", "b"]
