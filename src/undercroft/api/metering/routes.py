"""The routes of samples."""

from __future__ import annotations

from typing import Any

from oslo_config import cfg

from undercroft.api import questions, wire
from undercroft.api.call import Rule
from undercroft.api.metering import complex as complex_queries
from undercroft.api.metering import posting, resources, schemas, statistics, v1, v2
from undercroft.api.routes import Route
from undercroft.api.schemas import Taken

PREFIX = "/metering"


def _closes(conf: cfg.ConfigOpts) -> bool:
    """Senders that keep what got no answer are few; Ceilometer is none of them."""
    return bool(conf.metering.on_error == "close")


def _route(method: str, path: str, *arguments: Any, **named: Any) -> Route:
    return Route(method, PREFIX + path, *arguments, **{"read": questions.read, **named})


ROUTES: tuple[Route, ...] = (
    _route("GET", "", v2.versions, Rule.OPEN, {200: schemas.Versions}),
    _route("GET", "/v2/capabilities", v2.capabilities, Rule.OPEN, {200: schemas.Capabilities}),
    _route(
        "GET", "/v2/meters", v2.list_meters, Rule.PROJECT, {200: list[schemas.MeterOut]}, schemas.MetersQuery, failures=(415,),
        is_long=v2.is_long_list,
    ),
    _route(
        "GET", "/v2/meters/{meter_name}", v2.list_samples_of_meter, Rule.PROJECT, {200: list[schemas.OldSample]}, schemas.ListQuery,
        failures=(415,), is_long=v2.is_long_list,
    ),
    _route(
        "POST", "/v2/meters/{meter_name}", posting.post_samples, Rule.PROJECT, {201: list[schemas.OldSample]}, schemas.PostQuery,
        body=schemas.Posted, read=wire.query, failures=(409,),
    ),
    _route(
        "GET", "/v2/meters/{meter_name}/statistics", statistics.statistics_of_meter, Rule.PROJECT,
        {200: list[schemas.StatisticsOut]}, schemas.StatisticsQuery, failures=(415,), is_long=statistics.is_long,
    ),
    _route(
        "GET", "/v2/samples", v2.list_samples, Rule.PROJECT, {200: list[schemas.SampleOut]}, schemas.ListQuery, failures=(415,),
        is_long=v2.is_long_list,
    ),
    _route("GET", "/v2/samples/{sample_id}", v2.get_sample, Rule.PROJECT, {200: schemas.SampleOut}, failures=(404, 415)),
    _route(
        "GET", "/v2/resources", resources.list_resources, Rule.PROJECT, {200: list[schemas.ResourceOut]}, schemas.ResourcesQuery,
        failures=(415,), is_long=v2.is_long_list,
    ),
    _route(
        "GET", "/v2/resources/{resource_id}", resources.get_resource, Rule.PROJECT, {200: schemas.ResourceOut}, failures=(404, 415),
        takes_rest=True,
    ),
    _route(
        "POST", "/v2/query/samples", complex_queries.query_samples, Rule.PROJECT, {200: list[schemas.SampleOut]},
        body=schemas.ComplexQuery, read=wire.query, is_long_body=complex_queries.is_long,
    ),
    _route(
        "GET", "/v1/samples", v1.download_samples, Rule.PROJECT, {200: bytes}, schemas.DownloadQuery, failures=(415,),
        is_long=v1.is_long, media=("application/x-ndjson", "text/csv", "application/vnd.apache.parquet"),
    ),
    _route(
        "POST", "/v1/ceilometer/samples", v1.take_samples, Rule.WRITER, {200: Taken}, body=schemas.Sent, read=wire.query,
        breaks_off=_closes, gathers=True, failures=(409,),
    ),
)  # fmt: skip
