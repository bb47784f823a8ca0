"""Storing many items, some of them bad or there already: each by itself, or all of them or none.

An item is known by its message id; of several with the same one, the first counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

from undercroft.core import deadline
from undercroft.core.errors import InvalidInput
from undercroft.core.portions import portions

# Items of one transaction, and their characters.
AT_ONCE, _CHARACTERS = 2_000, 64 * 2**20


class Outcome(NamedTuple):
    """What became of an item that was to be stored.

    Attributes:
        is_new: True when it was stored; False when its message id was there already, or with an error.
        error: why it was not stored.
    """

    is_new: bool
    error: Exception | None = None


_IS_NEW, _WAS_THERE = Outcome(True), Outcome(False)


class _Record(Protocol):
    @property
    def message_id(self) -> str: ...


R = TypeVar("R", bound=_Record)
T = TypeVar("T")


def each(
    batch: Sequence[Any],
    noun: str,
    check: Callable[[Any], R],
    weigh: Callable[[R], int],
    record: Callable[[Sequence[R]], list[str]],
) -> list[Outcome]:
    """Store those of a batch that can be stored; what became of each item.

    Args:
        batch: at most `AT_ONCE` items.
        noun: what errors call an item.
        check: makes the record of an item, or raises what is wrong with it.
        weigh: how many characters a record has.
        record: stores records of different message ids, together; the message ids of those that were there already.

    Raises:
        UndercroftError: from `record`, unless it is about a record. Part of the batch may be stored.
    """
    outcomes = [_WAS_THERE] * len(batch)
    places: dict[str, int] = {}
    records: list[R] = []

    def store(some: Sequence[R]) -> None:
        known = set(record(some))
        for fresh in some:
            outcomes[places[fresh.message_id]] = _WAS_THERE if fresh.message_id in known else _IS_NEW

    def refuse(one: R, error: InvalidInput) -> None:
        mine = one.message_id
        outcomes[places[mine]] = Outcome(False, InvalidInput(f"{noun} {mine[:64]!r}", error.problem))

    for place, item in enumerate(batch):
        deadline.check()
        try:
            fresh = check(item)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with one item, the others are stored
            outcomes[place] = Outcome(False, error)
            continue
        if places.setdefault(fresh.message_id, place) == place:
            records.append(fresh)
    for part in portions(records, AT_ONCE, _CHARACTERS, weigh):
        halving(part, store, refuse)
    return outcomes


def halving(items: Sequence[T], store: Callable[[Sequence[T]], object], refuse: Callable[[T, InvalidInput], object]) -> None:
    """Store items together; where one of them cannot be stored, all others.

    Args:
        items: what is to be stored.
        store: stores some of them, or none and raises what is wrong with one, or some.
        refuse: is told of each item that cannot be stored.

    Raises:
        UndercroftError: from `store`, unless it is about an item: an error of any other kind is not, and ends the call.
    """
    try:
        store(items)
    except InvalidInput as error:
        if len(items) == 1:
            refuse(items[0], error)
            return
        halving(items[: len(items) // 2], store, refuse)
        halving(items[len(items) // 2 :], store, refuse)


def together(
    items: Iterable[Any], check: Callable[[Any], R], weigh: Callable[[R], int], answer: Callable[[list[Outcome]], bytes]
) -> tuple[list[list[R]], Callable[[list[str]], bytes]]:
    """Check items that are to be stored in one transaction.

    Args:
        items, check, weigh: as for `each`.
        answer: makes an answer of what became of each item.

    Returns:
        the records, in parts for one statement each; and what makes the answer of the message ids that were there already.

    Raises:
        InvalidInput: an item is not what it should be; its field begins with the place of the item.
    """
    ids: list[str] = []
    records: dict[str, R] = {}
    for place, item in enumerate(items):
        deadline.check()
        try:
            fresh = check(item)
        except InvalidInput as error:
            raise error.within(f"[{place}]") from None
        ids.append(fresh.message_id)
        records.setdefault(fresh.message_id, fresh)

    def told(known: list[str]) -> bytes:
        seen = set(known)
        found = []
        for message_id in ids:
            found.append(Outcome(message_id not in seen))
            seen.add(message_id)
        return answer(found)

    return list(portions(records.values(), AT_ONCE, _CHARACTERS, weigh)), told
