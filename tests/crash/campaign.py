"""Many runs, shared out over worker processes, added up.

As a program it is one of those workers: seeds come in on stdin, one a line, and outcomes go out on stdout as JSON.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import trio
from attrs import define, field

from tests.support.points import POINTS

from .hatchery import ROOT, Hatchery, open_hatchery
from .run import AT_RANDOM, play

__all__ = ["KILLS_A_RUN", "Summary", "campaign"]

KILLS_A_RUN = 5
AT_ONCE = 4
"""Runs that one worker has under way: much of a run is waiting."""


@define
class Summary:
    """What all runs came to."""

    runs: int = 0
    kills: Counter[str] = field(factory=Counter)
    counts: Counter[str] = field(factory=Counter)
    recovery_s: list[float] = field(factory=list)
    broken: list[dict[str, Any]] = field(factory=list)
    """The runs in which a promise was broken, or which broke down themselves."""

    latest: dict[str, Any] = field(factory=dict)

    def add(self, outcome: dict[str, Any]) -> None:
        self.latest = outcome
        self.runs += 1
        self.kills.update(outcome["kills"])
        self.counts.update(outcome["counts"])
        self.recovery_s += outcome["recovery_s"]
        if outcome["violations"]:
            self.broken.append(outcome)

    @property
    def total(self) -> int:
        """How many kills there were."""
        return self.kills.total()

    def table(self) -> str:
        """For people."""
        rows = [("runs", str(self.runs)), ("kills", str(self.total))]
        rows += [(f"  {point}", str(self.kills[point])) for point in (*POINTS, AT_RANDOM)]
        rows += [(what, str(count)) for what, count in self.counts.items()]
        if self.recovery_s:
            ordered = sorted(self.recovery_s)
            rows.append(("from start to /readyz, median", f"{ordered[len(ordered) // 2]:.2f} s"))
            rows.append(("from start to /readyz, longest", f"{ordered[-1]:.2f} s"))
        rows.append(("violations", str(sum(len(each["violations"]) for each in self.broken))))
        width = max(len(name) for name, _ in rows)
        lines = [f"{name:<{width}}  {value:>9}" for name, value in rows]
        for each in self.broken:
            lines += ["", f"seed {each['seed']}: see {each['evidence']}"]
            lines += [f"  {violation}" for violation in each["violations"]]
            for subject, events in each["last_events"].items():
                lines += [f"  last of {subject}:", *(f"    {event}" for event in events)]
        return "\n".join(lines)


async def campaign(
    kills: int, seed: int, workers: int = 2, told: Callable[[Summary], None] = lambda now: None
) -> Summary:
    """At least `kills` kills, in runs with the seeds from `seed` on. `told` is called after each run."""
    summary = Summary()
    runs = -(-kills // KILLS_A_RUN)
    seeds = iter(range(seed, seed + runs))

    async def worker() -> None:
        command = [sys.executable, "-m", "tests.crash.campaign"]
        process = await trio.lowlevel.open_process(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
        )
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            for _ in range(AT_ONCE):
                await _hand_out(process.stdin)
            heard = b""
            async for part in process.stdout:
                *lines, heard = (heard + part).split(b"\n")
                for line in lines:
                    summary.add(json.loads(line))
                    told(summary)
                    await _hand_out(process.stdin)
            if await process.wait():
                raise RuntimeError(f"a worker ended with exit code {process.returncode}")
        finally:
            process.kill()
            with trio.CancelScope(shield=True):
                await process.wait()

    async def _hand_out(stdin: trio.abc.SendStream) -> None:
        following = next(seeds, None)
        if following is not None:
            await stdin.send_all(f"{following}\n".encode())
        else:
            await stdin.aclose()

    async with trio.open_nursery() as nursery:
        for _ in range(workers):
            nursery.start_soon(worker)
    return summary


async def _work() -> None:
    """Play the seeds that come in, until there are no more."""
    heard = b""
    async with (
        open_hatchery() as hatchery,
        trio.open_nursery() as nursery,
        trio.lowlevel.FdStream(os.dup(0)) as stdin,
    ):
        async for part in stdin:
            *lines, heard = (heard + part).split(b"\n")
            for line in lines:
                nursery.start_soon(_play_one, int(line), hatchery)


async def _play_one(seed: int, hatchery: Hatchery) -> None:
    try:
        outcome = await play(seed, KILLS_A_RUN, hatchery)
    except Exception:
        print(f"seed {seed} broke down", file=sys.stderr)
        raise
    print(
        json.dumps(
            {
                "seed": seed,
                "kills": outcome.kills,
                "counts": outcome.counts,
                "recovery_s": outcome.recovery_s,
                "violations": [str(each) for each in outcome.violations],
                "evidence": outcome.evidence,
                "last_events": outcome.last_events,
            }
        ),
        flush=True,
    )


if __name__ == "__main__":
    assert Path.cwd() == ROOT
    trio.run(_work)
