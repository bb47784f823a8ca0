"""The real python-cloudkittyclient against CloudKitty's API over our driver: client.py ENDPOINT. Tells what it got, as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

from cloudkittyclient.auth import CloudKittyNoAuthPlugin
from cloudkittyclient.client import Client
from keystoneauth1.exceptions import HttpError
from keystoneauth1.session import Session

HOURS = [("2026-03-01T00:00:00+00:00", "2026-03-01T01:00:00+00:00"), ("2026-03-01T01:00:00+00:00", "2026-03-01T02:00:00+00:00")]
PERIOD = {"begin": "2026-03-01T00:00:00+00:00", "end": "2026-04-01T00:00:00+00:00"}


def point(scope: str, machine: int, price: str) -> dict[str, object]:
    return {
        "vol": {"unit": "hour", "qty": "1.5"},
        "rating": {"price": price},
        "groupby": {"id": f"{scope}-{machine}", "project_id": scope},
        "metadata": {"flavor": 'it\'s 100 % "small"'},
    }


def refusal(call: Callable[[], Any]) -> Any:
    """What the client answers: a result, or the error that it raises."""
    try:
        return call()
    except HttpError as error:
        return f"{type(error).__name__} {error.http_status}"


def main() -> None:
    session = Session(auth=CloudKittyNoAuthPlugin(sys.argv[1]))
    second, first = Client("2", session=session), Client("1", session=session)
    frames = [
        {
            "period": {"begin": begin, "end": end},
            "usage": {"cpu": [point("alpha", 0, "0.25"), point("beta", 1, "0.5")], "image.size": [point("alpha", 2, "0.125")]},
        }
        for begin, end in HOURS
    ]
    second.dataframes.add_dataframes(dataframes={"dataframes": frames})
    # A repeated push changes nothing.
    second.dataframes.add_dataframes(dataframes={"dataframes": frames})
    told = {
        "sent": frames,
        "dataframes": second.dataframes.get_dataframes(**PERIOD),
        "page": second.dataframes.get_dataframes(**PERIOD, offset=4, limit=1),
        "filtered": second.dataframes.get_dataframes(**PERIOD, filters={"project_id": "alpha", "type": "cpu"}),
        "summary": second.summary.get_summary(**PERIOD, groupby=["project_id", "type"], response_format="object"),
        "by_time": second.summary.get_summary(**PERIOD, groupby=["time"]),
        "scopes": refusal(second.scope.get_scope_state),
        "v1_summary": first.report.get_summary(**PERIOD, groupby=["tenant_id"], all_tenants=True),
        "v1_tenants": first.report.get_tenants(**PERIOD),
        "v1_dataframes": first.storage.get_dataframes(**PERIOD, tenant_id="beta"),
        "refused": refusal(lambda: second.summary.get_summary(**PERIOD, groupby=["time-u"])),
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main()
