"""Datasources: what resources used lately, from any backend, behind Watcher's formal interface.

>>> import undercroft
>>> source = undercroft.connect("datasources", "prometheus://127.0.0.1:9090")  # doctest: +SKIP
"""

from undercroft.datasources.answers import Answers, Explanation, Survey
from undercroft.datasources.contract import DataSourceBase
from undercroft.datasources.errors import MetricNotAvailable
from undercroft.datasources.meters import METERS, Meter, Metric
from undercroft.datasources.question import Found, Point, Question, Window

__all__ = [
    "METERS", "Answers", "DataSourceBase", "Explanation", "Found", "Meter", "Metric", "MetricNotAvailable", "Point", "Question",
    "Survey", "Window",
]  # fmt: skip
