"""Many seeds over the cores, added up. Each run is on its own; a worker plays one after the other."""

from __future__ import annotations

import multiprocessing
import os
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable

from attrs import define, field

from tests.support.judge import Violation

from .choices import NEWEST, Choices, Outcome
from .run import play

__all__ = ["Summary", "campaign", "reproduction"]

RUNS_A_WORKER = 40
"""A worker is replaced after so many, so that none grows for ever."""


@define
class Summary:
    """What the runs came to."""

    runs: int = 0
    simulated_s: float = 0.0
    worked_s: float = 0.0
    """Processor time of all workers."""
    counts: Counter[str] = field(factory=Counter)
    faults: Counter[str] = field(factory=Counter)
    exposed_ms: list[int] = field(factory=list)
    exposed_in_calm_s: float = 0.0
    broken: list[Outcome] = field(factory=list)

    def add(self, outcome: Outcome) -> None:
        self.runs += 1
        self.simulated_s += outcome.at_s
        self.worked_s += outcome.worked_s
        self.counts.update(outcome.counts)
        self.faults.update(outcome.faults)
        self.exposed_ms += outcome.exposed_ms
        self.exposed_in_calm_s = max(self.exposed_in_calm_s, outcome.exposed_in_calm_s)
        if outcome.violations:
            self.broken.append(outcome)

    def table(self) -> str:
        """For people."""
        hours = self.simulated_s / 3600
        rows = [("runs", f"{self.runs}"), ("simulated hours", f"{hours:.1f}")]
        if self.worked_s:
            rows.append(("simulated hours per second of one core", f"{hours / self.worked_s:.3f}"))
        rows += [(what, f"{count}") for what, count in sorted(self.counts.items())]
        rows += [(f"fault: {kind}", f"{count}") for kind, count in sorted(self.faults.items())]
        if self.exposed_ms:
            ordered = sorted(self.exposed_ms)
            rows.append(("times a stop was kept by nobody", f"{len(ordered)}"))
            for name, part in (("half of them", 0.5), ("90 %", 0.9), ("99 %", 0.99)):
                within = ordered[min(len(ordered) - 1, int(len(ordered) * part))]
                rows.append((f"  {name} at most", f"{within} ms"))
            rows.append(("  the longest", f"{ordered[-1]} ms"))
            rows.append(
                ("  the longest while nothing was wrong", f"{self.exposed_in_calm_s:.3f} s")
            )
        rows.append(("runs with a broken promise", f"{len(self.broken)}"))
        width = max(len(name) for name, _ in rows)
        return "\n".join(f"{name:<{width}}  {value:>10}" for name, value in rows)


def reproduction(seed: int, choices: Choices) -> str:
    """The command that plays a run again."""
    more = "".join(
        [
            f" --only {','.join(sorted(choices.only))}" if choices.only else "",
            "" if choices.world == NEWEST else f" --world {choices.world}",
            "" if choices.several_there else " --one-there",
            " --real" if choices.real else "",
            " --unhurried" if choices.unhurried else "",
        ]
    )
    return f"python -m tests.sim --seed {seed} --hours {choices.hours:g}{more} --trace FILE"


def campaign(
    seeds: Iterable[int],
    choices: Choices,
    workers: int,
    told: Callable[[Summary, Outcome], bool] = lambda summary, outcome: True,
) -> Summary:
    """Play all seeds. `told` is called after each; with False the rest is left out."""
    summary = Summary()
    context = multiprocessing.get_context("spawn")
    with context.Pool(workers, maxtasksperchild=RUNS_A_WORKER) as pool:
        for outcome in pool.imap_unordered(_play, ((seed, choices) for seed in seeds)):
            summary.add(outcome)
            if not told(summary, outcome):
                break
    return summary


def _play(asked: tuple[int, Choices]) -> Outcome:
    seed, choices = asked
    began = time.process_time()
    try:
        outcome = play(seed, choices)
    except Exception as failure:
        outcome = Outcome(seed)
        outcome.violations.append(
            Violation("a run does not break down", f"seed {seed}", repr(failure))
        )
        outcome.last_events["the run"] = traceback.format_exc().splitlines()[-40:]
    outcome.worked_s = time.process_time() - began
    return outcome


def cores() -> int:
    """How many there are for us."""
    return len(os.sched_getaffinity(0))
