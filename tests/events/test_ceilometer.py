"""Events as a real Ceilometer publishes them: each is stored once, and comes back as it was sent."""

from __future__ import annotations

import json
import pathlib
from typing import Any

from undercroft.conformance.plugin import Opener
from undercroft.events import Event, EventFilter, Trait

LINES = (pathlib.Path(__file__).parent / "data" / "ceilometer.jsonl").read_text().splitlines()
SENT: list[dict[str, Any]] = [json.loads(line) for line in LINES]


def received(body: dict[str, Any]) -> Event:
    """The event of a body, moments of its traits parsed."""
    traits = [Trait(name, dtype, Trait.convert_value(dtype, value)) for name, dtype, value in body["traits"]]
    generated = Trait.convert_value(Trait.DATETIME_TYPE, body["generated"])
    return Event(body["message_id"], body["event_type"], generated, traits, body["raw"])


def first_of_each() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for body in SENT:
        found.setdefault(body["message_id"], body)
    return found


def as_sent(event: Event) -> dict[str, Any]:
    return {**event.serialize(), "traits": sorted([list(trait) for trait in event.serialize()["traits"]])}


def test_the_sample_has_what_it_should() -> None:
    assert len(SENT) == 52
    assert any(body["raw"] for body in SENT)
    assert {dtype for body in SENT for _, dtype, _ in body["traits"]} >= {1, 4}


def test_events_come_back_as_they_were_sent(opener: Opener) -> None:
    store = opener()
    for body in SENT:
        store.record_events([received(body)])
    store.record_events([received(body) for body in SENT])
    wanted = first_of_each()
    found = {event.message_id: as_sent(event) for event in store.get_events(EventFilter())}
    assert found.keys() == wanted.keys()
    for message_id, body in wanted.items():
        sent = {key: value for key, value in body.items() if key != "from"}
        assert found[message_id] == {**sent, "traits": sorted(body["traits"])}
    assert store.get_event_types() == sorted({body["event_type"] for body in wanted.values()})


def test_they_are_found_by_whom_they_are_about(opener: Opener) -> None:
    store = opener()
    store.record_events([received(body) for body in SENT])
    wanted = first_of_each()
    projects = {value for body in wanted.values() for name, _, value in body["traits"] if name == "project_id"}
    assert projects
    for project in projects:
        of_it = [key for key, body in wanted.items() if ["project_id", 1, project] in body["traits"]]
        of_none = [key for key, body in wanted.items() if not any(trait[:2] == ["project_id", 1] for trait in body["traits"])]
        test = {"key": "project_id", "string": project}
        assert sorted(each.message_id for each in store.get_events(EventFilter(traits_filter=[test]))) == sorted(of_it)
        assert sorted(each.message_id for each in store.get_events(EventFilter(admin_proj=project))) == sorted(of_it + of_none)
