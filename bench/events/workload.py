"""The workload: events with 10 traits of all types, of 200 projects, 2,000 users and 40 event types, two a second.

It imports nothing of ours: the peer reads it too, in an environment of its own, with its own classes.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

START = dt.datetime(2026, 1, 1)
PROJECTS, USERS, TYPES, HOSTS = 200, 2_000, 40, 60
# A number without a factor in common with this spreads what is counted over its range.
SPREAD = 1_000_003


def message_id(number: int) -> str:
    """In no order, as real ids are."""
    return f"{number * 7_919 % SPREAD:08x}-0000-4000-8000-{number:012x}"


def project(number: int) -> str:
    return f"{number * 31 % PROJECTS:032x}"


def user(number: int) -> str:
    return f"{number % USERS:032x}"


def request(number: int) -> str:
    return f"req-{number * 104_729 % SPREAD:08x}-{number:08x}"


def moment(number: int) -> dt.datetime:
    return START + dt.timedelta(seconds=number // 2, microseconds=number % 2)


def event(number: int, event_class: Any, trait_class: Any) -> Any:
    """The event of that number."""
    at = moment(number)
    traits = [
        trait_class("project_id", 1, project(number)),
        trait_class("user_id", 1, user(number)),
        trait_class("request_id", 1, request(number)),
        trait_class("resource_id", 1, f"{number * 48_271 % SPREAD:032x}"),
        trait_class("host", 1, f"compute-{number * 17 % HOSTS:03}"),
        trait_class("state", 1, ("active", "building", "error", "deleted")[number % 4]),
        trait_class("memory_mb", 2, 512 << number % 8),
        trait_class("disk_gb", 2, number * 13 % 1_000),
        trait_class("load", 3, number * 37 % 10_007 / 10_007),
        trait_class("launched_at", 4, at - dt.timedelta(minutes=number % 1_440)),
    ]
    return event_class(message_id(number), f"compute.instance.{number % TYPES:02}", at, traits, {})
