"""Large answers about samples: sent while they are read, in memory that does not grow with them."""

from __future__ import annotations

import datetime as dt
import json
import pathlib
from collections.abc import Callable
from typing import Any

import pytest

from tests.api.service import Service, serving
from tests.conftest import url_of

pytestmark = [pytest.mark.one_per_driver, pytest.mark.promise("S5")]

NOON = dt.datetime(2026, 1, 1, 12)
# Bytes of metadata that a few samples share: a store keeps them once, an answer has them for each.
FILLING = "x" * 3_000
# What the service may take more: less than half of an answer.
MOST_GROWN = 24 * 2**20


def sample(number: int) -> dict[str, Any]:
    return {
        "counter_name": "cpu", "counter_type": "gauge", "counter_unit": "%", "counter_volume": number, "user_id": "u",
        "project_id": "a", "resource_id": f"r{number % 10}", "timestamp": NOON + dt.timedelta(seconds=number),
        "resource_metadata": {"filling": FILLING, "n": number % 100}, "source": None, "message_id": f"m{number}",
        "message_signature": None,
    }  # fmt: skip


@pytest.fixture(scope="module")
def many(metering_place: Any) -> int:
    """So many samples that an answer of all of them is above 48 MiB."""
    metering_place.opened[0].clear()
    metering_place.opened[0].record_metering_data_batch(map(sample, range(16_500)))
    return 16_500


def highest(service: Service) -> int:
    """Bytes that the processes of the service held at their most, since the mark was set back."""
    found = [pathlib.Path(f"/proc/{pid}/status").read_text().partition("VmHWM:")[2].split()[0] for pid in service.pids()]
    return sum(map(int, found)) * 1024


def reset(service: Service) -> int:
    """Set the mark back; bytes that are held now."""
    for pid in service.pids():
        pathlib.Path(f"/proc/{pid}/clear_refs").write_text("5")
    return highest(service)


def whole(service: Service, method: str, path: str, given: dict[str, Any]) -> tuple[int, bytes]:
    """How many bytes an answer has, and its end; nothing of it is kept here."""
    taken, tail = 0, b""
    with service.client.stream(method, f"/metering{path}", **given) as answer:
        assert answer.status_code == 200
        for part in answer.iter_raw():
            taken, tail = taken + len(part), (tail + part)[-4_096:]
    return taken, tail


@pytest.mark.parametrize("program", ["undercroft.cli.main", "tests.api.hoarding"], ids=["", "twin: held before it is sent"])
def test_large_answers_are_flat(metering_place: Any, many: int, program: str, record: Callable[..., None]) -> None:
    filter_ = json.dumps({">=": {"volume": 0}})
    everything = {"filter": filter_, "orderby": '[{"timestamp": "asc"}]', "limit": 100_000}
    with serving(None, metering=url_of(metering_place), program=program) as service:
        asked: list[tuple[str, str, dict[str, Any]]] = [
            ("GET", "/v2/samples?limit=100000", {}), ("POST", "/v2/query/samples", {"json": everything}),
            *(("GET", f"/v1/samples?format={form}", {}) for form in ("jsonl", "csv", "parquet")),
        ]  # fmt: skip
        if program != "undercroft.cli.main":
            asked = asked[:1]
        # What the first of each costs once: libraries, connections, caches.
        for method, path, given in asked:
            if method == "GET":
                whole(service, method, f"{path}&q.field=timestamp&q.op=lt&q.value=2026-01-01T12:10:00", given)
        sizes, grown = [], []
        for method, path, given in asked:
            before = reset(service)
            size, tail = whole(service, method, path, given)
            sizes.append(size)
            grown.append(highest(service) - before)
            assert tail.endswith((b"}]", b"}\n", b"\n", b"PAR1"))
    record(samples=many, largest=f"{max(sizes) / 2**20:.0f} MiB", grown=f"{max(grown) / 2**20:.0f} MiB")
    assert max(sizes) > 2 * MOST_GROWN
    assert (max(grown) <= MOST_GROWN) == (program == "undercroft.cli.main")
