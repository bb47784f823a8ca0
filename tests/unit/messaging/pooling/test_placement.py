"""The protocol by which a queue changes its pool, with processes that know less than all, and whose clocks differ."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from undercroft.messaging.models import Mapped
from undercroft.messaging.pooling import placement
from undercroft.messaging.pooling.placement import LEASE, MARGIN, SKEW, Former, Placement

pytestmark = pytest.mark.promise("D1")
NOW = 1_700_000_000_000
POOLS = ("a", "b", "c")


@pytest.fixture(autouse=True)
def quick() -> None:
    """The times are those of every day."""


@dataclasses.dataclass
class Process:
    """What a process believes, since when, and how wrong its clock is."""

    error: int
    believes: Placement
    since: int


class World:
    """A catalogue with one queue, and processes that read and change it."""

    def __init__(self, errors: list[int]) -> None:
        self.now = NOW
        self.entry = Placement("a")
        self.processes = [Process(error, self.entry, self.now) for error in errors]
        self.pending: list[tuple[int, Placement, Placement]] = []

    def clock(self, number: int) -> int:
        return self.now + self.processes[number].error

    def look(self, number: int) -> Placement:
        one = self.processes[number]
        one.believes, one.since = self.entry, self.now
        return self.entry

    def believed(self, number: int) -> Placement:
        one = self.processes[number]
        return one.believes if self.now - one.since < LEASE else self.look(number)

    def write(self, before: Placement, after: Placement | None, delay: int) -> None:
        if after is not None:
            self.pending.append((self.now + delay, before, after))

    def wait(self, milliseconds: int) -> None:
        """Time passes; changes arrive that are still made on what the entry is."""
        until = self.now + milliseconds
        while self.pending and (first := min(self.pending, key=lambda one: one[0]))[0] <= until:
            self.pending.remove(first)
            self.now = max(self.now, first[0])
            if self.entry == first[1]:
                self.entry = first[2]
            self.check()
        self.now = until
        self.check()

    def check(self) -> None:
        """No process takes messages from a pool that another one empties."""
        views = [placement.view(self.believed(number), self.clock(number)) for number in range(len(self.processes))]
        emptied = {name for view in views if not view.waits for name in view.drains}
        taken = {view.reads for view in views}
        assert not emptied & taken, (views, self.entry, self.now)

    def step(self, number: int, what: str, pool: str, delay: int) -> None:
        """A process does something, if it may, which arrives after a delay."""
        known = self.look(number)
        self.write(known, DOES[what](known, self.clock(number), pool), delay)

    def next(self, number: int, pool: str, delay: int) -> None:
        """A process does what is to be done."""
        known = self.look(number)
        steps = (DOES[what](known, self.clock(number), pool) for what in DOES)
        self.write(known, next((one for one in steps if one is not None), None), delay)


# What a process may do, the most urgent first; None where it may not.
DOES: dict[str, Callable[[Placement, int, str], Placement | None]] = {
    "again": lambda old, now, _: placement.again(old, now) if placement.view(old, now).is_late else None,
    "assure": lambda old, now, _: placement.assured(old) if placement.is_soon_enough(old, now) else None,
    "drained": lambda old, now, _: placement.is_drained(old, now) if placement.view(old, now).drains and not old.posts else None,
    "arrive": lambda old, now, _: placement.arrived(old, now) if placement.may_end(old, now) else None,
    "begin": lambda old, now, _: placement.begun(old, now) if placement.may_begin(old) else None,
    "wish": lambda old, now, pool: placement.wished(old, pool),
}
STEPS = st.tuples(
    st.integers(0, 3),
    st.sampled_from(["", "", "", "wish", "look"]),
    st.sampled_from(POOLS),
    st.sampled_from([0, 0, 0, 10, 500, 3_000, LEASE + MARGIN, LEASE + MARGIN + SKEW]),
    st.sampled_from([0, 1, 100, 900, SKEW, LEASE - 1, LEASE + MARGIN - 1, LEASE + MARGIN, 25_000]),
)


def lived(errors: list[int], steps: list[tuple[int, str, str, int, int]]) -> None:
    world = World(errors)
    for number, what, pool, delay, pause in steps:
        if what == "look":
            world.look(number)
        elif what:
            world.step(number, what, pool, delay)
        else:
            world.next(number, pool, delay)
        world.wait(pause)


ERRORS = st.lists(st.integers(-SKEW // 2 + 1, SKEW // 2 - 1), min_size=4, max_size=4)


@settings(max_examples=500, deadline=None)
@given(ERRORS, st.lists(STEPS, max_size=60))
def test_no_pool_is_read_while_it_is_emptied(errors: list[int], steps: list[tuple[int, str, str, int, int]]) -> None:
    lived(errors, steps)


@pytest.mark.parametrize("without", ["assurance", "a lease", "a pause"])
def test_twin_is_read_while_it_is_emptied(monkeypatch: pytest.MonkeyPatch, without: str) -> None:
    """Without one of its parts, the protocol lets a process take what another one brings away."""
    begun = placement.begun
    if without == "assurance":
        monkeypatch.setattr(placement, "begun", lambda old, now: placement.assured(begun(old, now)))
    else:
        monkeypatch.setattr(placement, {"a lease": "LEASE", "a pause": "SKEW"}[without], 0)

    @settings(max_examples=5_000, deadline=None, derandomize=True, database=None, phases=[Phase.generate])
    @given(ERRORS, st.lists(STEPS, min_size=20, max_size=60))
    def world(errors: list[int], steps: list[tuple[int, str, str, int, int]]) -> None:
        lived(errors, steps)

    with pytest.raises(AssertionError):
        world()


def test_the_whole_way() -> None:
    world = World([0])
    world.step(0, "wish", "b", 0)
    world.wait(0)
    assert world.entry.goal == "b"
    world.step(0, "begin", "b", 0)
    world.wait(0)
    world.step(0, "assure", "b", 0)
    world.wait(0)
    assert placement.view(world.entry, world.now) == placement.View("a", "a")
    world.wait(LEASE + MARGIN)
    assert placement.view(world.entry, world.now) == placement.View("a", "b", ("a",), SKEW)
    world.wait(SKEW)
    assert placement.view(world.entry, world.now) == placement.View("a", "b", ("a",))
    world.step(0, "drained", "b", 0)
    world.wait(LEASE + MARGIN)
    assert placement.view(world.entry, world.now) == placement.View("b", "b", ("a",))
    world.step(0, "arrive", "b", 0)
    world.wait(0)
    assert world.entry.to == "b"
    world.wait(placement.GRACE)
    world.step(0, "arrive", "b", 0)
    world.wait(0)
    assert (world.entry.pool, world.entry.to, world.entry.is_still) == ("b", "", True)
    assert placement.remembering(world.entry, "b", world.now) == ["a"]
    assert placement.remembering(world.entry, "b", world.now + placement.MEMORY) == []


def test_a_wish_for_where_it_is_going_is_none() -> None:
    assert placement.wished(Placement("a"), "a").wish == ""
    assert placement.wished(Placement("a", wish="b"), "a").wish == ""
    assert placement.wished(Placement("a", to="b"), "b").wish == ""
    assert placement.wished(Placement("a", to="b"), "a").wish == "a"
    assert not placement.may_begin(Placement("a", to="b", wish="a"))


def test_sources_rest_while_it_moves() -> None:
    found = placement.begun(Placement("a", wish="b", sources=("c", "b")), NOW)
    assert (found.sources, found.paused) == ((), ("c",))
    assert set(found.pools) == {"a", "b", "c"}
    found = placement.sourced(found, "d")
    assert placement.arrived(found, NOW).sources == ("c", "d")
    assert placement.sourced(Placement("a"), "a") == Placement("a")


@given(
    st.builds(
        Placement,
        pool=st.text(min_size=1),
        to=st.text(),
        reads=st.integers(0, 2**53),
        sure=st.booleans(),
        sources=st.lists(st.text()).map(tuple),
        former=st.lists(st.builds(Former, st.text(), st.integers(0, 2**53))).map(tuple),
        hops=st.integers(0, 99),
        dead=st.text(),
        unmade=st.booleans(),
    )
)
def test_the_catalogue_keeps_it(found: Placement) -> None:
    assert placement.decoded(Mapped("", "q", "x", placement.encoded(found), 1)) == found


def test_an_entry_of_the_host_has_its_pool_alone() -> None:
    assert placement.decoded(Mapped("", "q", "x", b"", 1)) == Placement("x")
