"""Whether a server changes a document at once: where several change one under the same condition, exactly one may succeed.

Not every server that speaks MongoDB's protocol does. None of them says so, so it is tried, on documents made for that.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import threading
import uuid
from collections.abc import Callable
from typing import Any

import pymongo

_THREADS, _DOCUMENTS, _ROUNDS = 6, 30, 2
_lock = threading.Lock()
# What was found of each place, empty where all was right: a server does not become another one while a process lasts.
_known: dict[str, str] = {}


def lost(place: str, collection: Any) -> str:
    """What the server does wrong; empty for nothing. It is tried once in a process.

    Args:
        place: names the server and the database.
        collection: where documents can be made for it; they are removed.
    """
    with _lock:
        if place not in _known:
            _known[place] = _tried(collection)
        return _known[place]


def _tried(collection: Any) -> str:
    ways = {
        "conditional changes": lambda own, thread: _update(collection, own, thread),
        "find_one_and_update": lambda own, thread: _claim(collection, own, thread),
    }
    for _ in range(_ROUNDS):
        for name, way in ways.items():
            winners = _held(collection, way)
            if winners != _DOCUMENTS:
                return f"of {_DOCUMENTS} documents that several threads changed at once, {winners} {name} succeeded"
    return ""


def _held(collection: Any, way: Callable[[list[str], int], int]) -> int:
    """How often one of many threads was told that it had changed a document first."""
    own = [f"{uuid.uuid4().hex}" for _ in range(_DOCUMENTS)]
    # One of them, which ends after the server's answer, must not begin alone.
    start = threading.Barrier(_THREADS)
    collection.insert_many([{"_id": each, "free": 1} for each in own])
    try:
        with concurrent.futures.ThreadPoolExecutor(_THREADS) as pool:
            done = [pool.submit(_raced, start, way, own, thread) for thread in range(_THREADS)]
            return sum(each.result() for each in done)
    finally:
        collection.delete_many({"_id": {"$in": own}})


def _raced(start: threading.Barrier, way: Callable[[list[str], int], int], own: list[str], thread: int) -> int:
    with contextlib.suppress(threading.BrokenBarrierError):
        start.wait(5)
    return way(own, thread)


def _update(collection: Any, own: list[str], thread: int) -> int:
    change = {"$set": {"free": 0, "by": thread}}
    return sum(collection.update_one({"_id": each, "free": 1}, change).modified_count for each in own)


def _claim(collection: Any, own: list[str], thread: int) -> int:
    change, after, count = {"$set": {"free": 0, "by": thread}}, pymongo.ReturnDocument.AFTER, 0
    for each in own:
        count += collection.find_one_and_update({"_id": each, "free": 1}, change, return_document=after) is not None
    return count
