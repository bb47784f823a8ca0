"""What the processes of the concurrency tests do. They start afresh, so this is a module that they can import."""

from __future__ import annotations

import multiprocessing.synchronize
from typing import Any

import undercroft
from undercroft.conformance.rating.data import frame, of


def initialise(number: int, barrier: multiprocessing.synchronize.Barrier, url: str, namespace: str) -> None:
    """Call init at the same moment as the others, then push one point of one's own."""
    store = undercroft.connect("rating", url, namespace=namespace)
    barrier.wait(60)
    store.init()
    store.push([frame(0, of(f"p{number}", 1))])
    store.close()


def push_the_same(number: int, barrier: multiprocessing.synchronize.Barrier, url: str, namespace: str, rounds: int) -> None:
    """Push the same series keys as the others, again and again, with quantities of one's own."""
    store = undercroft.connect("rating", url, namespace=namespace)
    barrier.wait(60)
    for _ in range(rounds):
        store.push(contested(number))
    store.close()


def push_ones_own(number: int, barrier: multiprocessing.synchronize.Barrier, url: str, namespace: str, rounds: int) -> None:
    """Push periods that nobody else pushes, of a project and a type that all share."""
    store = undercroft.connect("rating", url, namespace=namespace)
    barrier.wait(60)
    for n in range(rounds):
        store.push([frame(n, of("shared", 1, id=f"r{number}"), of(f"p{number}", n))])
    store.close()


def contested(number: int, points: int = 40) -> list[Any]:
    """So many keys in four periods; each writer has quantities of its own, and walks the keys in an order of its own."""
    frames = [frame(n, *(of("a", number + 1, number + 1, id=m) for m in range(points // 4))) for n in (0, 1, 24, 800)]
    return frames if number % 2 else frames[::-1]
