"""`python -m tests.sim.mutants`: does the judge see each of the deliberate bugs?"""

from __future__ import annotations

import sys

import click

from ..campaign import cores
from .patches import PATCHES
from .trial import caught_at


@click.command()
@click.argument("names", nargs=-1)
@click.option("--seed", type=int, help="The first; what is known of each unless given.")
@click.option("--seeds", type=click.IntRange(2), default=200, show_default=True, help="At most.")
@click.option("--workers", type=click.IntRange(1), help="All cores unless given.")
def main(names: tuple[str, ...], seed: int | None, seeds: int, workers: int | None) -> None:
    """Try the mutants of these names, or all. Exit code 1 if one survives."""
    survivors = []
    for patch in PATCHES:
        if names and patch.name not in names:
            continue
        first = patch.seed if seed is None else seed
        found = caught_at(patch, first, seeds, workers or cores())
        if found is None:
            survivors.append(patch.name)
            print(f"{patch.name:<26} SURVIVES {seeds} seeds: {patch.what}", flush=True)
        else:
            print(f"{patch.name:<26} caught at seed {found[0]}: {found[1][:150]}", flush=True)
    sys.exit(1 if survivors else 0)


if __name__ == "__main__":
    main()
