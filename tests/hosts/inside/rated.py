"""CloudKitty's processor and its reprocessor over our driver: rated.py --config-file FILE.

Rates two scopes hour by hour, changes the price, has one scope reprocessed through CloudKitty's API and its real worker, resets
that scope, lets a period be rated again, and tells, as JSON, what was stored after each step. Only the collector is ours: it makes
up the usage of an hour.
"""

from __future__ import annotations

import datetime as dt
import json
import sys
from decimal import Decimal
from typing import Any

import werkzeug.test
from cloudkitty import db, service, storage, storage_state
from cloudkitty.api import app
from cloudkitty.collector import BaseCollector
from cloudkitty.db import api as database
from cloudkitty.orchestrator import ReprocessingWorker, ScopeEndpoint, Worker
from cloudkitty.rating.hash.db import api as rules
from cloudkitty.rating.hash.db.sqlalchemy import models as hash_models
from cloudkitty.rating.pyscripts.db.sqlalchemy import models as script_models
from cloudkitty.utils import load_conf
from cloudkitty.utils import tz as tzutils
from oslo_config import cfg

SCOPES = ("alpha", "beta")
HOUR = dt.timedelta(hours=1)
HOURS = 8


class Machines(BaseCollector):
    """Three machines in each scope, whose usage of an hour is a number of 22 digits."""

    collector_name = "machines"

    def fetch_all(self, metric_name, start, end, project_id=None, **_):
        return [
            self._create_data_point(
                self.conf[metric_name],
                Decimal(f"{number + 1}.{start:%d%H}{len(project_id)}12345678901234567"),
                0,
                {"id": f"{project_id}-{number}", "project_id": project_id},
                {"flavor": "small"},
                start,
            )
            for number in range(3)
        ]


def everything(store: Any) -> dict[str, list[list[str]]]:
    """Every stored point by scope, number for number."""
    found: dict[str, list[list[str]]] = {scope: [] for scope in SCOPES}
    for frame in store.retrieve(dt.datetime(2000, 1, 1), dt.datetime(2100, 1, 1), paginate=False)["dataframes"]:
        for _, point in frame.iterpoints():
            start = tzutils.local_to_utc(frame.start).isoformat()
            found[point.groupby["project_id"]].append([start, point.groupby["id"], str(point.qty), str(point.price)])
    return found


def main() -> None:
    service.prepare_service()
    store = storage.get_storage()
    collector = Machines(period=3600, conf=load_conf(cfg.CONF.collect.metrics_conf))
    states = storage_state.StateManager()
    database.get_instance().get_module_info().set_state("hashmap", True)
    # The migrations of these modules read through a second connection what the first has not committed: that works on MySQL only.
    with db.session_for_write() as session:
        for models in (hash_models, script_models):
            models.Base.metadata.create_all(session.get_bind())
    prices = rules.get_instance()
    rule = prices.create_mapping(
        cost=Decimal("0.0123"),
        map_type="flat",
        service_id=prices.create_service("cpu").service_id,
        start=dt.datetime(2000, 1, 1),
        created_by="operator",
    )

    last = tzutils.localized_now().replace(minute=0, second=0) - (HOURS + 3) * HOUR
    for scope in SCOPES:
        states.set_last_processed_timestamp(scope, last)

        Worker(collector, store, scope, 0).run()
    told: dict[str, Any] = {"store": f"{type(store).__module__}.{type(store).__name__}", "rated": everything(store)}

    # Alpha's first hour and its last ones stay as they were; those between get another price.
    prices.update_mapping(rule.mapping_id, cost=Decimal("0.0457"))
    start, end = (tzutils.local_to_utc(last + hours * HOUR) for hours in (2, HOURS - 1))
    client = werkzeug.test.Client(app.load_app())
    body = {
        "scope_ids": ["alpha"], "reason": "a new price",
        "start_reprocess_time": start.isoformat(), "end_reprocess_time": end.isoformat(),
    }  # fmt: skip
    answer = client.post("/v2/task/reprocesses", json=body)
    assert answer.status_code == 202, answer.text
    for task in storage_state.ReprocessingSchedulerDb().get_all():
        ReprocessingWorker(collector, store, task, 0).run()
    told |= {"start": start.isoformat(), "end": end.isoformat(), "reprocessed": everything(store)}

    reset = tzutils.local_to_utc(last + 5 * HOUR)
    known = {"scope_id": "alpha", "scope_key": "project_id", "fetcher": "source", "collector": "gnocchi"}
    ScopeEndpoint().reset_state({}, {"scopes": [known], "last_processed_timestamp": reset.isoformat()})
    told |= {"reset_to": reset.isoformat(), "reset": everything(store)}

    # A processor that dies between storing a period and moving the scope's clock stores that period again.
    states.set_last_processed_timestamp("beta", states.get_last_processed_timestamp("beta") - HOUR)
    Worker(collector, store, "beta", 0).run()
    told |= {"repeated": everything(store)}
    print(json.dumps(told))


if __name__ == "__main__":
    main()
    sys.stdout.flush()
