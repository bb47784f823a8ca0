"""Sends items one by one, as Ceilometer's publisher does, from two processes with eight threads and connections each."""

from __future__ import annotations

import concurrent.futures
import http.client
import json
import multiprocessing
import time
import urllib.parse
from collections.abc import Callable
from typing import Any

SENDERS = 16


def rate(address: str, body: Callable[[int], Any], count: int) -> float:
    """Requests a second that the service at `address` answers, each with what `body` makes of its number."""
    work = [json.dumps([body(number) for number in range(first, count, SENDERS)]) for first in range(SENDERS)]
    with concurrent.futures.ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        return round(count / max(pool.map(send, [address] * 2, [work[::2], work[1::2]])))


def send(address: str, work: list[str]) -> float:
    """Post each item alone, one thread for each list; seconds."""
    bodies = [[json.dumps(item).encode() for item in json.loads(each)] for each in work]
    headers = {"Content-Type": "application/json", "X-Roles": "admin"}

    def post(mine: list[bytes]) -> None:
        parts = urllib.parse.urlsplit(address)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port)
        for body in mine:
            connection.request("POST", parts.path, body, headers)
            answer = connection.getresponse()
            answer.read()
            if answer.status != 200:
                raise SystemExit(f"the service answers {answer.status}")

    start = time.perf_counter()
    with concurrent.futures.ThreadPoolExecutor(len(bodies)) as pool:
        list(pool.map(post, bodies))
    return time.perf_counter() - start
