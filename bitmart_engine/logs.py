"""Log lines: where they go in a process of ours, and in a program that embeds the engine.

A process calls `configure_logs`: lines go to stderr, for people on a terminal and as JSON elsewhere. Times are ISO,
UTC. In another program lines go where it says: through structlog once it has configured that, else to the standard
library's logger `bitmart_engine`, of which Python shows warnings on stderr unless told otherwise. Structlog without a
configuration would write to stdout, which is the host's.

Each line has the id of its event (`log_events`), its fields, and a sentence that says what the event means.

An engine that cannot log trades on: a full disk or a closed pipe behind stderr loses lines, and nothing else. Locals
are never shown with a traceback, for they may hold secrets.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, TextIO, cast

import structlog

from .causes import telling_why
from .log_events import add_message, put_into_words

__all__ = ["configure_logs", "get_logger"]

Heard = Callable[[str, str, Mapping[str, object]], None]
"""Told the id of an event, its level and its fields, in whatever thread it is logged; neither blocks nor raises."""
LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


def _tell_why(
    _logger: object, _method: str, line: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    return telling_why(line)


def get_logger() -> structlog.typing.FilteringBoundLogger:
    """The logger of a module. Where its lines go is looked up for each of them, so that it may be said at any time."""
    return cast(structlog.typing.FilteringBoundLogger, _Logger())


class _Logger:
    """The host's structlog if it was configured, the standard library's logger if not."""

    _configured = structlog.get_logger()
    _standard = structlog.wrap_logger(
        logging.getLogger("bitmart_engine"),
        processors=[
            structlog.stdlib.filter_by_level,
            _tell_why,
            add_message,
            structlog.processors.format_exc_info,
            structlog.processors.KeyValueRenderer(key_order=["event"]),
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
    )

    def __getattr__(self, name: str) -> Any:
        return getattr(self._configured if structlog.is_configured() else self._standard, name)


def configure_logs(level: str, as_json: bool | None = None, heard: Heard | None = None) -> None:
    """Log from `level` on; as JSON lines or not, None for what fits stderr. `heard` is told of each line as well."""
    for_people = not as_json if as_json is not None else sys.stderr.isatty()
    render: list[structlog.typing.Processor] = (
        [
            put_into_words,
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
            ),
        ]
        if for_people
        else [
            add_message,
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ]
    )
    structlog.configure(
        processors=[
            _tell_why,
            structlog.processors.add_log_level,
            *([_telling(heard)] if heard is not None else []),
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.WriteLoggerFactory(_Lossy(sys.stderr)),  # type: ignore[arg-type]  # it writes
    )
    logging.basicConfig(level=logging.WARNING, handlers=[_FromLibraries()], force=True)


def _telling(heard: Heard) -> structlog.typing.Processor:
    def tell(
        _logger: object, _method: str, line: structlog.typing.EventDict
    ) -> structlog.typing.EventDict:
        fields = {name: each for name, each in line.items() if name not in ("event", "level")}
        heard(str(line.get("event")), str(line.get("level")), fields)
        return line

    return tell


class _Lossy:
    """A text file that loses what it cannot write."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, text: str) -> None:
        with suppress(OSError, ValueError):
            self._file.write(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            self._file.flush()


class _FromLibraries(logging.Handler):
    """What libraries log, from warnings on, in the same lines."""

    def emit(self, record: logging.LogRecord) -> None:
        get_logger().log(
            record.levelno, record.getMessage(), logger=record.name, exc_info=record.exc_info
        )
