"""Is every event that was acknowledged there, once and with all its traits, and do all answers agree with that?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from tests.chaos.events.operations import HOUR, TYPES, Ledger
from tests.chaos.faults import Faults
from undercroft.conformance.events.data import START, exact, flat, trait_types, traits
from undercroft.events import EventFilter, Store

Question = dict[str, Any]
_NEWEST = {"sort": [("generated", "desc")], "limit": 20}
# What a filter asks for beside a page; they are answered from other tables and indices than the events themselves.
QUESTIONS: list[Question] = [
    {"traits_filter": [{"key": "size", "op": "ge", "integer": 2**53}]},
    {"traits_filter": [{"key": "ratio", "op": "lt", "float": 0.0}]},
    {"traits_filter": [{"key": "launched_at", "op": "gt", "datetime": START}]},
    {"traits_filter": [{"key": "state", "string": "active"}, {"key": "size"}]},
    {"traits_filter": [{"key": "$a.b %'\\é", "op": "ne", "string": "%"}]},
    {"traits_filter": [{"key": "project_id", "string": "b"}, {"key": "user_id", "string": "a"}]},
    {"admin_proj": "c'%"},
    {"event_type": TYPES[2], "start_timestamp": START + 10 * HOUR},
    {"end_timestamp": START + 40 * HOUR, "traits_filter": [{"key": "user_id", "op": "ne", "string": "a"}]},
]


def audit(store: Store, ledger: Ledger, questions: Sequence[Question] = QUESTIONS) -> Faults:
    """Compare a store with what was acknowledged: every event, types, traits and counts, and the answers to these questions."""
    wanted = ledger.select({})
    found = flat(store.get_events(EventFilter()))
    left, right = Counter(exact(found)), Counter(exact(wanted))
    lost, doubled = (right - left).total(), (left - right).total()
    wrong = [] if lost or doubled or exact(found) == exact(wanted) else ["the order of all events"]
    wrong += [
        f"{event.message_id} is not as it was recorded" for event in found if ledger.events.get(event.message_id, event) != event
    ]
    if list(store.get_event_types()) != ledger.event_types():
        wrong.append("event types")
    for kind in TYPES:
        if set(trait_types(store, kind)) != ledger.trait_types(kind):
            wrong.append(f"trait types of {kind}")
        if sorted(map(repr, traits(store, kind))) != sorted(map(repr, ledger.traits(kind))):
            wrong.append(f"traits of {kind}")
    groups = {(*count.group.values(),): count.events for count in store.count_events(groupby=["event_type", "project_id"])}
    if groups != Counter((event.event_type, _project(event.traits)) for event in wanted):
        wrong.append("counts by type and project")
    # Of these, too, each step has its own: an event that there is, or was.
    one = {"message_id": wanted[-1].message_id if wanted else "0-0"}
    for given in [*questions, one]:
        answer = ledger.page(given)
        if exact(flat(store.get_events(EventFilter(**given)))) != exact(answer):
            wrong.append(f"events of {given}")
        if exact(flat(store.get_events(EventFilter(**given), _NEWEST))) != exact(ledger.page(given, _NEWEST)):
            wrong.append(f"the newest of {given}")
        if sum(count.events for count in store.count_events(EventFilter(**given))) != len(answer):
            wrong.append(f"count of {given}")
    return Faults(lost, doubled, wrong)


def _project(listed: Sequence[tuple[str, int, Any]]) -> str | None:
    return next((value for name, _, value in listed if name == "project_id"), None)
