"""What the third world adds: fills told late, the application's door, its words, and starts that cannot be meant."""

from __future__ import annotations

import json
import random
from decimal import Decimal
from pathlib import Path

import pytest
import structlog
import trio
from trio.testing import memory_stream_pair

from bitmart_engine.paper import ManualMarket, PaperConfig, PaperExchange, open_paper_exchange
from bitmart_engine.paper.orders import OrderRequest, Side
from tests.application.receivers import Limit
from tests.sim.belated import Belated
from tests.sim.choices import Choices
from tests.sim.chronicle import Chronicle, Guard
from tests.sim.doorway import Doorway
from tests.sim.forms import as_the_application_sends
from tests.sim.market import Market
from tests.sim.pushes import Pushes
from tests.sim.receiver import HOOK_PATH, Receiver
from tests.sim.run import play
from tests.sim.starts import _served
from tests.sim.trace import Trace
from tests.support.judge import Evidence, Row, Violation, judge

NOW_MS = 1_785_726_000_000
PLACED = {
    "event": "placed", "status": "placed", "order_id": "o1", "exchange_order_id": "7",
    "entry_price": 65000.0, "quantity": 0.01,
}  # fmt: skip


def test_the_second_world_has_none_of_the_thirds_kinds():
    with pytest.raises(BaseExceptionGroup) as refused:
        play(1, Choices(world=2, hours=0.01, only=frozenset({"application dead"})))
    failure: BaseException = refused.value
    while isinstance(failure, BaseExceptionGroup):
        (failure,) = failure.exceptions
    assert "no such trouble: application dead" in str(failure)


# Fills that are told late


@pytest.fixture
async def belated(nursery):
    async with open_paper_exchange(
        PaperConfig(liquidity=3), market=ManualMarket(), serve_sockets=False
    ) as paper:
        trace = Trace()
        pushes = Pushes(random.Random(1), trace)
        market = Market(paper, random.Random(1), trace, pushes, lambda *traded: None)
        chronicle = Chronicle(Path("nowhere"))
        yield Belated(paper, market, chronicle, random.Random, trace, lambda: True), paper


def resting(paper: PaperExchange, belated: Belated) -> int:
    price = paper.last_price("BTCUSDT") - 100
    request = OrderRequest(
        symbol="BTCUSDT", side=Side(1), size=5, type="limit", price=price, client_order_id="mine"
    )
    order = paper.books.submit(request, paper.now_ms() - 10_000)
    belated.chronicle.intended["mine"] = "a"
    belated.chronicle.alive["a"] = Guard("a", "BTCUSDT", "long", "a", "60000", None)
    return order.order_id


async def test_a_fill_is_told_late_and_nothing_that_is_said_before_knows_of_it(
    belated, autojump_clock
):
    weather, paper = belated
    order_id = resting(paper, weather)
    frame = {"order": {"order_id": str(order_id), "deal_size": "3", "deal_avg_price": "1"}}
    async with trio.open_nursery() as nursery:
        order = weather._resting(random.Random(1))
        assert order is not None
        assert order.order_id == order_id
        nursery.start_soon(weather._fill_untold, order, 10.0)
        await trio.sleep(1)
        assert paper.books.orders[order_id].deal_size == 3, "it is filled in part"
        pushed = json.loads(weather.pushed("futures/order", json.dumps({"data": [frame]})))
        assert pushed["data"][0]["order"]["deal_size"] == "0"
        row = {"order_id": str(order_id), "deal_size": "3", "deal_avg_price": "1", "state": 4}
        said = weather.answered("/contract/private/order", json.dumps({"data": row}).encode())
        assert json.loads(said)["data"] == {**row, "deal_size": "0", "deal_avg_price": "0"}
        said = weather.answered("/contract/private/trades", json.dumps({"data": [row]}).encode())
        assert json.loads(said)["data"] == []
    assert weather.pushed("futures/order", "as it is") == "as it is"
    assert weather._resting(random.Random(1)) is None


async def test_only_what_has_rested_and_is_guarded_is_filled_so(belated):
    weather, paper = belated
    resting(paper, weather)
    assert weather._resting(random.Random(1)) is not None
    weather.chronicle.alive.clear()
    assert weather._resting(random.Random(1)) is None


# The story of a fill that came late


def told(*events: str, **last: object) -> list[Violation]:
    """What the judge says of an order that ended filled in part after it was cancelled, and was told so."""
    rows = [
        Row(1, "EntryAccepted", {"order": {"request": {"id": "o1", "timeout_seconds": "5"}}}),
        Row(2, "EntryMoved", {"id": "o1", "to": "cancelled"}),
    ]
    bodies = [
        {"event": each, "order_id": "o1", "client_order_id": "x", "filled_size": 0}
        for each in events
    ]
    bodies[-1].update(last)
    evidence = Evidence(
        placed={"o1": {"size": 5, "symbol": "X", "side": "long", "metadata": {}}},
        received=[(str(number), body, 200) for number, body in enumerate(bodies)],
        journal=rows,
    )
    return [each for each in judge(evidence) if each.promise == "what happened is what was told"]


