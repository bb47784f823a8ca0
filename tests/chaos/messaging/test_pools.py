"""A queue changes its pool, to and fro, while it is used and its movers are killed: no message is lost, and none is there twice."""

from __future__ import annotations

import contextlib
import pathlib
import threading
import time
import urllib.parse
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from tests.chaos.messaging import pooled
from tests.chaos.processes import life
from undercroft.conformance.plugin import Opener
from undercroft.messaging.pooling import placement

pytestmark = [pytest.mark.promise("D1"), pytest.mark.timeout(1800)]
MESSAGES, EACH = 60, 4
PATIENCE = 240


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LEASE", "MARGIN", "SKEW", "GRACE"):
        monkeypatch.setattr(placement, name, getattr(placement, name))
    pooled.hasten()


def of_pools(url: str) -> list[str]:
    """Two of the pools that a URL names, if it names some: those whose engines are servers."""
    named = urllib.parse.parse_qs(url.partition("?")[2]).get("pools", [""])[0]
    return named.split(",")[-2:] if named else []


@pytest.fixture
def url(opener: Opener, tmp_path: pathlib.Path) -> str:
    """Of a store with two pools, of unlike engines where the run's is not a file: flavors `0` and `1`."""
    return f"pooled+sqlite:///{tmp_path}/control.db"


@pytest.fixture
def store(url: str, opener: Opener, tmp_path: pathlib.Path) -> Iterator[Any]:
    with contextlib.closing(pooled.opened(url, {"namespace": opener.namespace})) as found:
        found.init()
        uris = of_pools(opener.url) or [f"sqlite:///{tmp_path}/other.db", opener.url]
        for number, uri in enumerate(uris):
            found.control_driver.flavors_controller.create(str(number))
            named = f"{uri}{'&' if '?' in uri else '?'}namespace={opener.namespace}"
            found.control_driver.pools_controller.create(f"pool-{number}", 100, named, str(number))
        found.init()
        found.queue_controller.create(pooled.QUEUE, {"_flavor": "0"})
        yield found
        found.drop()


def change(store: Any, flavor: str) -> None:
    """Let the queue go to the pool of a flavor."""
    store.queue_controller.set_metadata(pooled.QUEUE, {"_flavor": flavor})


def until_there(store: Any, flavor: str, url: str, options: dict[str, Any], way: str, seed: int) -> int:
    """Movers live and die until the queue is in its pool; how many died."""
    until, died = time.monotonic() + PATIENCE, 0
    while time.monotonic() < until:
        with life(pooled.move, url, options, way, seed + died) as mover, contextlib.suppress(EOFError):
            mover.hear()
            while time.monotonic() < until and not mover.speaks():
                found = pooled.state(store)
                if (found.pool, found.to) == (f"pool-{flavor}", ""):
                    return died
                threading.Event().wait(0.02)
            mover.hear()
        died += 1
    raise TimeoutError("the queue is still on its way")


def everything(store: Any) -> list[Any]:
    """The bodies of all messages, which are taken away."""
    found: list[Any] = []
    while some := store.message_controller.pop(pooled.QUEUE, 100):
        found += [one["body"] for one in some]
    return found


def moved(store: Any, url: str, options: dict[str, Any], way: str, changes: int, seed: int) -> tuple[list[Any], int]:
    """What is in the queue after so many changes of its pool, fewer if something is wrong, and how many movers died: some did."""
    for body in range(MESSAGES):
        store.message_controller.post(pooled.QUEUE, [{"ttl": pooled.LIFE, "body": body}], None)
    died = number = 0
    while number < changes or (not died and number < 10 * changes):
        number += 1
        flavor = str(number % 2)
        change(store, flavor)
        died += until_there(store, flavor, url, options, way, seed + number * 1_000)
        if store.queue_controller.stats(pooled.QUEUE)["messages"]["total"] != MESSAGES:
            break
    return everything(store), died


def test_movers_may_die_between_any_two_steps(store: Any, url: str, opener: Opener, record: Any, figure: Any, seed: int):
    """All are there once, in their order."""
    changes = figure(3, 20)
    found, died = moved(store, url, {"namespace": opener.namespace}, "as it is", changes, seed)
    record(changes=changes, died=died, messages=len(found))
    assert found == list(range(MESSAGES))
    assert died


@pytest.mark.parametrize("way", ["deleting first", "without memory"])
def test_twin_another_mover_loses_or_doubles(store: Any, url: str, opener: Opener, record: Any, seed: int, way: str):
    found, died = moved(store, url, {"namespace": opener.namespace}, way, 12, seed)
    counted = Counter(found)
    lost, doubled = MESSAGES - len(counted), sum(count > 1 for count in counted.values())
    record(died=died, lost=lost, doubled=doubled)
    assert lost if way == "deleting first" else doubled


def test_a_queue_is_used_while_it_goes_to_and_fro(store: Any, url: str, opener: Opener, record: Any, figure: Any, seed: int):
    """Four post, four claim, movers die: what was posted was claimed, once."""
    changes, options = figure(2, 20), {"namespace": opener.namespace}
    with contextlib.ExitStack() as stack:
        posting = [stack.enter_context(life(pooled.post, url, options, number)) for number in range(EACH)]
        claiming = [stack.enter_context(life(pooled.claim, url, options, number)) for number in range(EACH)]
        for each in (*posting, *claiming):
            assert each.hear() == "begun"
        died = 0
        for number in range(changes):
            flavor = str((number + 1) % 2)
            change(store, flavor)
            died += until_there(store, flavor, url, options, "as it is", seed + number * 1_000)
        for each in posting:
            each.tell("end")
        posted = [[number, count] for number, each in enumerate(posting) for count in range(each.hear())]
        for each in claiming:
            each.tell("end")
        taken = [body for each in claiming for body in each.hear(PATIENCE)]
    counted = Counter(map(tuple, taken))
    record(changes=changes, died=died, posted=len(posted), taken=len(taken))
    assert {body: count for body, count in counted.items() if count > 1} == {}
    assert sorted(counted) == sorted(map(tuple, posted))
    assert store.queue_controller.stats(pooled.QUEUE)["messages"]["total"] == 0
