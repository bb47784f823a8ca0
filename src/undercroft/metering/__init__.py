"""Samples: what was measured in a cloud. The contract of Ceilometer's metering plane."""

from undercroft.metering.contract import Capabilities, Connection, Outcome, Store
from undercroft.metering.models import Aggregate, Meter, Resource, Sample, SampleFilter, Statistics

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
]
