"""What a failure becomes at the command line: one line on stderr, and an exit code that says what to do about it."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import sys
from collections.abc import Iterator

import rich_click as click

from undercroft.core.errors import ConfigInvalid, Corrupt, InvalidInput, UndercroftError

FAILED = 1
WRONG = 2
TRY_AGAIN = 75
INTERRUPTED = 130
PIPE_CLOSED = 141


def exit_code(error: BaseException) -> int:
    """The exit code for an exception that ended a command."""
    if isinstance(error, (InvalidInput, ConfigInvalid)):
        return WRONG
    if isinstance(error, UndercroftError) and error.retryable and not isinstance(error, Corrupt):
        return TRY_AGAIN
    return FAILED


def message(error: BaseException) -> str:
    """The exception in one line, without control characters."""
    if isinstance(error, UndercroftError):
        text = str(error)
    elif isinstance(error, OSError):
        place = f"{error.filename}: " if error.filename else ""
        text = f"{place}{error.strerror or error}"
    else:
        text = f"unexpected {type(error).__name__}: {error} (--debug shows where; please report it)"
    return printable(text)


def printable(text: str) -> str:
    """`text` with line ends and control characters spelled out, so that stored text cannot steer a terminal."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def report(error: BaseException) -> int:
    """Print the exception, then its notes, to stderr; return the exit code."""
    click.echo(f"error: {message(error)}", err=True)
    for note in getattr(error, "__notes__", ()):
        click.echo(f"note: {printable(note)}", err=True)
    return exit_code(error)


@contextlib.contextmanager
def interrupts_not_logged() -> Iterator[None]:
    """Keep an interrupt out of the log while a command runs: a library that is interrupted while it tidies up logs a traceback.

    SQLAlchemy does so when it takes a connection back, and raises the interrupt again, with which the command ends, in one line.
    """
    handler = logging.lastResort
    if handler is None:
        yield
        return
    handler.addFilter(_is_no_interrupt)
    try:
        yield
    finally:
        handler.removeFilter(_is_no_interrupt)


def _is_no_interrupt(record: logging.LogRecord) -> bool:
    return not (record.exc_info and isinstance(record.exc_info[1], KeyboardInterrupt))


def is_closed_pipe(error: BaseException) -> bool:
    """True when the program that reads our output (`head`, say) has gone."""
    return isinstance(error, OSError) and error.errno == errno.EPIPE


def forget_stdout() -> None:
    """Let what is left to write go nowhere: the interpreter would complain about the closed pipe when it ends."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):
        sys.stdout = None
