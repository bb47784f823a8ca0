"""Queue metadata: reserved attributes, their defaults and bounds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, TypeGuard

MAX_POST_SIZE = "_max_messages_post_size"
DEFAULT_TTL = "_default_message_ttl"
DEFAULT_DELAY = "_default_message_delay"
DEAD_LETTER_QUEUE = "_dead_letter_queue"
DEAD_LETTER_TTL = "_dead_letter_queue_messages_ttl"
MAX_CLAIM_COUNT = "_max_claim_count"
ENCRYPT = "_enable_encrypt_messages"
FLAVOR = "_flavor"
RETRY_POLICY = "_retry_policy"
RESERVED = frozenset(
    {
        MAX_POST_SIZE, DEFAULT_TTL, DEFAULT_DELAY, DEAD_LETTER_QUEUE, DEAD_LETTER_TTL, MAX_CLAIM_COUNT, ENCRYPT, FLAVOR,
        RETRY_POLICY,
    }
)  # fmt: skip


class DeadLetters(NamedTuple):
    """Where messages go that were claimed too often.

    Attributes:
        most: claims after which a message goes there instead of into another claim.
        queue: the name of the queue, of the same project.
        ttl: seconds that it lives there, from then on; None to let it expire when it would have.
    """

    most: int
    queue: str
    ttl: int | None


def dead_letters(metadata: Mapping[str, Any]) -> DeadLetters | None:
    """What metadata say about dead letters; None where one of the two attributes is missing, or is of no use."""
    most, queue, ttl = (metadata.get(name) for name in (MAX_CLAIM_COUNT, DEAD_LETTER_QUEUE, DEAD_LETTER_TTL))
    if not _whole(most) or not isinstance(queue, str) or not queue:
        return None
    return DeadLetters(most, queue, ttl if _whole(ttl) else None)


def _whole(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31
