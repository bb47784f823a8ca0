"""Steps over several of the registers of pools: what the service and the command line do with them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from undercroft.core import deadline, registry
from undercroft.core.errors import ConfigInvalid, Unavailable
from undercroft.messaging.contract.pools import KIND, WITHIN_HOST
from undercroft.messaging.errors import PoolCapabilitiesMismatch
from undercroft.messaging.pooling import placement
from undercroft.messaging.settings import POOLED

# Seconds in which the store of a new pool has to be open and prepared; within them, those in which its server has to answer.
_PATIENCE, _CONNECT = 10.0, 2.0
# Entries of the catalogue that are read at once.
_AT_ONCE = 1_000


def prepare(uri: str) -> None:
    """Open the store of a pool that is to be registered, and create what it keeps its data in.

    Raises:
        ConfigInvalid: the URI names no store.
        Unavailable: the store does not answer.
    """
    url = uri.removeprefix(WITHIN_HOST)
    if url.startswith(POOLED):
        raise ConfigInvalid("a pool is one store: name it without pooled+")
    options: dict[str, Any] = {}
    if "connect_timeout" in registry.options(KIND, url) and "connect_timeout=" not in url.partition("?")[2]:
        options["connect_timeout"] = _CONNECT
    with deadline.within(_PATIENCE):
        store = registry.connect(KIND, url, **options)
        try:
            store.init()
            if not store.is_alive():
                raise Unavailable("the store does not answer")
        finally:
            store.close()
            store.control_driver.close()


def queues_of(control: Any, pool: str) -> int:
    """How many queues have something in a pool, or may have: also those that are on their way to another one."""
    count, now = 0, control.now()
    after: tuple[str, str] | None = None
    while page := control.catalogue_controller._page(after, _AT_ONCE):
        count += sum(_is_in(placement.decoded(entry), pool, now) for entry in page)
        after = page[-1].project, page[-1].queue
    return count


def _is_in(found: placement.Placement, pool: str, now: int) -> bool:
    # The entry of a queue that was deleted stays for a short while, for those who still believe it.
    is_gone = found.unmade and 0 < found.ends <= placement.deleted(found, now).ends
    return pool in found.pools and not is_gone


def put_flavor(control: Any, name: str, project: str | None, pools: Sequence[str]) -> tuple[Any, ...]:
    """Make a flavor, or make it anew, of these pools: they join it, others leave it. What it offers.

    Raises:
        PoolDoesNotExist: one of the pools is unknown; nothing was done.
        PoolCapabilitiesMismatch: they do not offer the same; nothing was done.
    """
    found = {tuple(control.pools_controller.capabilities(name=pool)) for pool in pools}
    if len(found) > 1:
        raise PoolCapabilitiesMismatch
    (offers,) = found
    control.flavors_controller.create(name, project, [each.name for each in offers])
    _settle(control, name, pools)
    return offers


def change_flavor(control: Any, name: str, project: str | None, pools: Sequence[str]) -> tuple[Any, ...]:
    """Let a flavor have these pools, and no others. What it offers.

    Raises:
        FlavorDoesNotExist: the flavor is unknown.
        PoolDoesNotExist, PoolCapabilitiesMismatch: as `put_flavor`.
    """
    control.flavors_controller.get(name, project)
    return put_flavor(control, name, project, pools)


def drop_flavor(control: Any, name: str, project: str | None) -> None:
    """Remove a flavor. Its pools leave it, unless another project has a flavor of this name."""
    control.flavors_controller.delete(name, project)
    if not control.flavors_controller.is_anywhere(name):
        _settle(control, name, [])


def _settle(control: Any, flavor: str, pools: Sequence[str]) -> None:
    """Let these pools, and no others, have a flavor; those that come first, so that it is not without pools in between."""
    register = control.pools_controller
    for pool in pools:
        register.update(pool, flavor=flavor)
    for old in register.get_pools_by_flavor({"name": flavor}):
        if old["name"] not in pools:
            register.update(old["name"], flavor="")
