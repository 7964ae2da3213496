from __future__ import annotations

import json
import types
import typing
from collections.abc import Mapping
from decimal import Decimal
from enum import Enum
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitmart_engine.model.lifecycle import EntryState
from bitmart_engine.model.orders import EntryOrder
from bitmart_engine.store.archive import Packed
from bitmart_engine.store.codec import KINDS, decode, encode, pack, subject_of, unpacking
from bitmart_engine.store.records import EntryIntended, EntryMoved, Record, ViewChanged

from .stories import entry, whole_story

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)
SIMPLE: dict[Any, st.SearchStrategy[Any]] = {
    str: TEXT,
    int: st.integers(-(2**63), 2**63 - 1),
    bool: st.booleans(),
    bytes: st.binary(max_size=8),
    Decimal: st.decimals(allow_nan=False, allow_infinity=False),
    type(None): st.none(),
}


def values(hint: Any) -> st.SearchStrategy[Any]:
    """Any value of a type that records are made of."""
    if hint in SIMPLE:
        return SIMPLE[hint]
    if attrs.has(hint):
        return records(hint)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return st.sampled_from(hint)
    origin, args = get_origin(hint), get_args(hint)
    if origin is Literal:
        return st.sampled_from(args)
    if origin in (Union, types.UnionType):
        return st.one_of([values(each) for each in args])
    if origin is tuple:
        return st.lists(values(args[0]), max_size=3).map(tuple)
    assert origin is Mapping, hint
    return st.dictionaries(TEXT, JSON, max_size=3)


def records(cls: type[Any]) -> st.SearchStrategy[Any]:
    hints = get_type_hints(cls)
    return st.builds(cls, **{each.name: values(hints[each.name]) for each in attrs.fields(cls)})


@given(st.sampled_from(get_args(Record)).flatmap(records))
def test_every_record_comes_back_exactly_as_it_was(record: Record) -> None:
    kind, body = encode(record)
    assert kind == type(record).__name__
    again = decode(kind, body.encode())
    assert again == record
    assert repr(again) == repr(record)  # 1.0 and 1.00 are equal, and not the same


@given(st.sampled_from(get_args(Record)).flatmap(records))
def test_every_record_speaks_of_something(record: Record) -> None:
    what, id = subject_of(record)
    assert what in ("order", "protection", "futures_order", "notification", "view", "entries")
    assert (id == "") == (what in ("view", "entries")) or id == ""


def test_every_kind_of_record_has_a_name_of_its_own() -> None:
    assert set(KINDS.values()) == set(get_args(Record))
    assert len(KINDS) == len(typing.get_args(Record))


def test_an_operator_can_read_it() -> None:
    body = json.loads(encode(EntryIntended("a", 5, "e1", Decimal("65000.10")))[1])
    assert body == {
        "id": "a",
        "at_ms": 5,
        "client_order_id": "e1",
        "price": "65000.10",
        "size": None,
        "there_ms": 0,
        "signed_ms": 0,
    }
    assert '"to":"expired"' in encode(EntryMoved("a", 5, EntryState.EXPIRED))[1]


def test_a_field_that_was_added_since_has_its_default() -> None:
    assert decode("EntryMoved", '{"id":"a","at_ms":5,"to":"expired"}') == EntryMoved(
        "a", 5, EntryState.EXPIRED
    )


@pytest.mark.parametrize(
    ("kind", "body", "said"),
    [
        ("EntryDreamt", "{}", "no record named 'EntryDreamt'"),
        ("EntryMoved", "{", "truncated"),
        ("EntryMoved", '{"id":"a","at_ms":5,"to":"gone"}', "Invalid enum value 'gone'"),
        ("EntryIntended", '{"id":"a","at_ms":5}', "missing required field"),
    ],
)
def test_what_is_not_a_record_is_refused(kind: str, body: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        decode(kind, body)


def test_what_json_cannot_hold_is_refused() -> None:
    with pytest.raises(TypeError):
        encode(ViewChanged((object(),), True))  # type: ignore[arg-type] # what an embedding program might do
    with pytest.raises(ValueError, match="surrogates"):
        encode(ViewChanged(("\ud800",), True))


def test_what_was_packed_is_checked_when_it_is_unpacked() -> None:
    body = pack(entry("a")).encode()
    with pytest.raises(ValueError, match="not what was written"):
        unpacking(EntryOrder)(Packed(body, 1, 2))


def test_the_story_has_every_record_of_a_common_life() -> None:
    assert sum(len(unit) for unit in whole_story("a")) == 18
