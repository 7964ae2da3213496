"""`python -m tests.sim --seed 42 --hours 24`: a day in seconds, and what the engine kept of its promises."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import click

from .run import Choices, play


@click.command()
@click.option("--seed", type=int, default=42, show_default=True)
@click.option("--hours", type=float, default=1.0, show_default=True, help="Simulated.")
@click.option("--trace", type=click.Path(path_type=Path), help="A file for all that happened.")
@click.option("--only", default="", help="The kinds of trouble, with commas between; all unless given.")
@click.option("--several-there", is_flag=True, help="Several orders a side with stops at the exchange.")
@click.option("--real", is_flag=True, help="BTCUSDT follows the real month.")
def main(seed: int, hours: float, trace: Path | None, only: str, several_there: bool, real: bool) -> None:
    """Exit code 1 if a promise was broken."""
    choices = Choices(
        hours=hours,
        only=frozenset(filter(None, only.split(","))),
        several_there=several_there,
        real=real,
    )
    began = time.monotonic()
    if trace is not None:
        with trace.open("w") as file:
            outcome = play(seed, choices, file)
    else:
        outcome = play(seed, choices)
    took_s = time.monotonic() - began
    print(f"{outcome.at_s / 3600:.2f} simulated hours in {took_s:.1f} s")
    for name, count in sorted(outcome.counts.items()) + sorted(outcome.faults.items()):
        print(f"  {name:<40} {count:>7}")
    exposed = sorted(outcome.exposed_ms)
    if exposed:
        print(f"  unprotected: {len(exposed)} times, median {exposed[len(exposed) // 2]} ms, longest {exposed[-1]} ms, in calm {outcome.exposed_in_calm_s:.3f} s")
    for violation in outcome.violations:
        print(violation)
    for subject, events in outcome.last_events.items():
        print(f"last of {subject}:", *events, sep="\n  ")
    sys.exit(1 if outcome.violations else 0)


if __name__ == "__main__":
    main()
