"""Log lines of a process: to stderr, for people on a terminal and as JSON elsewhere. Times are ISO, UTC.

Each line has the id of its event (`log_events`), its fields, and a sentence that says what the event means.

An engine that cannot log trades on: a full disk or a closed pipe behind stderr loses lines, and nothing else. Locals
are never shown with a traceback, for they may hold secrets.
"""

from __future__ import annotations

import logging
import sys
from contextlib import suppress
from typing import TextIO

import structlog

from .causes import telling_why
from .log_events import add_message, put_into_words

__all__ = ["configure_logs"]

LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


def configure_logs(level: str, as_json: bool | None = None) -> None:
    """Log from `level` on; as JSON lines or not, None for what fits stderr."""
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
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.WriteLoggerFactory(_Lossy(sys.stderr)),  # type: ignore[arg-type]  # it writes
    )
    logging.basicConfig(level=logging.WARNING, handlers=[_FromLibraries()], force=True)


def _tell_why(
    _logger: object, _method: str, line: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    return telling_why(line)


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
        structlog.get_logger().log(
            record.levelno, record.getMessage(), logger=record.name, exc_info=record.exc_info
        )
