"""What is checked while a run goes on: whose contracts are whose, and which prices there were."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bitmart_engine.paper import ManualMarket, PaperConfig, PaperExchange, open_paper_exchange
from bitmart_engine.paper.orders import OrderRequest, Side
from tests.sim.choices import Choices
from tests.sim.chronicle import Chronicle, Guard
from tests.sim.closes import REPEATED, Closes
from tests.sim.facts import facts
from tests.sim.holdings import Holdings
from tests.sim.prices import KEPT_S, Prices, WildPrints
from tests.sim.run import play
from tests.sim.user import User
from tests.support.app import Answer
from tests.support.books import Books
from tests.support.judge import Violation

KEY = ("ETHUSDT", "long")


def bought(paper: PaperExchange, size: int, client_id: str, **more: Any) -> None:
    request = OrderRequest(
        symbol="ETHUSDT", side=Side(1), size=size, type="market", client_order_id=client_id, **more
    )
    paper.books.submit(request, paper.now_ms())


def promised(chronicle: Chronicle, id: str, client_id: str) -> None:
    """An entry order of the engine, and its protection, as they would be read from a journal."""
    chronicle.intended[client_id] = id
    chronicle.attempts[id] = [client_id]
    chronicle.guards[id] = Guard(id, *KEY, id, "3000", None, state="armed")
    chronicle.version += 1


@pytest.fixture
async def account(nursery):
    broken: list[Violation] = []
    async with open_paper_exchange(
        PaperConfig(), market=ManualMarket(), serve_sockets=False
    ) as paper:
        chronicle = Chronicle(Path("nowhere"))
        yield paper, chronicle, Holdings(paper, Books(paper), chronicle, broken.append), broken


async def test_contracts_are_the_owners_own_unless_an_engine_has_promised_something(account):
    paper, chronicle, holdings, _ = account
    promised(chronicle, "a", "mine")
    bought(paper, 10, "mine")
    bought(paper, 4, "")
    bought(paper, 3, "other")
    holdings.look()
    assert (holdings.held(KEY), holdings.own(KEY)) == (17, 7)
    assert holdings.left(chronicle.guards["a"]) == 10
    paper.close_position_by_hand("ETHUSDT", "long", 12)
    holdings.look()
    assert holdings.own(KEY) == 5, "no more than is held"


async def test_a_stop_at_the_exchange_closes_what_its_order_has_opened(account):
    paper, chronicle, holdings, broken = account
    promised(chronicle, "a", "mine")
    bought(paper, 10, "mine", stop_price=Decimal(3100))
    bought(paper, 6, "other", stop_price=Decimal(3100))
    paper.set_price("ETHUSDT", Decimal(3050))
    holdings.look()
    assert (holdings.held(KEY), holdings.own(KEY)) == (0, 0)
    assert holdings.gone(chronicle.guards["a"]) == 10
    assert not broken


async def test_closing_more_for_a_protection_than_was_opened_for_it_is_seen_at_once(account):
    paper, chronicle, holdings, broken = account
    promised(chronicle, "a", "mine")
    bought(paper, 10, "mine")
    bought(paper, 10, "")
    for client_id in ("c1", "c2"):
        chronicle.intended[client_id] = "a"
        chronicle.closes.setdefault("a", set()).add(client_id)
        closing = OrderRequest(
            symbol="ETHUSDT", side=Side(3), size=10, type="market", client_order_id=client_id
        )
        paper.books.submit(closing, paper.now_ms())
        holdings.look()
        assert [each.promise for each in broken] == ["what is somebody else's stays"] * (
            client_id == "c2"
        )


def test_prices_are_known_for_a_while_with_the_one_that_stood_before():
    prices = Prices()
    for at, price in ((0, 1), (100, 2), (200, 3), (200, 4)):
        prices.traded("X", Decimal(price), at, stood=price != 3)
    assert prices.since("X", 150) == [4, 3, 2]
    assert prices.that_stood_since("X", 150) == [4, 2], "3 was gone in the push that told it"
    assert prices.since("X", 200 - KEPT_S) == [4, 3, 2, 1]
    assert prices.since("Y", 0) == []


def test_what_the_exchange_dates_later_than_it_was_counts_from_then_on():
    prices = Prices()
    prices.traded("X", Decimal(1), 100, skew_s=120)
    prices.traded("X", Decimal(2), 150)
    assert prices.dated_since("X", 200, 230) == [1]
    assert prices.dated_since("X", 221, 230) == [], "it is dated before"
    assert prices.dated_since("X", 200, 159) == [], "it is dated after"
    prices.traded("X", Decimal(3), 190, skew_s=-15)
    assert prices.dated_since("X", 180, 230) == [1, 3], "the stop was dated by that clock too"


@pytest.mark.parametrize(
    ("last", "asked_at", "answered_at", "excused"),
    [
        ("100", 10.1, 10.5, False),
        ("100", 10.05, 10.5, True),
        ("100", 10.1, 11.0, True),
        ("49", 10.1, 10.5, True),
        ("1_00", 10.1, 10.5, True),
    ],
)
def test_a_wild_print_may_be_taken_for_the_price_unless_an_answer_in_time_says_otherwise(
    last, asked_at, answered_at, excused
):
    wild = WildPrints()
    wild.told("X", Decimal(50), 10.0, 0.0)
    row = {"symbol": "X", "last_price": last, "contract_size": "1", "market_max_volume": "9"}
    wild.heard(asked_at, answered_at, json.dumps({"data": {"symbols": [row]}}).encode())
    assert wild.since("X", 10.9) == []
    assert wild.since("X", 11.1) == [Decimal(50)] * excused


def test_the_first_world_has_no_newer_kinds():
    old, new = Choices(world=1), Choices()
    assert {facts(seed, old).pong for seed in range(20)} == {"group"}
    assert {facts(seed, new).pong for seed in range(20)} == {"group", "text", "action"}


def test_a_kind_of_trouble_that_there_is_not_is_refused():
    with pytest.raises(BaseExceptionGroup) as refused:
        play(1, Choices(hours=0.01, only=frozenset({"rain"})))
    failure: BaseException = refused.value
    while isinstance(failure, BaseExceptionGroup):
        (failure,) = failure.exceptions
    assert "no such trouble: rain" in str(failure)


class AnswersWith:
    """An engine that has accepted `first` under the id "a", and answers what comes under it."""

    def __init__(self, first: dict[str, Any]) -> None:
        self.placed = {"a": first}

    async def ask(self, method: str, path: str, body: object) -> Answer:
        if body == self.placed["a"]:
            return Answer(200, {"ok": True, "duplicate": True}, 1)
        return Answer(409, {"ok": False}, 1)


@pytest.mark.parametrize("size", [1, 2])
async def test_what_is_asked_again_may_be_a_conflict_where_an_older_lifes_request_came_first(
    size: int,
) -> None:
    user = User(AnswersWith({"id": "a", "size": 1}), *[None] * 9)  # type: ignore[arg-type]
    user.asked["a"] = {"id": "a", "size": size}
    await user._again("a")


@pytest.mark.parametrize("takes_any", [True, False])
def test_what_is_refused_for_its_size_is_made_smaller_unless_nothing_is_taken(takes_any: bool):
    chronicle, broken = Chronicle(Path("nowhere")), list[Violation]()
    promised(chronicle, "a", "mine")
    closes = Closes(chronicle, broken.append, takes_any=lambda symbol: takes_any)
    for _ in range(REPEATED):
        closes.submitted(
            {"client_order_id": "mine", "symbol": "ETHUSDT", "size": 1}, b'{"code": 40044}'
        )
    assert bool(broken) is takes_any
