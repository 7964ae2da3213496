"""Rate limits: the odd headers, 429, and 418 for who goes on."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from .conftest import Visiting

MODE = "/contract/private/get-position-mode"
TIME = "/system/time"


@pytest.mark.parametrize(
    ("path", "limit", "by"),
    [
        (TIME, "20", "IP"),
        ("/contract/public/open-interest", "2", "IP"),
        (MODE, "2", "KEY"),
        ("/contract/private/get-open-orders", "50", "KEY"),
        ("/contract/private/cancel-plan-order", "40", "UID"),
        ("/contract/private/cancel-all-after", "4", "UID"),
    ],
)
async def test_the_headers_say_what_is_counted_how_much_of_it_is_used_and_the_windows_length(
    visiting: Visiting, path: str, limit: str, by: str
) -> None:
    async with visiting(memory=True) as visit:
        for used in ("1", "2", "3"):
            ask = visit.owner.post(path, {}) if by == "UID" else visit.owner.get(path)
            headers = (await ask).headers
            assert headers["X-BM-RateLimit-Remaining"] == used
            assert headers["X-BM-RateLimit-Limit"] == limit
            assert headers["X-BM-RateLimit-Reset"] == "2"
            assert headers["X-BM-RateLimit-Mode"] == by


async def test_too_many_are_429_and_going_on_is_418_for_everything_for_a_while(
    visiting: Visiting, autojump_clock: Any
) -> None:
    config = {"enforce_rate_limits": True, "ban_after": 3, "ban_s": 30}
    async with visiting(memory=True, **config) as visit:
        answers = [await visit.owner.get(MODE) for _ in range(6)]
        told = [(one.status_code, one.json()["code"]) for one in answers]
        assert told == [(200, 1000)] * 2 + [(429, 30013)] * 3 + [(418, 30017)]
        refused = await visit.owner.get(TIME)
        assert (refused.status_code, refused.json()["code"]) == (418, 30017)
        assert refused.headers["X-BM-RateLimit-Remaining"] == "1"
        await trio.sleep(29)
        assert (await visit.owner.get(MODE)).status_code == 418
        await trio.sleep(2)
        assert (await visit.owner.get(MODE)).status_code == 200


async def test_who_stops_in_time_is_not_banned(visiting: Visiting, autojump_clock: Any) -> None:
    async with visiting(memory=True, enforce_rate_limits=True, ban_after=2) as visit:
        for _ in range(3):
            told = [(await visit.owner.get(MODE)).status_code for _ in range(4)]
            assert told == [200, 200, 429, 429]
            await trio.sleep(11)


async def test_limits_can_be_a_part_of_the_documented_ones(visiting: Visiting) -> None:
    config = {"enforce_rate_limits": True, "rate_limit_factor": 0.5}
    async with visiting(memory=True, **config) as visit:
        told = [(await visit.owner.get(MODE)).status_code for _ in range(2)]
        assert told == [200, 429]


async def test_a_refused_request_is_not_taken(visiting: Visiting) -> None:
    async with visiting(memory=True, rate_limit_factor=0.05) as visit:
        visit.exchange.enforce_rate_limits()
        await visit.owner.submit(price="64000")
        body = {"symbol": "BTCUSDT", "side": 1, "size": 1, "price": "64000"}
        refused = await visit.owner.refused("/contract/private/submit-order", body)
        assert refused == (429, 30013)
        assert len(visit.books.orders) == 1
