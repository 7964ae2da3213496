"""Plays the application's whole run against an engine, again and again.

    python -m tests.application [--times 10] [--rounds 2] [--in-memory]

Each time has an engine and a paper exchange of its own; `--rounds` is how often one engine plays the run.
"""

from __future__ import annotations

import argparse
import logging
import time
from functools import partial

import structlog
import trio
from trio.testing import MockClock

from .run import run_in_memory, run_over_sockets


def main() -> None:
    parser = argparse.ArgumentParser(description="Play the application's whole run.")
    parser.add_argument("--times", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument(
        "--in-memory", action="store_true", help="on a mock clock, not over sockets"
    )
    chosen = parser.parse_args()
    quiet = structlog.make_filtering_bound_logger(logging.CRITICAL)
    structlog.configure(wrapper_class=quiet)
    for number in range(1, chosen.times + 1):
        began = time.monotonic()
        if chosen.in_memory:
            clock = MockClock(autojump_threshold=0)
            trio.run(partial(run_in_memory, chosen.rounds, print), clock=clock)
        else:
            trio.run(partial(run_over_sockets, chosen.rounds, print))
        print(f"run {number} of {chosen.times}: well, {time.monotonic() - began:.1f} s", flush=True)


if __name__ == "__main__":
    main()
