"""A fixture for tests of single exchanges."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.datasources.noon import NOW, OPENED
from undercroft.conformance import clock


@pytest.fixture
def noon() -> Iterator[None]:
    """The clock stands at noon; sources are closed at the end."""
    with clock.now(NOW):
        yield
    while OPENED:
        OPENED.pop().close()
