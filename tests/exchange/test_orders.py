"""Orders: what goes out, what comes back, and finding one whose answer was lost."""

import json
from decimal import Decimal

import attrs
import httpx
import pytest

from bitmart_engine.exchange import CutShort, Meaning, OutcomeUnknown, Refused, SubmitOrder
from bitmart_engine.exchange.orders import encode_order
from bitmart_engine.model.events import OrderState
from bitmart_engine.model.sides import OrderSide

SUBMIT = "/contract/private/submit-order"
CANCEL = "/contract/private/cancel-order"
ONE = "/contract/private/order"
OPEN = "/contract/private/get-open-orders"
ORDER = "/contract/private/order"
HISTORY = "/contract/private/order-history"
TRADES = "/contract/private/trades"

LIMIT = SubmitOrder(
    symbol="BTCUSDT",
    side=OrderSide.BUY_OPEN_LONG,
    size=10,
    client_order_id="eng01a7",
    price=Decimal("6.5E+4"),
)


def row(**fields):
    return {
        "order_id": "3000013086011694",
        "client_order_id": "eng01a7",
        "symbol": "BTCUSDT",
        "type": "limit",
        "side": 1,
        "state": 2,
        "price": "65000",
        "size": "10",
        "deal_size": "4",
        "deal_avg_price": "64999.9",
        "leverage": "5",
        "open_type": "isolated",
        "position_mode": "hedge_mode",
        "create_time": 1785726000123,
        "update_time": 1785726001456,
        **fields,
    }


def test_a_limit_order_goes_out_with_plain_prices_and_a_whole_size():
    assert json.loads(encode_order(LIMIT)) == {
        "symbol": "BTCUSDT",
        "side": 1,
        "type": "limit",
        "size": 10,
        "client_order_id": "eng01a7",
        "price": "65000",
    }


def test_everything_an_order_can_carry_goes_out():
    order = attrs.evolve(
        LIMIT,
        maker_only=True,
        leverage=Decimal("5.0"),
        open_type="isolated",
        preset_stop_loss=Decimal("0.00000010"),
        preset_take_profit=Decimal("70000.50"),
    )
    body = json.loads(encode_order(order))
    assert body["mode"] == 4
    assert body["leverage"] == "5"
    assert body["open_type"] == "isolated"
    assert body["preset_stop_loss_price"] == "0.0000001"
    assert body["preset_take_profit_price"] == "70000.5"


def test_a_market_order_has_no_price_and_no_mode():
    body = json.loads(
        encode_order(
            SubmitOrder(
                symbol="BTCUSDT",
                side=OrderSide.SELL_CLOSE_LONG,
                size=3,
                client_order_id="x1",
                type="market",
            )
        )
    )
    assert body == {
        "symbol": "BTCUSDT",
        "side": 3,
        "type": "market",
        "size": 3,
        "client_order_id": "x1",
    }


@pytest.mark.parametrize(
    "change",
    [
        {"size": 0},
        {"client_order_id": ""},
        {"client_order_id": "with-dash"},
        {"client_order_id": "a" * 33},
        {"client_order_id": "a\n"},
        {"price": None},
        {"type": "market"},
        {"type": "market", "price": None, "maker_only": True},
        {"side": OrderSide.BUY_CLOSE_SHORT, "preset_stop_loss": Decimal(1)},
        {"side": OrderSide.SELL_CLOSE_LONG, "preset_take_profit": Decimal(1)},
    ],
)
def test_an_order_that_the_exchange_could_not_take_cannot_be_made(change):
    with pytest.raises(ValueError, match=r"must be|at least|has a price|only a"):
        attrs.evolve(LIMIT, **change)


@pytest.mark.parametrize("order_id", [3000013086011694, "3000013086011694"])
async def test_the_order_id_of_a_submit_is_text_whatever_it_came_as(fake, client, order_id):
    fake.says(SUBMIT, {"order_id": order_id, "price": "market price"})
    assert await client.submit_order(LIMIT) == "3000013086011694"
    assert fake.requests[0].content == encode_order(LIMIT)


@pytest.mark.parametrize("data", [{}, None, ..., [], {"order_id": None}, {"order_id": ""}])
async def test_a_submit_that_was_taken_without_an_order_id_is_unknown_and_not_lost(
    fake, client, data
):
    fake.says(SUBMIT, data)
    with pytest.raises(OutcomeUnknown):
        await client.submit_order(LIMIT)


