"""Dead letters, where the queue that they go to is in another of Zaqar's pools.

A store moves dead letters to a queue of its own. With Zaqar's pooling that queue may be elsewhere: then they are brought there, in
two steps, so that one that a killed process has left behind is brought by the next claim.
"""

from __future__ import annotations

import hashlib
import logging
from typing import Any

import msgspec
from zaqar.storage import errors as theirs
from zaqar.storage import utils

from undercroft.compat.zaqar import config
from undercroft.messaging.attributes import dead_letters
from undercroft.messaging.models import Arrival, Page, Stored

LOG = logging.getLogger(__name__)
_AT_ONCE = 100


def bring(driver: Any, queue: str, project: str | None) -> None:
    """Bring the dead letters of a queue to the pool of the queue where they belong. What fails is left for the next claim.

    Args:
        driver: the message store that the queue is in.
        queue: its name.
        project: its project.
    """
    if "pooling" not in driver.conf or not driver.conf.pooling:
        return
    try:
        _bring(driver, queue, project)
    except Exception:  # a claim that was made is not to be lost because the other pool, whatever it is, fails
        LOG.warning("dead letters of a queue stay in its pool for now", exc_info=True)


def _bring(driver: Any, queue: str, project: str | None) -> None:
    rule = dead_letters(driver.control_driver.queue_controller.get(queue, project))
    target = None if rule is None else _pool_of(driver, rule.queue, project)
    if rule is None or target is None:
        return
    messages, scope = driver.ours.message_controller, project or ""
    while True:
        found, _ = messages._list(rule.queue, scope, Page(None, _AT_ONCE, None, claimed=False, delayed=False))
        if found:
            _store(target, driver.url, rule.queue, found, project)
            messages._bulk_delete(rule.queue, [one.id for one in found], scope, None, scope)
        if len(found) < _AT_ONCE:
            return


def _pool_of(driver: Any, queue: str, project: str | None) -> Any:
    """Zaqar's driver of the pool that a queue is in; None where that is this one, or none."""
    control = driver.control_driver
    try:
        name = control.catalogue_controller.get(project, queue)["pool"]
        pool = control.pools_controller.get(name, detailed=True)
    except (theirs.QueueNotMapped, theirs.PoolDoesNotExist):
        return None
    if config.own(pool["uri"]) == driver.url:
        return None
    known = driver.neighbours
    if known.get(name, (None, None))[0] != pool["uri"]:
        # As Zaqar opens a pool.
        conf = utils.dynamic_conf(pool["uri"], dict(pool["options"]), conf=driver.conf)
        known[name] = pool["uri"], utils.load_storage_driver(conf, driver.cache, control_driver=control)
    return known[name][1]


def _store(target: Any, source: str, queue: str, found: list[Stored], project: str | None) -> None:
    ours = getattr(target, "ours", None)
    if ours is None:
        # A store of Zaqar's own gives them ids of its own; of a process that is killed after this, some may come twice.
        for one in found:
            target.message_controller.post(queue, [{"ttl": one.ttl, "body": msgspec.json.decode(one.body)}], one.client, project)
        return
    tag = hashlib.blake2b(source.encode(), digest_size=3).hexdigest()
    ours.message_controller.receive(
        queue,
        [Arrival(f"~{tag}~{one.id}", one.created, one.ttl, one.expires, one.claims, one.client, one.body) for one in found],
        project,
    )
