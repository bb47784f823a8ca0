"""All instances of a large cloud: asked for at once, or by the first digits of their uuids where that takes too long."""

from __future__ import annotations

import itertools
import logging
import time as clock
from collections.abc import Callable, Mapping
from typing import Any

from undercroft.core import deadline
from undercroft.core.errors import TooLarge, Unavailable
from undercroft.datasources.question import Question
from undercroft.datasources.retrying import BUDGET, Retrier

LOG = logging.getLogger(__name__)

DIGITS = "0123456789abcdef"
# Digits of a slice: 256 slices at most.
_MOST = 2
# A failure after this part of the time that a request has is one of time.
_NEARLY = 0.9


class _TooMuch(Unavailable):
    """The answer would be too large, or takes too long."""


class Slicer:
    """Asks for everything, in as few queries as the backend can answer. Shared by threads.

    Args:
        name: of the datasource, for the log.
        retrier: of the datasource.
        timeout: seconds that a request may take.

    Attributes:
        digits: how many digits a slice's prefix has, by metric; metrics that are asked for at once are left out.
    """

    def __init__(self, name: str, retrier: Retrier, timeout: float) -> None:
        self._name, self._retrier, self._timeout = name, retrier, timeout
        self.digits: dict[str, int] = {}

    def ask(self, read: Callable[[Question], Mapping[str, Any]], question: Question) -> Mapping[str, Any] | None:
        """What `read` gives of all instances; None where the backend fails.

        Until there is a first answer, all attempts share the time of one query: a backend that is away costs no more than that.
        """
        digits, is_too_much = self.digits.get(question.metric.name, 0), True
        answer: Mapping[str, Any] | None = None
        others: list[str] = []
        with deadline.within(BUDGET):
            while is_too_much:
                first, *others = ("".join(each) for each in itertools.product(DIGITS, repeat=digits))
                answer, is_too_much = self._tried(read, question._replace(prefix=first))
                digits += is_too_much
        if answer is None:
            return None
        # Kept only when smaller parts are answered: to a backend that was away, the next question is a single one again.
        if digits != self.digits.get(question.metric.name, 0):
            self.digits[question.metric.name] = digits
            LOG.info(
                "%s: %s of all instances takes too long, or is too large: they are asked for in %d parts",
                self._name, question.metric.name, len(DIGITS) ** digits,
            )  # fmt: skip
        found = dict(answer)
        for prefix in others:
            part = self._retrier.call(lambda prefix=prefix: read(question._replace(prefix=prefix)))  # type: ignore[misc]
            if part is None:
                return None
            found.update(part)
        return found

    def _tried(self, read: Callable[[Question], Mapping[str, Any]], question: Question) -> tuple[Mapping[str, Any] | None, bool]:
        """What `read` gives, and whether the question has to be cut into smaller ones."""
        too_much: list[Unavailable] = []
        if len(question.prefix) == _MOST:
            return self._retrier.call(lambda: read(question)), False

        def timed() -> Mapping[str, Any]:
            began = clock.monotonic()
            try:
                return read(question)
            except Unavailable as error:
                if isinstance(error, TooLarge) or clock.monotonic() - began >= self._timeout * _NEARLY:
                    too_much.append(error)
                    raise _TooMuch(str(error)) from error
                raise

        return self._retrier.call(timed, _TooMuch), bool(too_much)
