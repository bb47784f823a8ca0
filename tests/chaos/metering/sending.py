"""What a sender of samples does, item by item."""

from __future__ import annotations

from typing import Any

from undercroft.conformance.metering import data


def write(store: Any, number: int) -> None:
    """Store the item of a number."""
    store.record_metering_data(data.sample(f"s{number}", number, at=number))


def count(store: Any) -> int:
    """How many items there are."""
    return int(store.count_samples())


def stores(url: str) -> dict[str, Any]:
    """Arguments of a service of this kind alone."""
    return {"url": None, "metering": url}


def post(number: int) -> tuple[str, Any, int]:
    """Path and body as Ceilometer sends them, of an item of a number below 60, and the status when it is stored."""
    sample = {
        "id": f"c{number}", "name": "cpu", "type": "gauge", "unit": "%", "volume": number, "user_id": "u", "project_id": "p",
        "resource_id": "r", "timestamp": data.after(number).isoformat(), "resource_metadata": {}, "source": "openstack",
        "monotonic_time": None,
    }  # fmt: skip
    return "/metering/v1/ceilometer/samples", [sample], 200


# Whether an answer is broken off where the store cannot now: Ceilometer sends no sample twice, whatever it was told.
BREAKS_OFF = False
# A question about items.
QUESTION = "/metering/v2/samples"
