"""Every test here is marked `chaos`; how much it does depends on UCTEST_CHAOS."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Callable
from typing import TypeVar

import pytest

HERE = pathlib.Path(__file__).parent
T = TypeVar("T")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.chaos)


@pytest.fixture
def figure() -> Callable[[T, T], T]:
    """`figure(ci, full)`: the smallest figure at which the twins fail with certainty, or that of `make chaos`."""
    full = os.environ.get("UCTEST_CHAOS") == "full"
    return lambda ci, at_full: at_full if full else ci
