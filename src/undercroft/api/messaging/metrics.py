"""What `/metrics` shows of queues."""

from __future__ import annotations

from collections.abc import Sequence

from oslo_config import cfg

from undercroft.api.gauges import Gauge
from undercroft.messaging import DataDriverBase

_LABELS = ("project", "queue")


def gauges(store: DataDriverBase, conf: cfg.ConfigOpts) -> Sequence[Gauge]:
    """Depths of the fullest queues, by one statement; none where `[messaging] metrics_queues` is 0."""
    limit = conf.messaging.metrics_queues
    if not limit:
        return ()
    found = store.depths(limit)
    named = [((depth.project, depth.queue), depth) for depth in found.queues]
    return (
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
