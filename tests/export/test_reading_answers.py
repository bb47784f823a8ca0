"""Answers become samples: both forms, bad samples one by one, half of a body never."""

from __future__ import annotations

import datetime as dt
import json
import math
from typing import Any

import hypothesis
import msgspec
import pytest
from hypothesis import strategies as st

from tests.export.reading import made
from undercroft.export.errors import SourceUnavailable
from undercroft.export.sample import EXTRA_COLUMNS, Sample
from undercroft.export.wire import Page, Reader

NAMES = {
    "counter_name": "meter", "counter_type": "type", "counter_unit": "unit", "counter_volume": "volume", "message_id": "id",
    "resource_metadata": "metadata",
}  # fmt: skip
FORMS = ("old", "new")


def formed(form: str, sample: dict[str, Any]) -> dict[str, Any]:
    """A sample of the old form in one of the two."""
    return sample if form == "old" else {NAMES.get(name, name): value for name, value in sample.items()}


def read(*items: Any, columns: tuple[str, ...] = EXTRA_COLUMNS, form: str = "old") -> Page:
    body = json.dumps([formed(form, item) if isinstance(item, dict) else item for item in items])
    return Reader(columns).page(body.encode())


def without(name: str, number: int = 1) -> dict[str, Any]:
    return {key: value for key, value in made(number).items() if key != name}


@pytest.mark.parametrize("form", FORMS)
def test_a_sample_of_either_form(form):
    page = read(made(1, timestamp="2026-01-01T02:01:00.000001+02:00"), form=form)
    at = dt.datetime(2026, 1, 1, 0, 1, 0, 1)
    (found,) = page.samples
    metadata = found.resource_metadata
    assert found._replace(resource_metadata=None) == Sample(
        "cpu", "gauge", "%", 1.0, "m00001", "p1", "vm-1", "openstack", at, "u1", dt.datetime(2026, 6, 1), None
    )
    assert metadata is not None
    assert json.loads(metadata) == {"n": 1, "flavor": {"name": "small"}}
    assert (page.refused, page.times, page.of) == ([], [at], 1)


def test_only_columns_of_the_table_are_made():
    (found,) = read(made(1), columns=()).samples
    assert (found.user_id, found.recorded_at, found.resource_metadata) == (None, None, None)


def test_an_id_made_of_a_hash_is_the_same_in_both_forms_and_for_all_columns():
    sample = without("message_id")
    written = (sample, sample | {"message_id": None}, sample | {"message_id": ""}, dict(reversed(sample.items())))
    ids = {
        read(each, columns=columns, form=form).samples[0].message_id
        for form in FORMS
        for columns in ((), EXTRA_COLUMNS, ("user_id",))
        for each in written
    }
    (one,) = ids
    assert len(one) == 64
    assert read(sample | {"counter_volume": 1.0}).samples[0].message_id == one
    assert read(sample, columns=()).samples[0].resource_metadata is None


def test_an_id_made_of_a_hash_depends_on_every_field():
    sample = without("message_id")
    changed = [sample, *(
        sample | {name: value} for name, value in {
            "counter_name": "x", "counter_type": "delta", "counter_unit": "B", "counter_volume": 2, "user_id": None,
            "project_id": "x",
            "resource_id": "x", "source": "x", "timestamp": "2026-01-01T00:01:00.000001", "recorded_at": "2026-06-01T00:00:01",
            "resource_metadata": {"n": 2},
        }.items()
    )]  # fmt: skip
    assert len({each.message_id for each in read(*changed, columns=()).samples}) == len(changed) == 12


