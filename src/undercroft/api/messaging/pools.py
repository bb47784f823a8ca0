"""Pools: what an operator spreads queues over."""

from __future__ import annotations

import urllib.parse
from collections.abc import Mapping
from typing import Any

from undercroft.api.call import Answer
from undercroft.api.messaging import door, queries
from undercroft.api.messaging.bodies import check_integers
from undercroft.api.messaging.door import MessagingCall
from undercroft.api.messaging.pool_schemas import PoolChanges, PoolOut, Pools
from undercroft.api.messaging.refusals import BODY, Claimed, Refused
from undercroft.core.errors import UndercroftError
from undercroft.messaging import PoolInUseByFlavor, PoolsBase, registers

PATH = "/v2/pools"


def list_pools(call: MessagingCall) -> Answer:
    """List the pools, in the order of their names."""
    most = door.limit(call.query.limit, call.conf.messaging.max_pools_per_page)
    page = _register(call).list(call.query.marker, most, call.query.detailed)
    found = [_shown(each) for each in next(page)]
    return Answer(200, Pools(found, queries.next_links(call, next(page), is_empty=not found)))


def get_pool(call: MessagingCall) -> Answer:
    """Give one pool."""
    return Answer(200, _shown(_register(call).get(_name(call), call.query.detailed)))


def put_pool(call: MessagingCall) -> Answer:
    """Register a pool whose store answers; one of this name is replaced."""
    name, given = _name(call), call.body
    check_integers(given.options or {}, "options")
    _prepare(given.uri)
    _register(call).create(name, given.weight, given.uri, given.flavor or None, given.options or {})
    return Answer(201, headers={"Location": f"{PATH}/{name}"})


def patch_pool(call: MessagingCall) -> Answer:
    """Change the weight, the URI, the flavor or the options of a pool."""
    name = _name(call)
    given: PoolChanges = call.body
    values = {"weight": given.weight, "uri": given.uri, "flavor": given.flavor, "options": given.options}
    changes = {field: value for field, value in values.items() if value is not None}
    if not changes:
        raise Refused(BODY, "nothing to change: send weight, uri, flavor or options")
    check_integers(given.options or {}, "options")
    register = _register(call)
    register.get(name)
    if given.uri is not None:
        _prepare(given.uri)
    register.update(name, **changes)
    return Answer(200, _shown(register.get(name)))


def delete_pool(call: MessagingCall) -> Answer:
    """Take a pool out of the register; what it holds stays in it."""
    try:
        _register(call).delete(_name(call))
    except PoolInUseByFlavor as error:
        raise Claimed(f"this pool is the last one of the flavor {error.flavor}; it cannot be deleted") from None
    return Answer(204)


def _register(call: MessagingCall) -> PoolsBase:
    found: PoolsBase = call.store.control_driver.pools_controller
    return found


def _name(call: MessagingCall) -> str:
    name = call.path["pool_name"]
    door.check_label(name, "pool")
    return name


def _prepare(uri: str) -> None:
    """Refuse a URI whose store does not answer."""
    try:
        registers.prepare(uri)
    except UndercroftError as error:
        raise Refused(BODY, f"uri: cannot connect: {error}") from None


def _shown(found: Mapping[str, Any]) -> PoolOut:
    return PoolOut(**found, href=f"{PATH}/{urllib.parse.quote(found['name'], safe='')}")
