"""Raw events: BitMart's own order and position frames, forwarded as they came."""

from __future__ import annotations

import hashlib
import hmac
import json
import sqlite3
from contextlib import closing
from datetime import datetime

from bitmart_engine.model.events import AccountFrame
from tests.support.stage import open_stage, open_theatre

HOOK = "http://127.0.0.1:9/bitmart"
SECRET = "shared"
RAW = {"raw_events_uri": HOOK, "raw_events_token": "hush", "trading_app_shared_secret": SECRET}


def frame(data: object, group: str = "futures/order") -> AccountFrame:
    return AccountFrame(group, group, json.dumps(data).encode())


def publish(stage, *frames: AccountFrame) -> None:
    for each in frames:
        stage.engine._streams.bus.publish(each)


def owed(stage) -> int:
    return sum(each.kind == "raw_event" for each in stage.engine.state.owed.values())


async def test_order_and_position_frames_are_forwarded_signed_with_their_token_and_in_order(
    autojump_clock,
):
    async with open_stage(**RAW) as stage:
        await stage.bought()
        await stage.settle(2)
        sent = stage.receiver.events(HOOK)
        assert {each["group"] for each in sent} == {"futures/order", "futures/position"}
        assert all(
            set(each) == {"received_at", "origin", "group", "channel", "data"} for each in sent
        )
        assert {each["origin"] for each in sent} == {"bitmart-engine"}
        assert all(each["group"] == each["channel"] for each in sent)
        moments = [datetime.fromisoformat(each["received_at"]) for each in sent]
        assert moments == sorted(moments)
        assert all(each.utcoffset() is not None for each in moments)
        actions = [
            event["action"]
            for each in sent
            if each["group"] == "futures/order"
            for event in each["data"]
        ]
        assert actions == [2, 1]
        for request in stage.receiver.requests:
            if request.extensions["url"] != HOOK:
                assert "X-Webhook-Token" not in request.headers
                continue
            assert request.headers["X-Webhook-Token"] == "hush"
            timestamp = request.headers["X-WS-Worker-Timestamp"]
            text = f"{timestamp}\n".encode() + request.content
            signed = hmac.new(SECRET.encode(), text, hashlib.sha256).hexdigest()
            assert request.headers["X-WS-Worker-Signature"] == signed
            assert abs(stage.paper.now_ms() - int(timestamp)) < 60_000


async def test_what_the_engine_cannot_read_is_forwarded_byte_for_byte(autojump_clock):
    async with open_stage(**RAW) as stage:
        await stage.settle()
        data = b'[ {"order": {"price": 65000.10000000000000000001, "new": null} } ]'
        publish(stage, AccountFrame("futures/order@100ms", "futures/order", data))
        await stage.settle()
        (request,) = [r for r in stage.receiver.requests if r.extensions["url"] == HOOK]
        assert data in request.content
        body = json.loads(request.content)
        assert (body["group"], body["channel"]) == ("futures/order@100ms", "futures/order")


async def test_one_object_in_place_of_an_array_is_forwarded_as_an_array_of_it(autojump_clock):
    async with open_stage(**RAW) as stage:
        await stage.settle()
        publish(stage, frame({"symbol": "BTCUSDT"}, "futures/position"))
        await stage.settle()
        assert stage.receiver.events(HOOK)[-1]["data"] == [{"symbol": "BTCUSDT"}]


async def test_without_an_address_nothing_is_forwarded_and_nothing_queues_up(autojump_clock):
    async with open_stage() as stage:
        await stage.bought()
        publish(stage, *[frame([number]) for number in range(2_000)])
        await stage.settle()
        assert owed(stage) == 0
        assert "event_dropped_for_slow_listener" not in stage.engine.dropped()


async def test_what_is_owed_is_forwarded_after_a_restart_in_the_same_order(
    autojump_clock, tmp_path
):
    async with open_theatre(state_dir=str(tmp_path), **RAW) as theatre:
        theatre.receiver.answer = lambda request: 503
        async with theatre.engine() as stage:
            await stage.settle()
            publish(stage, *[frame([number]) for number in range(30)])
            await stage.settle()
            assert owed(stage) == 30
        theatre.receiver.answer = lambda request: 200
        theatre.receiver.requests.clear()
        async with theatre.engine() as stage:
            await stage.settle(5)
            publish(stage, frame([30]))
            await stage.settle(5)
            assert owed(stage) == 0
            sent = [each["data"] for each in stage.receiver.events(HOOK)]
            assert sent == [[number] for number in range(31)]


async def test_the_journal_does_not_keep_the_frames_that_were_taken(autojump_clock, tmp_path):
    async with open_theatre(state_dir=str(tmp_path), **RAW) as theatre:
        async with theatre.engine() as stage:
            await stage.settle()
            publish(stage, *[frame([number]) for number in range(30)])
            await stage.settle()
            assert owed(stage) == 0
        async with theatre.engine() as stage:
            await stage.settle()
            with closing(sqlite3.connect(tmp_path / "engine.sqlite3")) as journal:
                found = "SELECT count(*) FROM journal WHERE subject LIKE 'raw-%'"
                assert journal.execute(found).fetchone() == (0,)


async def test_what_is_owed_to_a_dead_webhook_does_not_grow_without_bound(
    autojump_clock, monkeypatch
):
    monkeypatch.setattr("bitmart_engine.trading.signals.raw_events.MOST_OWED", 50)
    async with open_stage(**RAW) as stage:
        await stage.settle()
        stage.receiver.answer = lambda request: None
        publish(stage, *[frame([number]) for number in range(200)])
        await stage.settle()
        assert owed(stage) == 50
        assert stage.engine.dropped()["raw_event_dropped"] == 150
        stage.receiver.answer = lambda request: 200
        await stage.settle(130)
        sent = [each["data"] for each in stage.receiver.events(HOOK)]
        assert sent[-50:] == [[number] for number in range(50)]
        publish(stage, frame(["new"]))
        await stage.settle()
        assert stage.receiver.events(HOOK)[-1]["data"] == ["new"]


async def test_the_bytes_that_are_owed_are_bounded_and_a_frame_without_end_is_dropped(
    autojump_clock,
):
    async with open_stage(**RAW) as stage:
        await stage.settle()
        stage.receiver.answer = lambda request: 503
        publish(stage, frame(["x" * 70_000]))
        publish(stage, *[frame(["x" * 60_000]) for _ in range(100)])
        await stage.settle()
        assert owed(stage) == 66
        assert stage.engine.dropped()["raw_event_dropped"] == 1 + 34


async def test_a_webhook_that_refuses_is_left_alone_for_a_while_and_few_dead_letters_are_kept(
    autojump_clock,
):
    async with open_stage(**RAW) as stage:
        await stage.settle()
        stage.receiver.answer = lambda request: 404
        for number in range(600):
            publish(stage, frame([number]))
            await stage.settle(1)
        assert 3 <= len(stage.engine.state.dead) <= 5
        assert owed(stage) == 0
        stage.receiver.answer = lambda request: 200
        await stage.settle(600)
        publish(stage, frame(["again"]))
        await stage.settle(3)
        assert stage.receiver.events(HOOK)[-1]["data"] == ["again"]


async def test_a_dead_webhook_keeps_no_stop_from_firing(autojump_clock):
    async with open_stage(**RAW) as stage:
        stage.receiver.answer = lambda request: 200 if "hook" in str(request.url) else None
        await stage.bought(exchange_protection=False)
        publish(stage, *[frame([number]) for number in range(2_000)])
        stage.move(64400)
        await stage.until(lambda: stage.submits(3), within=1)
        await stage.until(lambda: stage.guarded() == "closed")
