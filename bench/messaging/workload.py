"""The messages of the benchmark."""

from __future__ import annotations

QUEUE, PROJECT, CLIENT = "jobs", "bench", "3381af92-2b9e-11e3-b191-71861300734c"
# Some 200 bytes, as a notification's essentials have.
BODY = {
    "event_type": "compute.instance.update",
    "instance_id": "5f8d2bb6-31c4-4f0c-9f0f-6b2a4a5b1f0e",
    "state": "active",
    "host": "compute-17",
    "at": "2026-11-29T12:00:00.000000",
    "attempt": 1,
}
# Messages of one call at most.
MOST = 1_000
