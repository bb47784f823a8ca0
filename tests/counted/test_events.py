"""A page of events takes two statements, and brings no event that is not on it; a batch takes as many as a single event."""

from __future__ import annotations

import contextlib
import datetime as dt
import itertools
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from tests.conftest import WHOLE, opener_of
from tests.counted.tally import Tally, tally
from undercroft.conformance.plugin import Opener, Target
from undercroft.events import Event, EventFilter, Store, Trait

pytestmark = [pytest.mark.kind("events"), pytest.mark.timeout(1800)]
# Fewer where the engine's stand-in looks at every document: what comes back does not depend on it.
EVENTS, FEWER = 30_000, 3_000
START = dt.datetime(2026, 1, 1)
# What a page asks of the store, beside what a new object asks its dictionaries.
STATEMENTS = 2
# Beside the events: the row of counts, and what a new object looks up of the names of types and traits.
TYPES, TRAITS = 20, 7
ASIDE = 1 + TYPES + TRAITS


def made(numbers: range) -> list[Event]:
    return [
        Event(
            f"m{n * 7919 % 1_000_003:07}",
            f"type.{n % TYPES}",
            START + dt.timedelta(seconds=n // 2),
            [
                Trait("project_id", 1, f"p{n % 40}"), Trait("user_id", 1, f"u{n % 600}"), Trait("request_id", 1, f"r{n}"),
                Trait("host", 1, f"h{n % 9}"), Trait("size", 2, n % 1_000), Trait("load", 3, n % 101 / 101),
                Trait("at", 4, START + dt.timedelta(seconds=n % 86_400)),
            ],
            {},
        )
        for n in numbers
    ]  # fmt: skip


class Filled(NamedTuple):
    """A store's opener, and how many events it has."""

    opener: Opener
    events: int


@pytest.fixture(scope="module")
def filled(engine: Target, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    opener = opener_of(engine, tmp_path_factory.mktemp("events"))
    store: Store = opener()
    found = Filled(opener, EVENTS if hasattr(store, "create_panko_views") else FEWER)
    store.record_events(made(range(found.events)))
    yield found
    opener.clear()


@contextlib.contextmanager
def counted(opener: Opener) -> Iterator[tuple[Store, Tally]]:
    """A store object that knows nothing yet, and what it exchanges with the engine."""
    with tally() as found:
        store = opener(init=False)
        try:
            yield store, found
        finally:
            opener.close(store)


def asked(found: Tally) -> list[str]:
    """The statements less those to the dictionaries."""
    return [text for text in found.queries if "_event_type" not in text and "_trait_key" not in text]


def trait(name: str, kind: str, value: Any, op: str = "eq") -> dict[str, Any]:
    return {"key": name, "op": op, kind: value}


HOUR = {"start_timestamp": START + dt.timedelta(seconds=5_000), "end_timestamp": START + dt.timedelta(seconds=8_600)}
TESTS = {
    "none": [],
    "a request": [trait("request_id", "string", "r777")],
    "a project and user": [trait("project_id", "string", "p7"), trait("user_id", "string", "u47")],
    "a host": [trait("host", "string", "h3")],
    "a wide range": [trait("size", "integer", 100, "ge")],
    "three ranges": [trait("size", "integer", 100, "ge"), trait("load", "float", 0.7, "lt"), trait("at", "datetime", START, "ge")],
    "a narrow one among wide ones": [trait("size", "integer", 995, "gt"), trait("load", "float", 0.7, "lt")],
    "two that hardly meet": [trait("size", "integer", 7), trait("host", "string", "h1")],
    "any type": [{"key": "size"}],
}  # fmt: skip
SHAPES: list[dict[str, Any]] = [{}, {"event_type": "type.3"}, {"admin_proj": "p9"}, HOUR]
SORTS = [None, [("generated", "desc")], [("message_id", "desc")], [("generated", "asc"), ("message_id", "desc")]]
# How many events, and behind which part of all.
PAGES = [(1, None), (100, None), (100, 1 / 2), (1_000, 1 / 3), (0, None)]
# Each two of a shape, a sort and a page meet; all three in a whole run.
ASKED = (
    list(itertools.product(SHAPES, SORTS, PAGES))
    if WHOLE
    else [(shape, SORTS[(n + m) % len(SORTS)], page) for n, shape in enumerate(SHAPES) for m, page in enumerate(PAGES)]
)


@pytest.mark.parametrize("tests", TESTS)
def test_a_page_brings_its_events(filled: Filled, tests: str, record):
    most_statements = most_beyond = pages = 0
    bad = []
    for shape, sort, (limit, place) in ASKED:
        number = None if place is None else int(filled.events * place)
        marker = None if number is None else made(range(number, number + 1))[0].message_id
        given = {**shape, "traits_filter": TESTS[tests]}
        with counted(filled.opener) as (store, found):
            answer = list(store.get_events(EventFilter(**given), {"limit": limit, "marker": marker, "sort": sort}))
        pages += 1
        most_statements = max(most_statements, len(asked(found)))
        most_beyond = max(most_beyond, found.rows - len(answer))
        if len(asked(found)) > STATEMENTS or found.rows > len(answer) + ASIDE or len(answer) > limit:
            bad.append(f"{given}, {limit}, {marker}, {sort}: {len(answer)} events, {found}")
    record(pages=pages, most_statements=most_statements, most_rows_beyond_events=most_beyond)
    assert not bad, "\n\n".join(bad[:3])


def test_a_walk_brings_each_event_once(filled: Filled, record):
    with counted(filled.opener) as (store, found):
        events = sum(1 for _ in store.get_events(EventFilter()))
    record(events=events, rows=found.rows)
    assert events == filled.events
    assert found.rows <= filled.events + ASIDE


def test_types_are_told_without_looking_at_events(filled: Filled, record):
    with counted(filled.opener) as (store, found):
        types = store.get_event_types()
        traits = store.get_trait_types("type.3")
    record(types=len(types), traits=len(traits), rows=found.rows)
    assert (len(types), len(traits)) == (TYPES, TRAITS)
    assert found.rows <= TYPES + TRAITS + ASIDE


def test_a_batch_takes_as_many_statements_as_one_event(opener: Opener, record):
    counts = {}
    first: Store = opener()
    first.record_events(made(range(TYPES)))
    for size in (1, 1_000, 2_000):
        with counted(opener) as (store, found):
            store.record_events(made(range(size * 10, size * 11)))
        counts[size] = len(asked(found))
    record(statements=counts)
    assert max(counts.values()) <= 12
    assert counts[1] <= counts[1_000]


def test_twin_that_fetches_more_is_seen(filled: Filled):
    with counted(filled.opener) as (store, found):
        few = [event for event in store.get_events(EventFilter()) if event.message_id < "m0000100"]
    assert found.rows > len(few) + ASIDE
