"""Checks of the metadata and the names that commands give to queues, by the rules of the HTTP API."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from undercroft.cli import stores

if TYPE_CHECKING:
    from undercroft.messaging import DataDriverBase

_NAME = re.compile(r"[A-Za-z0-9_.\-]{1,64}", re.ASCII)
_LARGEST = 2**31 - 1


def check_name(name: str, field: str = "QUEUE") -> None:
    """Refuse a name that the HTTP API could not reach.

    Raises:
        InvalidInput: it is not one.
    """
    from undercroft.core.errors import InvalidInput

    if not _NAME.fullmatch(name):
        raise InvalidInput(field, f"{name[:64]!r} is not 1 to 64 letters of ASCII, digits, underscores, hyphens and dots")


def check(metadata: Mapping[str, Any]) -> None:
    """Refuse reserved attributes with values of no effect, and note names that are probably misspelt.

    Raises:
        InvalidInput: a value is of another type, or out of bounds.
    """
    from undercroft.core import names
    from undercroft.core.errors import InvalidInput
    from undercroft.messaging import attributes

    least = {
        attributes.MAX_POST_SIZE: 1,
        attributes.DEFAULT_TTL: 60,
        attributes.DEFAULT_DELAY: 0,
        attributes.DEAD_LETTER_TTL: 60,
        attributes.MAX_CLAIM_COUNT: 0,
    }
    for key, value in metadata.items():
        if key in least and value is not None:
            if isinstance(value, bool) or not isinstance(value, int) or not least[key] <= value <= _LARGEST:
                raise InvalidInput(key, f"{value!r} is not a whole number of at least {least[key]}")
        elif key == attributes.ENCRYPT and not isinstance(value, bool):
            raise InvalidInput(key, f"{value!r} is neither true nor false")
        elif key == attributes.DEAD_LETTER_QUEUE and value is not None:
            check_name(str(value), key)
        elif key.startswith("_") and key not in attributes.RESERVED:
            near = names.nearest(key, attributes.RESERVED)
            stores.note(
                f"{key[:64]!r} is not a reserved attribute, and has no effect" + (f"; did you mean {near!r}?" if near else "")
            )


def see_to_dead_letters(opened: DataDriverBase, metadata: Mapping[str, Any], project: str | None) -> None:
    """Create the queue of dead letters that metadata name; note those that have one of the two attributes that are needed."""
    from undercroft.messaging import attributes

    both = (attributes.MAX_CLAIM_COUNT, attributes.DEAD_LETTER_QUEUE)
    if len(given := [name for name in both if metadata.get(name) is not None]) == 1:
        (other,) = set(both) - set(given)
        stores.note(f"{given[0]} has no effect without {other}")
    rule = attributes.dead_letters(metadata)
    # It would be made with the first dead letter, and be in no list.
    if rule is not None and opened.queue_controller.create(rule.queue, None, project):
        stores.note(f"the queue {rule.queue!r} did not exist, and was created")
