"""The cache of queues of a process keeps so many, and no more."""

from __future__ import annotations

from undercroft.messaging import cache


def test_what_was_set_last_is_kept(monkeypatch):
    monkeypatch.setattr(cache, "MOST", 3)
    region = cache.region()
    for number in range(5):
        region.set(f"q{number}", [1, number, "{}"])
    assert [number for number in range(5) if region.get(f"q{number}")] == [2, 3, 4]
    region.set("q2", [1, 9, "{}"])
    region.set("q5", [1, 5, "{}"])
    assert [number for number in range(6) if region.get(f"q{number}")] == [2, 4, 5]


def test_stores_share_no_region():
    assert cache.region() is not cache.region()
