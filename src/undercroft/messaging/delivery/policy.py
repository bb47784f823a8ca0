"""When a notification that was not taken is sent again: the host's retry policy.

Retries come in four phases: with no delay, with the minimum delay, with delays that grow, with the maximum delay. What a policy
does not say, or says with a value of another type, is the default's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from undercroft.core.errors import InvalidInput
from undercroft.core.names import unknown
from undercroft.messaging.attributes import RETRY_POLICY

OVERRIDE = "ignore_subscription_override"
# Seconds between two delays that grow, on average, and between the two delays of a policy.
_STEP, LEAST_SPREAD = 5, 10


class Policy(NamedTuple):
    """How often to try again, and how long after a failure; spans are seconds.

    Attributes:
        retries_with_no_delay, minimum_delay_retries, maximum_delay_retries: how many retries a phase has.
        minimum_delay, maximum_delay: the delays of two of the phases, between which those of the third are.
        retry_backoff_function: how the delays of that grow.
    """

    retries_with_no_delay: int = 3
    minimum_delay_retries: int = 3
    minimum_delay: int = 5
    maximum_delay: int = 30
    maximum_delay_retries: int = 3
    retry_backoff_function: str = "linear"


def chosen(metadata: Mapping[str, Any], options: Mapping[str, Any]) -> Policy:
    """The policy of a subscription: its own, that of its queue, or the default one.

    Where either of the two says `ignore_subscription_override`, the queue's wins. They are not mixed: what the one that wins does
    not say is the default's.

    Args:
        metadata: those of the queue.
        options: those of the subscription.
    """
    ours, queues = _object(options.get(RETRY_POLICY)), _object(metadata.get(RETRY_POLICY))
    ignores = ours.get(OVERRIDE) is True or queues.get(OVERRIDE) is True
    return _policy(queues if ignores else ours or queues)


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _policy(given: Mapping[str, Any]) -> Policy:
    fits = {name: value for name, value in given.items() if name in _FITS and _FITS[name](value)}
    return Policy()._replace(**fits)


# A delay is the ttl of a claim.
_MOST = 2**31 - 1


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST


def check(policy: Any, field: str) -> None:
    """Refuse a policy that has anything of no effect.

    Args:
        policy: what was given.
        field: its name, for errors.

    Raises:
        InvalidInput: it is not an object, has an unknown key, a value out of bounds, or too small a spread of delays.
    """
    if not isinstance(policy, Mapping):
        raise InvalidInput(field, f"{_short(policy)} is not an object")
    known = (*_FITS, OVERRIDE)
    for key, value in policy.items():
        if key not in known:
            raise InvalidInput(field, "has " + unknown("key", key, known))
        if not (isinstance(value, bool) if key == OVERRIDE else _FITS[key](value)):
            expected = _EXPECTED.get(key, f"a whole number from 0 to {_MOST:,}")
            raise InvalidInput(f"{field}.{key}", f"{_short(value)} is not {expected}")
    whole = _policy(policy)
    if whole.maximum_delay - whole.minimum_delay < LEAST_SPREAD:
        raise InvalidInput(field, f"maximum_delay is to be at least {LEAST_SPREAD} seconds more than minimum_delay")


def _short(value: Any) -> str:
    return repr(value)[:64]


def delay(policy: Policy, failures: int) -> int | None:
    """Seconds to wait after a failure before the notification is sent again; None when it is not to be.

    Args:
        policy: see there.
        failures: how often it was sent in vain, 1 or more.
    """
    place = failures - 1
    if place < policy.retries_with_no_delay:
        return 0
    place -= policy.retries_with_no_delay
    if place < policy.minimum_delay_retries:
        return policy.minimum_delay
    place -= policy.minimum_delay_retries
    count = _growing(policy)
    if place < count:
        return _FUNCTIONS[policy.retry_backoff_function](policy.minimum_delay, policy.maximum_delay, place, count)
    return policy.maximum_delay if place - count < policy.maximum_delay_retries else None


def _growing(policy: Policy) -> int:
    """How many delays grow."""
    spread = max(0, policy.maximum_delay - policy.minimum_delay)
    # Upstream's linear function begins a further step, where the others leave it out.
    return -(-spread // _STEP) if policy.retry_backoff_function == "linear" else spread // _STEP


def _linear(least: int, _most: int, place: int, _count: int) -> int:
    return least + place * _STEP


def _arithmetic(least: int, most: int, place: int, count: int) -> int:
    # Each delay is longer than the one before by one and the same further difference.
    return least if count == 1 else least + (most - least) * place * (place + 1) // (count * (count - 1))


def _geometric(least: int, most: int, place: int, count: int) -> int:
    # A geometric series cannot begin at 0.
    first = max(1, least)
    if count == 1:
        return least
    # Rounded, so that the last one is `most` and not a little less.
    return int(round(first * (most / first) ** (place / (count - 1)), 6))


# Upstream's exponential function gives the same delays as its geometric one.
_FUNCTIONS: dict[str, Callable[[int, int, int, int], int]] = {
    "linear": _linear,
    "arithmetic": _arithmetic,
    "geometric": _geometric,
    "exponential": _geometric,
}
_FITS: dict[str, Callable[[Any], bool]] = {
    **dict.fromkeys(Policy._fields, _is_count),
    "retry_backoff_function": lambda value: isinstance(value, str) and value in _FUNCTIONS,
}
_EXPECTED = {OVERRIDE: "true or false", "retry_backoff_function": f"one of {', '.join(_FUNCTIONS)}"}
