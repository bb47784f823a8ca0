"""The retry policy: which one a subscription has, and its delays."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from undercroft.core.errors import InvalidInput
from undercroft.messaging.delivery.policy import Policy, check, chosen, delay

QUEUES, OURS = {"minimum_delay": 7, "maximum_delay": 99}, {"maximum_delay_retries": 1}
IGNORES = {"ignore_subscription_override": True}
FUNCTIONS = st.sampled_from(["linear", "arithmetic", "geometric", "exponential"])
COUNTS = st.integers(0, 40)
POLICIES = st.builds(Policy, COUNTS, COUNTS, COUNTS, st.integers(0, 300), COUNTS, FUNCTIONS)


def of(policy: Policy) -> list[int]:
    found: list[int] = []
    while (seconds := delay(policy, len(found) + 1)) is not None:
        found.append(seconds)
    return found


def test_default() -> None:
    assert of(Policy()) == [0, 0, 0, 5, 5, 5, 5, 10, 15, 20, 25, 30, 30, 30]


# What the host's own functions give.
@pytest.mark.parametrize(
    ("function", "least", "most", "wanted"),
    [
        ("linear", 1, 60, [1, 6, 11, 16, 21, 26, 31, 36, 41, 46, 51, 56]),
        ("geometric", 5, 30, [5, 7, 12, 19, 30]),
        ("geometric", 1, 60, [1, 1, 2, 3, 5, 7, 11, 17, 26, 39, 60]),
        ("exponential", 5, 30, [5, 7, 12, 19, 30]),
        ("arithmetic", 5, 30, [5, 7, 12, 20, 30]),
        ("arithmetic", 1, 60, [1, 2, 4, 7, 11, 17, 23, 31, 39, 49, 60]),
        ("geometric", 0, 10, [1, 10]),
        ("arithmetic", 0, 10, [0, 10]),
        ("geometric", 2, 7, [2]),
        ("arithmetic", 2, 7, [2]),
        ("linear", 30, 5, []),
        ("geometric", 30, 5, []),
    ],
)
def test_delays_that_grow(function: str, least: int, most: int, wanted: list[int]) -> None:
    assert of(Policy(0, 0, least, most, 0, function)) == wanted


@given(POLICIES)
def test_phases_come_in_their_order(policy: Policy) -> None:
    found = of(policy)
    none, least, last = policy.retries_with_no_delay, policy.minimum_delay_retries, policy.maximum_delay_retries
    grown = found[none + least : len(found) - last]
    assert found[:none] == [0] * none
    assert found[none : none + least] == [policy.minimum_delay] * least
    assert found[len(found) - last :] == [policy.maximum_delay] * last
    assert grown == sorted(grown)
    assert all(min(policy.minimum_delay, 1) <= one <= policy.maximum_delay for one in grown)
    assert delay(policy, len(found) + 1) is None


def test_a_huge_policy_is_answered_at_once() -> None:
    most = 2**31 - 1
    policy = Policy(most, most, 0, most, most, "geometric")
    assert delay(policy, most) == 0
    assert delay(policy, 2 * most + most // 5) == most
    assert delay(policy, 3 * most + most // 5 + 1) is None


@pytest.mark.parametrize(
    ("metadata", "options", "wanted"),
    [
        ({}, {}, Policy()),
        ({"_retry_policy": QUEUES}, {}, Policy(minimum_delay=7, maximum_delay=99)),
        ({"_retry_policy": QUEUES}, {"_retry_policy": {}}, Policy(minimum_delay=7, maximum_delay=99)),
        ({}, {"_retry_policy": OURS}, Policy(maximum_delay_retries=1)),
        ({"_retry_policy": QUEUES}, {"_retry_policy": OURS}, Policy(maximum_delay_retries=1)),
        ({"_retry_policy": {**QUEUES, **IGNORES}}, {"_retry_policy": OURS}, Policy(minimum_delay=7, maximum_delay=99)),
        ({"_retry_policy": QUEUES}, {"_retry_policy": {**OURS, **IGNORES}}, Policy(minimum_delay=7, maximum_delay=99)),
        ({}, {"_retry_policy": {**OURS, **IGNORES}}, Policy()),
        ({"_retry_policy": "often"}, {"_retry_policy": ["often"]}, Policy()),
        (
            {},
            {"_retry_policy": {"minimum_delay": -1, "maximum_delay": True, "retry_backoff_function": [], "else": 1}},
            Policy(),
        ),
        ({}, {"_retry_policy": {"retry_backoff_function": "cubic", "minimum_delay": 2**31}}, Policy()),
    ],
)
def test_which_policy(metadata: dict[str, Any], options: dict[str, Any], wanted: Policy) -> None:
    assert chosen(metadata, options) == wanted


@pytest.mark.parametrize(
    ("policy", "field"),
    [
        ([], "p"),
        (None, "p"),
        ({"colour": 1}, "p"),
        ({"minimum_delay": 30}, "p"),
        ({"maximum_delay": 14}, "p"),
        ({"minimum_delay": 5, "maximum_delay": 14}, "p"),
        ({"retries_with_no_delay": -1}, "p.retries_with_no_delay"),
        ({"retries_with_no_delay": 2**31}, "p.retries_with_no_delay"),
        ({"minimum_delay_retries": 1.0}, "p.minimum_delay_retries"),
        ({"maximum_delay_retries": True}, "p.maximum_delay_retries"),
        ({"retry_backoff_function": "sine"}, "p.retry_backoff_function"),
        ({"ignore_subscription_override": 1}, "p.ignore_subscription_override"),
    ],
)
def test_policies_that_are_refused(policy: Any, field: str) -> None:
    with pytest.raises(InvalidInput) as error:
        check(policy, "p")
    assert error.value.field == field


def test_a_number_that_is_too_large_is_told_its_bound() -> None:
    check({"maximum_delay": 2**31 - 1}, "p")
    with pytest.raises(InvalidInput, match=r"p\.maximum_delay: 2147483648 is not a whole number from 0 to 2,147,483,647"):
        check({"maximum_delay": 2**31}, "p")


@pytest.mark.parametrize("policy", [{}, {"maximum_delay": 15}, {"minimum_delay": 0, "maximum_delay": 10, **IGNORES}])
def test_policies_that_are_taken(policy: Any) -> None:
    check(policy, "p")
