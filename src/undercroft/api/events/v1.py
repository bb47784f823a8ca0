"""What Panko never had: counts, a tail, downloads; and the place that Ceilometer sends to."""

from __future__ import annotations

import math
import threading
import time as clock
from collections.abc import Iterator

import msgspec

from undercroft.api import wire
from undercroft.api.call import Answer
from undercroft.api.cursors import CursorCodec
from undercroft.api.events import query
from undercroft.api.events.ingest import EventsCall
from undercroft.api.events.schemas import CountOut, CountQuery, Counts, DownloadQuery, TailQuery
from undercroft.api.events.v2 import event_out
from undercroft.api.taking import take
from undercroft.core import deadline
from undercroft.core.errors import InvalidInput, Unavailable
from undercroft.events import Event, EventFilter
from undercroft.events.contract import Arrivals
from undercroft.events.files import FORMS
from undercroft.events.wire import parse_or_raw

START = "start"
_AT_ONCE = 200
_POLL_SECONDS = 0.5
_BEAT_SECONDS = 1.0
_SPARE_SECONDS = 1.0


# -- taking events in --------------------------------------------------------------------------------------------------


def take_events(call: EventsCall) -> Answer:
    """Store events, as Ceilometer's publisher sends them: one, or a list."""
    return take(call, parse_or_raw, "events")


def take_notifications(call: EventsCall) -> Answer:
    """Store events made of notifications, by the definitions of the settings."""
    return take(call, call.beside.converter.event, "events")


# -- reading -----------------------------------------------------------------------------------------------------------


def count_events(call: EventsCall) -> Answer:
    """Count events, in groups and by intervals of time."""
    asked: CountQuery = call.query
    which = query.asked(asked, call.caller).event_filter
    found = call.store.count_events(which, groupby=asked.groupby, interval=asked.interval, where=asked.where)
    return Answer(
        200, Counts([CountOut(each.group, each.start.isoformat() if each.start else None, each.events) for each in found])
    )


def download_events(call: EventsCall) -> Answer:
    """Give all events that are asked for, as a file."""
    asked: DownloadQuery = call.query
    if asked.format not in FORMS:
        raise InvalidInput("format", f"{asked.format[:32]!r} is not one of {', '.join(FORMS)}")
    media, write = FORMS[asked.format]
    events = call.store.get_events(query.asked(asked, call.caller).event_filter, where=asked.where)
    name = {"Content-Disposition": f'attachment; filename="events.{asked.format}"'}
    return Answer(200, stream=_parts(write(events)), media=media, headers=name)


def _parts(parts: Iterator[bytes]) -> Iterator[bytes]:
    yield from parts


def tail_events(call: EventsCall) -> Answer:
    """Give events as they arrive, as server-sent events; `Last-Event-ID` or `after` goes on after that event."""
    asked: TailQuery = call.query
    which = query.asked(asked, call.caller).event_filter
    after = call.last_event_id or asked.after
    codec = CursorCodec(call.store.cursor_key(), "tail", call.caller.project, sorted(vars(which).items()), asked.where)
    cursor = None if after == START else codec.decode(after, "after") if after else call.store.tail_end()
    # The first look is here, so that a cursor that is none gets an answer.
    first = call.store.tail(which, cursor, _AT_ONCE, where=asked.where)
    seconds = deadline.remaining() if asked.seconds is None else asked.seconds
    until = None if seconds is None else clock.monotonic() + seconds
    stream = _tail(call, which, first, until, codec)
    return Answer(200, stream=stream, media="text/event-stream", headers={"Cache-Control": "no-store"})


def _tail(call: EventsCall, which: EventFilter, arrivals: Arrivals, until: float | None, codec: CursorCodec) -> Iterator[bytes]:
    pause = threading.Event()
    silent = 0.0
    yield b": undercroft\n\n"
    while True:
        here = codec.encode(arrivals.cursor)
        if arrivals.events:
            silent = 0.0
            last = len(arrivals.events) - 1
            # The store tells one cursor for the part: it comes with the last event.
            yield b"".join(_message(event, here if place == last else None) for place, event in enumerate(arrivals.events))
        # The client comes again by itself, and says where it was.
        left = min(_left(until), _left(None))
        if left < _POLL_SECONDS and len(arrivals.events) < _AT_ONCE:
            yield f"id: {here}\n\n".encode()
            return
        if not arrivals.events:
            silent += _POLL_SECONDS
            if silent >= _BEAT_SECONDS:
                silent = 0.0
                yield f"id: {here}\n\n".encode()
            pause.wait(_POLL_SECONDS)
        try:
            arrivals = call.store.tail(which, arrivals.cursor, _AT_ONCE, where=call.query.where)
        except Unavailable:
            return


def _left(until: float | None) -> float:
    """Seconds until then, or until the request's deadline."""
    if until is not None:
        return until - clock.monotonic()
    remaining = deadline.remaining()
    return math.inf if remaining is None else remaining - _SPARE_SECONDS


def _message(event: Event, cursor: str | None) -> bytes:
    head = b"" if cursor is None else f"id: {cursor}\n".encode()
    return head + b"event: event\ndata: " + wire.encode(event_out(event)) + b"\n\n"


def is_long(_asked: msgspec.Struct) -> bool:
    """What goes on for as long as there is something."""
    return True
