"""Is every message that was acknowledged there, once, in its place and under its claim, and do counts and lists follow from it?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from tests.chaos.faults import Faults
from tests.chaos.messaging.operations import CLIENT, PROJECT, QUEUE, Item, Ledger, at, everything
from undercroft.messaging import ClaimDoesNotExist, DataDriverBase, QueueDoesNotExist

Question = tuple[str, Callable[[DataDriverBase, Ledger], bool]]


def _free(ledger: Ledger) -> list[Item]:
    held = ledger.held()
    return [item for item in ledger.items if item not in held]


def _names(found: Sequence[dict[str, Any]]) -> list[tuple[str, int]]:
    return [(each["body"]["name"], each["body"]["by"]) for each in found]


def _keys(items: Sequence[Item]) -> list[tuple[str, int]]:
    return [(item.name, item.by) for item in items]


def _walk(store: DataDriverBase, limit: int, **asked: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    marker = None
    while True:
        pages = store.message_controller.list(QUEUE, PROJECT, marker, limit, **asked)
        page, marker = list(next(pages)), next(pages)
        if not page:
            return found
        found += page


def _pages(limit: int) -> Question:
    return f"free messages by {limit}", lambda store, ledger: _names(_walk(store, limit, echo=True)) == _keys(_free(ledger))


def _all_pages(limit: int) -> Question:
    def holds(store: DataDriverBase, ledger: Ledger) -> bool:
        return _names(_walk(store, limit, echo=True, include_claimed=True)) == _keys(ledger.items)

    return f"all messages by {limit}", holds


def _own(store: DataDriverBase, _: Ledger) -> bool:
    return _walk(store, 50, client_uuid=CLIENT) == []


def _ends(store: DataDriverBase, ledger: Ledger) -> bool:
    found = [store.message_controller.first(QUEUE, PROJECT, sort) for sort in (1, -1)]
    return _names([each for each in found if each]) == _keys([*ledger.items[:1], *ledger.items[-1:]])


def _counts(store: DataDriverBase, ledger: Ledger) -> bool:
    try:
        found = store.message_controller.stats(QUEUE, PROJECT)["messages"]
    except QueueDoesNotExist:
        found = {"total": 0, "claimed": 0}
    return (found["total"], found["claimed"]) == (len(ledger.items), len(ledger.held()))


def _depths(store: DataDriverBase, ledger: Ledger) -> bool:
    found = sum(each.free + each.claimed for each in store.depths(10).queues)
    return found == len(ledger.items)


def _claim(store: DataDriverBase, ledger: Ledger) -> bool:
    ids = {each["claim_id"] for each in everything(store)} - {None}
    if len(ids) != 1:
        # By the clock of the last step, a claim that nobody was told of is beside that step's.
        return not ids and not ledger.held()
    (claim,) = ids
    try:
        found, messages = store.claim_controller.get(QUEUE, claim, PROJECT)
    except ClaimDoesNotExist:
        # By that clock, the next step may have begun to end a claim whose time is over by its own.
        return False
    return found["ttl"] == ledger.claim_ttl and _names(messages) == _keys(ledger.held())


def _by_id(store: DataDriverBase, ledger: Ledger) -> bool:
    found = everything(store)
    return _names(list(store.message_controller.bulk_get(QUEUE, [each["id"] for each in found], PROJECT))) == _keys(ledger.items)


# They are answered from the table, from its indices, and from what is counted beside it.
QUESTIONS: list[Question] = [
    _pages(7),
    _pages(50),
    _all_pages(7),
    _all_pages(500),
    ("what others posted", _own),
    ("the first and the last", _ends),
    ("statistics", _counts),
    ("depths", _depths),
    ("the claim", _claim),
    ("messages by id", _by_id),
]


def audit(store: DataDriverBase, ledger: Ledger, questions: Sequence[Question] = QUESTIONS) -> Faults:
    """Compare a store with what was acknowledged: every message, their number, and the answers to these questions."""
    with at(ledger.clock):
        found = everything(store)
        left, right = Counter(_names(found)), Counter(_keys(ledger.items))
        wrong = []
        if left == right:
            for each, item in zip(found, ledger.items, strict=True):
                told = (each["body"]["name"], each["ttl"], each["claim_count"], each["claim_id"] is not None)
                if told != (item.name, item.ttl, item.claims, item.claimed_until > ledger.clock):
                    wrong.append(f"{told} instead of {item}")
        # What is counted is wrong even where every message is right.
        for name, holds in [("statistics", _counts), *questions]:
            if not holds(store, ledger):
                wrong.append(name)
    return Faults((right - left).total(), (left - right).total(), wrong)
