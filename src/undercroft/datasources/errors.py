"""The one error that a datasource raises."""

from __future__ import annotations

from undercroft.core.errors import NotFound


class MetricNotAvailable(NotFound):
    """The datasource does not serve this meter; another one may.

    Attributes:
        metric: the meter's name.
    """

    def __init__(self, metric: object, why: str = "is not one of its meters") -> None:
        super().__init__(f"metric {str(metric)[:64]!r} is not available: it {why}")
        self.metric = metric
