"""`bitmart-engine doctor`: a report to attach to a bug, in which there is no secret.

What the machine, the settings and the state directory say, and what a running engine says of its health. Collecting
reads files and asks one address; it changes nothing. At the very end every secret of the settings that might have
come in by some other way is struck out.
"""

from __future__ import annotations

import json
import os
import platform
import re
import resource
import shutil
import stat
import sys
from collections.abc import Iterable, Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import attrs

from .checking import settings_report
from .remote.client import Failed, open_remote
from .settings import IN_MEMORY, Settings
from .store import inspect_journal
from .version import VERSION

__all__ = ["examined", "without_secrets"]

PACKAGE = "bitmart-engine"
ASKED_WITHIN_S = 5.0
STRUCK = "***"
SHORT = 4
"""A secret that is shorter is part of too many words to be struck out; settings never show it either."""
ASKED = ("api/health", "api/outages", "status")
OF_STATUS = (
    *("is_running", "mode", "version", "uptime_s", "not_ready", "journal", "stale", "exchange"),
    *("connections", "refused_channels", "outbox", "event_loop", "latency", "dropped"),
)
"""What of /status is told: no order, no position and no balance."""
MOST_OUTAGES = 20
BEHIND_THE_HOST = re.compile(r"(\w+://[^\s/?#]+)[/?#]\S*")
"""Of an address. There may be a token in it."""


def examined(settings: Settings, url: str | None = None) -> list[str]:
    """The report. `url` is where the engine is asked, unless where the settings have it listen."""
    lines = [
        *_section("Engine", _versions()),
        *_section("Machine", _machine()),
        *_section("Settings", _settings(settings)),
        *_section("State directory", _state(settings)),
        *_section("Running engine", _running(settings, url or _address(settings))),
    ]
    return without_secrets(lines, settings)


def without_secrets(lines: Iterable[str], settings: Settings) -> list[str]:
    """The lines with every secret of the settings struck out, also where it is part of something longer."""
    secrets = sorted(_secrets(settings), key=len, reverse=True)
    struck = []
    for line in lines:
        for secret in secrets:
            line = line.replace(secret, STRUCK)
        struck.append(line)
    return struck


def _secrets(settings: Settings) -> set[str]:
    found: set[str] = set()
    for each in attrs.fields(Settings):
        if each.metadata.get("secret"):
            value = getattr(settings, each.name)
            found.update([value] if isinstance(value, str) else map(str, value))
    return {each for each in found if len(each) >= SHORT}


def _section(title: str, lines: Iterable[str]) -> list[str]:
    return [f"## {title}", "", *(f"    {each}" for each in lines), ""]


def _versions() -> Iterator[str]:
    yield f"bitmart-engine {VERSION}"
    yield f"python {platform.python_version()} ({platform.python_implementation()}), {sys.executable}"
    try:
        needed = metadata.requires(PACKAGE) or []
    except metadata.PackageNotFoundError:
        yield "not installed as a package"
        return
    used = [each for each in needed if "extra ==" not in each or "alerts" in each]
    for name in sorted({re.split(r"[\s;<>=!~\[(]", each, maxsplit=1)[0] for each in used}):
        try:
            yield f"{name} {metadata.version(name)}"
        except metadata.PackageNotFoundError:
            continue


def _machine() -> Iterator[str]:
    yield f"{platform.system()} {platform.release()} {platform.machine()}"
    yield f"cpus {os.cpu_count()}, load {' '.join(f'{each:.2f}' for each in os.getloadavg())}"
    now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield f"open files: {_limit(now)} now, {_limit(most)} at most (the engine takes what it may)"
    try:
        about = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return
    yield from (" ".join(each.split()) for each in about if each.startswith(("MemTotal", "MemAv")))


def _limit(value: int) -> str:
    return "unlimited" if value == resource.RLIM_INFINITY else str(value)


def _settings(settings: Settings) -> Iterator[str]:
    for line in settings_report(settings):
        yield BEHIND_THE_HOST.sub(r"\1/...", line)


def _state(settings: Settings) -> Iterator[str]:
    if settings.state_dir == IN_MEMORY:
        yield "in memory: nothing is kept"
        return
    directory = Path(settings.state_dir)
    yield settings.state_shown
    try:
        about = directory.stat()
        files = sorted(directory.iterdir())
        free = shutil.disk_usage(directory).free
    except OSError as failure:
        yield f"cannot be read: {failure.strerror}"
        return
    yield f"mode {stat.S_IMODE(about.st_mode):04o}, {free / 1e9:.1f} GB free on its disk"
    for each in files:
        try:
            yield f"{each.name}: {each.stat().st_size} bytes"
        except OSError as failure:
            yield f"{each.name}: {failure.strerror}"
    journal = inspect_journal(directory)
    if journal.trouble is not None:
        yield f"journal: {journal.trouble}"
        return
    yield f"journal: schema {journal.schema}, last record {journal.last_seq}"
    for title, counts in (("rows", journal.rows), ("records", journal.kinds)):
        yield f"{title}: " + (", ".join(f"{name} {n}" for name, n in counts.items()) or "none")


def _address(settings: Settings) -> str:
    host, _, port = settings.control_address.rpartition(":")
    here = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]", "": "127.0.0.1"}.get(host, host)
    return f"http://{here}:{port}"


def _running(settings: Settings, url: str) -> Iterator[str]:
    parts = urlsplit(url)
    yield f"asked at {parts.scheme}://{parts.hostname}:{parts.port or '?'}"
    try:
        with open_remote(url, settings.control_token, ASKED_WITHIN_S) as remote:
            for path in ASKED:
                body = dict(remote.ask("GET", *path.split("/")).body)
                yield from (f"{path} {line}" for line in _told(_chosen(path, body)))
    except Failed as failure:
        yield f"not told: {failure.why}"
        yield "clock offset, counters and last errors are known to a running engine only"


def _chosen(path: str, body: dict[str, Any]) -> Mapping[str, Any]:
    if path == "status":
        return {name: body[name] for name in OF_STATUS if name in body}
    body.pop("ok", None)
    if path == "api/health":
        body["positions"] = len(body.get("positions", []))
    if path == "api/outages":
        body["outages"] = body.get("outages", [])[:MOST_OUTAGES]
    return body


def _told(body: Mapping[str, Any]) -> Iterator[str]:
    """A line for each field; one for each item of what has several."""
    for name, value in body.items():
        if isinstance(value, dict) and value:
            for key, each in value.items():
                yield f"{name}.{key}: {_text(each)}"
        elif isinstance(value, list) and value:
            yield from (f"{name}: {_text(each)}" for each in value)
        else:
            yield f"{name}: {_text(value)}"


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=True)
