"""What the engine sends is as the OpenAPI document says: real bodies, each held against its schema, on a mock clock."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterator, Mapping
from decimal import Decimal
from functools import cache
from typing import Any

import jsonschema_rs
import pytest

from bitmart_engine import Engine, MonitorPosition
from bitmart_engine.control import make_app
from bitmart_engine.control.hooks import ANSWERS
from bitmart_engine.control.notices import ORDER_CALLBACKS, POSITION_CALLBACKS
from bitmart_engine.control.openapi import document
from bitmart_engine.notify.delivery import Verdict, verdict_of
from bitmart_engine.trading.signals.signal_forms import Status
from tests.support.stage import HOOK, SUBMIT, Stage, open_stage

BASE = "http://127.0.0.1:9"
ORDERS = f"{BASE}/api/ws-worker/orders"
BALANCE = f"{BASE}/api/ws-worker/balance"
RAW = f"{BASE}/raw"
SIGNALS = {"trading_app_base_uri": BASE, "trading_app_shared_secret": "shared"}
RAW_EVENTS = {"raw_events_uri": RAW, "raw_events_token": "a-token"}
NO_FUNDS = '{"code": 42000, "message": "balance not enough", "trace": "t"}'
TROUBLE = '{"code": 40012, "message": "system error", "data": null}'
STATUSES = {*ORDER_CALLBACKS, *POSITION_CALLBACKS}


def document_of(engine: Engine) -> Mapping[str, Any]:
    return document(make_app(engine).url_map.iter_rules())


@cache
def validator(text: str, schema: str) -> jsonschema_rs.Draft202012Validator:
    """Of one schema of a document, closed: a field that it does not describe is wrong."""
    described = json.loads(text)
    components = described["components"]
    for each in components["schemas"].values():
        if each.get("properties"):
            each["additionalProperties"] = False
    return jsonschema_rs.Draft202012Validator(
        {"$ref": f"#/components/schemas/{schema}", "components": components}, validate_formats=True
    )


async def checked(stage: Stage) -> set[str]:
    """Wait until everything is told, and hold it against the document. Returns what was told, by its words."""
    await stage.until(lambda: not stage.engine.state.owed, within=600)
    text = json.dumps(document_of(stage.engine))
    seen = set()
    for url, body in told(stage):
        schema = {ORDERS: "OrderSignal", BALANCE: "BalanceSignal", RAW: "RawEvent"}.get(url)
        if schema is None:
            schema = "OrderOrPositionCallback"
            [name] = [
                name
                for status, (name, _, _) in {**ORDER_CALLBACKS, **POSITION_CALLBACKS}.items()
                if status == body["status"]
            ]
            wrong = [str(each) for each in validator(text, name).iter_errors(body)]
            assert wrong == [], f"{name}: {body}"
        wrong = [str(each) for each in validator(text, schema).iter_errors(body)]
        assert wrong == [], f"{schema}: {body}"
        seen.add(body.get("status") or body.get("group") or "BALANCE")
        if "position_id" in body:
            assert [*validator(text, "PositionCallback").iter_errors(body)] == []
    return seen


def told(stage: Stage) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every body that was sent, and where to."""
    for request in stage.receiver.requests:
        headers = request.headers
        assert headers["Content-Type"] == "application/json"
        assert headers["Idempotency-Key"]
        assert ("X-WS-Worker-Signature" in headers) == ("X-WS-Worker-Timestamp" in headers)
        url = request.extensions["url"]
        assert ("X-Webhook-Token" in headers) == (url == RAW)
        yield url, json.loads(request.content)


async def stopped_by_the_engine(stage: Stage) -> None:
    await stage.bought(
        leverage=Decimal(10), metadata={"plan": {"id": 7}}, exchange_protection=False
    )
    stage.move(64400)
    await stage.until(lambda: stage.guarded() == "closed")


async def stopped_by_the_exchange(stage: Stage) -> None:
    await stage.bought()
    stage.move(64400)
    await stage.until(lambda: stage.guarded() == "closed")


async def gone_by_hand(stage: Stage) -> None:
    await stage.open_by_hand(size=4)
    await stage.engine.monitor_position(
        MonitorPosition(id="m", symbol="BTCUSDT", stop_loss=Decimal(64500), callback_url=HOOK)
    )
    await stage.until(lambda: stage.guarded("m") == "armed")
    stage.paper.close_position_by_hand("BTCUSDT", "long")
    await stage.until(lambda: stage.guarded("m") == "closed", within=70)


async def a_market_order(stage: Stage) -> None:
    await stage.bought(type="market", post_only=False)


async def a_part_and_the_rest_cancelled(stage: Stage) -> None:
    await stage.place()
    await stage.until(stage.prices_come)
    stage.move(65000)
    await stage.settle(0.5)
    stage.move(65000)
    await stage.until(lambda: stage.state() == "partially_filled")
    await stage.engine.cancel_order("a")
    await stage.engine.release_protection("a")


