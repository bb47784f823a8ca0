"""Rated usage, version 2 of the host project's API."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from undercroft.api import wire
from undercroft.api.call import Answer, Call, Unscoped, moment, own_scope
from undercroft.api.types import Frame, Frames, FramesQuery, Link, Scope, ScopeQuery, Scopes, SummaryQuery, Version, Versions
from undercroft.core import time
from undercroft.core.errors import InvalidInput, NotFound, Unsupported
from undercroft.rating import DataFrame, DataPoint, query

LARGE_PAGE = 1_000
LONGEST_NUMBER = 200
NO_USAGE = "no rated usage was found for this question"


def versions(_call: Call) -> Answer:
    """Tell which versions there are."""
    found = [("v1", "CURRENT"), ("v2", "EXPERIMENTAL")]
    return Answer(200, Versions([Version(id_, status, [Link(f"/rating/{id_}")]) for id_, status in found]))


# -- frames ------------------------------------------------------------------------------------------------------------


def add_dataframes(call: Call) -> Answer:
    """Store rated usage."""
    body: Frames = call.body
    frames = []
    for position, frame in enumerate(body.dataframes):
        try:
            frames.append(_frame(frame))
        except InvalidInput as error:
            raise error.within(f"dataframes[{position}]") from None
    if call.receipt is None:
        call.storage.push(frames)
    else:
        call.storage.push_once(frames, call.receipt(b""))
    return Answer(204)


def _frame(given: Frame) -> DataFrame:
    bounds = given.period
    frame = DataFrame(time.parse(bounds.begin, "period.begin"), time.parse(bounds.end, "period.end"))
    for type_, points in given.usage.items():
        for position, point in enumerate(points):
            try:
                qty, price = _number(point.vol.qty, "qty"), _number(point.rating.price, "price")
                one = DataPoint(point.vol.unit, qty, price, point.groupby, point.metadata)
            except InvalidInput as error:
                raise error.within(f"usage[{type_!r}][{position}]") from None
            frame.add_point(one, type_)
    return frame


def _number(value: Decimal, field: str) -> Decimal:
    if len(text := str(value)) > LONGEST_NUMBER:
        raise InvalidInput(field, f"{text[:32]}... is longer than {LONGEST_NUMBER} characters")
    return value


def list_dataframes(call: Call) -> Answer:
    """Give a page of the stored points."""
    asked: FramesQuery = call.query
    given = wire.pairs(asked.filters)
    if doubled := [key for key, values in given.items() if len(values) > 1]:
        raise InvalidInput("filters", f"{doubled[0][:64]!r} is given twice")
    try:
        filters = _narrowed(given, own_scope(call))
    except Unscoped:
        raise NotFound(NO_USAGE) from None
    found = call.storage.retrieve(
        moment(asked.begin, "begin"), moment(asked.end, "end"), filters, offset=asked.offset, limit=asked.limit
    )
    if not found["dataframes"]:
        raise NotFound(NO_USAGE)
    return Answer(200, {"total": found["total"], "dataframes": [frame.as_dict(mutable=True) for frame in found["dataframes"]]})


def _narrowed(given: dict[str, list[str]], own: dict[str, str]) -> dict[str, Any]:
    """The filters that were asked for, within the caller's own project."""
    for key, project in own.items():
        # Another project of the caller's asking is nobody's: such a point would have to be of both.
        given = {**given, key: [value for value in given.get(key, [project]) if value == project]}
    return given


# -- sums --------------------------------------------------------------------------------------------------------------


def get_summary(call: Call) -> Answer:
    """Sum up the stored usage."""
    asked: SummaryQuery = call.query
    custom = ",".join(asked.custom_fields) or None
    groups = query.groupby_elements(asked.groupby)
    query.measures(custom, groups)
    try:
        filters = _narrowed(wire.pairs(asked.filters), own_scope(call))
    except Unscoped:
        return _summary(asked, 0, [])
    found = call.storage.total(
        asked.groupby, moment(asked.begin, "begin"), moment(asked.end, "end"), filters=filters,
        offset=asked.offset, limit=asked.limit, custom_fields=custom,
    )  # fmt: skip
    return _summary(asked, found["total"], found["results"])


def _summary(asked: SummaryQuery, total: int, rows: list[dict[str, Any]]) -> Answer:
    if asked.response_format == "object":
        return Answer(200, {"total": total, "results": rows, "format": "object"})
    columns = list(rows[0]) if rows else []
    return Answer(200, {"total": total, "columns": columns, "results": [list(row.values()) for row in rows], "format": "table"})


# -- scopes ------------------------------------------------------------------------------------------------------------


def list_scopes(call: Call) -> Answer:
    """List the scopes that have points; a scope has been processed as far as its newest frame reaches."""
    asked: ScopeQuery = call.query
    key = call.storage.scope_key
    # Fetcher and collector are the host project's: nothing that is stored here has one.
    wanted = not asked.fetcher and not asked.collector and (not asked.scope_key or key in asked.scope_key)
    found = call.storage.scopes() if wanted and (not asked.active or True in asked.active) else []
    chosen = [(scope, end) for scope, end in found if not asked.scope_id or scope in asked.scope_id]
    page = chosen[asked.offset : asked.offset + asked.limit]
    if not page:
        raise NotFound("no scope was found for this question")
    return Answer(200, Scopes([Scope(scope, key, None, None, end.isoformat(), True, None) for scope, end in page]))


def change_scope(_call: Call) -> Answer:
    """Refuse to write the state of scopes, which follows from what is stored."""
    raise Unsupported("the state of scopes follows from the stored usage here; it cannot be written yet")


def is_long_list(asked: FramesQuery) -> bool:
    """A page so large that it is worked on among the long requests."""
    return asked.limit > LARGE_PAGE


def is_long_summary(asked: SummaryQuery) -> bool:
    """Sums that are read from single points, or in large pages."""
    return asked.limit > LARGE_PAGE or query.TIME in asked.groupby or bool(asked.custom_fields)
