"""`python -m tests.crash --kills 1000 --seed 7`: kill the engine that often, and see what it kept of its promises."""

from __future__ import annotations

import sys
import time

import click
import trio

from .campaign import Summary, campaign


@click.command()
@click.option("--kills", type=click.IntRange(1), default=40, show_default=True)
@click.option("--seed", type=int, default=7, show_default=True, help="Of the first run.")
@click.option("--workers", type=click.IntRange(1), default=2, show_default=True)
def main(kills: int, seed: int, workers: int) -> None:
    """Exit code 1 if a promise was broken."""
    began = time.monotonic()

    def told(now: Summary) -> None:
        text = f"{now.total} kills in {now.runs} runs, {len(now.broken)} with broken promises"
        print(f"{time.monotonic() - began:6.0f} s  {text}", file=sys.stderr)
        if now.latest["violations"]:
            print(f"seed {now.latest['seed']}: {now.latest['violations']}", file=sys.stderr)

    summary = trio.run(campaign, kills, seed, workers, told)
    print(summary.table())
    sys.exit(1 if summary.broken else 0)


if __name__ == "__main__":
    main()
