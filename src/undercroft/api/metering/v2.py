"""Ceilometer's API, version 2: meters and samples, as its clients know them."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from undercroft.api import wire
from undercroft.api.call import Answer
from undercroft.api.metering import query
from undercroft.api.metering.ingest import MeteringCall
from undercroft.api.metering.schemas import (
    Capabilities,
    ListQuery,
    MeterOut,
    MetersQuery,
    Version,
    VersionLink,
    Versions,
    VersionValues,
)
from undercroft.api.questions import first
from undercroft.core.errors import NotFound
from undercroft.core.portions import batches
from undercroft.metering import Meter, Sample
from undercroft.metering.wire import new, old

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
    return query.is_above(asked.limit, LONG) or query.reads_samples(asked)


def listed(rows: Iterable[Any], limit: str | int | None) -> Answer:
    """A list: at once, or while it is read, where so many are asked for that this is a long request."""
    return Answer(200, stream=parts(rows)) if query.is_above(limit, LONG) else Answer(200, list(rows))


def parts(rows: Iterable[Any]) -> Iterator[bytes]:
    """A list as JSON, some rows at a time."""
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
    return listed(map(meter_out, call.store.get_meters(**which, limit=most, unique=unique)), asked.limit)


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
    return listed(map(out, call.store.get_samples(which, limit=most)), asked.limit)


def get_sample(call: MeteringCall) -> Answer:
    """Give one sample."""
    message_id = call.path["sample_id"]
    which = query.asked(query.NOTHING, call.caller, fixed={"message_id": message_id}).sample_filter
    found: Sample | None = first(call.store.get_samples(which, limit=1))
    if found is None:
        raise NotFound(f"Sample {message_id[:255]} Not Found")
    return Answer(200, new(found))
