"""The export worker: reads new samples from a Ceilometer v2 API, and stores each exactly once in one table of an SQL database."""

from undercroft.export.keys import KEYS, SEED_SETTINGS
from undercroft.export.sample import COLUMNS, EXTRA_COLUMNS, Refused, Sample
from undercroft.export.settings import Filter, Settings, load

__all__ = ["COLUMNS", "EXTRA_COLUMNS", "KEYS", "SEED_SETTINGS", "Filter", "Refused", "Sample", "Settings", "load"]
