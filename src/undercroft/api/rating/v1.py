"""Rated usage, version 1 of the host project's API: reports, storage, and what is collected."""

from __future__ import annotations

import datetime as dt
import decimal
import functools
import itertools
import pathlib
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import yaml

from undercroft.api import wire
from undercroft.api.call import Answer, timestamp
from undercroft.api.rating.schemas import (
    Metric,
    Metrics,
    ReportQuery,
    ReportSummary,
    ReportSummaryQuery,
    StorageQuery,
    SummaryRow,
    TenantsQuery,
)
from undercroft.api.rating.scope import RatingCall, Unscoped, own_scope
from undercroft.core import time
from undercroft.core.errors import InvalidInput, NotFound, NotPermitted, UndercroftError
from undercroft.rating import DataFrame
from undercroft.rating.numbers import CONTEXT, plain

ALL = "ALL"
NO_SCOPE = "__UNDEF__"
_PLACES = Decimal("0.00001")


class NoMetrics(UndercroftError):
    """The metrics file cannot be told about."""

    http = 405


# -- reports -----------------------------------------------------------------------------------------------------------


def report_summary(call: RatingCall) -> Answer:
    """Sum up usage by tenant and type."""
    asked: ReportSummaryQuery = call.query
    if unknown := sorted(set(asked.groupby) - {"tenant_id", "res_type"}):
        raise InvalidInput("groupby", f"{unknown[0][:64]!r} is neither tenant_id nor res_type")
    key = call.store.scope_key
    groupby = [name for name, given in ((key, "tenant_id"), ("type", "res_type")) if given in asked.groupby]
    rows = [
        SummaryRow(_naive(row["begin"]), _naive(row["end"]), str(row.get(key, ALL)), str(row.get("type", ALL)), rate(row["rate"]))
        for row in _sums(call, groupby)
    ]
    return Answer(200, ReportSummary(rows))


def report_total(call: RatingCall) -> Answer:
    """Sum up the price of usage."""
    rows = _sums(call, [])
    return Answer(200, f"{plain(rows[0]['rate']):f}" if rows else "0")


def _sums(call: RatingCall, groupby: list[str]) -> list[dict[str, Any]]:
    asked: ReportQuery = call.query
    try:
        filters = _of_tenant(call, asked)
    except Unscoped:
        return []
    found = call.store.total(
        groupby, timestamp(asked.begin, "begin"), timestamp(asked.end, "end"), asked.service, filters, paginate=False
    )
    rows: list[dict[str, Any]] = found["results"]
    return rows


def _of_tenant(call: RatingCall, asked: ReportQuery) -> dict[str, str]:
    own = own_scope(call)
    if own:
        if asked.all_tenants or asked.tenant_id not in (None, *own.values()):
            raise NotPermitted("another tenant's report needs the role admin")
        return own
    tenant = None if asked.all_tenants else asked.tenant_id or call.caller.project
    return {call.store.scope_key: tenant} if tenant else {}


def list_tenants(call: RatingCall) -> Answer:
    """List the scopes that have points in a period."""
    asked: TenantsQuery = call.query
    return Answer(200, call.store.get_tenants(timestamp(asked.begin, "begin"), timestamp(asked.end, "end")))


def rate(value: Decimal) -> str:
    """A price as version 1 writes it: five places, zeros at the end left out but for one, nothing as 0."""
    rounded = plain(value.quantize(_PLACES, rounding=decimal.ROUND_HALF_EVEN, context=CONTEXT))
    if not rounded:
        return "0"
    text = f"{rounded:f}"
    return text if "." in text else f"{text}.0"


def _naive(moment_: dt.datetime) -> str:
    return time.as_utc(moment_).replace(tzinfo=None).isoformat()


# -- storage -----------------------------------------------------------------------------------------------------------


def storage_dataframes(call: RatingCall) -> Answer:
    """Give all points of a period; not paged, so written while it is read."""
    asked: StorageQuery = call.query
    begin, end = timestamp(asked.begin, "begin"), timestamp(asked.end, "end")
    key = call.store.scope_key
    try:
        filters = own_scope(call)
    except Unscoped:
        return Answer(200, {"dataframes": []})
    if filters and asked.tenant_id not in (None, *filters.values()):
        raise NotPermitted("another tenant's usage needs the role admin")
    if not filters and asked.tenant_id:
        filters = {key: asked.tenant_id}
    frames = call.store.iter_frames(begin, end, filters, asked.resource_type, max_points=1_000)
    # Whatever is wrong shows with the first frame, while another status can still be given.
    first = list(itertools.islice(frames, 1))
    return Answer(200, stream=_storage_parts(itertools.chain(first, frames), key))


def _storage_parts(frames: Iterator[DataFrame], key: str) -> Iterator[bytes]:
    yield b'{"dataframes":['
    comma = b""
    for frame in frames:
        bounds = {"begin": _naive(frame.start), "end": _naive(frame.end)}
        for type_, points in frame.itertypes():
            resources = [
                {"service": type_, "desc": point.desc, "volume": f"{point.qty:f}", "rating": f"{point.price:f}"} for point in points
            ]
            tenant = str(points[0].desc.get(key, NO_SCOPE))
            yield comma + wire.encode({**bounds, "tenant_id": tenant, "resources": resources})
            comma = b","
    yield b"]}"


# -- what is collected -------------------------------------------------------------------------------------------------


def list_metrics(call: RatingCall) -> Answer:
    """List the metric types that are collected."""
    return Answer(200, Metrics(list(_metrics(call.conf.api.metrics_file).values())))


def get_metric(call: RatingCall) -> Answer:
    """Tell about one metric type."""
    name = call.path["name"]
    found = _metrics(call.conf.api.metrics_file).get(name)
    if found is None:
        raise NotFound(f"there is no metric {name[:64]!r}")
    return Answer(200, found)


def get_config(call: RatingCall) -> Answer:
    """Give the metrics file."""
    return Answer(200, _config(call.conf.api.metrics_file))


@functools.lru_cache(maxsize=4)
def _config(file: str | None) -> dict[str, Any]:
    if file is None:
        return {"metrics": {}}
    try:
        found = yaml.safe_load(pathlib.Path(file).read_text("utf-8"))
        wire.encode(found)
    except (OSError, ValueError, TypeError, yaml.YAMLError):
        raise NoMetrics("the metrics file cannot be read as YAML") from None
    if not isinstance(found, dict) or not isinstance(found.get("metrics"), dict):
        raise NoMetrics("the metrics file has no mapping `metrics`")
    return found


def _metrics(file: str | None) -> dict[str, Metric]:
    """Every metric by its name; the newer form of the file may have several entries a metric."""
    found: dict[str, Metric] = {}
    for name, given in _config(file)["metrics"].items():
        for entry in given if isinstance(given, list) else [given]:
            if not isinstance(entry, dict) or not isinstance(entry.get("unit"), str):
                raise NoMetrics(f"the metrics file gives {str(name)[:64]!r} no unit")
            id_ = str(entry.get("alt_name") or name)
            found[id_] = Metric(id_, [str(key) for key in entry.get("metadata") or []], entry["unit"])
    return found


def is_long_report(asked: ReportSummaryQuery) -> bool:
    """A row for each of all tenants."""
    return "tenant_id" in asked.groupby and asked.tenant_id is None


def is_long_storage(_: StorageQuery) -> bool:
    """Everything at once."""
    return True