async def test_http_200_with_another_code_is_a_refusal(fake, client):
    fake.says(SUBMIT, {}, code=42000, message="balance")
    with pytest.raises(Refused) as refused:
        await client.submit_order(LIMIT)
    assert refused.value.meaning is Meaning.FUNDS


@pytest.mark.parametrize("data", [{}, None, ...])
async def test_a_cancel_is_taken_with_or_without_data(fake, client, data):
    fake.says(CANCEL, data)
    await client.cancel_order("BTCUSDT", order_id="1")
    assert fake.body == {"symbol": "BTCUSDT", "order_id": "1"}
    await client.cancel_order("BTCUSDT", client_order_id="a1")
    assert fake.body == {"symbol": "BTCUSDT", "client_order_id": "a1"}


@pytest.mark.parametrize("ids", [{}, {"order_id": ""}, {"client_order_id": "", "order_id": None}])
async def test_a_cancel_without_an_id_would_cancel_the_whole_symbol_and_is_not_sent(
    fake, client, ids
):
    with pytest.raises(ValueError, match="needs an order_id"):
        await client.cancel_order("BTCUSDT", **ids)
    assert not fake.requests


async def test_an_order_is_read_with_its_numbers_as_they_are(fake, client):
    fake.says(ONE, row())
    order = await client.order("BTCUSDT", "3000013086011694")
    assert fake.params == {"symbol": "BTCUSDT", "order_id": "3000013086011694"}
    assert order.order_id == "3000013086011694"
    assert order.client_order_id == "eng01a7"
    assert order.state is OrderState.CHECK
    assert order.side is OrderSide.BUY_OPEN_LONG
    assert (order.type, order.open_type, order.leverage) == ("limit", "isolated", "5")
    assert (order.size, order.deal_size) == (10, 4)
    assert (order.price, order.deal_avg_price) == (Decimal(65000), Decimal("64999.9"))
    assert (order.create_time_ms, order.update_time_ms) == (1785726000123, 1785726001456)
    assert order.position_mode == "hedge_mode"
    assert json.loads(order.raw) == row()


async def test_an_order_is_read_from_numbers_and_from_gaps_too(fake, client):
    fake.does(
        ONE,
        httpx.Response(
            200,
            content=b'{"code":1000,"data":{"order_id":12,"symbol":"btcusdt","state":"4","size":10.0,'
            b'"price":0.1,"deal_size":"","side":9,"deal_avg_price":"-","update_time":"5"}}',
        ),
    )
    order = await client.order("BTCUSDT", "12")
    assert (order.order_id, order.symbol, order.state) == ("12", "BTCUSDT", OrderState.FINISH)
    assert (order.size, order.deal_size, order.side) == (10, 0, None)
    assert (order.price, order.deal_avg_price) == (Decimal("0.1"), None)
    assert (order.client_order_id, order.type, order.leverage) == ("", None, None)
    assert (order.update_time_ms, order.create_time_ms) == (5, None)


@pytest.mark.parametrize(
    "data",
    [
        None,
        ...,
        [],
        row(state=3),
        row(state=None),
        row(order_id=None),
        row(symbol=""),
        row(deal_size="1.5"),
        row(deal_size="many"),
        row(deal_size="1e999999999"),
    ],
)
async def test_an_order_that_cannot_be_read_is_a_failed_query(fake, client, data):
    fake.says(ONE, data)
    with pytest.raises(OutcomeUnknown, match="unreadable"):
        await client.order("BTCUSDT", "1")


@pytest.mark.parametrize(("code", "status"), [(40035, 400), (40037, 400), (40035, 404)])
async def test_an_order_that_is_not_there_is_said_as_such(fake, client, code, status):
    fake.says(ONE, code=code, status=status)
    with pytest.raises(Refused) as refused:
        await client.order("BTCUSDT", "1")
    assert refused.value.meaning is Meaning.NO_SUCH_ORDER


async def test_open_orders_are_asked_for_with_the_largest_limit(fake, client):
    fake.says(OPEN, [row(), row(order_id=2)])
    assert [each.order_id for each in await client.open_orders()] == ["3000013086011694", "2"]
    assert fake.params == {"limit": "100"}
    await client.open_orders("BTCUSDT")
    assert fake.params == {"symbol": "BTCUSDT", "limit": "100"}


