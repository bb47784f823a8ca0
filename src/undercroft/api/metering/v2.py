"""Ceilometer's API, version 2: meters, samples and resources, as its clients know them."""

from __future__ import annotations

import base64
import urllib.parse
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from undercroft.api import wire
from undercroft.api.call import Answer
from undercroft.api.metering import query
from undercroft.api.metering.ingest import MeteringCall
from undercroft.api.metering.schemas import (
    Capabilities,
    Link,
    ListQuery,
    MeterOut,
    MetersQuery,
    ResourceOut,
    ResourcesQuery,
    Version,
    VersionLink,
    Versions,
    VersionValues,
)
from undercroft.api.questions import first
from undercroft.core.errors import NotFound
from undercroft.core.portions import batches
from undercroft.metering import Meter, Resource, Sample
from undercroft.metering.flatten import shown
from undercroft.metering.wire import new, old, text

# Rows above which a list is sent while it is made.
LONG = 1_000
_AT_ONCE = 500


def versions(call: MeteringCall) -> Answer:
    """Tell the versions of the API."""
    return Answer(200, Versions(VersionValues([Version("v2", [VersionLink(f"{call.base}/v2", "self")])])))


def capabilities(call: MeteringCall) -> Answer:
    """Tell what can be asked."""
    return Answer(200, Capabilities(_joined(call.store.get_capabilities()), _joined(call.store.get_storage_capabilities())))


def _joined(nested: Mapping[str, Any]) -> dict[str, bool]:
    found: dict[str, bool] = {}
    for name, value in nested.items():
        if isinstance(value, Mapping):
            found |= {f"{name}:{rest}": each for rest, each in _joined(value).items()}
        else:
            found[name] = bool(value)
    return found


# -- lists -------------------------------------------------------------------------------------------------------------


def is_long_list(asked: ListQuery) -> bool:
    """A list so long, or one that goes through so much, that it is worked on among the long requests."""
    is_large = asked.limit is not None and len(asked.limit.strip()) > len(str(LONG))
    return is_large or query.reads_samples(asked)


def listed(rows: Iterable[Any], most: int) -> Answer:
    """A list: at once, or while it is read where it is long."""
    if most <= LONG:
        return Answer(200, list(rows))
    return Answer(200, stream=_parts(rows))


def _parts(rows: Iterable[Any]) -> Iterator[bytes]:
    head = b"["
    for batch in batches(rows, _AT_ONCE):
        yield head + b",".join(map(wire.encode, batch))
        head = b","
    yield b"[]" if head == b"[" else b"]"


def list_meters(call: MeteringCall) -> Answer:
    """List the meters of resources, or the meters alone."""
    asked: MetersQuery = call.query
    which = query.asked(asked, call.caller, query.LISTED, timed=False).arguments
    most = query.limit(asked.limit, call.conf.metering.default_limit)
    unique = query.truth(asked.unique, "unique", default=False)
    return listed(map(meter_out, call.store.get_meters(**which, limit=most, unique=unique)), most)


def meter_out(meter: Meter) -> MeterOut:
    """A meter as clients get it."""
    meter_id = base64.b64encode(f"{meter.resource_id}+{meter.name}".encode()).decode()
    return MeterOut(
        meter.name, meter.type, meter.unit, meter.resource_id, meter.project_id, meter.user_id, meter.source, meter_id
    )  # fmt: skip


def list_samples_of_meter(call: MeteringCall) -> Answer:
    """Give samples of a meter, the newest first, in the old form."""
    return _samples(call, old, {"meter": call.path["meter_name"]})


def list_samples(call: MeteringCall) -> Answer:
    """Give samples, the newest first."""
    return _samples(call, new, {})


def _samples(call: MeteringCall, out: Callable[[Sample], Any], fixed: Mapping[str, str]) -> Answer:
    asked: ListQuery = call.query
    which = query.asked(asked, call.caller, fixed=fixed).sample_filter
    most = query.limit(asked.limit, call.conf.metering.default_limit)
    return listed(map(out, call.store.get_samples(which, limit=most)), most)


def get_sample(call: MeteringCall) -> Answer:
    """Give one sample."""
    message_id = call.path["sample_id"]
    which = query.asked(query.NOTHING, call.caller, fixed={"message_id": message_id}).sample_filter
    found: Sample | None = first(call.store.get_samples(which, limit=1))
    if found is None:
        raise NotFound(f"Sample {message_id[:255]} Not Found")
    return Answer(200, new(found))


# -- resources ---------------------------------------------------------------------------------------------------------


def list_resources(call: MeteringCall) -> Answer:
    """List resources, with links to their meters."""
    asked: ResourcesQuery = call.query
    which = query.asked(asked, call.caller, query.LISTED).arguments
    most = query.limit(asked.limit, call.conf.metering.default_limit)
    with_meters = query.truth(asked.meter_links, "meter_links", default=True)
    return listed(_resources(call, call.store.get_resources(**which, limit=most), with_meters), most)


def get_resource(call: MeteringCall) -> Answer:
    """Give one resource; its id may have slashes, and may be quoted twice."""
    resource_id = urllib.parse.unquote(call.path["resource_id"])
    which = query.asked(query.NOTHING, call.caller, query.LISTED, fixed={"resource": resource_id}).arguments
    found: Resource | None = first(call.store.get_resources(**which, limit=1))
    if found is None:
        raise NotFound(f"Resource {resource_id[:255]} Not Found")
    return Answer(200, next(_resources(call, [found], with_meters=True)))


def _resources(call: MeteringCall, found: Iterable[Resource], with_meters: bool) -> Iterator[ResourceOut]:
    """Resources as clients get them; the meters of many are asked for at once."""
    own = query.own_project(call.caller)
    for batch in batches(found, _AT_ONCE):
        names = call.store.get_meter_names([each.resource_id for each in batch], own) if with_meters else {}
        for each in batch:
            yield resource_out(call, each, names.get(each.resource_id, ()))


def resource_out(call: MeteringCall, resource: Resource, meters: Iterable[str]) -> ResourceOut:
    """A resource as clients get it, with links to these of its meters."""
    quoted = urllib.parse.quote(resource.resource_id, safe="")
    # In a path, one level of quotes is taken off before the service sees it.
    links = [Link("self", f"{call.base}/v2/resources/{urllib.parse.quote(quoted, safe='')}")]
    for name in meters:
        path = urllib.parse.quote(name, safe="")
        links.append(Link(name, f"{call.base}/v2/meters/{path}?q.field=resource_id&q.value={quoted}"))
    return ResourceOut(
        resource.resource_id, resource.project_id, resource.user_id, resource.source, _moment(resource.first_sample_timestamp),
        _moment(resource.last_sample_timestamp), shown(resource.metadata), links,
    )  # fmt: skip


def _moment(value: Any) -> str:
    return str(text(value))
