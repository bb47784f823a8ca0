"""What `/metrics` shows of queues, and of what subscribers are still to be sent."""

from __future__ import annotations

from collections.abc import Sequence

from oslo_config import cfg

from undercroft.api.gauges import Gauge
from undercroft.messaging import DataDriverBase
from undercroft.messaging.contract.outbox import LANE

_LABELS = ("project", "queue")
_SUBSCRIPTION = ("project", "subscription")


def gauges(store: DataDriverBase, conf: cfg.ConfigOpts) -> Sequence[Gauge]:
    """Depths of the fullest queues and subscriptions, by a statement each; none where `[messaging] metrics_queues` is 0."""
    limit = conf.messaging.metrics_queues
    if not limit:
        return ()
    found = store.depths(limit)
    named = [((depth.project, depth.queue), depth) for depth in found.queues]
    return (
        *_backlog(store, limit),
        *_pools(store),
        Gauge("free", "Messages that may be claimed, or have a delay.", _LABELS, [(labels, depth.free) for labels, depth in named]),
        Gauge("claimed", "Messages under a live claim.", _LABELS, [(labels, depth.claimed) for labels, depth in named]),
        Gauge(
            "oldest_age_seconds",
            "Seconds since the oldest message was posted; 0 for an empty queue.",
            _LABELS,
            [(labels, depth.oldest_age) for labels, depth in named],
        ),
        Gauge("queues_left_out", "Queues beyond [messaging] metrics_queues, which are not shown.", (), [((), found.left_out)]),
    )


def _pools(store: DataDriverBase) -> Sequence[Gauge]:
    found = store.pools_up()
    values = [((name,), float(is_up)) for name, is_up in found.items()]
    return (
        [Gauge("pool_up", "Whether a pool has answered the last call; its queues are away without it.", ("pool",), values)]
        if found
        else []
    )


def _backlog(store: DataDriverBase, limit: int) -> Sequence[Gauge]:
    outbox = store.outbox
    found = outbox.backlog(limit)
    named = [((depth.project, depth.queue.removeprefix(LANE)), depth) for depth in found.queues]
    return (
        Gauge("outbox", "Messages that no worker has handed out to subscriptions yet.", (), [((), outbox.waiting())]),
        Gauge(
            "subscription_waiting",
            "Messages that a subscriber is still to be sent, those under way included.",
            _SUBSCRIPTION,
            [(labels, depth.free + depth.claimed) for labels, depth in named],
        ),
        Gauge(
            "subscription_oldest_age_seconds",
            "Seconds since the oldest of them was handed out.",
            _SUBSCRIPTION,
            [(labels, depth.oldest_age) for labels, depth in named],
        ),
        Gauge(
            "subscriptions_left_out",
            "Subscriptions beyond [messaging] metrics_queues, which are not shown; those with the most waiting messages are.",
            (),
            [((), found.left_out)],
        ),
    )
