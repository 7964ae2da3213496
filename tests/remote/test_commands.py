"""Every command, against a real engine."""

from __future__ import annotations

import json
import re
from decimal import Decimal

import pytest
import trio

from bitmart_engine.remote import COMMANDS
from bitmart_engine.remote.promises import fresh_id

from .conftest import LEVELS, ZONE, Desk, typed

ODD_IDS = [
    "a/b", "..", ".", "a/close", "status", "50%", "%2F", "?x=1#y", "a b", "\u202eevil\x1b[2J\n",
    "日本🙂", "a\\b", '"; rm', "-x",
]  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS, ids=lambda each: each.name)
def test_help_has_two_examples_and_the_exit_codes(command) -> None:
    text = typed(command.name, "--help").stdout
    assert text.count(f"  bitmart-engine {command.name}") == 2
    for code in range(7):
        assert f"    {code}  " in text
    assert "BITMART_ENGINE_URL" in text
    assert "CTRL_TOKEN" in text


def test_the_help_of_all_has_them_and_the_exit_codes() -> None:
    text = typed("--help").stdout
    for command in COMMANDS:
        assert f"  {command.name} " in text
    assert "3  no engine answers there" in text


async def test_the_engine_at_a_glance(desk: Desk) -> None:
    text = await desk.done("status")
    assert re.search(r"^engine +\S+, paper mode, up \d+ s$", text, re.MULTILINE)
    assert re.search(r"^state +ready$", text, re.MULTILINE)
    assert re.search(r"^private +up ", text, re.MULTILINE)
    assert re.search(r"^balance +10000 USDT free, 0 in orders, 0 in positions$", text, re.MULTILINE)
    assert (await desk.json("status"))["mode"] == "paper"


async def test_an_order_is_promised_and_shown(desk: Desk) -> None:
    text = await desk.done(
        "place", *ZONE, "--quantity", "0.01", "--stop", "63000.01", "--target", "68000", "--id", "a"
    )
    assert text == (
        "order    a\nstatus   waiting\nsymbol   BTCUSDT\nsize     10 contracts\n"
        "risk     14.999 USDT at the stop\nrounded  stop_loss to 63000.1\n"
    )
    heading, line = (await desk.done("orders")).splitlines()
    assert heading.split()[:4] == ["ID", "SYMBOL", "SIDE", "STATE"]
    assert line.split()[:9] == [
        "a", "BTCUSDT", "long", "waiting", "0/10", "64000..64500", "-", "63000.1", "68000",
    ]  # fmt: skip
    one = await desk.done("orders", "a")
    assert re.search(r"^zone +64000\.\.64500$", one, re.MULTILINE)
    assert one.splitlines()[-1].split()[1:] == ["waiting", "-"]


async def test_an_order_can_be_sized_by_what_it_risks(desk: Desk) -> None:
    text = await desk.done("place", *ZONE, "--risk", "50", "--stop", "63000", "--leverage", "10")
    assert "size    33 contracts\nrisk    49.5 USDT at the stop\nmargin  212.85 USDT" in text


async def test_everything_that_can_be_said_of_an_order_arrives(desk: Desk) -> None:
    await desk.done(
        "place", "btcusdt", "BUY", "--zone", "64000", "64500", "--size", "3", "--leverage", "5",
        "--expires", "77.5", "--type", "market", "--taker", "--open-type", "cross",
        "--no-exchange-protection", "--callback-url", "http://127.0.0.1:9/x",
        "--metadata", '{"a": [1, "b"]}', "--id", "a",
    )  # fmt: skip
    order = (await desk.json("orders", "a"))["order"]
    assert order["timeout_seconds"] == "77.5"
    assert (order["leverage"], order["type"], order["post_only"]) == ("5", "market", False)
    assert (order["open_type"], order["exchange_protection"]) == ("cross", False)
    assert (order["callback_url"], order["metadata"]) == ("http://127.0.0.1:9/x", {"a": [1, "b"]})
    assert 'metadata     {"a": [1, "b"]}' in await desk.done("orders", "a")


async def test_prices_go_out_as_they_were_typed(desk: Desk) -> None:
    digits = "63000.10000000000000000000000000"
    await desk.done("place", *ZONE, "--size", "1", "--stop", digits, "--id", "a")
    assert desk.engine.state.orders["a"].request.stop_loss == Decimal("63000.1")
    refused = await desk.types("place", *ZONE, "--size", "1", "--stop", "63,000")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert refused.stderr.startswith("bitmart-engine: refused: stop_loss must be a number")


async def test_an_id_is_made_up_and_printed(desk: Desk) -> None:
    text = await desk.done("place", *ZONE, "--size", "1")
    [id] = desk.engine.state.orders
    assert re.fullmatch(r"btcusdt-long-\d{4}-\d{6}-\w{5}", id)
    assert text.splitlines()[0].split() == ["order", id]
    assert len({fresh_id("BTCUSDT", "long") for _ in range(50)}) == 50


