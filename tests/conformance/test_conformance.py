"""The paper exchange agrees in every case, over sockets and in memory, and one that is wrong is found out.

The command that is run against BitMart's demo hosts is run here against the paper exchange.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
import trio.testing

import bitmart_engine
from bitmart_engine.paper import PaperConfig, PaperExchange, open_paper_exchange

from .__main__ import main
from .case import Case, Differs, NotEstablished, Outcome
from .desk import PRIVATE, Desk, Rest
from .run import ALL, find, run_case, run_cases
from .venue import DEMO_REST, NotAllowed, Venue, demo, in_memory, over_sockets

ROOT = Path(__file__).parents[2]
PACKAGE = Path(bitmart_engine.__file__).parent
KEYS = dict.fromkeys(("BITMART_API_KEY", "BITMART_API_SECRET", "BITMART_API_MEMO"), "x")

BY_SENTENCE = pytest.mark.parametrize("one", ALL, ids=lambda one: one.run.__name__)


@asynccontextmanager
async def paper_venue(**config: Any) -> AsyncIterator[tuple[PaperExchange, Venue]]:
    """A paper exchange in memory, on a mock clock, whose prices walk."""
    epoch = trio.current_time()
    async with (
        trio.open_nursery() as servers,
        open_paper_exchange(
            PaperConfig(enforce_rate_limits=True, **config),
            now_ms=lambda: 1_795_000_010_000 + round((trio.current_time() - epoch) * 1000),
            serve_sockets=False,
        ) as exchange,
    ):
        yield exchange, in_memory(exchange, servers)
        servers.cancel_scope.cancel()


async def outcomes(venue: Venue, cases: list[Case]) -> list[Outcome]:
    return [outcome async for outcome in run_cases(venue, cases, "test")]


def is_empty(exchange: PaperExchange) -> bool:
    books = exchange.books
    working = list(books.ledger.working())
    return not (working or books.positions or books.plans or books.pending)


@BY_SENTENCE
async def test_the_paper_exchange_agrees_in_memory(
    autojump_clock: trio.testing.MockClock, one: Case
) -> None:
    async with paper_venue() as (exchange, venue):
        (outcome,) = await outcomes(venue, [one])
        assert outcome.verdict == "agrees", outcome.seen
        assert is_empty(exchange)
        assert not any(record.status == 429 for record in exchange.requests)


@BY_SENTENCE
async def test_the_paper_exchange_agrees_over_sockets(one: Case) -> None:
    config = PaperConfig(rate_limit_factor=1000, position_interval_s=0.3, ticker_interval_s=0.1)
    async with open_paper_exchange(config) as exchange:
        (outcome,) = await outcomes(over_sockets(exchange), [one])
        assert outcome.verdict == "agrees", outcome.seen
        assert is_empty(exchange)


@pytest.mark.parametrize(
    ("config", "part", "seen"),
    [
        ({"max_frame_bytes": 1500}, "2000 bytes", "1009"),
        ({"cancel_event_state": 2}, "a cancel is pushed", "state 2 in the cancel event"),
        ({"zero_position_push": False}, "with 0 when it closes", "hold_volume 0"),
        ({"order_push_delay_ms": 30_000}, "pushed as working", "nothing of it in 15 s"),
        ({"position_push_delay_ms": 60_000}, "pushed again every", "nothing of it in 13 s"),
        ({"position_interval_s": 30}, "every ten seconds", "nothing of it in 13 s"),
        ({"order_visibility_delay_ms": 60_000}, "read by its id", "not in 10 s"),
        ({"listing_delay_ms": 60_000}, "working order is found", "does not know"),
        ({"listing_delay_ms": 60_000}, "found in the history", "does not know"),
        ({"client_order_id_reuse_s": 0.001}, "taken once", "after it was cancelled"),
        ({"ticker_interval_s": 60}, "ticker", "nothing of it in 10 s"),
        ({"timestamp_window_ms": 100_000}, "old timestamp", "90 s old: HTTP 200"),
        ({"kline_ts_offset_s": 7}, "kline push", "is not at the beginning of a minute"),
    ],
)
async def test_an_exchange_that_is_wrong_is_found_out_by_the_right_case(
    autojump_clock: trio.testing.MockClock, config: dict[str, Any], part: str, seen: str
) -> None:
    (one,) = find(part)
    async with paper_venue(**config) as (exchange, venue):
        async with venue.http() as client:
            desk = Desk(venue, Rest(venue, client), "test")
            outcome = await run_case(desk, one)
        assert outcome.verdict == "differs"
        assert seen in outcome.seen
        assert is_empty(exchange)


@pytest.mark.parametrize(
    ("config", "part", "seen"),
    [
        (
            {"maker_only_refusal": "cancel"},
            "maker only order that would",
            "taken, then 2/2/0 3/4/0",
        ),
        ({"remainder_push": "finish"}, "cannot fill at once", "FOK: 2/4/0; IOC: 2/4/0"),
        ({"close_more_than_held": "cut"}, "closing more", "cut to size"),
        ({"kline_shape": "flat"}, "kline push", "flat"),
        ({"frames": "deflate"}, "topic by topic", "binary frames"),
        ({"market_order_price": "protective"}, "ends filled", "pushed price '65"),
        ({"kline_bounds": "start"}, "its bounds", "the end not included"),
        ({"order_visibility_delay_ms": 900}, "read by its id", "meanwhile [40035"),
        ({"empty_reply": "absent"}, "a cancel is pushed", "data 'absent'"),
        ({"push_before_reply": True}, "comes near the reply", "ms after the reply"),
        ({"timestamp_window_ms": 5000}, "old timestamp", "20 s old: 30007"),
        ({"position_mode": "one_way_mode"}, "that is flat", "one_way_mode"),
        ({"snapshot_on_subscribe": True}, "side 3 closes", ""),
        ({"pending_push": True}, "pushed as working", "2/1/0 2/2/0"),
        ({"pong": "text"}, "a ping is answered", "the bare text"),
        ({"pong": "action"}, "a ping is answered", "action pong"),
        ({"trades_on_subscribe": 20}, "an id and the time", "grow"),
        ({"order_push_delay_ms": 3000}, "both channels tell", "position by 3.0"),
    ],
)
async def test_what_is_not_established_agrees_in_either_form_and_the_form_is_said(
    autojump_clock: trio.testing.MockClock, config: dict[str, Any], part: str, seen: str
) -> None:
    (one,) = find(part)
    async with paper_venue(**config) as (_, venue):
        (outcome,) = await outcomes(venue, [one])
        assert outcome.verdict == "agrees", outcome.seen
        assert seen in outcome.seen


async def test_what_could_not_be_found_out_is_not_said_to_agree(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with paper_venue() as (exchange, venue):
        exchange.hold("BTCUSDT")
        (outcome,) = await outcomes(venue, find("kline push"))
        assert outcome.verdict == "not established"
        assert outcome.seen.startswith("no trade")


async def test_an_account_that_holds_something_is_left_alone(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with paper_venue() as (exchange, venue):
        async with venue.http() as client:
            desk = Desk(venue, Rest(venue, client), "owner")
            await desk.submit(await desk.resting())
        posts = len([one for one in exchange.requests if one.method == "POST"])
        with pytest.raises(NotEstablished, match="the account has something in BTCUSDT: 1 orders"):
            await outcomes(venue, list(ALL))
        assert len([one for one in exchange.requests if one.method == "POST"]) == posts
        assert len(list(exchange.books.ledger.working())) == 1


async def test_a_case_that_breaks_off_leaves_nothing_behind(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def breaks_off(desk: Desk) -> str | None:
        await desk.submit(await desk.resting())
        await desk.submit(await desk.market(preset_stop_loss_price=await desk.away("-0.2")))
        raise Differs("something")

    async with paper_venue() as (exchange, venue):
        case = Case(name="it_breaks_off", fact="1", needed_by="nothing yet", run=breaks_off)
        (outcome,) = await outcomes(venue, [case])
        assert (outcome.verdict, outcome.seen) == ("differs", "something")
        assert len(exchange.books.orders) == 3
        assert is_empty(exchange)


# Where it may be run


@pytest.mark.parametrize(
    "changed",
    [
        {"rest_uri": "https://api-cloud-v2.bitmart.com"},
        {"rest_uri": "https://demo-api-cloud-v2.bitmart.com.example.org"},
        {"rest_uri": "http://demo-api-cloud-v2.bitmart.com"},
        {"rest_uri": "https://demo-api-cloud-v2.bitmart.com@api-cloud-v2.bitmart.com"},
        {"ws_uri": "wss://openapi-ws-v2.bitmart.com"},
    ],
)
async def test_the_live_hosts_are_refused_whatever_is_asked(changed: dict[str, str]) -> None:
    venue = attrs.evolve(demo(KEYS), **changed)
    with pytest.raises(NotAllowed, match="is not one of BitMart's demo hosts"):
        venue.check()
    with pytest.raises(NotAllowed):
        await outcomes(venue, list(ALL))
    async with venue.http() as client:
        with pytest.raises(NotAllowed):
            Desk(venue, Rest(venue, client), "test")


def test_the_demo_hosts_come_from_nowhere_but_the_program() -> None:
    live = {"BITMART_REST_URI": "https://api-cloud-v2.bitmart.com", "BITMART_DEMO": "0"}
    venue = demo({**KEYS, **live})
    assert venue.rest_uri == DEMO_REST
    client = venue.http()
    assert str(client.base_url).startswith(DEMO_REST)
    assert not client.follow_redirects
    assert not client.trust_env
    with pytest.raises(NotAllowed, match="BITMART_API_MEMO not set"):
        demo(dict.fromkeys(list(KEYS)[:2], "x"))


# What the cases say of themselves


@BY_SENTENCE
def test_a_case_names_its_fact_and_what_in_the_engine_needs_it(one: Case) -> None:
    assert one.fact
    assert all(part[0].isdigit() for part in one.fact.split(", "))
    if not one.needed_by.startswith("nothing yet: "):
        where = one.needed_by.replace(":", " ").split()[0].rstrip(",")
        assert (PACKAGE / where).is_file(), where
    assert f"{PRIVATE}/" not in one.sentence


def test_no_two_cases_have_one_name() -> None:
    assert len({one.name for one in ALL}) == len(ALL)


# The command


async def command(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    with trio.fail_after(50):
        return await trio.run_process(
            [sys.executable, "-m", "tests.conformance", *arguments],
            cwd=ROOT,
            capture_stdout=True,
            capture_stderr=True,
            check=False,
        )


async def test_the_command_says_of_each_case_whether_the_exchange_agrees() -> None:
    chosen = find("client order id")
    done = await command("--paper", "--only", "client order id")
    lines = done.stdout.decode().splitlines()
    assert done.returncode == 0, done.stderr
    assert lines[0] == f"{len(chosen)} of {len(ALL)} cases against the paper exchange, over sockets"
    assert [line.split(":")[0] for line in lines[1:-1]] == [
        f"agrees          {one.sentence}" for one in chosen
    ]
    assert lines[-1] == f"{len(chosen)} agrees"


async def test_the_command_says_what_differs_and_what_depends_on_it() -> None:
    done = await command("--paper", "--set", "cancel_event_state=2", "--only", "a cancel is pushed")
    lines = done.stdout.decode().splitlines()
    assert done.returncode == 1
    assert lines[1].startswith("DIFFERS         a cancel is pushed with state 4")
    assert lines[2].startswith("    fact sheet 5.4, 7.2 (4); needed by trading/entries/progress.py")
    assert lines[-1] == "1 differs"


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ((), "one of the arguments --demo --paper --list is required"),
        (("--demo",), "not run: BITMART_API_KEY, BITMART_API_SECRET, BITMART_API_MEMO not set"),
        (("--demo", "--paper"), "not allowed with argument --demo"),
        (("--demo", "https://api-cloud-v2.bitmart.com"), "unrecognized arguments"),
        (("--paper", "--set", "nothing=1"), "unknown parameter 'nothing'"),
        (("--paper", "--only", "no such thing"), "no case has 'no such thing' in its name"),
    ],
)
async def test_the_command_does_not_run_unless_it_is_told_where(
    arguments: tuple[str, ...],
    problem: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)
    try:
        code: object = await main(arguments)
    except SystemExit as end:
        code = end.code
    told = capsys.readouterr()
    assert code == 2
    assert problem in told.err
    assert not told.out


async def test_the_command_lists_its_cases(capsys: pytest.CaptureFixture[str]) -> None:
    assert await main(["--list"]) == 0
    assert capsys.readouterr().out.count("needed by") == len(ALL)
