"""Say of every case whether an exchange agrees with what the engine relies on.

python -m tests.conformance --demo         BitMart's demo hosts
python -m tests.conformance --paper        a paper exchange, over sockets, on this machine
python -m tests.conformance --list         the cases, with their facts and what depends on them

The demo hosts need the keys of an account, in BITMART_API_KEY, BITMART_API_SECRET and BITMART_API_MEMO. There it takes
some minutes. It places the smallest orders there are in BTCUSDT, cancels those that rest, closes those that fill, and
does not begin while the account has anything in BTCUSDT. It cannot be pointed at the live hosts: the addresses are in
`venue.py`, and no option or variable changes them. Exit codes: 0 nothing differs, 1 something differs, 2 not run.
"""

from __future__ import annotations

import argparse
import random
import string
import sys
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import trio

from bitmart_engine.paper import PaperConfig, open_paper_exchange, set_parameters

from .case import Case, NotEstablished
from .run import ALL, UNREACHABLE, find, run_cases
from .venue import NotAllowed, Venue, demo, over_sockets

MARKS = {
    "agrees": "agrees         ",
    "differs": "DIFFERS        ",
    "not established": "not established",
}


def options(arguments: Sequence[str]) -> argparse.Namespace:
    assert __doc__ is not None
    parser = argparse.ArgumentParser(
        prog="python -m tests.conformance",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--demo", action="store_true", help="run against BitMart's demo hosts")
    where.add_argument("--paper", action="store_true", help="run against a paper exchange")
    where.add_argument("--list", action="store_true", help="only say what there is")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="with --paper: how the paper exchange behaves, see `bitmart-engine paper --set list`",
    )
    parser.add_argument("--only", metavar="TEXT", default="", help="cases with TEXT in their name")
    return parser.parse_args(arguments)


@asynccontextmanager
async def _venue(chosen: argparse.Namespace) -> AsyncIterator[Venue]:
    if chosen.demo:
        yield demo()
        return
    given = dict(one.partition("=")[::2] for one in chosen.set)
    config = set_parameters(PaperConfig(enforce_rate_limits=True), given)
    async with open_paper_exchange(config) as exchange:
        yield over_sockets(exchange)


async def main(arguments: Sequence[str]) -> int:
    chosen = options(arguments)
    cases = find(chosen.only)
    if not cases:
        print(f"no case has {chosen.only!r} in its name; --list lists them", file=sys.stderr)
        return 2
    if chosen.list:
        for one in cases:
            print(f"{one.sentence}\n    fact sheet {one.fact}; needed by {one.needed_by}")
        return 0
    try:
        async with _venue(chosen) as venue:
            return await _report(venue, cases)
    except (NotAllowed, NotEstablished, ValueError, *UNREACHABLE) as problem:
        print(f"not run: {problem}", file=sys.stderr)
        return 2


async def _report(venue: Venue, cases: list[Case]) -> int:
    print(f"{len(cases)} of {len(ALL)} cases against {venue.name}", flush=True)
    marks = random.SystemRandom().choices(string.ascii_lowercase + string.digits, k=8)
    count: Counter[str] = Counter()
    async for outcome in run_cases(venue, cases, "".join(marks)):
        count[outcome.verdict] += 1
        seen = f": {outcome.seen}" if outcome.seen else ""
        print(f"{MARKS[outcome.verdict]} {outcome.case.sentence}{seen}", flush=True)
        if outcome.verdict == "differs":
            print(f"    fact sheet {outcome.case.fact}; needed by {outcome.case.needed_by}")
    print(", ".join(f"{number} {verdict}" for verdict, number in sorted(count.items())))
    return 1 if count["differs"] else 0


if __name__ == "__main__":
    sys.exit(trio.run(main, sys.argv[1:]))
