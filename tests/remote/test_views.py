"""What is shown of answers, of older engines and newer ones too."""

from __future__ import annotations

import json
import re

import pytest

from bitmart_engine.remote import glance, views
from bitmart_engine.remote.tables import Screen

PIPE = Screen()


def test_of_an_answer_that_lacks_everything_nothing_is_invented() -> None:
    assert glance.status({"ok": True}, PIPE)[1] == "state      ready"
    assert views.order({}, PIPE)
    assert views.protection({}, PIPE)
    assert views.placed({}, PIPE) == []


def test_what_is_new_in_a_status_is_shown_as_it_is() -> None:
    text = "\n".join(glance.status({"margin": {"USDT": "1.50"}, "mood": "good"}, PIPE))
    assert 'margin     {"USDT": "1.50"}' in text
    assert "mood       good" in text
    sparse = "\n".join(glance.status({"balance": {"currency": "USDT", "available": "7"}}, PIPE))
    assert "balance    7 USDT free\n" in sparse + "\n"


def test_what_is_not_known_is_said_so_and_not_as_nothing() -> None:
    unknown = {
        "balance": None,
        "positions": None,
        "foreign_positions": None,
        "foreign_orders": None,
    }
    text = "\n".join(glance.status(unknown, PIPE))
    for name in ("balance", "held", "foreign", "not ours"):
        assert re.search(f"^{name} +not known yet$", text, re.MULTILINE), text
    assert "not known yet" not in "\n".join(
        glance.status({**unknown, "missing_credentials": ["K"]}, PIPE)
    )
    assert "not known yet" not in "\n".join(glance.status({"positions": []}, PIPE))
    assert views.held_or_not(None, PIPE) == ["what is held is not known yet"]
    assert views.held_or_not([], PIPE) == ["nothing is held"]


def test_trouble_is_shown() -> None:
    text = "\n".join(
        glance.status(
            {
                "version": "1", "mode": "live", "uptime_s": 90061.5,
                "not_ready": ["not logged in", "a public connection is down"],
                "journal": {"state_dir": "state", "trouble": "disk full"},
                "recovery": {
                    "at_ms": 0, "adopted": 2, "unknown": ["a"], "foreign_positions": {},
                },
                "exchange": {
                    "clock_offset_ms": -4000, "clock_skewed": True,
                    "endpoints": {
                        "/quiet": {"waiting": 0, "paused_for_s": 0.0},
                        "/busy": {"waiting": 3, "paused_for_s": 1.5},
                    },
                },
                "refused_channels": {"futures/x": "no such"},
                "stale": ["BTCUSDT"],
                "prices": {"BTCUSDT": {"last": "1", "age_s": 12.34, "stale": True}},
                "connections": [{"name": "private", "state": "down", "last_error": "reset\x1b"}],
                "foreign_positions": {"BTCUSDT long": 3},
                "foreign_orders": [{"order_id": "9", "size": 4, "filled_size": 1}],
                "dropped": {"ticks_merged": 7},
                "outbox": {"owed": 1, "dead": 2},
            },
            PIPE,
        )
    )  # fmt: skip
    for line in (
        "engine     1, live mode, up 1 d 1 h",
        "state      not ready: not logged in; a public connection is down",
        "trouble    disk full",
        "start      agreed at 1970-01-01T00:00:00.000Z: adopted 2, unknown 1",
        "clocks     -4000 ms apart, too far apart",
        "limit      /busy: 3 waiting, paused for 1.5 s",
        'refused    {"futures/x": "no such"}',
        "stale      BTCUSDT",
        "BTCUSDT      1  12.3 s  stale",
        "reset\\x1b",
        'foreign    {"BTCUSDT long": 3}',
        "ticks_merged                  7",
        "outbox     1 owed, 2 dead",
    ):
        assert line in text
    assert "/quiet" not in text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (61, "1 min 1 s"), (3600, "1 h 0 min"), (86_403, "1 d 0 h")]
)
def test_durations(seconds: float, text: str) -> None:
    assert f"up {text}" in glance.status({"uptime_s": seconds}, PIPE)[0]


def test_a_body_that_was_sent_is_shown_with_every_digit_it_had() -> None:
    raw = b'{"callbacks":[{"kind":"placed","state":"owed","body":{"entry_price":0.00000001}}]}'
    [kind, state, body] = views.callbacks(json.loads(raw)["callbacks"], raw, PIPE)
    assert (kind.split(), state.split()) == (["kind", "placed"], ["state", "owed"])
    assert body.split() == ["body", '{"entry_price":0.00000001}']
    assert views.callbacks([{"kind": "placed"}], b"{}", PIPE)
    assert views.callbacks([], b'{"callbacks":[]}', PIPE) == []
