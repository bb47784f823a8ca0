"""Undercroft: the storage plane under a cloud's telemetry.

>>> import undercroft
>>> store = undercroft.connect("rating", "sqlite:///rating.db")  # doctest: +SKIP

Importing this package loads no engine's client library; `connect` loads the one that the URL asks for.
"""

from undercroft.core.registry import connect

__version__ = "0.1.0"

__all__ = ["__version__", "connect"]
