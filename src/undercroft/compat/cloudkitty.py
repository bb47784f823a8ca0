"""CloudKitty's v2 storage interface over a rating store: `[storage] backend = undercroft` (docs/cloudkitty.md)."""

from __future__ import annotations

import contextlib
import datetime as dt
import decimal
import logging
from collections.abc import Iterable, Iterator
from typing import Any

from cloudkitty.dataframe import DataFrame, DataPoint
from cloudkitty.storage.v2 import BaseStorage
from cloudkitty.utils import tz
from oslo_config import cfg
from werkzeug.exceptions import default_exceptions

import undercroft
from undercroft.core import strict, time
from undercroft.core.errors import ConfigInvalid, UndercroftError
from undercroft.rating import BaseStorage as Store
from undercroft.rating.numbers import DIGITS

LOG = logging.getLogger(__name__)
CONTEXT = decimal.Context(prec=DIGITS, rounding=decimal.ROUND_HALF_EVEN, traps=[])
GROUP = "storage_undercroft"
OPTIONS = [
    cfg.StrOpt("connection", secret=True, help="URL of the store: sqlite:////var/lib/cloudkitty/rating.db, postgresql://..."),
    cfg.StrOpt("on_conflict", default="replace", choices=["replace", "append", "error"], help="What pushing a period again does."),
    cfg.StrOpt("timezone", help="IANA zone in which days and months begin, fixed when the store is made; UTC when not given."),
]
CONF = cfg.CONF
CONF.import_opt("scope_key", "cloudkitty.collector", "collect")
CONF.register_opts(OPTIONS, GROUP)


@contextlib.contextmanager
def _as_http() -> Iterator[None]:
    """Raise our errors as the HTTP errors that CloudKitty's API answers with; what is nobody's request stays as it is."""
    try:
        yield
    except UndercroftError as error:
        answer = default_exceptions.get(error.http)
        if error.http == 500 or answer is None:
            raise
        raise answer(error.public) from error


class Storage(BaseStorage):
    """CloudKitty's storage backend `undercroft`; `store` is the rating store behind it.

    Frames come and go as CloudKitty's own classes. `get_retention`, TIME_COMMANDS_MAP and the groupby helper are CloudKitty's.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        strict.check_host(CONF, GROUP, [option.name for option in OPTIONS])
        options = CONF[GROUP]
        if not options.connection:
            raise ConfigInvalid(f"set the option connection in [{GROUP}] of CloudKitty's configuration to the URL of a store")
        zone = {"timezone": options.timezone} if options.timezone else {}
        scope_key = CONF.collect.scope_key
        store = undercroft.connect("rating", options.connection, on_conflict=options.on_conflict, scope_key=scope_key, **zone)
        store.frame_class, store.point_class = DataFrame, DataPoint
        store.get_retention = store.kept_for = self.get_retention
        self.store: Store = store
        time.bind(_clock)

    def init(self) -> None:
        """Create or upgrade the tables; safe to call again."""
        self.store.init()

    @_as_http()
    def push(self, dataframes: Iterable[DataFrame], scope_id: str | None = None) -> None:
        """Store frames, all of them or none. Numbers of more than 38 digits are rounded, counted and logged."""
        frames: list[Any] = list(dataframes)
        numbers = (number for frame in frames for _, point in frame.iterpoints() for number in point[1:3])
        if long := sum(_short(number) is not number for number in numbers):
            self.store.counters["rounded"] += long
            LOG.warning("%d numbers of more than %d digits were rounded", long, DIGITS)
            frames = [_shortened(frame) for frame in frames]
        self.store.push(frames, scope_id)

    @_as_http()
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
        return self.store.retrieve(*_bounds(begin, end), filters, metric_types, offset, limit, paginate)

    @_as_http()
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
        bounds = _bounds(begin, end)
        return self.store.total(groupby, *bounds, metric_types, filters, offset, limit, paginate, custom_fields=custom_fields)

    @_as_http()
    def delete(self, begin: Any = None, end: Any = None, filters: dict[str, Any] | None = None) -> None:
        """Delete the points of `[begin, end)` that match all filters; a missing bound is open."""
        self.store.delete(begin, end, filters)

    @_as_http()
    def get_tenants(self, begin: Any = None, end: Any = None) -> list[str]:
        """Scopes that have points in `[begin, end)`."""
        return self.store.get_tenants(begin, end)


def _clock() -> dt.datetime:
    """CloudKitty's present, looked up by name at each call: its tests and tools put another clock in its place."""
    return time.as_utc(tz.localized_now())


def _bounds(begin: dt.datetime | None, end: dt.datetime | None) -> tuple[dt.datetime, dt.datetime]:
    """This month in CloudKitty's local zone where a bound is missing; an end before the begin is nothing to find, not an error."""
    first = time.as_utc(tz.get_month_start() if begin is None else begin, "begin")
    last = time.as_utc(tz.get_next_month() if end is None else end, "end")
    return first, max(first, last)


def _shortened(frame: Any) -> Any:
    """A frame like this one with numbers of 38 digits: CloudKitty makes Decimals of floats, which may have more."""
    usage = {
        type_: [point._replace(qty=_short(point.qty), price=_short(point.price)) for point in points]
        for type_, points in frame.itertypes()
    }
    return DataFrame(frame.start, frame.end, usage)


def _short(number: Any) -> Any:
    # Text first: nearly every number is short, and asking for its digits is slow.
    if len(str(number)) <= DIGITS or not isinstance(number, decimal.Decimal) or len(number.as_tuple().digits) <= DIGITS:
        return number
    return CONTEXT.plus(number)
