"""The routes of rated usage."""

from __future__ import annotations

from typing import Any

from undercroft.api.call import Rule
from undercroft.api.rating import schemas, v1, v2
from undercroft.api.routes import Route

PREFIX = "/rating"


def _route(method: str, path: str, *arguments: Any, **named: Any) -> Route:
    return Route(method, PREFIX + path, *arguments, **named)


ROUTES: tuple[Route, ...] = (
    _route("GET", "", v2.versions, Rule.OPEN, {200: schemas.Versions}),
    _route("POST", "/v2/dataframes", v2.add_dataframes, Rule.ADMIN, {204: None}, body=schemas.Frames, failures=(409,)),
    _route(
        "GET", "/v2/dataframes", v2.list_dataframes, Rule.PROJECT, {200: schemas.FramesOut}, schemas.FramesQuery,
        failures=(404,), is_long=v2.is_long_list,
    ),
    _route(
        "GET", "/v2/summary", v2.get_summary, Rule.PROJECT, {200: schemas.Summary}, schemas.SummaryQuery,
        failures=(501,), is_long=v2.is_long_summary,
    ),
    _route("GET", "/v2/scope", v2.list_scopes, Rule.ADMIN, {200: schemas.Scopes}, schemas.ScopeQuery, failures=(404,)),
    *(_route(method, "/v2/scope", v2.change_scope, Rule.ADMIN, {}, failures=(501,)) for method in ("POST", "PATCH", "PUT")),
    _route(
        "GET", "/v1/report/summary", v1.report_summary, Rule.PROJECT, {200: schemas.ReportSummary}, schemas.ReportSummaryQuery,
        is_long=v1.is_long_report,
    ),
    _route("GET", "/v1/report/total", v1.report_total, Rule.PROJECT, {200: str}, schemas.ReportQuery),
    _route("GET", "/v1/report/tenants", v1.list_tenants, Rule.ADMIN, {200: list[str]}, schemas.TenantsQuery),
    _route(
        "GET", "/v1/storage/dataframes", v1.storage_dataframes, Rule.PROJECT, {200: schemas.StorageFrames}, schemas.StorageQuery,
        is_long=v1.is_long_storage,
    ),
    *(
        route
        for name in ("metrics", "services")
        for route in (
            _route("GET", f"/v1/info/{name}", v1.list_metrics, Rule.ANYONE, {200: schemas.Metrics}, failures=(405,)),
            _route("GET", f"/v1/info/{name}/{{name}}", v1.get_metric, Rule.ANYONE, {200: schemas.Metric}, failures=(404, 405)),
        )
    ),
    _route("GET", "/v1/info/config", v1.get_config, Rule.ANYONE, {200: dict[str, Any]}, failures=(405,)),
)  # fmt: skip
