"""CloudKitty's v2 storage interface over a rating store: `[storage] backend = undercroft` (docs/cloudkitty.md).

CloudKitty is imported here and nowhere else in Undercroft; stevedore loads this module inside CloudKitty's processes.
"""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Iterable, Iterator
from typing import Any

from cloudkitty.dataframe import DataFrame, DataPoint
from cloudkitty.storage.v2 import BaseStorage
from cloudkitty.utils import tz
from oslo_config import cfg
from werkzeug.exceptions import default_exceptions

import undercroft
from undercroft.core import time
from undercroft.core.errors import ConfigInvalid, UndercroftError

GROUP = "storage_undercroft"
OPTIONS = [
    cfg.StrOpt("connection", secret=True, help="URL of the store: sqlite:////var/lib/cloudkitty/rating.db, postgresql://..."),
    cfg.StrOpt(
        "on_conflict",
        default="replace",
        choices=["replace", "append", "error"],
        help="What pushing a period of a resource again does. `replace` makes a repeated push harmless.",
    ),
    cfg.StrOpt("timezone", help="IANA zone in which days and months begin, fixed when the store is made; UTC when not given."),
]

CONF = cfg.CONF
CONF.import_opt("scope_key", "cloudkitty.collector", "collect")
CONF.register_opts(OPTIONS, GROUP)


class Storage(BaseStorage):
    """CloudKitty's storage backend `undercroft`.

    Frames come and go as CloudKitty's own classes. `get_retention`, TIME_COMMANDS_MAP and the groupby helper are CloudKitty's.

    Attributes:
        store: the `undercroft.rating.BaseStorage` behind it.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        options = CONF[GROUP]
        if not options.connection:
            raise ConfigInvalid(f"set the option connection in [{GROUP}] of CloudKitty's configuration to the URL of a store")
        chosen = {"timezone": options.timezone} if options.timezone else {}
        self.store: Any = undercroft.connect(
            "rating", options.connection, on_conflict=options.on_conflict, scope_key=CONF.collect.scope_key, **chosen
        )
        self.store.frame_class, self.store.point_class = DataFrame, DataPoint
        self.store.get_retention = self.get_retention
        time.bind(_clock)

    def init(self) -> None:
        """Create or upgrade the tables; safe to call again."""
        self.store.init()

    def push(self, dataframes: Iterable[DataFrame], scope_id: str | None = None) -> None:
        """Store frames, all of them or none."""
        with _as_http():
            self.store.push(dataframes, scope_id)

    def retrieve(
        self,
        begin: dt.datetime | None = None,
        end: dt.datetime | None = None,
        filters: dict[str, Any] | None = None,
        metric_types: str | list[str] | None = None,
        offset: int = 0,
        limit: int = 1000,
        paginate: bool = True,
    ) -> dict[str, Any]:
        """The stored points, as CloudKitty's frames: `{'total': int, 'dataframes': [DataFrame]}`."""
        with _as_http():
            first, last = _bounds(begin, end)
            found: dict[str, Any] = self.store.retrieve(first, last, filters, metric_types, offset, limit, paginate)
        return found

    def total(
        self,
        groupby: list[str] | None = None,
        begin: dt.datetime | None = None,
        end: dt.datetime | None = None,
        metric_types: str | list[str] | None = None,
        filters: dict[str, Any] | None = None,
        offset: int = 0,
        limit: int = 1000,
        paginate: bool = True,
        *,
        custom_fields: str | None = None,
    ) -> dict[str, Any]:
        """Sums of quantity and price, grouped: `{'total': int, 'results': [dict]}`."""
        with _as_http():
            first, last = _bounds(begin, end)
            found: dict[str, Any] = self.store.total(
                groupby, first, last, metric_types, filters, offset, limit, paginate, custom_fields=custom_fields
            )
        return found

    def delete(
        self, begin: dt.datetime | None = None, end: dt.datetime | None = None, filters: dict[str, Any] | None = None
    ) -> None:
        """Delete the points of `[begin, end)` that match all filters; a missing bound is open."""
        with _as_http():
            self.store.delete(begin, end, filters)

    def get_tenants(self, begin: dt.datetime | None = None, end: dt.datetime | None = None) -> list[str]:
        """Scopes that have points in `[begin, end)`."""
        with _as_http():
            found: list[str] = self.store.get_tenants(begin, end)
        return found


def _clock() -> dt.datetime:
    """CloudKitty's present, looked up by name at each call: its tests and tools put another clock in its place."""
    present: dt.datetime = tz.localized_now()
    return present


def _bounds(begin: dt.datetime | None, end: dt.datetime | None) -> tuple[dt.datetime, dt.datetime]:
    """This month in CloudKitty's local zone where a bound is missing; an end before the begin is nothing to find, not an error."""
    first = time.as_utc(tz.get_month_start() if begin is None else begin, "begin")
    last = time.as_utc(tz.get_next_month() if end is None else end, "end")
    return first, max(first, last)


@contextlib.contextmanager
def _as_http() -> Iterator[None]:
    """Raise our errors as the HTTP errors that CloudKitty's API answers with; what is nobody's request stays as it is."""
    try:
        yield
    except UndercroftError as error:
        answer = default_exceptions.get(error.http)
        if error.http == 500 or answer is None:
            raise
        raise answer(str(error)) from error
