"""Samples that a client posts to their meter, completed by the service."""

from __future__ import annotations

import secrets
import uuid
from typing import Any

import msgspec

from undercroft.api import wire
from undercroft.api.call import Answer
from undercroft.api.metering import query
from undercroft.api.metering.ingest import MeteringCall
from undercroft.api.metering.schemas import NewSample, OldSample
from undercroft.api.questions import Refused
from undercroft.api.taking import check_receipt
from undercroft.core import time
from undercroft.core.errors import InvalidInput
from undercroft.metering.flatten import shown
from undercroft.metering.models import TYPES
from undercroft.metering.record import record
from undercroft.metering.wire import moment, number

_SOURCE = "openstack"
# Ids that begin with the time, as Ceilometer's do, of a node that tells nothing about this machine.
_NODE = secrets.randbits(48) | (1 << 40)


def post_samples(call: MeteringCall) -> Answer:
    """Store samples of a meter; what they lack is completed."""
    posted: list[NewSample] = call.body
    if not posted:
        raise Refused("Samples should be included in request body")
    check_receipt(call, "samples")
    samples = []
    for place, each in enumerate(posted):
        try:
            samples.append(_completed(call, each))
            # All of them are stored, or none.
            record(samples[-1])
        except Refused:
            raise
        except InvalidInput as error:
            raise error.within(f"[{place}]") from None
    answer = [_out(each) for each in samples]
    if call.receipt is not None:
        told = call.store.store_once(samples, call.receipt(b""), lambda _outcomes: wire.encode(answer))
        return Answer(201, msgspec.Raw(told))
    for outcome in call.store.store_samples(samples):
        if outcome.error is not None:
            raise outcome.error
    return Answer(201, answer)


def _completed(call: MeteringCall, sample: NewSample) -> dict[str, Any]:
    caller, name = call.caller, call.path["meter_name"]
    if sample.counter_name != name:
        raise query.refused("counter_name", sample.counter_name, f"should be {name[:64]}")
    if sample.message_id:
        raise query.refused("message_id", sample.message_id, "The message_id must not be set")
    if sample.counter_type not in TYPES:
        raise query.refused("counter_type", sample.counter_type, f"The counter type must be: {', '.join(TYPES)}")
    project = sample.project_id or caller.project
    own = query.own_project(caller)
    if own is not None and project != own:
        raise query.refused("project_id", str(project), "can not post samples to other projects")
    return {
        "counter_name": name,
        "counter_type": sample.counter_type,
        "counter_unit": sample.counter_unit,
        "counter_volume": _number(sample.counter_volume),
        "user_id": sample.user_id or caller.user,
        "project_id": project,
        "resource_id": sample.resource_id,
        "timestamp": moment(sample.timestamp) if sample.timestamp else time.now().replace(tzinfo=None),
        "resource_metadata": sample.resource_metadata or {},
        "source": f"{project}:{sample.source or _SOURCE}",
        "message_id": str(uuid.uuid1(_NODE)),
        "message_signature": None,
    }


def _number(given: float | str) -> float:
    """A volume, which may be text; an integer stays one."""
    found = number(given) if isinstance(given, str) else given
    if isinstance(found, str):
        raise query.refused("counter_volume", found, "unable to convert to float")
    return found


def _out(data: dict[str, Any]) -> OldSample:
    """As it is answered; when it is recorded, the store knows."""
    values = {name: value for name, value in data.items() if name != "message_signature"}
    values |= {"timestamp": data["timestamp"].isoformat(), "resource_metadata": shown(data["resource_metadata"])}
    return OldSample(**values, recorded_at=None)