def test_a_cancelled_order_that_filled_late_was_told_to_be_cancelled_once():
    late = {"late_fill": True, "filled_size": 0}
    assert not told("placed", "cancelled", "partially_filled", **late)
    assert told("placed", "partially_filled", **late), "its end was not told"
    assert told("placed", "cancelled", "cancelled"), "it was told twice"


# The application's door


class Door:
    def __init__(self) -> None:
        self.broken: list[Violation] = []
        self.heard: list[str] = []
        receiver = Receiver(
            random.Random(1),
            lambda key, body: self.heard.append(key),
            self.broken.append,
            lambda: NOW_MS,
        )
        self.way = Doorway(receiver, random.Random(1), Trace(), self.broken.append)

    async def post(self, key: str, body: object = PLACED, path: str = HOOK_PATH) -> bytes:
        ours, theirs = memory_stream_pair()
        content = json.dumps(body).encode()
        head = f"POST {path} HTTP/1.1\r\nHost: a\r\nIdempotency-Key: {key}\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
        said = b""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.way.serve, theirs, "engine-1", {})
            await ours.send_all(head.encode() + content)
            with trio.move_on_after(1):
                while piece := await ours.receive_some(65536):
                    said += piece
            await ours.aclose()
        return said


@pytest.fixture
def door():
    return Door()


async def test_what_the_application_reads_is_answered_and_written_down(door, autojump_clock):
    assert (await door.post("k1")).startswith(b"HTTP/1.1 200")
    assert door.heard == ["k1"]
    assert not door.broken


@pytest.mark.parametrize(
    "spoilt", [{"entry_price": "65000"}, {"order_id": None}, {"exchange_order_id": 7}]
)
async def test_what_the_application_cannot_read_is_a_promise_broken(door, spoilt, autojump_clock):
    await door.post("k1", {**PLACED, **spoilt})
    assert {each.promise for each in door.broken} == {"the application can read what it is told"}


async def test_a_signal_that_is_not_signed_is_a_promise_broken(door, autojump_clock):
    said = await door.post("k1", {"kind": "ENTRY"}, "/api/ws-worker/orders")
    assert said.startswith(b"HTTP/1.1 401")
    assert [each.promise for each in door.broken] == ["the application can read what it is told"]


async def test_who_comes_back_before_the_time_that_a_429_named_is_seen(door, autojump_clock):
    # 1 in a minute by the application's own clock, which stands still here
    door.way.receiver.application.limits[HOOK_PATH] = Limit(1, tells=True)
    await door.post("k1")
    said = await door.post("k2")
    assert said.startswith(b"HTTP/1.1 429")
    assert b"Retry-After: 60" in said
    await door.post("k3")
    assert not door.broken, "that was another one's"
    await door.post("k2")
    assert [each.promise for each in door.broken] == ["who asks for a pause is given it"]


async def test_a_redirect_is_not_to_be_followed(door, autojump_clock):
    door.way.odd = {"redirect": 1.0}
    said = await door.post("k1")
    assert b"Location: /elsewhere" in said
    assert door.way.redirected == {"k1"}
    door.way.odd = {}
    await door.post("k1", path="/elsewhere")
    assert "no redirect is followed" in {each.promise for each in door.broken}


async def test_interim_responses_go_on_until_the_other_side_has_had_enough(door, autojump_clock):
    door.way.odd = {"interim": 1.0}
    said = await door.post("k1")
    assert said.count(b"100 Continue") > 20
    assert not door.heard


# An application's words


def test_an_application_says_the_same_in_its_own_words():
    body = {
        "id": "a",
        "side": "short",
        "entry_zone_min": "1.50",
        "entry_zone_max": "2",
        "metadata": {},
    }
    for seed in range(20):
        sent = as_the_application_sends(body, random.Random(seed))
        assert sent["side"] in (
            "short",
            "SHORT",
            "sell",
            "Sell",
            "SELL",
            "open_short",
            "sell_open_short",
            "4",
        )
        assert (sent["entry_zone_min"], sent["stop_loss"], sent["metadata"]) == (1.5, None, [])
        assert Decimal(str(sent["entry_zone_max"])) == 2


# Starts that cannot be meant


def test_a_start_with_a_mistyped_name_ends_with_code_2_and_leaves_logs_alone(tmp_path):
    before = structlog.get_config()
    file = tmp_path / "wrong.env"
    file.write_text("BITMART_API_SECRETT=hidden\n")
    code, said = _served("--env-file", str(file))
    assert code == 2
    assert "BITMART_API_SECRET" in said
    assert "hidden" not in said
    assert structlog.get_config() == before
