"""Flavors: groups of pools that a queue asks for by `_flavor`."""

from __future__ import annotations

import urllib.parse
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from msgspec import UNSET

from undercroft.api.call import Answer
from undercroft.api.messaging import door, queries
from undercroft.api.messaging.door import MessagingCall
from undercroft.api.messaging.pool_schemas import FlavorOut, Flavors
from undercroft.api.messaging.refusals import BODY, Refused
from undercroft.messaging import PoolDoesNotExist, registers
from undercroft.messaging.contract.pools import offered

PATH = "/v2/flavors"


def list_flavors(call: MessagingCall) -> Answer:
    """List the project's flavors with their pools, in the order of their names."""
    control, asked = call.store.control_driver, call.query
    most = door.limit(asked.limit, call.conf.messaging.max_flavors_per_page)
    page = control.flavors_controller.list(door.project(call), asked.marker, most)
    names, marker = [each["name"] for each in next(page)], next(page)
    of: dict[str | None, list[Any]] = defaultdict(list)
    for pool in control.pools_controller.get_pools_by_flavor() if names else []:
        of[pool["flavor"]].append(pool)
    found = [_shown(name, of[name], is_detailed=asked.detailed) for name in names]
    return Answer(200, Flavors(found, queries.next_links(call, marker, is_empty=not found)))


def get_flavor(call: MessagingCall) -> Answer:
    """Give one flavor: its pools, and what they offer."""
    name, control = _name(call), call.store.control_driver
    control.flavors_controller.get(name, door.project(call))
    return Answer(200, _shown(name, control.pools_controller.get_pools_by_flavor({"name": name})))


def put_flavor(call: MessagingCall) -> Answer:
    """Make a flavor of pools; one of this name has these pools from then on."""
    name, pools = _name(call), _pools(call)
    try:
        registers.put_flavor(call.store.control_driver, name, door.project(call), pools)
    except PoolDoesNotExist as error:
        raise Refused("Unable to create", f"pool_list: {error}") from None
    return Answer(201, headers={"Location": f"{PATH}/{name}"})


def patch_flavor(call: MessagingCall) -> Answer:
    """Let a flavor have these pools, and no others."""
    name, pools, control = _name(call), _pools(call), call.store.control_driver
    try:
        registers.change_flavor(control, name, door.project(call), pools)
    except PoolDoesNotExist as error:
        raise Refused("Unable to update", f"pool_list: {error}") from None
    return Answer(200, _shown(name, control.pools_controller.get_pools_by_flavor({"name": name})))


def delete_flavor(call: MessagingCall) -> Answer:
    """Remove a flavor; its pools stay."""
    registers.drop_flavor(call.store.control_driver, _name(call), door.project(call))
    return Answer(204)


def _name(call: MessagingCall) -> str:
    name = call.path["flavor_name"]
    door.check_label(name, "flavor")
    return name


def _pools(call: MessagingCall) -> Sequence[str]:
    found = list(dict.fromkeys(call.body.pool_list))
    if not found:
        raise Refused(BODY, "pool_list is empty: a flavor has at least one pool")
    for name in found:
        door.check_label(name, "pool")
    return found


def _shown(name: str, pools: Sequence[Any], *, is_detailed: bool = True) -> FlavorOut:
    offers = (offered(pools[0]["uri"]) if pools else ()) if is_detailed else None
    return FlavorOut(
        name,
        f"{PATH}/{urllib.parse.quote(name, safe='')}",
        [pool["name"] for pool in pools],
        UNSET if offers is None else [each.name for each in offers],
    )
