"""Items that are sent to be stored: each is stored or refused by itself, together with what others send, or all of them once."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import msgspec

from undercroft.api import idempotency, wire
from undercroft.api.call import Answer, Call
from undercroft.api.questions import Refused
from undercroft.api.schemas import Taken
from undercroft.core import deadline
from undercroft.core.errors import InvalidInput
from undercroft.core.intake import Outcome
from undercroft.core.plural import number

LOG = logging.getLogger(__name__)
Item = TypeVar("Item")
# How many wrong items an answer names.
_NAMED = 20


def take(call: Call[Any, Any], make: Callable[[Any], Item], things: str) -> Answer:
    """Store what a body brings, one item or a list.

    Args:
        call: its store has `store_once`, and what was opened beside it a `gatherer`.
        make: makes an item of what was sent; raises InvalidInput for what is not one.
        things: what the items are, in the plural.

    Raises:
        Refused: some are wrong; the others are stored, unless the call has a receipt.
    """
    given: list[Any] = call.body if isinstance(call.body, list) else [call.body]
    wrong: dict[int, str] = {}
    found: list[tuple[int, Item]] = []
    check_receipt(call, things)
    for place, item in enumerate(given):
        deadline.check()
        try:
            found.append((place, make(item)))
        except InvalidInput as error:
            wrong[place] = str(error)
    if call.receipt is not None and not wrong:
        told = call.store.store_once([item for _, item in found], call.receipt(b""), _told)
        return Answer(200, msgspec.Raw(told))
    if call.receipt is not None:
        # All of it is stored, or nothing.
        found.clear()
    call.end_turn()
    outcomes: list[Outcome] = call.beside.gatherer.store([item for _, item in found]) if found else []
    for (place, _), outcome in zip(found, outcomes, strict=True):
        if outcome.error is not None:
            wrong[place] = str(outcome.error)
    if wrong:
        stored = sum(outcome.error is None for outcome in outcomes)
        named = [f"[{place}] {wrong[place][:200]}" for place in sorted(wrong)[:_NAMED]]
        if len(wrong) > _NAMED:
            named.append(f"and {len(wrong) - _NAMED:,} more")
        # The one line about all of them; it has what senders wrote, but no more of it than this.
        LOG.warning("%d of %s refused: %r", len(wrong), number(len(given), things), named[0])
        raise Refused(f"{number(len(wrong), things)} refused, {stored:,} stored: {'; '.join(named)}")
    return Answer(200, _taken(outcomes))


def check_receipt(call: Call[Any, Any], things: str) -> None:
    """Refuse a key that the store cannot keep.

    Raises:
        InvalidInput: the call has one.
    """
    if call.receipt is not None and not call.store.capabilities.store_once:
        known = f"{things} are known by their message_id, so that sending them again is harmless: leave it out"
        raise InvalidInput(idempotency.HEADER, f"is not kept by this store; {known}")


def _taken(outcomes: Iterable[Outcome]) -> Taken:
    news = [outcome.is_new for outcome in outcomes]
    return Taken(sum(news), len(news) - sum(news))


def _told(outcomes: Iterable[Outcome]) -> bytes:
    return wire.encode(_taken(outcomes))
