"""Errors as clients of messages read them: a title that says of which sort they are, and a description."""

from __future__ import annotations

from http import HTTPStatus
from typing import ClassVar

import falcon
import msgspec

from undercroft.api.kind import ErrorBody
from undercroft.core.errors import Conflict, InvalidInput, NotFound, NotPermitted, UndercroftError
from undercroft.messaging.contract.arguments import TOPIC

BODY = "Invalid request body"
PARAMETER = "Invalid parameter"
API = "Invalid API request"
UNABLE_TO_DELETE = "Unable to delete"
_TITLES = {
    HTTPStatus.BAD_REQUEST: API,
    HTTPStatus.FORBIDDEN: "Not authorized",
    HTTPStatus.NOT_FOUND: "Not found",
    HTTPStatus.CONFLICT: "Resource conflict",
    HTTPStatus.SERVICE_UNAVAILABLE: "Service temporarily unavailable",
}


class Problem(msgspec.Struct, omit_defaults=True):
    """An error."""

    title: str
    description: str | None = None


class Refused(UndercroftError):
    """A request that is wrong; nothing was done.

    Args:
        title: of which sort the error is.
        description: what is wrong, and what to do.
    """

    http = 400

    def __init__(self, title: str, description: str) -> None:
        super().__init__(description)
        self.title = title


class Missing(NotFound):
    """What was asked for does not exist, or a signature does not allow it."""

    title: ClassVar[str] = "Not found"


class Claimed(NotPermitted):
    """A message is under a claim."""

    title: ClassVar[str] = UNABLE_TO_DELETE


class Exists(Conflict):
    """What was asked contradicts what is stored."""

    title: ClassVar[str] = "Resource conflict"


def _problem(status: int, message: str, error: Exception | None) -> Problem:
    if isinstance(error, falcon.HTTPError):
        # The framework's own errors of paths and methods have no description.
        return Problem(error.title) if error.description is None else Problem(_title(status), message)
    if isinstance(error, InvalidInput) and error.field.startswith("body"):
        return Problem(BODY, message)
    return Problem(getattr(error, "title", None) or _title(status), message.replace(f"queue {TOPIC}", "topic "))


def _title(status: int) -> str:
    found = HTTPStatus(status)
    return _TITLES.get(found, found.phrase)


PROBLEMS = ErrorBody("/", Problem, _problem)