async def cancelled_before_it_went_out(stage: Stage) -> None:
    await stage.place()
    await stage.engine.cancel_order("a")


async def cancelled_at_the_exchange(stage: Stage) -> None:
    await stage.place()
    await stage.until(stage.prices_come)
    stage.move(65000)
    await stage.until(lambda: stage.state() == "open")
    await stage.engine.cancel_order("a")


async def too_late(stage: Stage) -> None:
    await stage.place(entry_zone_max="64995", timeout_seconds=Decimal(20))
    await stage.until(lambda: stage.state() == "expired")


async def refused(stage: Stage) -> None:
    await stage.place()
    await stage.until(stage.prices_come)
    await stage.settle()  # the window of timestamps was measured, with submits that are none
    stage.paper.fail(SUBMIT, status=400, body=NO_FUNDS)
    stage.move(65000)
    await stage.until(lambda: stage.state() == "rejected")


async def not_worth_sending(stage: Stage) -> None:
    await stage.place(entry_zone_min="64900", entry_zone_max="64950")
    await stage.until(stage.prices_come)
    stage.move(65000)
    await stage.settle()
    stage.move(66010)
    await stage.until(lambda: stage.state() == "rejected")


async def a_close_that_fails(stage: Stage) -> None:
    await stage.bought(exchange_protection=False)
    stage.paper.fail(SUBMIT, times=10_000, status=400, body=TROUBLE)
    stage.move(64400)
    await stage.until(lambda: "close_failed" in names(stage), within=5)
    stage.paper.clear_faults()
    await stage.until(lambda: stage.guarded() == "closed")


async def held_after_all(stage: Stage) -> None:
    await stage.bought(exchange_protection=False)
    await stage.settle(30)
    stage.paper.alter_answer("/contract/private/position-v2", "empty", 10_000)
    stage.paper.freeze("futures/position", until="forever")
    await stage.engine._core.comparing.refresh()
    await stage.until(lambda: stage.guarded() == "closed", within=120)
    stage.paper.clear_faults()
    await stage.until(lambda: "rearmed" in names(stage))


def names(stage: Stage) -> set[str]:
    return {each["status"] for each in stage.receiver.events(HOOK)}


SCENARIOS: dict[Callable[[Stage], Awaitable[None]], set[str]] = {
    stopped_by_the_engine: {"placed", "filled", "closed", "SUBMITTED", "FILLED", "BALANCE"},
    stopped_by_the_exchange: {"placed", "filled", "closed", "SUBMITTED", "FILLED"},
    gone_by_hand: {"closed"},
    a_market_order: {"placed", "filled"},
    a_part_and_the_rest_cancelled: {
        *("placed", "partially_filled", "cancelled", "released"),
        *("SUBMITTED", "PARTIALLY_FILLED", "FILLED"),
    },
    cancelled_before_it_went_out: {"cancelled"},
    cancelled_at_the_exchange: {"placed", "cancelled", "SUBMITTED", "CANCELLED"},
    too_late: {"timeout"},
    refused: {"failed", "REJECTED"},
    not_worth_sending: {"failed"},
    a_close_that_fails: {"close_failed", "closed"},
    held_after_all: {"rearmed"},
}
"""What happens, and the words of what has to be told of it."""


@pytest.mark.parametrize("happens", SCENARIOS, ids=lambda each: each.__name__)
async def test_what_is_told_is_as_described(
    autojump_clock: Any, happens: Callable[[Stage], Awaitable[None]]
) -> None:
    paper = {"liquidity": 4} if happens is a_part_and_the_rest_cancelled else None
    async with open_stage(paper, **SIGNALS) as stage:
        await happens(stage)
        assert await checked(stage) >= SCENARIOS[happens]


def test_every_word_that_is_described_is_one_that_is_told() -> None:
    told_of = set().union(*SCENARIOS.values())
    assert told_of == {*STATUSES, *(each.value for each in Status), "BALANCE"}


async def test_frames_are_forwarded_as_described(autojump_clock: Any) -> None:
    async with open_stage(**SIGNALS, **RAW_EVENTS) as stage:
        await stage.bought()
        assert await checked(stage) >= {"futures/order", "futures/position", "placed"}


async def test_without_a_secret_nothing_is_signed(autojump_clock: Any) -> None:
    async with open_stage() as stage:
        await cancelled_before_it_went_out(stage)
        assert await checked(stage) == {"cancelled"}
        [request] = stage.receiver.requests
        assert "X-WS-Worker-Signature" not in request.headers


@pytest.mark.parametrize("status", [*range(200, 600, 7), 408, 409, 429, 404])
def test_an_answer_means_what_the_document_says(status: int) -> None:
    meaning = {
        Verdict.DELIVERED: "settled",
        Verdict.AGAIN: "sent again",
        Verdict.REFUSED: "given up",
    }
    described = ANSWERS.get(str(status)) or ANSWERS[f"{status // 100}XX"]
    assert described["description"].startswith(meaning[verdict_of(status)])
