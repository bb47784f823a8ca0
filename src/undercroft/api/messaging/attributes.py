"""Metadata of queues over HTTP: reserved attributes have bounds and defaults, everything else is kept as it came."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from oslo_config import cfg

from undercroft.api.messaging import door
from undercroft.api.messaging.bodies import check_integers
from undercroft.api.messaging.door import MessagingCall
from undercroft.api.messaging.refusals import API, BODY, Refused
from undercroft.core import document
from undercroft.core.errors import InvalidInput
from undercroft.messaging.attributes import (
    DEAD_LETTER_QUEUE,
    DEAD_LETTER_TTL,
    DEFAULT_DELAY,
    DEFAULT_TTL,
    ENCRYPT,
    FLAVOR,
    MAX_CLAIM_COUNT,
    MAX_POST_SIZE,
    RETRY_POLICY,
)
from undercroft.messaging.delivery import policy as policies
from undercroft.messaging.sealing import SETTING

SHORTEST_TTL = 60
_MOST_CLAIMS = 2**31 - 1
_LONGEST_KEY = 255
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")


def defaults(conf: cfg.ConfigOpts) -> dict[str, Any]:
    """What every queue has that says nothing else."""
    return {
        MAX_POST_SIZE: conf.messaging.max_messages_post_size,
        DEFAULT_TTL: conf.messaging.default_message_ttl,
        DEFAULT_DELAY: conf.messaging.default_message_delay,
        DEAD_LETTER_QUEUE: None,
        DEAD_LETTER_TTL: None,
        MAX_CLAIM_COUNT: None,
        ENCRYPT: False,
    }


def shown(metadata: Mapping[str, Any], conf: cfg.ConfigOpts) -> dict[str, Any]:
    """Metadata as they are answered."""
    return {**defaults(conf), **metadata}


def check(metadata: Mapping[str, Any], call: MessagingCall, project: str) -> None:
    """Refuse metadata that are too large, or have a reserved attribute with an invalid value.

    Raises:
        Refused: the error names the attribute.
    """
    size, most = len(document.encoded(dict(metadata), "body")), call.conf.messaging.max_queue_metadata
    if size > most:
        raise Refused(API, f"the metadata have {size:,} characters as JSON; a queue takes {most:,}")
    check_integers(metadata, "metadata")
    for key in metadata:
        if not key or len(key) > _LONGEST_KEY or _CONTROLS.search(key):
            raise Refused(BODY, f"a key of metadata has 1 to {_LONGEST_KEY} characters, none of which is a control character")
    for name, value in metadata.items():
        if name in _CHECKS and not (value is None and name in _MAY_BE_NULL):
            _CHECKS[name](name, value, call.conf)
    if metadata.get(ENCRYPT) and not call.beside.sealer.is_able:
        raise Refused(API, f"{ENCRYPT}: this service has no key to encrypt messages with; its operator sets {SETTING}")
    if metadata.get(FLAVOR) is not None:
        _check_flavor(call, metadata[FLAVOR], project)


def _check_flavor(call: MessagingCall, name: Any, project: str) -> None:
    if not isinstance(name, str) or not call.store.control_driver.flavors_controller.exists(name, project):
        raise Refused(API, f"{FLAVOR}: flavor {str(name)[:64]!r} does not exist")


def _whole(least: int, most: Callable[[cfg.ConfigOpts], int]) -> Callable[[str, Any, cfg.ConfigOpts], None]:
    def check_whole(name: str, value: Any, conf: cfg.ConfigOpts) -> None:
        highest = most(conf)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= highest:
            raise Refused(API, f"{name} is a whole number from {least} to {highest}, not {_short(value)}")

    return check_whole


def _check_bool(name: str, value: Any, _conf: cfg.ConfigOpts) -> None:
    if not isinstance(value, bool):
        raise Refused(API, f"{name} is true or false, not {_short(value)}")


def _check_queue(name: str, value: Any, _conf: cfg.ConfigOpts) -> None:
    if not isinstance(value, str):
        raise Refused(API, f"{name} is the name of a queue, not {_short(value)}")
    door.check_name(value)


def _check_retry_policy(name: str, value: Any, _conf: cfg.ConfigOpts) -> None:
    check_retry_policy(value, name)


def check_retry_policy(policy: Any, name: str) -> None:
    """Refuse a policy of retries that is invalid.

    Args:
        policy: what was sent.
        name: how errors call it.
    """
    try:
        policies.check(policy, name)
    except InvalidInput as error:
        raise Refused(API, str(error)) from None


def _short(value: Any) -> str:
    return repr(value)[:64]


_CHECKS: dict[str, Callable[[str, Any, cfg.ConfigOpts], None]] = {
    MAX_POST_SIZE: _whole(1, lambda conf: int(conf.messaging.max_messages_post_size)),
    DEFAULT_TTL: _whole(SHORTEST_TTL, lambda conf: int(conf.messaging.max_message_ttl)),
    DEFAULT_DELAY: _whole(0, lambda conf: int(conf.messaging.max_message_delay)),
    DEAD_LETTER_QUEUE: _check_queue,
    DEAD_LETTER_TTL: _whole(SHORTEST_TTL, lambda conf: int(conf.messaging.max_message_ttl)),
    MAX_CLAIM_COUNT: _whole(0, lambda _conf: _MOST_CLAIMS),
    ENCRYPT: _check_bool,
    RETRY_POLICY: _check_retry_policy,
}
# What answers show as null may be sent back.
_MAY_BE_NULL = frozenset({DEAD_LETTER_QUEUE, DEAD_LETTER_TTL, MAX_CLAIM_COUNT, FLAVOR})
