"""What a source of samples may answer, sorted by what the worker does about it."""

from __future__ import annotations

from undercroft.core.errors import InvalidInput, NotFound, NotPermitted, Unavailable


class SourceUnavailable(Unavailable):
    """No answer, half of one, or one that says "not now" (429, 5xx): ask again later.

    Attributes:
        retry_after: seconds that the service asks to wait; None where it does not say.
        is_everything: whether other requests to this service would fail as well, because it cannot be reached or refuses all.
    """

    def __init__(self, text: str, *, retry_after: float | None = None, is_everything: bool = False) -> None:
        super().__init__(text)
        self.retry_after = retry_after
        self.is_everything = is_everything


class SourceForbidden(NotPermitted):
    """401 with a new token, 403, or a login that Keystone refuses: ask again at the longest interval, and say so each time."""


class MetricsMoved(NotFound):
    """404, 410 or a redirect: this endpoint serves samples no longer.

    Attributes:
        status: of the answer.
    """

    def __init__(self, text: str, status: int) -> None:
        super().__init__(text)
        self.status = status


class FilterRefused(InvalidInput):
    """400 for a filter: it stays refused until somebody changes it. `field` names its section."""
