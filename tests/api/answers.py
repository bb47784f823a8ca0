"""Helpers for the API tests of all kinds: callers, the text of a refusal, concurrent senders."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Callable
from typing import Any

import httpx

# Identifies a client of messages; other kinds do not look at it.
CLIENT = {"Client-ID": "3381af92-2b9e-11e3-b191-71861300734c"}
ADMIN = {"X-Auth-Token": "t-admin-a"}
MEMBER = {"X-Auth-Token": "t-member-a"}
SENDERS, EACH = 16, 30


def fault(answer: httpx.Response, status: int = 400) -> str:
    """What a refusal says, in the form of Ceilometer's and Panko's APIs."""
    assert answer.status_code == status, answer.text
    found = answer.json()["error_message"]
    assert found.keys() == {"faultcode", "faultstring", "debuginfo"}
    assert found["faultcode"] == "Client"
    text: str = found["faultstring"]
    return text


def named(*numbers: int) -> list[str]:
    """Message ids of the items of these numbers."""
    return [f"m{number:03}" for number in numbers]


def send_in_pairs(url: str, path: str, item: Callable[[str, int, int], Any]) -> int:
    """Post single items from many senders, two of whom send the same message ids, and return how many were sent.

    Args:
        url, path: where to.
        item: makes one from its message id, the number of its sender and its own.
    """

    def send(sender: int) -> int:
        with httpx.Client(base_url=url, headers=ADMIN, timeout=60) as client:
            for number in range(EACH):
                one = item(f"s-{sender // 2}-{number}", sender, number)
                assert client.post(path, json=one).status_code == 200
        return EACH

    with concurrent.futures.ThreadPoolExecutor(SENDERS) as pool:
        return sum(pool.map(send, range(SENDERS)))