@pytest.mark.parametrize("data", [None, ..., {}, ""])
async def test_anything_but_a_list_of_open_orders_is_no_answer(fake, client, data):
    fake.says(OPEN, data)
    with pytest.raises(OutcomeUnknown):
        await client.open_orders()


@pytest.mark.parametrize("path", [OPEN, HISTORY, TRADES])
async def test_null_in_the_place_of_a_list_proves_no_absence(fake, client, path):
    for each in (OPEN, HISTORY, TRADES):
        fake.says(each, None if each == path else [])
    with pytest.raises(OutcomeUnknown):
        await client.find_order("BTCUSDT", "eng01a7")


async def test_a_full_answer_may_be_cut_short_and_so_is_no_answer(fake, client):
    fake.says(OPEN, [row(order_id=n) for n in range(1, 101)])
    with pytest.raises(OutcomeUnknown, match="by symbol"):
        await client.open_orders()


async def test_one_order_that_cannot_be_read_fails_the_query_rather_than_look_absent(fake, client):
    fake.says(OPEN, [row(), row(state=9)])
    with pytest.raises(OutcomeUnknown):
        await client.open_orders()


async def test_history_is_asked_for_by_what_is_known(fake, client):
    fake.says(HISTORY, [row(state=4)])
    await client.order_history("BTCUSDT")
    day_s = 86_400
    now_s = int(fake.params["end_time"]) - day_s
    assert fake.params == {
        "symbol": "BTCUSDT",
        "start_time": str(now_s - 7 * day_s),
        "end_time": str(now_s + day_s),
    }, "and for what was dated before a clock was set back"
    found = await client.order_history(
        "BTCUSDT", client_order_id="a", order_id="1", start_s=10, end_s=20
    )
    assert found[0].final
    assert fake.params == {
        "symbol": "BTCUSDT",
        "client_order_id": "a",
        "order_id": "1",
        "start_time": "10",
        "end_time": "20",
    }


async def test_an_order_is_found_among_the_working_ones(fake, client):
    fake.says(OPEN, [row(client_order_id="ENG01A7"), row(order_id="5")])
    assert (await client.find_order("BTCUSDT", "eng01a7")).order_id == "5"
    assert fake.paths == [OPEN]


async def test_an_order_is_found_among_the_finished_ones(fake, client):
    fake.says(OPEN, [])
    fake.says(HISTORY, [row(client_order_id="other", state=4), row(order_id="6", state=4)])
    assert (await client.find_order("BTCUSDT", "eng01a7")).order_id == "6"
    assert fake.paths == [OPEN, HISTORY]
    assert fake.params["client_order_id"] == "eng01a7"


async def test_an_order_is_absent_only_when_all_three_lists_were_read(fake, client):
    fake.says(OPEN, [])
    fake.says(HISTORY, [])
    fake.says(TRADES, [])
    assert await client.find_order("BTCUSDT", "eng01a7") is None
    assert fake.paths == [OPEN, HISTORY, TRADES]
    with pytest.raises(ValueError, match="needs"):
        await client.find_order("BTCUSDT", "")


async def test_an_order_that_is_traded_but_not_listed_is_found_by_its_trades(fake, client):
    fake.says(OPEN, [])
    fake.says(HISTORY, [])
    fake.says(TRADES, [{"order_id": "7", "trade_id": "1"}, {"order_id": 7, "trade_id": "2"}])
    fake.says(ORDER, row(order_id="7", state=4, deal_size="10"))
    assert (await client.find_order("BTCUSDT", "eng01a7")).order_id == "7"
    assert fake.paths == [OPEN, HISTORY, TRADES, ORDER]


async def test_the_trades_of_others_prove_nothing_and_are_looked_at_in_part(fake, client):
    fake.says(OPEN, [])
    fake.says(HISTORY, [])
    fake.says(TRADES, [{"order_id": str(number)} for number in range(20)])
    fake.says(ORDER, row(client_order_id="other"))
    assert await client.find_order("BTCUSDT", "eng01a7") is None
    assert fake.paths.count(ORDER) == 3


