"""What a sender of rated usage does, item by item."""

from __future__ import annotations

from typing import Any

from undercroft.conformance.rating import data


def write(store: Any, number: int) -> None:
    """Store the item of a number."""
    store.push([data.frame(number, data.point())])


def count(store: Any) -> int:
    """How many items there are."""
    return len(data.everything(store))


def stores(url: str) -> dict[str, Any]:
    """Arguments of a service of this kind alone."""
    return {"url": url}


def post(number: int) -> tuple[str, Any, int]:
    """Path and body of a request that stores the item of a number below 23, and the status when it has."""
    point = {"vol": {"unit": "h", "qty": 1}, "rating": {"price": 1}, "groupby": {"project_id": "p"}, "metadata": {}}
    period = {"begin": f"2026-11-02T{number:02}:00:00Z", "end": f"2026-11-02T{number + 1:02}:00:00Z"}
    return "/rating/v2/dataframes", {"dataframes": [{"period": period, "usage": {"cpu": [point]}}]}, 204


# Whether an answer is broken off where the store cannot now.
BREAKS_OFF = False
