"""Reserved attributes of queues: what metadata say about dead letters."""

from __future__ import annotations

from typing import Any

import pytest

from undercroft.messaging import attributes
from undercroft.messaging.attributes import DeadLetters, dead_letters

MOST, QUEUE, TTL = "_max_claim_count", "_dead_letter_queue", "_dead_letter_queue_messages_ttl"


@pytest.mark.parametrize(
    ("metadata", "wanted"),
    [
        ({MOST: 3, QUEUE: "dead"}, DeadLetters(3, "dead", None)),
        ({MOST: 3, QUEUE: "dead", TTL: 60, "other": 1}, DeadLetters(3, "dead", 60)),
        ({MOST: 0, QUEUE: "dead", TTL: 0}, DeadLetters(0, "dead", 0)),
        ({MOST: 2**31 - 1, QUEUE: "dead", TTL: 2**31 - 1}, DeadLetters(2**31 - 1, "dead", 2**31 - 1)),
        ({MOST: 3, QUEUE: "dead", TTL: None}, DeadLetters(3, "dead", None)),
        ({MOST: 3, QUEUE: "dead", TTL: "60"}, DeadLetters(3, "dead", None)),
        ({MOST: 3, QUEUE: "dead", TTL: -1}, DeadLetters(3, "dead", None)),
        ({MOST: 3, QUEUE: "dead", TTL: True}, DeadLetters(3, "dead", None)),
    ],
)
def test_both_attributes(metadata: dict[str, Any], wanted: DeadLetters) -> None:
    assert dead_letters(metadata) == wanted


@pytest.mark.parametrize("most", [None, "3", 3.0, -1, 2**31, True, False, [3]])
def test_a_number_that_is_of_no_use(most: Any) -> None:
    assert dead_letters({MOST: most, QUEUE: "dead"}) is None


@pytest.mark.parametrize("queue", [None, "", 5, True, ["dead"]])
def test_a_queue_that_is_of_no_use(queue: Any) -> None:
    assert dead_letters({MOST: 3, QUEUE: queue}) is None


@pytest.mark.parametrize("metadata", [{}, {MOST: 3}, {QUEUE: "dead"}, {TTL: 60}, {MOST: 3, TTL: 60}])
def test_one_is_not_enough(metadata: dict[str, Any]) -> None:
    assert dead_letters(metadata) is None


def test_the_names_are_the_hosts() -> None:
    assert {
        "_max_messages_post_size", "_default_message_ttl", "_default_message_delay", MOST, QUEUE, TTL, "_enable_encrypt_messages",
        "_flavor", "_retry_policy",
    } == attributes.RESERVED  # fmt: skip
