"""What an exchange could say and never should: its answers and pushes, broken in every way, by seed.

`python -m tests.faults.fuzz 100000` has running engines read so many, and says how many of what they read. Each is made
of what the exchange really said: a field of another type, a number that is none, an id without end, a list nested
without end, a text cut off. Nothing is claimed of what the engine makes of a lie that can be read; but it lives, and
once the exchange speaks plainly again it agrees with it.
"""

from __future__ import annotations

import json
import logging
import random
import sys
from collections import Counter, defaultdict, deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from decimal import Decimal
from functools import partial
from typing import Any

import httpx
import structlog
import trio
import trio.testing
from attrs import define, evolve, field

from bitmart_engine.exchange import ExchangeClient, ExchangeError, SubmitOrder
from bitmart_engine.model.sides import OrderSide
from bitmart_engine.model.timeframes import Timeframe
from bitmart_engine.streams.order_events import order_event
from tests.support.stage import START_MS, Network, Stage, open_theatre

A_ROUND = 500
"""Inputs that one engine reads before it is asked whether it lives."""
PUSHED_AT_ONCE = 10

TOKENS: tuple[str, ...] = (
    *('""', '"-"', "null", "true", "false", "0", "-0", "-1", "1", "5", '"5"', '"-5"', "[]", "{}", '[""]', "[1]"),
    *("1.5", '"1.5"', "1e5", '"1e5"', "1e1000000", '"1e1000000"', '"1e-1000000"', "1E400", "-1e400"),
    *('"NaN"', '"Infinity"', '"-Infinity"', '"inf"', "NaN", "Infinity", '"1_000"', '"0x10"', '"+5"', '"5."'),
    *('"\uff16\uff15\uff10\uff10\uff10"', '"\u0661\u0662"', '"\\ud800"', '"\\u0000"', '"\\u202e"', '"BTC\\nUSDT"'),
    *("9" * 30, "9" * 31, "9" * 41, "9" * 400, "9" * 5000, f'"{"9" * 41}"', f'"{"9" * 5000}"', "-" + "9" * 41),
    *("9007199254740993", "9223372036854775808", "18446744073709551616", "253402300800000", "99999999999999"),
    *('"0.' + "0" * 60 + '1"', '"' + "x" * 65 + '"', '"' + "x" * 70_000 + '"', '"market price"', '" 5 "'),
    *("[" * 3000 + "]" * 3000, '{"a":' * 3000 + "1" + "}" * 3000, "[" * 3000, '{"order":[{"order":7}]}'),
    *('"BTCUSDT"', '"ETHUSDT"', '"btcusdt"', '"Ｂ"', '"4"', "4", "2", '"3"', '"isolated"', "1785726000000"),
)  # fmt: skip


def broken(chance: random.Random, said: str) -> str:
    """What was said, with something wrong in it."""
    roll = chance.random()
    if roll < 0.04:
        return said[: chance.randrange(len(said) + 1)]
    if roll < 0.08:
        at = chance.randrange(len(said) + 1)
        return said[:at] + chance.choice(('"', "{", "]", "\u0000", "9" * 50, "\\", ",")) + said[at:]
    if roll < 0.10:
        return chance.choice(TOKENS)
    try:
        tree = json.loads(said)
    except ValueError:
        return said + chance.choice(TOKENS)
    marks: dict[str, str] = {}
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        _spoil(chance, tree, marks)
    text = json.dumps(tree)
    for mark, token in marks.items():
        text = text.replace(f'"{mark}"', token)
    return text


def _spoil(chance: random.Random, tree: Any, marks: dict[str, str]) -> None:
    """Put a mark where a token is to go, take a field away, or repeat a row: somewhere in `tree`."""
    places = list(_places(tree))
    if not places:
        return
    # What matters is deep inside: of the envelope there is little, of the rows there is much.
    holder, key = chance.choice(places)
    roll = chance.random()
    if roll < 0.1 and isinstance(holder, dict):
        del holder[key]
    elif roll < 0.15 and isinstance(holder, list):
        holder.extend([holder[key]] * chance.choice((1, 3, 120)))
    else:
        mark = f"mark {len(marks)}"
        marks[mark] = chance.choice(TOKENS)
        holder[key] = mark


def _places(tree: Any) -> Any:
    pairs = tree.items() if isinstance(tree, dict) else enumerate(tree)
    for key, value in list(pairs):
        yield tree, key
        if isinstance(value, dict | list):
            yield from _places(value)


@define
class Liar(Network):
    """A network on which every answer of the exchange is broken while `lies` is on."""

    chance: random.Random = field(factory=random.Random)
    lies: bool = False
    told: Counter[str] = field(factory=Counter)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = await Network.handle_async_request(self, request)
        if not self.lies or request.url.host != "paper":
            return answer
        said = (await answer.aread()).decode()
        headers = dict(answer.headers)
        if self.chance.random() < 0.2:
            names = ("X-BM-RateLimit-Limit", "X-BM-RateLimit-Remaining", "X-BM-RateLimit-Reset")
            odd = ("NaN", "1e999", "-1", "0", "9" * 50, "1_0", "\u0661".encode().decode("latin-1"))
            headers[self.chance.choice(names)] = self.chance.choice(odd)
        headers.pop("content-length", None)
        self.told[request.url.path] += 1
        text = broken(self.chance, said)
        return httpx.Response(
            answer.status_code, headers=headers, content=text.encode("utf-8", "replace")
        )


