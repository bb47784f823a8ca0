"""Expressions: `and`, `or`, `not`, what text begins with; and nothing in a value is interpreted."""

from __future__ import annotations

import operator
import random
from collections.abc import Callable
from typing import Any

from undercroft.conformance.events.data import START, after, event, moment, real, text, whole
from undercroft.conformance.events.oracle import FLOAT, INT, MOMENT, TEXT
from undercroft.conformance.markers import clause, needs, promise
from undercroft.conformance.rows import rows
from undercroft.events import EventFilter, Store, Trait

pytestmark = needs("expressions")
COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
    "^=": lambda value, wanted: value.startswith(wanted),
}  # fmt: skip


def that(store: Store, where: str, **given: Any) -> list[str]:
    """Message ids of the events for which the expression holds."""
    return [each.message_id for each in store.get_events(EventFilter(**given), where=where)]


@clause("E23")
def test_and_or_not_and_parentheses(store: Store) -> None:
    store.record_events([
        event("a", text("host", "web-1"), whole("size", 5), kind="compute.start"),
        event("b", text("host", "web-2"), whole("size", 50), kind="compute.stop"),
        event("c", whole("size", 500), kind="image.update"),
        event("d", kind="image.delete"),
    ])  # fmt: skip
    assert that(store, 'host = "web-1" or size > 100') == ["a", "c"]
    assert that(store, 'not host = "web-1"') == ["b", "c", "d"]
    assert that(store, 'host != "web-1"') == ["b"]
    assert that(store, "not size") == ["d"]
    assert that(store, 'event_type ^= "compute." and not (size < 10 or host = "web-9")') == ["b"]
    assert that(store, 'size >= 5 and size <= 50 or event_type = "image.delete"') == ["a", "b", "d"]
    assert that(store, "not (size or host)") == ["d"]
    assert that(store, 'size and nobody = "x" or NOT size') == ["d"]
    assert that(store, 'message_id >= "b" and message_id < "d"') == ["b", "c"]


@clause("E23")
def test_with_a_filter_both_must_hold(store: Store) -> None:
    store.record_events([event(f"m{n}", whole("n", n), text("project_id", f"p{n % 2}"), at=n) for n in range(10)])
    assert that(store, "n > 3 or n = 1", admin_proj="p1") == ["m1", "m5", "m7", "m9"]
    assert that(store, "n > 3", start_timestamp=after(2), end_timestamp=after(5)) == ["m4", "m5"]
    page = store.get_events(EventFilter(), {"limit": 2, "marker": "m5"}, where="n >= 2 and not n = 6")
    assert [each.message_id for each in page] == ["m7", "m8"]


@clause("E23")
def test_types_are_told_apart(store: Store) -> None:
    store.record_events([
        event("i", whole("v", 1)), event("f", real("v", 1.0)), event("t", text("v", "1")), event("m", moment("v", START)),
    ])  # fmt: skip
    assert that(store, "v = 1") == ["i"]
    assert that(store, "v = 1.0") == ["f"]
    assert that(store, 'v = "1"') == ["t"]
    assert that(store, f"v = @{START.isoformat()}") == ["m"]
    assert that(store, "v") == ["f", "i", "m", "t"]
    assert that(store, "v < 99999999999999999999") == ["i"]
    assert that(store, "v > 99999999999999999999") == []
    assert that(store, "not v > 99999999999999999999") == ["f", "i", "m", "t"]
    assert that(store, f"generated = @{START.isoformat()}Z") == ["f", "i", "m", "t"]
    assert that(store, f"generated > @{START.isoformat()}") == []


@clause("E23")
@promise("S3")
@rows("begin", ["", "a", "a%", "a_", "a*", "a.", "a\\", 'a"b', "a'", "é", "\U0001f600", "\ud7ff", "￿", "\U0010ffff", "a\U0010ffff"])
def test_a_prefix_is_taken_literally(store: Store, begin: str) -> None:
    import msgspec

    words = ["", "a", "ab", "a%b", "a_b", "a*", "a.b", "a\\b", 'a"b', "a'b", "A", "é", "éa", "e", "b", "\U0001f600x", "퟿y"]
    words += ["￿z", "", "\U0010ffff", "\U0010ffffz", "a\U0010ffff", "a\U0010ffffb"]
    store.record_events([event(f"m{n:02}", text("w", word), kind=f"k{word}") for n, word in enumerate(words)])
    wanted = msgspec.json.encode(begin).decode()
    assert that(store, f"w ^= {wanted}") == [f"m{n:02}" for n, word in enumerate(words) if word.startswith(begin)]
    assert that(store, f"event_type ^= {msgspec.json.encode('k' + begin).decode()}") == that(store, f"w ^= {wanted}")
    assert that(store, f"not w ^= {wanted}") == [f"m{n:02}" for n, word in enumerate(words) if not word.startswith(begin)]


@clause("E23")
def test_names_in_backticks(store: Store) -> None:
    store.record_events([event("a", text("and", "x"), text("event_type", "y"), text('we"ird; name', "z")), event("b")])
    assert that(store, '`and` = "x"') == ["a"]
    assert that(store, '`event_type` = "y"') == ["a"]
    assert that(store, '`we"ird; name`') == ["a"]


# -- random ones, against Python ---------------------------------------------------------------------------------------

Holds = Callable[[Any], bool]


VALUES: list[tuple[int, list[Any], Callable[[Any], str]]] = [
    (TEXT, ["", "x", "xy", "y"], lambda v: f'"{v}"'),
    (INT, [-1, 0, 7], str),
    (FLOAT, [-0.5, 0.0, 7.0], repr),
    (MOMENT, [START, after(5)], lambda v: f"@{v.isoformat()}"),
]


def leaf(rng: random.Random) -> tuple[str, Holds]:
    """A test, and what it means."""
    name = rng.choice("abc")
    dtype, values, written = rng.choice(VALUES)
    if rng.random() < 0.15:
        return name, lambda e: any(trait[0] == name for trait in e)
    op = rng.choice([*COMPARE] if dtype == TEXT else [each for each in COMPARE if each != "^="])
    value = rng.choice(values)
    return f"{name} {op} {written(value)}", lambda e: any(t[:2] == (name, dtype) and COMPARE[op](t[2], value) for t in e)


def tree(rng: random.Random, depth: int) -> tuple[str, Holds]:
    """An expression, and what it means."""
    if not depth or rng.random() < 0.2:
        return leaf(rng)
    word = rng.choice(["and", "or", "not"])
    one, one_holds = tree(rng, depth - 1)
    if word == "not":
        return f"not ({one})", lambda e: not one_holds(e)
    other, other_holds = tree(rng, depth - 1)
    if word == "and":
        return f"({one}) and ({other})", lambda e: one_holds(e) and other_holds(e)
    return f"({one}) or ({other})", lambda e: one_holds(e) or other_holds(e)


@clause("E23")
@promise("C7")
def test_random_expressions_mean_what_they_say(store: Store) -> None:
    rng = random.Random(20)
    events = [
        event(
            f"m{n:02}",
            *(Trait(name, dtype, rng.choice(values)) for name in "abc" for dtype, values, _ in VALUES if rng.random() < 0.3),
        )
        for n in range(40)
    ]
    store.record_events(events)
    traits = {each.message_id: [(t.name, t.dtype, t.value) for t in each.traits or ()] for each in events}
    for _ in range(60):
        where, holds = tree(rng, 3)
        assert that(store, where) == [message_id for message_id, found in traits.items() if holds(found)], where
