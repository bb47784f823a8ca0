"""The one error that a datasource raises."""

from __future__ import annotations

from undercroft.core.errors import NotFound

_WHY = "is not one of its meters; `undercroft datasource list` shows those, and some sources have an option that names a metric"


class MetricNotAvailable(NotFound):
    """The datasource does not serve this meter; another one may.

    Attributes:
        metric: the meter's name.
    """

    def __init__(self, metric: object, why: str = _WHY) -> None:
        super().__init__(f"metric {str(metric)[:64]!r} is not available: it {why}")
        self.metric = metric
