from __future__ import annotations

import pytest
from attrs import evolve

from bitmart_engine.model.lifecycle import EntryState
from bitmart_engine.model.orders import EntryOrder, Moment
from bitmart_engine.store.archive import Archive, Packed

from .stories import entry


def archive() -> Archive[EntryOrder]:
    """One that counts, in `unpacked`, what it had to look into."""
    made = Archive(lambda packed: ended(packed.body.decode()))
    for id in ("a", "b", "c"):
        made.put_packed(id, Packed(id.encode(), 0, 100))
    return made


def ended(id: str, at_ms: int = 100) -> EntryOrder:
    return evolve(entry(id), state=EntryState.FILLED, history=(Moment("filled", at_ms),))


def test_a_shelf_is_a_dict_to_whoever_reads_it() -> None:
    things = archive()
    things["d"] = entry("d")
    assert dict(things) == {"a": ended("a"), "b": ended("b"), "c": ended("c"), "d": entry("d")}
    assert list(reversed(things)) == ["d", "c", "b", "a"]
    assert len(things) == 4
    assert "b" in things
    assert "x" not in things
    assert things.get("x") is None
    assert repr(things) == "<Archive of 4, 1 alive>"
    del things["b"]
    assert list(things) == ["a", "c", "d"]


def test_what_is_alive_is_found_without_looking_into_the_rest() -> None:
    things: Archive[EntryOrder] = Archive(lambda packed: pytest.fail("looked into"))
    things.put_packed("a", Packed(b"", 0, 100))
    things["b"] = entry("b")
    things["c"] = entry("c")
    things["b"] = ended("b", 200)
    assert things.alive() == [entry("c")]
    assert things.ended_before(100) == []
    assert things.ended_before(101) == ["a"]
    assert things.ended_before(201) == ["a", "b"]


def test_what_comes_back_to_life_is_back_in_its_place() -> None:
    things = archive()
    things["d"] = entry("d")
    things["b"] = entry("b")
    assert [each.id for each in things.alive()] == ["b", "d"]
    assert list(things) == ["a", "b", "c", "d"]


def test_things_are_unpacked_one_by_one_the_newest_first_as_far_as_they_are_still_there() -> None:
    things = archive()
    unpacking = things.unpack_each()
    assert next(unpacking) == "c"
    del things["b"]
    assert list(unpacking) == ["a"]
    assert list(things.unpack_each()) == []


def test_what_ended_without_saying_when_is_as_old_as_can_be() -> None:
    things = archive()
    things["d"] = evolve(entry("d"), state=EntryState.CANCELLED)
    assert things.ended_before(1) == ["d"]