async def test_the_same_id_is_one_order(desk: Desk) -> None:
    words = ["place", *ZONE, "--size", "1", "--id", "a"]
    await desk.done(*words)
    assert "duplicate  yes" in await desk.done(*words)
    assert (await desk.json(*words))["duplicate"] is True
    other = await desk.types(*words, "--leverage", "7", "--json")
    assert other.exit_code == 1
    assert json.loads(other.stdout)["field"] == "$.id"
    assert other.stderr == (
        "bitmart-engine: refused: id: an order with the id 'a' exists with another body\n"
    )
    assert len(desk.engine.state.orders) == 1


async def test_an_order_is_cancelled(desk: Desk) -> None:
    await desk.done("place", *ZONE, "--size", "1", "--id", "a")
    assert "state        cancelled" in await desk.done("cancel", "a")
    again = await desk.types("cancel", "a")
    assert (again.exit_code, again.stderr) == (
        1,
        "bitmart-engine: refused: id: the order is cancelled\n",
    )


async def test_a_cancel_that_is_not_done_yet_is_said(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    await desk.done("place", *ZONE, "--size", "1", "--id", "a")

    async def later(id: str) -> object:
        return desk.engine.state.orders[id]

    monkeypatch.setattr("bitmart_engine.engine.Engine.cancel_order", lambda _, id: later(id))
    result = await desk.types("cancel", "a")
    assert result.exit_code == 0
    assert "the cancel is on its way" in result.stderr


async def test_a_position_is_seen_moved_and_closed(desk: Desk) -> None:
    await desk.done("place", *ZONE, *LEVELS, "--size", "10", "--id", "a")
    await desk.fill("a")
    text = await desk.done("positions")
    assert re.search(r"^a +BTCUSDT +long +armed +10 +0 +63000 +68000 +63000 ", text, re.MULTILINE)
    assert re.search(r"^BTCUSDT +long +10 ", text, re.MULTILINE)
    moved = await desk.done("protect", "a", "--stop", "63500", "--target", "67000")
    assert re.search(r"^stop +63500$", moved, re.MULTILINE)
    assert re.search(r"^target +67000$", moved, re.MULTILINE)
    assert "HELD" in await desk.done("status")
    closing = await desk.json("close", "a")
    assert closing["position"]["state"] in ("closing", "closed")
    with trio.fail_after(10):
        while "state        closed" not in await desk.done("positions", "a"):
            await trio.sleep(0.02)
    again = await desk.types("close", "a")
    assert (again.exit_code, again.stdout) == (1, "")


async def test_a_protection_is_dropped(desk: Desk) -> None:
    await desk.done("place", *ZONE, *LEVELS, "--size", "10", "--id", "a")
    await desk.fill("a")
    assert re.search(r"state +released", await desk.done("protect", "a", "--drop"))
    assert (await desk.json("positions"))["held"]


async def test_a_position_of_somebody_else_is_guarded(desk: Desk) -> None:
    text = await desk.done(
        "monitor", "BTCUSDT", "--side", "short", "--size", "5", "--stop", "66000", "--id", "m"
    )
    assert "state     pending_fill" in text
    again = ["monitor", "BTCUSDT", "--side", "short", "--size", "5", "--stop", "66000", "--id", "m"]
    assert (await desk.json(*again))["duplicate"] is True
    made_up = await desk.json("monitor", "ETHUSDT", "--side", "long", "--stop", "3000")
    assert made_up["id"].startswith("ethusdt-position-")
    assert (await desk.types("monitor", "BTCUSDT", "--side", "long")).exit_code == 1


async def test_streams_are_shown_and_hidden(desk: Desk) -> None:
    said = await desk.done("subscribe", "btcusdt", "1m", "5m")
    assert said == "subscribed to futures/klineBin1m:BTCUSDT, futures/klineBin5m:BTCUSDT\n"
    await desk.done("unsubscribe", "BTCUSDT", "5m")
    assert (await desk.json("subscribe", "--orders"))["channels"] == ["futures/order"]
    await desk.done("subscribe", "--positions")
    await desk.done("subscribe", "--balance")
    text = await desk.done("status")
    assert re.search(r"^streams +futures/klineBin1m:BTCUSDT$", text, re.MULTILINE)
    assert re.search(r"^shown +orders positions balance$", text, re.MULTILINE)
    await desk.done("unsubscribe", "--positions")
    assert (await desk.json("unsubscribe", "--balance"))["channels"] == ["futures/asset:USDT"]
    assert not desk.engine.state.viewed & {"futures/position", "futures/asset:USDT"}
    refused = await desk.types("subscribe", "BTCUSDT", "7m")
    assert refused.exit_code == 1
    assert "refused: tfs: " in refused.stderr


async def test_dead_letters_are_seen_and_sent_again(desk: Desk) -> None:
    assert await desk.done("outbox") == "nothing is dead\n"
    async with trio.open_nursery() as nursery:

        async def refuse(stream: trio.SocketStream) -> None:
            async with stream:
                await stream.receive_some()
                await stream.send_all(
                    b"HTTP/1.1 400 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                )

        [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, refuse, [listener])
        hook = f"http://127.0.0.1:{listener.socket.getsockname()[1]}/"
        await desk.done("place", *ZONE, "--size", "1", "--id", "a", "--callback-url", hook)
        await desk.done("cancel", "a")
        await desk.until(lambda: bool(desk.engine.state.dead))
        [id] = desk.engine.state.dead
        _, line = (await desk.done("outbox")).splitlines()
        assert line.split()[:4] == [id, "dead", "a", "cancelled"]
        again = await desk.done("outbox", "--retry", id)
        assert again.splitlines()[1].split()[:2] == [id, "owed"]
        await desk.until(lambda: bool(desk.engine.state.dead))
        nursery.cancel_scope.cancel()
    assert await desk.done("outbox", "--owed") == "nothing is owed\n"
    assert (await desk.types("outbox", "--retry", "nothing")).exit_code == 1


async def test_the_engine_is_stopped(desk: Desk) -> None:
    await desk.done(
        "place", *ZONE, *LEVELS, "--size", "10", "--id", "a", "--no-exchange-protection"
    )
    await desk.fill("a")
    message, _, line = (await desk.done("stop")).splitlines()
    assert message.startswith("stopping; nobody keeps the stop of 1 position")
    assert line.split()[:2] == ["a", "BTCUSDT"]
    assert desk.engine.stopping


async def test_odd_ids_are_understood_and_break_nothing(desk: Desk) -> None:
    for id in ODD_IDS:
        placed = await desk.json("place", *ZONE, *LEVELS, "--size", "1", f"--id={id}")
        assert placed["id"] == id
        one = await desk.json("orders", "--", id)
        assert (one.get("order") or one["orders"][id])["id"] == id
        assert (await desk.json("positions", "--", id))["position"]["id"] == id
        for words in (["orders", "--", id], ["positions", "--", id]):
            text = await desk.done(*words)
            assert all(each.isprintable() for each in text.splitlines())
    listed = await desk.done("orders")
    assert all(each.isprintable() for each in listed.splitlines())
    assert len(set(listed.splitlines())) == len(ODD_IDS) + 1
    [last] = (await desk.json("orders", "--limit", "1"))["orders"]
    assert last["id"] == ODD_IDS[-1]
    for id in ODD_IDS:
        after = await desk.json("orders", f"--after={id}")
        assert len(after["orders"]) == ODD_IDS.index(id)
        assert (await desk.json("cancel", "--", id))["id"] == id
    missing = await desk.types("orders", "\x1b[2J")
    assert missing.exit_code == 1
    assert "\x1b" not in missing.output


async def test_an_order_called_status_that_is_not_there(desk: Desk) -> None:
    result = await desk.types("orders", "status")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "no order has the id 'status'" in result.stderr


async def test_lists_are_chosen_and_go_on(desk: Desk) -> None:
    assert await desk.done("orders") == "no orders\n"
    assert await desk.done("positions") == "no guarded positions\n\nnothing is held\n"
    for id in "abc":
        await desk.done("place", *ZONE, "--size", "1", "--id", id)
    await desk.done("cancel", "b")
    result = await desk.types("orders", "--limit", "2")
    assert [line.split()[0] for line in result.stdout.splitlines()] == ["ID", "c", "b"]
    assert result.stderr == "bitmart-engine: there are more: --after b\n"
    rest = await desk.json("orders", "--after", "b")
    assert [each["id"] for each in rest["orders"]] == ["a"]
    waiting = await desk.json("orders", "--state", "waiting,open", "--symbol", "btcusdt")
    assert [each["id"] for each in waiting["orders"]] == ["c", "a"]
    wrong = await desk.types("orders", "--state", "lost")
    assert wrong.exit_code == 1
    assert "refused: state: 'lost' is not a state" in wrong.stderr
    assert (await desk.types("orders", "--limit", "2", "--json")).stderr == ""


# What becomes of an order


async def test_an_order_is_followed_until_it_is_filled(desk: Desk) -> None:
    async with trio.open_nursery() as nursery:

        async def trade() -> None:
            await desk.until(lambda: "a" in desk.engine.state.orders)
            await desk.fill("a")

        nursery.start_soon(trade)
        text = await desk.done("place", *ZONE, "--size", "1", "--id", "a", "--wait")
    states = [line.split()[1] for line in text.splitlines() if re.match(r"\d{4}-", line)]
    assert states[0] == "waiting"
    assert states[-1] == "filled"
    assert text.splitlines()[-1].split()[3:5] == ["filled", "1/1"]
    again = await desk.json("place", *ZONE, "--size", "1", "--id", "a", "--wait")
    assert (again["duplicate"], again["status"], again["order"]["state"]) == (
        True, "filled", "filled",
    )  # fmt: skip


async def test_an_order_that_ended_unfilled_is_code_1(desk: Desk) -> None:
    words = ["place", *ZONE, "--size", "1", "--id", "a", "--expires", "0.2", "--wait"]
    result = await desk.types(*words)
    assert result.exit_code == 1
    assert "bitmart-engine: order a is expired" in result.stderr
    as_json = await desk.types(*words, "--json")
    assert as_json.exit_code == 1
    assert json.loads(as_json.stdout)["order"]["state"] == "expired"


async def test_an_order_that_has_not_ended_in_time_is_code_6(desk: Desk) -> None:
    words = ["place", *ZONE, "--size", "1", "--id", "a", "--wait", "--wait-at-most", "0.1"]
    result = await desk.types(*words, "--json")
    assert result.exit_code == 6
    assert json.loads(result.stdout)["status"] == "waiting"
    assert result.stderr == (
        "bitmart-engine: order a is waiting after 0.1 s, and goes on; see 'orders ID'\n"
    )


async def test_every_body_that_was_sent_of_an_order_is_shown_with_its_answer(desk: Desk) -> None:
    async with trio.open_nursery() as nursery:
        answers = [b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 404 No\r\n"]

        async def answer(stream: trio.SocketStream) -> None:
            async with stream:
                await stream.receive_some()
                await stream.send_all(
                    answers.pop(0) + b"Content-Length: 0\r\nConnection: close\r\n\r\n"
                )

        [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, answer, [listener])
        hook = f"http://127.0.0.1:{listener.socket.getsockname()[1]}/hook"
        await desk.done("place", *ZONE, "--size", "10", "--id", "a", "--callback-url", hook)
        assert await desk.done("callbacks", "a") == "nothing was sent of it\n"
        await desk.fill("a")
        await desk.until(lambda: bool(desk.engine.state.dead))
        nursery.cancel_scope.cancel()
    shown = (await desk.done("callbacks", "a")).split("\n\n")
    placed, filled = ([line.split(None, 1) for line in each.splitlines()] for each in shown)
    assert [name for name, _ in placed] == ["made", "kind", "state", "to", "body", "id"]
    told = dict(placed)
    assert (told["kind"], told["to"]) == ("placed", hook)
    assert told["state"].startswith("delivered: HTTP 200, 1 attempt, ")
    assert '"entry_price":64200,"entry_price_text":"64200"' in told["body"]
    assert dict(filled)["state"].startswith("dead: HTTP 404, 1 attempt, ")
    only = await desk.types("callbacks", "a", "--limit", "1")
    assert only.stdout.count("kind") == 1
    assert "1 earlier left out: --limit 2" in only.stderr
    assert len((await desk.json("callbacks", "a"))["callbacks"]) == 2
    unknown = await desk.types("callbacks", "nobody")
    assert unknown.exit_code == 1
    assert "no order and no position has the id 'nobody'" in unknown.stderr


async def test_trades_are_shown_with_what_they_came_to(desk: Desk) -> None:
    assert await desk.done("trades") == "no trades\n"
    await desk.done("place", *ZONE, *LEVELS, "--size", "10", "--id", "a")
    await desk.fill("a")
    await desk.done("close", "a")
    await desk.until(lambda: desk.engine.state.protections["a"].state.final)
    with trio.fail_after(10):
        while (trade := (await desk.json("trades"))["trades"][0])["state"] != "closed":
            await trio.sleep(0.01)
    head, row = (await desk.done("trades")).splitlines()
    assert head.split() == [
        *("ID", "SYMBOL", "SIDE", "STATE", "WHY", "SIZE", "ENTRY", "EXIT", "FEES", "PNL", "%"),
        *("R", "OPENED", "TOOK"),
    ]
    assert row.split()[:6] == ["a", "BTCUSDT", "long", "closed", "manual", "10"]
    assert trade["realised_pnl"] in row
    said = await desk.done("summary")
    assert "1 closed, 0 won, 1 lost, 0 even, 0 unknown" in said
    assert f"{trade['realised_pnl']} USDT after fees of {trade['fees']}" in said
    wrong = await desk.types("trades", "--after", "b")
    assert "no trade has the id 'b'" in wrong.stderr
