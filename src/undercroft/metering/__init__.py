"""Samples: what was measured in a cloud. The contract of Ceilometer's metering plane."""

from undercroft.core.intake import Outcome
from undercroft.metering.contract import Capabilities, Connection, Store
from undercroft.metering.models import Aggregate, Meter, Resource, Sample, SampleFilter, Statistics, Window

__all__ = [
    "Aggregate",
    "Capabilities",
    "Connection",
    "Meter",
    "Outcome",
    "Resource",
    "Sample",
    "SampleFilter",
    "Statistics",
    "Store",
    "Window",
]
