"""Pools by their weights."""

from __future__ import annotations

from collections import Counter

from undercroft.messaging.models import Pool
from undercroft.messaging.pooling.choosing import chosen


def pool(name: str, weight: int) -> Pool:
    return Pool(name, f"sqlite:///{name}.db", weight, "", {})


def test_weights_share_what_is_chosen() -> None:
    pools = [pool("none", 0), pool("one", 1), pool("three", 3)]
    found = Counter(one.name for _ in range(4_000) if (one := chosen(pools)))
    assert found["none"] == 0
    assert 800 < found["one"] < 1_200


def test_without_weights_there_is_none() -> None:
    assert chosen([]) is None
    assert chosen([pool("none", 0)]) is None
