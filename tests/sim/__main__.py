"""`python -m tests.sim --seed 42 --hours 24`: a day in seconds, and what the engine kept of its promises.

`python -m tests.sim --seeds 1000 --hours 1` is a campaign over the cores, with the seeds from `--seed` on.
"""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack
from pathlib import Path

import click

from .campaign import Summary, campaign, cores, reproduction
from .choices import NEWEST, Choices, Outcome
from .run import play

PROGRESS_EVERY = 20


@click.command()
@click.option("--seed", type=int, default=42, show_default=True, help="The first, or the only one.")
@click.option("--seeds", type=click.IntRange(1), default=1, help="How many runs.")
@click.option("--hours", type=float, default=1.0, show_default=True, help="Simulated, of each run.")
@click.option("--workers", type=click.IntRange(1), help="All cores unless given.")
@click.option("--trace", type=click.Path(path_type=Path), help="A file for all that happened.")
@click.option("--only", default="", help="The kinds of trouble, with commas; all unless given.")
@click.option(
    "--world",
    type=click.IntRange(1, NEWEST),
    default=NEWEST,
    show_default=True,
    help="Which world: the first has not yet what was found outside it.",
)
@click.option(
    "--several-there/--one-there",
    default=True,
    show_default=True,
    help="How many orders there may be on a side whose stops the exchange keeps, too.",
)
@click.option("--real", is_flag=True, help="BTCUSDT follows a real month.")
@click.option("--unhurried", is_flag=True, help="Have the user ask for half as much.")
@click.option("--first", is_flag=True, help="Stop at the first broken promise.")
def main(
    seed: int,
    seeds: int,
    hours: float,
    workers: int | None,
    trace: Path | None,
    only: str,
    world: int,
    several_there: bool,
    real: bool,
    unhurried: bool,
    first: bool,
) -> None:
    """Exit code 1 if a promise was broken."""
    choices = Choices(
        hours=hours,
        only=frozenset(filter(None, only.split(","))),
        world=world,
        several_there=several_there,
        real=real,
        unhurried=unhurried,
    )
    began = time.monotonic()

    def told(summary: Summary, outcome: Outcome) -> bool:
        for line in report(outcome, choices):
            print(line, flush=True)
        if summary.runs % PROGRESS_EVERY == 0:
            took_s = time.monotonic() - began
            text = f"{summary.runs} runs, {len(summary.broken)} with broken promises"
            print(f"{took_s:6.0f} s  {text}", file=sys.stderr, flush=True)
        return not (first and outcome.violations)

    if seeds > 1:
        summary = campaign(range(seed, seed + seeds), choices, workers or cores(), told)
    else:
        summary = Summary()
        with ExitStack() as stack:
            file = stack.enter_context(trace.open("w")) if trace is not None else None
            began_working = time.process_time()
            outcome = play(seed, choices, file)
        outcome.worked_s = time.process_time() - began_working
        summary.add(outcome)
        told(summary, outcome)
    print(summary.table())
    print(f"took {time.monotonic() - began:.1f} s")
    sys.exit(1 if summary.broken else 0)


def report(outcome: Outcome, choices: Choices) -> list[str]:
    """What was broken in a run, with the last of what happened to whom it was broken, and how to see it again."""
    if not outcome.violations:
        return []
    lines = [f"seed {outcome.seed}, after {outcome.at_s:.1f} simulated seconds:"]
    lines += [f"  {violation}" for violation in outcome.violations]
    for subject, events in outcome.last_events.items():
        lines += [f"  last of {subject}:", *(f"    {event}" for event in events)]
    return [*lines, f"  again: {reproduction(outcome.seed, choices)}"]


if __name__ == "__main__":
    main()