def _questions(client: ExchangeClient) -> list[Callable[[], Awaitable[object]]]:
    """Every method of the client, with arguments that the exchange can answer."""
    now_s = START_MS // 1000
    order = SubmitOrder(
        symbol="ETHUSDT", side=OrderSide.SELL_CLOSE_LONG, size=1, client_order_id="fuzz", type="market"
    )  # fmt: skip
    return [
        client.server_time_ms,
        client.instruments,
        lambda: client.instruments("BTCUSDT"),
        lambda: client.last_price("BTCUSDT"),
        lambda: client.klines("BTCUSDT", Timeframe.M1, now_s - 600, now_s),
        lambda: client.past_trades("BTCUSDT"),
        client.open_orders,
        lambda: client.open_orders("BTCUSDT"),
        lambda: client.order("BTCUSDT", "1"),
        lambda: client.order_history("BTCUSDT"),
        lambda: client.find_order("BTCUSDT", "nobody"),
        client.plan_orders,
        client.positions,
        lambda: client.positions("BTCUSDT"),
        lambda: client.position_settings("BTCUSDT"),
        client.position_mode,
        client.balance,
        client.measure_clock,
        lambda: client.submit_order(order),
        lambda: client.cancel_order("ETHUSDT", order_id="1"),
        lambda: client.cancel_plan_order("ETHUSDT", "1"),
        lambda: client.submit_leverage("ETHUSDT", Decimal(5), "isolated"),
        lambda: client.set_position_mode("hedge_mode"),
    ]


@define
class Report:
    """What the engine was told, by path and topic, and what it counted."""

    told: Counter[str] = field(factory=Counter)
    counted: Counter[str] = field(factory=Counter)

    @property
    def inputs(self) -> int:
        return sum(self.told.values())


async def read_nonsense(seed: int, inputs: int, report: Report) -> None:
    """One engine with a position, an order that works and one that waits reads so many inputs, and goes on."""
    chance = random.Random(seed)
    async with open_theatre() as theatre:
        old = theatre.network
        liar = Liar(old.paper, old.receiver, chance=chance)
        theatre.network = liar
        theatre.world = evolve(theatre.world, http_transport=lambda: liar)
        async with theatre.engine() as stage:
            frames: dict[str, deque[str]] = defaultdict(partial(deque, maxlen=20))

            def passing(connection: int, topic: str, frame: str) -> list[str]:
                frames[topic].append(frame)
                return [frame]

            theatre.paper.hub.passing = passing
            await stage.bought("held", callback_url=None)
            await stage.place("waits", entry_zone_min=50000, entry_zone_max=50010, stop_loss=None,
                              callback_url=None)  # fmt: skip
            await stage.settle(15)
            begun = report.inputs
            while report.inputs - begun < inputs:
                await _push(stage, chance, frames, report)
                await _ask(stage, liar, chance, report)
            liar.lies = False
            theatre.paper.drop_connections()
            await stage.until(lambda: not stage.engine.not_ready(), within=1500)
            report.counted.update(stage.engine.dropped())


async def _push(
    stage: Stage, chance: random.Random, frames: dict[str, deque[str]], report: Report
) -> None:
    for _ in range(PUSHED_AT_ONCE):
        topic = chance.choice(sorted(frames))
        text = broken(chance, chance.choice(frames[topic]))
        report.told[topic.split(":")[0]] += 1
        for connection in sorted(stage.paper.hub.connections, key=lambda one: one.number):
            if topic in connection.topics:
                connection.send(text.encode("utf-8", "replace").decode())
        with_raw = text[text.find("{") :].encode("utf-8", "replace")
        with suppress(ValueError):
            order_event(with_raw)
    await trio.sleep(0.05)


async def _ask(stage: Stage, liar: Liar, chance: random.Random, report: Report) -> None:
    before = sum(liar.told.values())
    liar.lies = True
    client = stage.engine._core.exchange
    for ask in chance.sample(_questions(client), 6):
        with suppress(ExchangeError):
            await ask()
    if chance.random() < 0.3:
        await stage.engine._core.comparing.refresh()
    liar.lies = False
    report.told["REST"] += sum(liar.told.values()) - before


def campaign(seed: int, inputs: int) -> Report:
    """Engines one after the other, until they have read `inputs`."""
    report = Report()
    while report.inputs < inputs:
        clock = trio.testing.MockClock(autojump_threshold=0)
        try:
            trio.run(read_nonsense, seed, min(A_ROUND, inputs - report.inputs), report, clock=clock)
        except BaseException:
            print(f"seed {seed} ended an engine", file=sys.stderr)
            raise
        seed += 1
    return report


if __name__ == "__main__":
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL), cache_logger_on_first_use=False
    )  # fmt: skip
    first = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    found = campaign(first, wanted)
    print(f"{found.inputs} inputs read, no engine ended")
    for name, number in found.told.most_common():
        print(f"{number:8}  {name}")
    print("counted by the engines:")
    for name, number in found.counted.most_common(40):
        print(f"{number:8}  {name}")
