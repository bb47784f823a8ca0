"""Rated usage, version 2 of the host project's API."""

from __future__ import annotations

from typing import Any

from undercroft.api.call import Answer, timestamp
from undercroft.api.rating.schemas import (
    MOST_KEYS,
    Frames,
    FramesQuery,
    Link,
    Scope,
    ScopeQuery,
    Scopes,
    SummaryQuery,
    Version,
    Versions,
)
from undercroft.api.rating.scope import RatingCall, Unscoped, own_scope
from undercroft.core import deadline
from undercroft.core.bounds import check_count
from undercroft.core.errors import InvalidInput, NotFound, Unsupported
from undercroft.rating import query, wire

LARGE_PAGE = 1_000
LONGEST_NUMBER = 200
NO_USAGE = "no rated usage was found for this question"


def versions(_call: RatingCall) -> Answer:
    """Tell which versions there are."""
    found = [("v1", "CURRENT"), ("v2", "EXPERIMENTAL")]
    return Answer(200, Versions([Version(id_, status, [Link(f"/rating/{id_}")]) for id_, status in found]))


# -- frames ------------------------------------------------------------------------------------------------------------


def add_dataframes(call: RatingCall) -> Answer:
    """Store rated usage."""
    body: Frames = call.body
    frames = []
    for position, frame in enumerate(body.dataframes):
        deadline.check()
        try:
            _check_lengths(frame)
            frames.append(wire.frame(frame))
        except InvalidInput as error:
            raise error.within(f"dataframes[{position}]") from None
    if call.receipt is None:
        call.store.push(frames)
    else:
        call.store.push_once(frames, call.receipt(b""))
    return Answer(204)


def _check_lengths(frame: wire.Frame) -> None:
    """Refuse numbers that are too long before anything is reckoned with them."""
    for type_, points in frame.usage.items():
        for position, point in enumerate(points):
            for field, value in (("qty", point.vol.qty), ("price", point.rating.price)):
                if len(text := str(value)) > LONGEST_NUMBER:
                    problem = f"{text[:32]}... is longer than {LONGEST_NUMBER} characters"
                    raise InvalidInput(f"usage[{type_!r}][{position}].{field}", problem)


def list_dataframes(call: RatingCall) -> Answer:
    """Give a page of the stored points."""
    asked: FramesQuery = call.query
    given = _pairs(asked.filters)
    if doubled := [key for key, values in given.items() if len(values) > 1]:
        raise InvalidInput("filters", f"{doubled[0][:64]!r} is given twice")
    try:
        filters = _narrowed(given, own_scope(call))
    except Unscoped:
        raise NotFound(NO_USAGE) from None
    found = call.store.retrieve(
        timestamp(asked.begin, "begin"), timestamp(asked.end, "end"), filters, offset=asked.offset, limit=asked.limit
    )
    if not found["dataframes"]:
        raise NotFound(NO_USAGE)
    return Answer(200, {"total": found["total"], "dataframes": [frame.as_dict(mutable=True) for frame in found["dataframes"]]})


def _pairs(filters: list[str]) -> dict[str, list[str]]:
    """`["key:value", ...]` as values by key."""
    found: dict[str, list[str]] = {}
    for part in filters:
        key, colon, value = part.partition(":")
        if not colon or not key or ":" in value:
            raise InvalidInput("filters", f"{part[:64]!r} is not of the form key:value; neither can hold a colon or a comma")
        found.setdefault(key, []).append(value)
    check_count("filters", len(found), MOST_KEYS, "keys")
    return found


def _narrowed(given: dict[str, list[str]], own: dict[str, str]) -> dict[str, Any]:
    """The filters that were asked for, within the caller's own project."""
    for key, project in own.items():
        # Another project of the caller's asking is nobody's: such a point would have to be of both.
        given = {**given, key: [value for value in given.get(key, [project]) if value == project]}
    return given


# -- sums --------------------------------------------------------------------------------------------------------------


def get_summary(call: RatingCall) -> Answer:
    """Sum up the stored usage."""
    asked: SummaryQuery = call.query
    custom = ",".join(asked.custom_fields) or None
    groups = query.groupby_elements(asked.groupby)
    query.measures(custom, groups)
    try:
        filters = _narrowed(_pairs(asked.filters), own_scope(call))
    except Unscoped:
        return _summary(asked, 0, [])
    found = call.store.total(
        asked.groupby, timestamp(asked.begin, "begin"), timestamp(asked.end, "end"), filters=filters,
        offset=asked.offset, limit=asked.limit, custom_fields=custom,
    )  # fmt: skip
    return _summary(asked, found["total"], found["results"])


def _summary(asked: SummaryQuery, total: int, rows: list[dict[str, Any]]) -> Answer:
    if asked.response_format == "object":
        return Answer(200, {"total": total, "results": rows, "format": "object"})
    columns = list(rows[0]) if rows else []
    return Answer(200, {"total": total, "columns": columns, "results": [list(row.values()) for row in rows], "format": "table"})


# -- scopes ------------------------------------------------------------------------------------------------------------


def list_scopes(call: RatingCall) -> Answer:
    """List the scopes that have points; a scope has been processed as far as its newest frame reaches."""
    asked: ScopeQuery = call.query
    key = call.store.scope_key
    # Fetcher and collector are the host project's: nothing that is stored here has one.
    wanted = not asked.fetcher and not asked.collector and (not asked.scope_key or key in asked.scope_key)
    found = call.store.scopes() if wanted and (not asked.active or True in asked.active) else []
    chosen = [(scope, end) for scope, end in found if not asked.scope_id or scope in asked.scope_id]
    page = chosen[asked.offset : asked.offset + asked.limit]
    if not page:
        raise NotFound("no scope was found for this question")
    return Answer(200, Scopes([Scope(scope, key, None, None, end.isoformat(), True, None) for scope, end in page]))


def change_scope(_call: RatingCall) -> Answer:
    """Refuse to write the state of scopes, which follows from what is stored."""
    raise Unsupported("the state of scopes follows from the stored usage here; it cannot be written yet")


def is_long_list(asked: FramesQuery) -> bool:
    """A page so large that it is worked on among the long requests."""
    return asked.limit > LARGE_PAGE


def is_long_summary(asked: SummaryQuery) -> bool:
    """Sums that are read from single points, or in large pages."""
    return asked.limit > LARGE_PAGE or query.TIME in asked.groupby or bool(asked.custom_fields)