BAD = {
    "volume is NaN": (made(1, counter_volume=math.nan), "finite"),
    "volume is infinite": (made(1, counter_volume=math.inf), "finite"),
    "volume is null": (made(1, counter_volume=None), "counter_volume"),
    "volume is absent": (without("counter_volume"), "counter_volume"),
    "volume is text": (made(1, counter_volume="12"), "float"),
    "volume is true": (made(1, counter_volume=True), "bool"),
    "volume is a list": (made(1, counter_volume=[1]), "array"),
    "volume has 401 digits": (made(1, counter_volume=10**401), "finite"),
    "time is text": (made(1, timestamp="never"), "ISO 8601"),
    "time is null": (made(1, timestamp=None), "timestamp"),
    "time is absent": (without("timestamp"), "timestamp"),
    "time is a number": (made(1, timestamp=5), "timestamp"),
    "time has day 32": (made(1, timestamp="2026-01-32T00:00:00"), "ISO 8601"),
    "time is out of range in UTC": (made(1, timestamp="0001-01-01T00:00:00+01:00"), "time"),
    "name is absent": (without("counter_name"), "counter_name"),
    "name is empty": (made(1, counter_name=""), "counter_name"),
    "name is a number": (made(1, counter_name=3), "counter_name"),
    "project is a list": (made(1, project_id=["x"]), "project_id"),
    "id is a number": (made(1, message_id=7), "message_id"),
    "text is not Unicode": (made(1, project_id="\ud800"), "project_id"),
    "name is not Unicode": (made(1, counter_name="\udfff"), "counter_name"),
    "text without id is not Unicode": (without("message_id") | {"source": "\ud800"}, "source"),
    "not an object": (7, "object"),
    "null": (None, "object"),
    "a list": ([made(1)], "object"),
}


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("form", FORMS)
def test_a_bad_sample_is_refused_and_its_neighbours_are_not(bad, form):
    item, problem = BAD[bad]
    page = read(made(2), item, made(3), form=form)
    assert [each.message_id for each in page.samples] == ["m00002", "m00003"]
    ((message_id, told),) = page.refused
    if form == "new":
        problem = NAMES.get(problem, problem) if problem not in told else problem
    assert problem in told
    wanted = item.get("message_id") if isinstance(item, dict) else None
    assert message_id == (wanted if isinstance(wanted, str) else "")
    assert page.of == 3
    # The id goes to a log.
    message_id.encode()
    told.encode()


def test_numbers_as_they_are():
    volumes = [0, -1, 2**63 + 1, 1e308, 5e-324, -0.0]
    page = read(*(made(n, counter_volume=volume) for n, volume in enumerate(volumes)))
    assert [each.counter_volume for each in page.samples] == [float(volume) for volume in volumes]


def test_bytes_that_are_not_utf_8_cost_one_sample():
    body = json.dumps([made(1), made(2, project_id="BAD"), made(3)]).encode().replace(b"BAD", b"\xff\xfe")
    page = Reader(()).page(body)
    assert [each.message_id for each in page.samples] == ["m00001", "m00003"]
    assert [each.message_id for each in page.refused] == ["m00002"]
    assert page.of == 3


def test_a_sample_with_keys_that_are_not_text_values():
    page = read(
        made(1, resource_metadata=None), made(2, resource_metadata={"a": [1, None, {"b": math.nan}]}), made(3, more={"x": 1})
    )
    assert len(page.samples) == 3
    assert page.samples[0].resource_metadata is None
    assert json.loads(page.samples[1].resource_metadata or "") == {"a": [1, None, {"b": None}]}


def test_any_part_of_a_body_is_unavailable():
    body = json.dumps([made(1, project_id="é"), made(2, counter_volume=math.nan)], ensure_ascii=False).encode()
    reader = Reader(())
    assert reader.page(body).of == 2
    for size in range(len(body)):
        with pytest.raises(SourceUnavailable):
            reader.page(body[:size])


@pytest.mark.parametrize("body", [b"", b"null", b"{}", b'"x"', b"7", b"<html>", b"[}", b"[" * 100_000, b"[]]", b"\xff"])
def test_what_is_not_a_list_is_unavailable(body):
    with pytest.raises(SourceUnavailable):
        Reader(()).page(body)


def test_the_error_does_not_quote_the_body():
    with pytest.raises(SourceUnavailable) as caught:
        Reader(()).page(b'[{"secret": "hunter2"')
    assert "hunter2" not in str(caught.value)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
    | st.sampled_from(["2026-01-01T00:00:00", "9999-12-31T23:59:59-01:00"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)  # fmt: skip
ITEMS = st.dictionaries(st.sampled_from([*NAMES, *NAMES.values(), "timestamp", "recorded_at", "user_id", "source"]), VALUES)


@hypothesis.given(st.lists(ITEMS.map(lambda item: {**made(1), **item}) | ITEMS | VALUES, max_size=4), st.booleans())
@hypothesis.settings(max_examples=150)
def test_every_sample_of_any_answer_is_read_or_refused(items, has_columns):
    page = Reader(EXTRA_COLUMNS if has_columns else ()).page(json.dumps(items).encode())
    assert page.of == len(items) == len(page.samples) + len(page.refused)
    assert len(page.times) <= page.of
    for each in page.samples:
        assert math.isfinite(each.counter_volume)
        assert each.message_id
        assert each.timestamp.tzinfo is None
        msgspec.json.encode(each)
