"""What the processes of the events suite do. They start afresh, so this is a module that they can import."""

from __future__ import annotations

import multiprocessing.synchronize

import undercroft
from undercroft.conformance.events.data import event, text, whole

ROUNDS = 12


def initialise(number: int, barrier: multiprocessing.synchronize.Barrier, url: str, namespace: str) -> None:
    """Upgrade at the same moment as the others, then record one event of one's own."""
    store = undercroft.connect("events", url, namespace=namespace)
    barrier.wait(60)
    store.upgrade()
    store.record_events([event(f"m{number}")])
    store.close()


def record_the_same(number: int, barrier: multiprocessing.synchronize.Barrier, url: str, namespace: str) -> None:
    """Record the same ids, of the same new types, as the others, in an order of one's own."""
    store = undercroft.connect("events", url, namespace=namespace)
    barrier.wait(60)
    for n in range(ROUNDS):
        batch = [event(f"m{n}-{k}", whole("by", number), text(f"new{n}", "x"), kind=f"k{n}-{k % 3}") for k in range(20)]
        store.record_events(batch if number % 2 else batch[::-1])
    store.close()


def record_ones_own(number: int, barrier: multiprocessing.synchronize.Barrier, url: str, namespace: str) -> None:
    """Record events that nobody else records, of a type that all share."""
    store = undercroft.connect("events", url, namespace=namespace)
    barrier.wait(60)
    for n in range(ROUNDS):
        store.record_events([event(f"m{number}-{n}-{k}", whole("by", number), text("shared", "x")) for k in range(10)])
    store.close()
