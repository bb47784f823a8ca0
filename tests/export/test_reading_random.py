"""Random samples, windows and page sizes: what is read is what the window holds, each batch is complete up to where it says."""

from __future__ import annotations

import datetime as dt
import itertools
import math
from typing import Any

import hypothesis
import msgspec
import pytest
from hypothesis import strategies as st

from tests.conftest import FULL
from tests.export.old_ceilometer import OldCeilometer
from tests.export.reading import BOTH, MICROSECOND, START, asking, made, reading, settings_of, whole
from undercroft.export.client import Client
from undercroft.export.login import login
from undercroft.export.source import Source

DAY = dt.timedelta(days=1)
SETTINGS = settings_of("http://127.0.0.1:1")
NUMBERS = itertools.count()
# Gaps between one timestamp and the next, in microseconds, and how many samples each timestamp has.
GAPS = st.sampled_from([1, 1, 1, 2, 999, 1_000_000, 60_000_000, 3_600_000_000, 3 * 86_400_000_000])
BURSTS = st.sampled_from([1, 1, 1, 1, 2, 3, 7, 8, 20])


@pytest.fixture(scope="module")
def old():
    """One server for all examples: each has a meter of its own."""
    with OldCeilometer(ties=False) as server:
        yield server


@pytest.fixture(scope="module")
def client(old):
    """One client for all examples: making one takes longer than an example."""
    settings = settings_of(old.url)
    client = Client(settings, login(settings))
    yield client
    client.close()


def laid_out(steps: list[tuple[int, int]], meter: str) -> list[dict[str, Any]]:
    """Samples of bursts, each a gap after the last one."""
    at = START
    found: list[dict[str, Any]] = []
    for gap, count in steps:
        at += gap * MICROSECOND
        found += [made(len(found) + n, at, meter, message_id=f"{meter}-{len(found) + n}") for n in range(count)]
    return found


@pytest.mark.parametrize("mode", BOTH)
@hypothesis.given(
    steps=st.lists(st.tuples(GAPS, BURSTS), max_size=10),
    size=st.integers(1, 7),
    cut=st.tuples(st.integers(0, 11), st.integers(0, 11)),
    after=st.tuples(st.integers(0, 1), st.integers(0, 1)),
)
@hypothesis.settings(max_examples=200 if FULL else 40)
def test_a_window_is_read_as_it_is(old, client, mode, steps, size, cut, after):
    meter = f"{mode}-{next(NUMBERS)}"
    held = laid_out(steps, meter)
    edges = [START, *sorted({dt.datetime.fromisoformat(each["timestamp"]) for each in held})]
    edges.append(edges[-1] + 2 * DAY)
    begin, end = (edges[min(n, len(edges) - 1)] + extra * MICROSECOND for n, extra in zip(sorted(cut), after, strict=True))
    hypothesis.assume(begin < end)
    old.add(held)
    del old.requests[:]
    settings = msgspec.structs.replace(SETTINGS, page=size, mode=mode)
    batches = whole(Source(settings, client), begin, end, meter=meter)
    wanted = {each["message_id"]: at for each in held if begin <= (at := dt.datetime.fromisoformat(each["timestamp"])) < end}
    come: list[str] = []
    for batch in batches:
        come += [sample.message_id for sample in batch.samples]
        missing = [one for one, at in wanted.items() if at < batch.until and one not in set(come)]
        assert not missing
    assert sorted(come) == sorted(wanted)
    untils = [batch.until for batch in batches]
    assert untils == sorted(untils)
    assert len(old.requests) <= most_requests(mode, begin, end, size, sorted(wanted.values()))


def most_requests(mode: str, begin: dt.datetime, end: dt.datetime, size: int, times: list[dt.datetime]) -> int:
    """A bound that follows from the rules of reading.

    A request for each day. Complex: a request for each page, a few more for each timestamp that fills a page, because the limit
    doubles, and one that asks for what follows an empty day. Simple: a window halves at most 37 times until it is a microsecond,
    for each timestamp, doubles its limit there, and grows again.
    """
    days = math.ceil((end - begin) / DAY)
    distinct = sorted(set(times))
    doublings = sum(2 + math.ceil(math.log2(max(times.count(at) / size, 1))) for at in distinct)
    if mode == "complex":
        return 2 * days + len(times) // size + doublings + 2
    return days + len(distinct) * 3 * 37 + doublings


@pytest.mark.parametrize("mode", BOTH)
def test_a_quiet_window_is_one_request_a_day(old, mode):
    del old.requests[:]
    with reading(old.url, mode=mode) as source:
        assert [batch.until for batch in whole(source, START, START + 5 * DAY / 2, asking(), "quiet")][-1] == START + 5 * DAY / 2
    assert len(old.requests) == {"complex": 2, "simple": 3}[mode]


@pytest.mark.parametrize("mode", BOTH)
def test_full_pages_cost_a_request_each(mode):
    count, size = 3000, 100
    held = [made(n, START + n * dt.timedelta(seconds=20)) for n in range(count)]
    with OldCeilometer(held) as old, reading(old.url, page=size, mode=mode) as source:
        batches = whole(source, START, START + DAY)
        assert sum(len(batch.samples) for batch in batches) == count
        assert len(old.requests) <= {"complex": 1.1, "simple": 3.5}[mode] * count / size
        # Pages are what is held at once.
        assert max(len(batch.samples) for batch in batches) <= size


@pytest.mark.parametrize("mode", BOTH)
def test_a_burst_of_ten_pages_at_one_timestamp(mode):
    held = [*(made(n, START + MICROSECOND) for n in range(500)), *(made(500 + n, START + n * MICROSECOND) for n in range(3))]
    with OldCeilometer(held, ties=False) as old, reading(old.url, page=50, mode=mode) as source:
        batches = whole(source, START, START + DAY)
        assert sorted(sample.message_id for batch in batches for sample in batch.samples) == [f"m{n:05}" for n in range(503)]
        assert len(old.requests) < 100
