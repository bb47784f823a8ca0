"""Ceilometer's own event pipeline, fed with notifications: ceilometer_pipeline.py PUBLISHER COUNT FOLDER.

In the place of the message bus: a notification that the pipeline gives back is delivered again, by one of several threads. Says
`begun`, and as JSON on the last line of stdout how many were delivered and how often one came back.
"""

from __future__ import annotations

import concurrent.futures
import json
import pathlib
import sys
import time
from typing import Any

import oslo_messaging
from ceilometer.pipeline import event as events

from tests.hosts.inside.pipelines import prepared

THREADS = 8
# Far above what any wait takes; ends a test that hangs.
PATIENCE = 120


def notification(number: int) -> dict[str, Any]:
    return {
        "event_type": "compute.instance.update",
        "publisher_id": "compute.host-1",
        "payload": {"instance_id": f"vm-{number}", "tenant_id": "p1", "memory_mb": number, "launched_at": "2026-05-01T10:00:00"},
        "ctxt": {"request_id": f"req-{number}", "project_id": "p1"},
        "metadata": {"message_id": f"m-{number:05}", "timestamp": "2026-05-01 10:00:00.5"},
    }


def main(publisher: str, count: int, folder: pathlib.Path) -> None:
    more = ("[notification]", "ack_on_event_error = false")
    conf = prepared(folder, publisher, "events", "event_pipeline_cfg_file", *more)
    (endpoint,) = events.EventPipelineManager(conf).get_main_endpoints()
    print("begun", flush=True)

    def deliver(number: int) -> int:
        end, tries = time.monotonic() + PATIENCE, 0
        while endpoint.info([notification(number)]) == oslo_messaging.NotificationResult.REQUEUE:
            tries += 1
            assert time.monotonic() < end, "the notification is not taken"
            time.sleep(0.05)
        return tries

    with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
        again = sum(pool.map(deliver, range(count)))
    print(json.dumps({"delivered": count, "came back": again}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), pathlib.Path(sys.argv[3]))
