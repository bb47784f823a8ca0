"""What the processes of the suite of samples do. They start afresh, so this is a module that they can import."""

from __future__ import annotations

import multiprocessing.synchronize
from typing import Any

import undercroft
from undercroft.conformance.clock import now
from undercroft.conformance.metering.data import LATER, hour, sample, uuid1

ROUNDS, EACH = 8, 20


def initialise(number: int, barrier: multiprocessing.synchronize.Barrier, url: str, namespace: str) -> None:
    """Upgrade at the same moment as the others, then record one sample of one's own."""
    store = undercroft.connect("metering", url, namespace=namespace)
    barrier.wait(60)
    store.upgrade()
    store.record_metering_data(sample(f"m{number}"))
    store.close()


def batch(name: str, n: int) -> list[dict[str, Any]]:
    """Samples of a round: of new meters, resources and metadata, over several hours."""
    return [
        sample(
            uuid1(hour(k % 4), n * EACH + k) if k % 2 else f"{name}{n}-{k}", n + k, at=hour(k % 4), meter=f"k{n}-{k % 3}",
            resource=f"r{name}{n}-{k % 5}", resource_metadata={"n": n, "k": k % 2},
        )
        for k in range(EACH)
    ]  # fmt: skip


def record_the_same(number: int, barrier: multiprocessing.synchronize.Barrier, url: str, namespace: str) -> None:
    """Record the same samples as the others, in an order of one's own."""
    store = undercroft.connect("metering", url, namespace=namespace)
    barrier.wait(60)
    for n in range(ROUNDS):
        samples = batch("m", n)
        store.record_metering_data_batch(samples if number % 2 else samples[::-1])
    store.close()


def record_maintain_and_expire(number: int, barrier: multiprocessing.synchronize.Barrier, url: str, namespace: str) -> None:
    """Record samples that nobody else records, of hours that all share, and add up; one expires what is old, too."""
    store = undercroft.connect("metering", url, namespace=namespace)
    barrier.wait(60)
    for n in range(ROUNDS):
        store.record_metering_data_batch([
            sample(f"m{number}-{n}-{k}", number, at=hour(k) + n * hour(k).resolution, resource=f"r{number % 2}") for k in range(5)
        ])  # fmt: skip
        with now(hour(5) if number == 0 else LATER):
            if number == 0:
                store.clear_expired_metering_data(5 * 3_600, 40)
            else:
                store.maintain()
    store.close()
