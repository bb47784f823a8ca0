"""A store with two pools whose changes take little time."""

from __future__ import annotations

import contextlib
import pathlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import undercroft
from undercroft.messaging.pooling import placement

Open = Callable[[], Any]
PATIENCE = 30


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, milliseconds in (("LEASE", 100), ("MARGIN", 500), ("SKEW", 30), ("GRACE", 50)):
        monkeypatch.setattr(placement, name, milliseconds)


@pytest.fixture
def open_store(tmp_path: pathlib.Path) -> Iterator[Open]:
    with contextlib.ExitStack() as stack:

        def opened() -> Any:
            return stack.enter_context(contextlib.closing(undercroft.connect("messaging", f"pooled+sqlite:///{tmp_path}/m.db")))

        first = opened()
        first.init()
        control = first.control_driver
        for name in ("a", "b"):
            control.flavors_controller.create(name)
            control.pools_controller.create(name, 100, f"sqlite:///{tmp_path}/{name}.db", name)
        first.close()
        yield opened


@pytest.fixture
def store(open_store: Open) -> Any:
    """Its queue `q` is in the pool `a`."""
    found = open_store()
    found.queue_controller.create("q", {"_flavor": "a"})
    return found


def state(store: Any, queue: str = "q") -> placement.Placement:
    """Where a queue is."""
    return placement.decoded(store.control_driver.catalogue_controller._find("", queue))


def until(is_so: Callable[[], bool]) -> None:
    """Wait for something."""
    ends = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < ends
        threading.Event().wait(0.005)


def begin(store: Any, flavor: str, queue: str = "q") -> None:
    """Let a queue change its pool, up to where its messages are taken from the new one."""
    store.queue_controller.set_metadata(queue, {"_flavor": flavor})

    def has_begun() -> bool:
        view = placement.view(state(store, queue), store.now())
        if view.is_late:
            # This machine was slow: whoever reads the queue sees to it.
            store.message_controller.first(queue)
        return bool(view.drains)

    until(has_begun)


def go_on(store: Any, queue: str = "q") -> None:
    """Let the posts follow."""
    until(lambda: bool(store.rebalance() or state(store, queue).posts))
    until(lambda: store.now() >= state(store, queue).posts)


def finish(store: Any, flavor: str, queue: str = "q") -> None:
    """Let it arrive."""

    def is_there() -> bool:
        store.rebalance()
        return (state(store, queue).pool, state(store, queue).to) == (flavor, "")

    until(is_there)


def go(store: Any, flavor: str, queue: str = "q") -> None:
    """Let a queue change its pool."""
    begin(store, flavor, queue)
    finish(store, flavor, queue)


def in_pool(store: Any, pool: str, queue: str = "q") -> int:
    """Messages of a queue in a pool."""
    found = store.pools.named(pool).driver.message_controller.stats(queue)["messages"]["total"]
    return int(found)
