"""By what means a test breaks into a store of messages: one module a family of drivers, with the same functions in each.

Of a store over pools there are none: the stores below it are asked themselves.
"""

from __future__ import annotations

import types
from typing import Any

import pytest

from tests.chaos.messaging import documented, relational, scripted

_MEANS = {"sql": relational, "redis": scripted, "mongodb": documented}


def known(driver: type) -> types.ModuleType | None:
    """The means for a class of drivers, by the package that it is in; None where there are none."""
    return _MEANS.get(driver.__module__.split(".")[-2])


def of(store: Any) -> types.ModuleType:
    """The means for a store; the test is not run where there are none."""
    found = known(type(store))
    if found is None:
        pytest.skip("NOT RUN: pools are broken into as the stores that they are")
    return found
