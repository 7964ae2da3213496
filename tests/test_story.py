"""`bitmart-engine journal show`: what happened to an order, in words, from the journal's file."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import get_args

import pytest
from attrs import evolve
from click.testing import CliRunner

from bitmart_engine.cli import main
from bitmart_engine.model.lifecycle import EntryState, ProtectionState
from bitmart_engine.model.positions import Close, CloseReason, FiredOrder
from bitmart_engine.store import JournalUnusable, NotAJournal, read_story
from bitmart_engine.store import records as r
from bitmart_engine.story import in_words, story
from tests.store.known import open_store
from tests.store.stories import START_MS, entry, notification, protection, whole_story

PRICE = Decimal("65000.10")
WORDS = [
    (
        r.EntryAccepted(entry("a")),
        "accepted: limit long, 10 contracts of BTCUSDT, zone 64990 to 65010, for 300 s, stop 64500, target 66000",
    ),
    (r.EntryIntended("a", 1, "ea", PRICE, 10), "submit: 10 contracts at 65000.1, client order id ea"),
    (r.EntryIntended("a", 1, "ea", None), "submit: at the market, client order id ea"),
    (r.EntryObserved("a", 1, EntryState.OPEN, "77"), "the exchange says open, order 77"),
    (
        r.EntryObserved("a", 1, EntryState.FILLED, "77", 10, PRICE, 1, "late fill"),
        "the exchange says filled, 10 filled at 65000.1, order 77 (late fill)",
    ),
    (r.EntryMoved("a", 1, EntryState.EXPIRED, "not in time"), "order expired (not in time)"),
    (r.EntryAnnounced("a", False), "placed: the application is told"),
    (r.EntryCancelAsked("a", 1), "cancel asked"),
    (r.EntryForgotten("a"), "not accepted: the promise could not be kept on disk"),
    (r.ProtectionForgotten("a"), "not accepted: the promise could not be kept on disk"),
    (
        r.ProtectionOpened(protection("a")),
        "protection promised over the fills of order a: stop 64500, target 66000",
    ),
    (r.ProtectionCovers("a", 4), "protection covers 4 contracts"),
    (r.ProtectionLevelled("a", 1, Decimal(64600), None), "levels moved: stop 64600"),
    (r.ProtectionKept("a", 1, None, None), "the exchange keeps no stop and no target"),
    (
        r.ProtectionKept("a", 1, Decimal(64500), None, ("1",), ("2", "3")),
        "the exchange keeps stop 64500, and 2 for a part",
    ),
    (r.ProtectionMoved("a", 1, ProtectionState.ARMED), "protection armed"),
    (
        r.ProtectionMoved("a", 1, ProtectionState.CLOSED, "stop_loss", close_price=Decimal(64499)),
        "protection closed at 64499 (stop_loss)",
    ),
    (
        r.CloseIntended("a", Close(attempt=2, client_order_id="ca", size=10, intended_ms=1)),
        "close: 10 contracts, client order id ca, attempt 2",
    ),
    (r.CloseObserved("a", "ca", "78", 0, None, False), "closing order: 0 filled"),
    (
        r.CloseObserved("a", "ca", "78", 10, PRICE, True),
        "closing order ended: 10 filled at 65000.1",
    ),
    (
        r.FiredObserved(
            "a", FiredOrder(order_id="79", reason=CloseReason.STOP_LOSS, filled=4, average_price=PRICE)
        ),
        "the exchange's own stop loss acted: 4 filled at 65000.1, order 79",
    ),
    (r.EntrySigned("a", 2, 1), "signed with a later timestamp"),
    (r.NotificationOwed(notification("k", "a")), "callback placed owed, key k"),
    (r.NotificationSettled("k", True), "callback delivered, key k"),
    (
        r.NotificationSettled("k", True, 1, "", "HTTP 200", 3),
        "callback delivered after 3 attempts (HTTP 200), key k",
    ),
    (r.NotificationSettled("k", False, 1, "HTTP 410"), "callback given up, key k (HTTP 410)"),
]  # fmt: skip


@pytest.mark.parametrize(("record", "words"), WORDS, ids=[words for _, words in WORDS])
def test_a_record_in_words(record, words):
    assert in_words(record) == words


def test_every_kind_of_record_that_is_of_an_order_has_words_above():
    assert {type(record) for record, _ in WORDS} == set(get_args(r.Record)) - {
        r.EntriesHalted,
        r.EntriesPaused,
        r.FuturesOrderSeen,
        r.ViewChanged,
    }


async def test_a_story_has_all_that_happened_to_one_order_and_nothing_of_another(tmp_path: Path):
    async with open_store(tmp_path) as (store, _):
        for units in zip(whole_story("a"), whole_story("ab"), strict=True):
            for unit in units:
                store.record(*unit)
        await store.durable()
        written = read_story(tmp_path, "a")  # beside the engine that writes it
    assert [each.record for each in written] == [r for unit in whole_story("a") for r in unit]
    lines = list(story(written))
    assert len(lines) == 18
    assert all(" a:" not in line or "key a:" in line or "order a:" in line for line in lines)
    assert read_story(tmp_path, "b") == []


async def test_a_protection_over_the_fills_of_an_order_belongs_to_its_story(tmp_path: Path):
    other = evolve(protection("guard"), entry_id='a"b')
    async with open_store(tmp_path) as (store, _):
        store.record(r.EntryAccepted(entry('a"b')))
        store.record(r.ProtectionOpened(other))
        store.record(r.NotificationOwed(notification("k", "guard")))
    told = [type(each.record) for each in read_story(tmp_path, 'a"b')]
    assert told == [r.EntryAccepted, r.ProtectionOpened, r.NotificationOwed]
    assert [type(each.record) for each in read_story(tmp_path, "guard")] == told[1:]


def test_what_is_no_journal_is_said(tmp_path: Path):
    with pytest.raises(JournalUnusable, match="does not exist"):
        read_story(tmp_path, "a")
    (tmp_path / "engine.sqlite3").write_text("no database at all, but long enough to be read" * 9)
    with pytest.raises(NotAJournal):
        read_story(tmp_path, "a")


async def test_the_command_tells_it_in_utc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    async with open_store(tmp_path / "state", wall_ms=lambda: START_MS + 7) as (store, _):
        store.record(r.EntryAccepted(entry("a")))
    monkeypatch.chdir(tmp_path)
    shown = CliRunner().invoke(main, ["journal", "show", "a"])
    assert shown.exit_code == 0
    assert shown.stdout.startswith("2026-08-03 03:00:00.007Z  accepted: limit long, 10 contracts")
    unknown = CliRunner().invoke(main, ["journal", "show", "b"])
    assert unknown.exit_code == 1
    assert "has nothing of 'b'" in unknown.stderr
