"""Retention: what is older than it goes, in batches, and nothing else."""

from __future__ import annotations

import datetime as dt
import os
from typing import Any

import pytest

from undercroft.conformance.clock import now
from undercroft.conformance.markers import clause, needs
from undercroft.conformance.rating.data import everything, frame, hour, of, quantity
from undercroft.core import settings
from undercroft.rating import BaseStorage, DataFrame

pytestmark = pytest.mark.usefixtures("examined")


def frames() -> list[DataFrame]:
    """Sixty hours of three points each."""
    return [frame(n, of("a", n), of("b", n, id=1), of("b", n, id=2)) for n in range(60)]


@pytest.fixture
def retention(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Sets the option for how many hours usage is kept."""

    def keep(hours: int) -> None:
        monkeypatch.setenv("UNDERCROFT_STORAGE__RETENTION_PERIOD", str(hours))
        settings.current.cache_clear()

    yield keep
    monkeypatch.undo()
    settings.current.cache_clear()


@clause("R24")
@needs("group_calendar")
def test_expire_deletes_what_is_older_than_the_retention(store: BaseStorage, retention: Any) -> None:
    store.push(frames())
    retention(24)
    assert store.get_retention() == dt.timedelta(hours=24)
    assert store.expire(hour(40)) == 16 * 3
    assert min(p.start for p in everything(store)) == hour(16)
    assert store.expire(hour(40).replace(tzinfo=None)) == 0
    assert quantity(store, groupby=["time-d"]) == sum(p.qty for p in everything(store))


@clause("R24")
def test_expire_asks_our_clock(store: BaseStorage, retention: Any) -> None:
    store.push(frames())
    retention(1)
    with now(hour(11)):
        assert store.expire() == 30
    assert min(p.start for p in everything(store)) == hour(10)


@clause("R24")
def test_a_retention_of_nothing_keeps_everything(store: BaseStorage, retention: Any) -> None:
    store.push(frames())
    retention(0)
    assert store.get_retention() == dt.timedelta(0)
    assert store.expire() == 0
    assert len(everything(store)) == 180


@clause("R24")
def test_the_default_retention_is_a_hundred_days(store: BaseStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("UNDERCROFT_STORAGE__RETENTION_PERIOD", raising=False)
    monkeypatch.setenv("UNDERCROFT_CONFIG", os.devnull)
    settings.current.cache_clear()
    try:
        assert store.get_retention() == type(store).get_retention() == dt.timedelta(hours=2400)
        # It is an answer, and no order to delete.
        store.push(frames())
        assert store.kept_for() is None
        assert store.expiry() is None
        assert store.expire(hour(9_999)) == 0
        assert len(everything(store)) == 180
    finally:
        settings.current.cache_clear()
