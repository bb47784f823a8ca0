"""Resources, as Ceilometer's clients know them: with links to their meters."""

from __future__ import annotations

import urllib.parse
from collections.abc import Iterable, Iterator
from typing import Any

from undercroft.api.call import Answer
from undercroft.api.metering import query
from undercroft.api.metering.ingest import MeteringCall
from undercroft.api.metering.schemas import Link, ResourceOut, ResourcesQuery
from undercroft.api.metering.v2 import LONG, listed
from undercroft.api.questions import first
from undercroft.core.errors import NotFound
from undercroft.core.portions import batches
from undercroft.metering import Resource
from undercroft.metering.flatten import shown
from undercroft.metering.wire import text

_AT_ONCE = 500


def list_resources(call: MeteringCall) -> Answer:
    """List resources, with links to their meters."""
    asked: ResourcesQuery = call.query
    which = query.asked(asked, call.caller, query.LISTED).arguments
    most = query.limit(asked.limit, call.conf.metering.default_limit)
    found: Iterable[Resource] = call.store.get_resources(**which, limit=most)
    if not query.is_above(asked.limit, LONG):
        # Not while their meters are looked up: a request has one connection at a time.
        found = list(found)
    with_meters = query.truth(asked.meter_links, "meter_links", default=True)
    return listed(_resources(call, found, with_meters=with_meters), asked.limit)


def get_resource(call: MeteringCall) -> Answer:
    """Give one resource; its id may have slashes, and may be quoted twice."""
    resource_id = urllib.parse.unquote(call.path["resource_id"])
    which = query.asked(query.NOTHING, call.caller, query.LISTED, fixed={"resource": resource_id}).arguments
    found: Resource | None = first(call.store.get_resources(**which, limit=1))
    if found is None:
        raise NotFound(f"Resource {resource_id[:255]} Not Found")
    return Answer(200, first(_resources(call, [found], with_meters=True)))


def _resources(call: MeteringCall, found: Iterable[Resource], *, with_meters: bool) -> Iterator[ResourceOut]:
    """Resources as clients get them; the meters of many are asked for at once."""
    # What others have of a resource is not the caller's to see.
    own = query.own_project(call.caller)
    for batch in batches(found, _AT_ONCE):
        names = call.store.get_meter_names([each.resource_id for each in batch], own) if with_meters else {}
        for each in batch:
            yield _out(call, each, names.get(each.resource_id, ()))


def _out(call: MeteringCall, resource: Resource, meters: Iterable[str]) -> ResourceOut:
    """A resource as clients get it."""
    quoted = urllib.parse.quote(resource.resource_id, safe="")
    # In a path, one level of quotes is taken off before the service sees it.
    links = [Link("self", f"{call.base}/v2/resources/{urllib.parse.quote(quoted, safe='')}")]
    for name in meters:
        place = f"{call.base}/v2/meters/{urllib.parse.quote(name, safe='')}"
        links.append(Link(name, f"{place}?q.field=resource_id&q.value={quoted}"))
    return ResourceOut(
        resource.resource_id, resource.project_id, resource.user_id, resource.source, _moment(resource.first_sample_timestamp),
        _moment(resource.last_sample_timestamp), shown(resource.metadata), links,
    )  # fmt: skip


def _moment(value: Any) -> str:
    return str(text(value))
