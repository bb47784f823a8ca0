"""Zaqar's exceptions in the place of ours, which have the same names and fields."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from zaqar.storage import errors as theirs

from undercroft.core.errors import Unavailable
from undercroft.messaging.errors import ExceptionBase

# A field of our messages that Zaqar's do not have.
_OURS = "scope"


@contextlib.contextmanager
def as_theirs() -> Iterator[None]:
    """Raise Zaqar's exceptions for the block's. Where the store is, and what its engine said, stays with the cause."""
    try:
        yield
    except ExceptionBase as error:
        fields = {name: value for name, value in error.fields.items() if name != _OURS}
        raise getattr(theirs, type(error).__name__)(**fields) from error
    except Unavailable as error:
        away = theirs.ConnectionError()
        away.args = (error.public,)
        raise away from error