@pytest.mark.parametrize("failing", [OPEN, HISTORY, TRADES])
@pytest.mark.parametrize("failure", ["refused", "lost", "404"])
async def test_a_query_that_failed_proves_nothing_about_absence(fake, client, failing, failure):
    for path in (OPEN, HISTORY, TRADES):
        if path != failing:
            fake.says(path, [])
        elif failure == "refused":
            fake.says(path, code=40035, status=400)
        elif failure == "404":
            fake.does(path, httpx.Response(404))
        else:
            fake.does(path, httpx.ReadTimeout("x"))
    with pytest.raises((Refused, OutcomeUnknown)):
        await client.find_order("BTCUSDT", "eng01a7")


@pytest.mark.parametrize(("working", "finished"), [(100, 0), (0, 200)])
async def test_a_list_that_may_be_cut_short_proves_nothing_about_absence(
    fake, client, working, finished
):
    fake.says(OPEN, [row(client_order_id="") for _ in range(working)])
    fake.says(HISTORY, [row(client_order_id="", state=4) for _ in range(finished)])
    fake.says(TRADES, [])
    with pytest.raises(CutShort, match="more"):
        await client.find_order("BTCUSDT", "eng01a7")


async def test_an_order_is_found_in_a_full_list_all_the_same(fake, client):
    fake.says(OPEN, [row(client_order_id="") for _ in range(99)] + [row(order_id="9")])
    assert (await client.find_order("BTCUSDT", "eng01a7")).order_id == "9"


def listing(orders):
    """Answers as the exchange does: at most 100, the newest first, of the type that was asked for."""

    async def answer(request):
        asked = request.url.params
        rows = [each for each in orders if asked.get("type") in (None, each["type"])]
        return httpx.Response(200, json={"code": 1000, "data": rows[: int(asked["limit"])]})

    return answer


def kinds(**numbers):
    return [
        row(order_id=f"{type}{number}", client_order_id=f"{type}{number}", type=type)
        for type, most in numbers.items()
        for number in range(most)
    ]


async def test_what_one_answer_does_not_hold_of_a_symbol_is_read_by_type(fake, client):
    fake.does(OPEN, listing(kinds(limit=99, market=60, trailing=7)))
    found = await client.open_orders("BTCUSDT")
    assert len(found) == len({each.order_id for each in found}) == 166


async def test_three_hundred_orders_of_one_type_are_cut_short_and_what_was_read_is_told(
    fake, client
):
    fake.does(OPEN, listing(kinds(market=2, limit=300)))
    with pytest.raises(CutShort, match="at least 102") as cut:
        await client.open_orders("BTCUSDT")
    assert len(cut.value.found) == 102


async def test_a_market_order_is_proved_absent_beside_three_hundred_limit_orders(fake, client):
    fake.does(OPEN, listing(kinds(limit=300, market=3)))
    fake.says(HISTORY, [])
    fake.says(TRADES, [])
    assert await client.find_order("BTCUSDT", "gone", type="market") is None
    for type in ("limit", None):
        with pytest.raises(CutShort):
            await client.find_order("BTCUSDT", "gone", type=type)


async def test_a_trade_whose_order_id_cannot_be_read_is_no_answer(fake, client):
    fake.says(OPEN, [])
    fake.says(HISTORY, [])
    fake.says(TRADES, [{"order_id": [7], "symbol": "BTCUSDT"}])
    with pytest.raises(OutcomeUnknown):
        await client.find_order("BTCUSDT", "eng01a7")


async def test_an_unreadable_order_of_a_symbol_in_which_we_have_nothing_is_left_out(fake, client):
    client.concerns = {"BTCUSDT"}.__contains__
    theirs = row(symbol="ETHUSDT", state="odd", order_id="8")
    fake.says(OPEN, [theirs, row(order_id="9")])
    assert [each.order_id for each in await client.open_orders()] == ["9"]
    assert fake.counters.counts()["foreign_row_unreadable"] == 1
    with pytest.raises(OutcomeUnknown):
        await client.open_orders("ETHUSDT")
    for bad in (row(state="odd"), row(symbol=7.5, state="odd"), row(symbol=None), 7, [], None):
        fake.answers.clear()
        fake.says(OPEN, [bad, row(order_id="9")])
        with pytest.raises(OutcomeUnknown):
            await client.open_orders()
