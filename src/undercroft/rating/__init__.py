"""Rated usage: what was used, and what it cost. The contract of seed 000 (CloudKitty's storage interface)."""

from undercroft.rating.contract import BaseStorage, Capabilities
from undercroft.rating.models import DataFrame, DataPoint

__all__ = ["BaseStorage", "Capabilities", "DataFrame", "DataPoint"]
