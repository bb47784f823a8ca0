"""A meter's samples in a stretch of time, for each resource at once."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

import pytest

from undercroft.conformance.markers import clause
from undercroft.conformance.metering.data import HOUR, START, after, maintained, pending, record, sample
from undercroft.conformance.metering.oracle import is_close
from undercroft.core import time
from undercroft.core.errors import InvalidInput
from undercroft.metering import Store, Window

METER = "cpu_util"


def moment(seconds: float) -> int:
    """A timestamp as windows tell it, by the seconds after START."""
    return time.to_micros(after(seconds))


def summed(store: Store, begin: float, end: float, resources: Sequence[str] | None = None, meter: str = METER) -> dict[str, Any]:
    """The windows of a stretch, given in seconds after START."""
    return store.get_windows(meter, after(begin), after(end), resources)


def listed(store: Store, begin: float, end: float, resources: Sequence[str] | None = None, meter: str = METER) -> dict[str, Any]:
    """The samples of a stretch, given in seconds after START."""
    return store.get_volumes(meter, after(begin), after(end), resources)


@clause("M29", "M30")
def test_a_window_begins_after_its_start_and_has_its_end(store: Store) -> None:
    pending(store, [sample(str(at), at + 1, at=at) for at in (0, 60, 120, 120.000001)])
    assert summed(store, 0, 120) == {"r": Window(2, 61.0, 121.0, 91.0, moment(120))}
    assert listed(store, 0, 120) == {"r": [(moment(60), 61.0), (moment(120), 121.0)]}
    assert summed(store, 120.000001, 900) == listed(store, 120.000001, 900) == {}
    assert summed(store, 120, 120) == listed(store, 120, 0) == {}


@clause("M29", "M30")
def test_a_window_over_many_hours(store: Store) -> None:
    pending(store, [sample(str(at), at, at=at) for at in range(-7200, 7201, 300)])
    for begin, end in ((-7201, 7200), (-3600, 3600), (-3599, 3599), (-1, 0), (3599.5, 3600.5), (-300, 7199)):
        inside = [at for at in range(-7200, 7201, 300) if begin < at <= end]
        for resources in (None, ["r"]):
            assert listed(store, begin, end, resources) == {"r": [(moment(at), float(at)) for at in inside]}
            (found,) = summed(store, begin, end, resources).values()
            assert found[:3] == (len(inside), min(inside), max(inside))
            assert is_close(found.mean, sum(inside) / len(inside), 1e-9)
            assert found.newest == moment(inside[-1])


@clause("M29", "M30")
def test_names_are_exact_and_other_meters_do_not_count(store: Store) -> None:
    names = ["a", "A", "a ", "å", "%", "_", "a'b", 'a"b', "a\\b", "a,b"]
    pending(store, [sample(f"{place}", place, at=place, resource=name) for place, name in enumerate(names)])
    pending(store, [sample("other", 99, at=1, resource="a", meter="cpu"), sample("case", 98, at=1, resource="a", meter="CPU_UTIL")])
    expected = {name: [(moment(place), float(place))] for place, name in enumerate(names)}
    assert listed(store, -1, 60) == listed(store, -1, 60, names) == expected
    for name in names:
        assert listed(store, -1, 60, [name]) == {name: expected[name]}
        assert summed(store, -1, 60, [name, "unknown"]).keys() == {name}
    assert summed(store, -1, 60, []) == listed(store, -1, 60, []) == summed(store, -1, 60, ["unknown"]) == {}
    assert summed(store, -1, 60, meter="unknown") == listed(store, -1, 60, meter="unknown") == {}


@clause("M29", "M30")
def test_units_types_and_users_count_together(store: Store) -> None:
    kinds: list[dict[str, Any]] = [{}, {"counter_unit": "B"}, {"counter_type": "delta"}, {"user_id": None}, {"project_id": "q"}]
    pending(store, [sample(str(place), 2**place, at=place, **kind) for place, kind in enumerate(kinds)])
    for resources in (None, ["r"]):
        assert summed(store, -1, 60, resources) == {"r": Window(5, 1.0, 16.0, 31 / 5, moment(4))}
        assert listed(store, -1, 60, resources) == {"r": [(moment(place), 2.0**place) for place in range(5)]}


@clause("M29", "M30")
@pytest.mark.parametrize("volumes", [[0, 0.0], [-1.5, 0.25], [2**60, 1], [1e300, -1e300], [1.7e308, 1.7e308], [10**25, 10**25 + 1]])
def test_any_volume(store: Store, volumes: list[float]) -> None:
    pending(store, [sample(str(place), volume, at=place) for place, volume in enumerate(volumes)])
    (found,) = summed(store, -1, 60).values()
    assert found[:3] == (2, float(min(volumes)), float(max(volumes)))
    assert is_close(found.mean, float(volumes[0]) / 2 + float(volumes[1]) / 2, 1e-12)
    assert listed(store, -1, 60) == {"r": [(moment(place), float(volume)) for place, volume in enumerate(volumes)]}


@clause("M29", "M30")
def test_hours_that_are_added_up_answer_alike(store: Store) -> None:
    samples = [sample(f"{place}-{at}", at + place, at=at, resource=f"r{place}") for at in range(0, 7200, 600) for place in range(3)]
    pending(store, samples)
    stretches = [(-1, 7200), (600, 4200), (3599, 3600)]
    before = [(summed(store, *stretch), listed(store, *stretch)) for stretch in stretches]
    maintained(store, START + 9 * HOUR)
    assert [(summed(store, *stretch), listed(store, *stretch)) for stretch in stretches] == before
    assert before[0][0].keys() == {"r0", "r1", "r2"}


@clause("M29", "M30")
def test_a_new_series_and_a_late_sample_are_seen_at_once(store: Store) -> None:
    record(store, [sample("a", 1)])
    assert summed(store, -1, 60).keys() == {"r"}
    record(store, [sample("b", 2, resource="new"), sample("c", 3, at=-0.5), sample("d", 4, meter="fresh")])
    assert listed(store, -1, 60) == {"r": [(moment(-0.5), 3.0), (moment(0), 1.0)], "new": [(moment(0), 2.0)]}
    assert summed(store, -1, 60, ["r"], "fresh") == {"r": Window(1, 4.0, 4.0, 4.0, moment(0))}


@clause("M29", "M30")
def test_a_thousand_resources(store: Store) -> None:
    names = [f"r{place}" for place in range(1000)]
    pending(store, [sample(name, place, resource=name) for place, name in enumerate(names)])
    found = summed(store, -1, 0, names)
    assert [found[name].max for name in names] == [float(place) for place in range(1000)]
    assert summed(store, -1, 0).keys() == listed(store, -1, 0, names).keys() == set(names)
    for ask in (store.get_windows, store.get_volumes):
        with pytest.raises(InvalidInput, match="resources"):
            ask(METER, after(0), after(1), [*names, "more"])


@clause("M29", "M30")
@pytest.mark.parametrize(
    "arguments", [(1, START, START), ("m", "now", START), ("m", START, None), ("m", START, START, [7]), ("m", START, dt.date.max)]
)
def test_invalid_arguments(store: Store, arguments: Any) -> None:
    for ask in (store.get_windows, store.get_volumes):
        with pytest.raises(InvalidInput):
            ask(*arguments)
