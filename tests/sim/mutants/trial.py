"""A copy of the package with one deliberate bug in it, and a campaign that has to notice."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .patches import Patch

__all__ = ["ROOT", "caught_at", "patched"]

ROOT = Path(__file__).parents[3]
CAUGHT = re.compile(r"^seed (\d+), after .*\n  (.*)", re.MULTILINE)


def patched(patch: Patch, root: Path = ROOT) -> str:
    """The file of a patch with the bug in it. Raises ValueError if the patch does not fit."""
    text = (root / "bitmart_engine" / patch.file).read_text()
    if text.count(patch.old) != 1:
        raise ValueError(f"{patch.name}: its text is {text.count(patch.old)} times in {patch.file}")
    return text.replace(patch.old, patch.new)


@contextmanager
def mutant(patch: Patch) -> Iterator[Path]:
    """A directory with the package, its bug, and the tests."""
    with tempfile.TemporaryDirectory(prefix=f"mutant-{patch.name}-") as name:
        directory = Path(name)
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / "bitmart_engine", directory / "bitmart_engine", ignore=ignore)
        shutil.copytree(ROOT / "tests", directory / "tests", ignore=ignore)
        (directory / "bitmart_engine" / patch.file).write_text(patched(patch))
        yield directory


def caught_at(patch: Patch, first: int, seeds: int, workers: int) -> tuple[int, str] | None:
    """The first seed that was seen to break a promise, and which; None if none did. Not a seed before `first`.

    A seed that breaks a promise without the bug as well proves nothing, and is passed over.
    """
    last = first + max(2, seeds) - 1
    with mutant(patch) as directory:
        while first < last:
            found = _first_broken(patch, directory, first, last - first + 1, workers)
            if found is None or _first_broken(patch, ROOT, found[0], 1, 1) is None:
                return found
            first = found[0] + 1
    return None


def _first_broken(
    patch: Patch, directory: Path, first: int, seeds: int, workers: int
) -> tuple[int, str] | None:
    # Safe path: what is imported is what is in the directory, which `-m` puts first, and not what is installed.
    command = [
        sys.executable, "-m", "tests.sim", "--seed", str(first), "--seeds", str(seeds),
        "--workers", str(workers), "--world", str(patch.world), "--first",
        *(["--only", patch.only] if patch.only else []),
    ]  # fmt: skip
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1) or "runs" not in done.stdout:
        raise RuntimeError(f"{patch.name}: {done.stderr[-2000:]}")
    found = CAUGHT.search(done.stdout)
    return (int(found[1]), found[2]) if found else None
