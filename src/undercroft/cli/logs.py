"""What a long-running command logs: a line an event on stderr, as text for people or as JSON for a collector of logs."""

from __future__ import annotations

import datetime as dt
import logging
import sys
from typing import Any

import msgspec

from undercroft.cli.failures import printable

# What every record has; whatever else one carries was given as `extra`.
_USUAL = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_encoder = msgspec.json.Encoder(enc_hook=str)


class JsonLines(logging.Formatter):
    """One JSON object a record: time, level, logger, message, what was given as `extra`, and the traceback of a failure."""

    def format(self, record: logging.LogRecord) -> str:
        """The record on one line."""
        line = {
            "time": dt.datetime.fromtimestamp(record.created, dt.UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_extra(record),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return _encoder.encode(line).decode()


class Text(logging.Formatter):
    """The same for people."""

    def format(self, record: logging.LogRecord) -> str:
        """The record on one line, and the traceback of a failure below it."""
        moment = dt.datetime.fromtimestamp(record.created, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        extra = "".join(f" {name}={value}" for name, value in _extra(record).items())
        line = printable(f"{moment} {record.levelname.lower():<7} {record.getMessage()}{extra}")
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def _extra(record: logging.LogRecord) -> dict[str, object]:
    return {name: value for name, value in vars(record).items() if name not in _USUAL}


def configuration(form: str) -> dict[str, Any]:
    """The same as a dictionary for `logging.config`, which an HTTP server takes to its processes.

    Args:
        form: `text` or `json`.
    """
    place = f"{__name__}.{'JsonLines' if form == 'json' else 'Text'}"
    return {
        "formatters": {"lines": {"()": place}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "lines", "stream": "ext://sys.stderr"}},
        "root": {"handlers": ["stderr"], "level": "WARNING"},
        "loggers": {"undercroft": {"level": "INFO"}},
    }


def start(form: str, *, debug: bool = False) -> logging.Handler:
    """Log to stderr from now on.

    Args:
        form: `text` or `json`.
        debug: log everything of ours, not only what happens.

    Returns:
        the handler, to be taken away again.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if form == "json" else Text())
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    logging.getLogger("undercroft").setLevel(logging.DEBUG if debug else logging.INFO)
    return handler
