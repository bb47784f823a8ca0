"""One clock and one form of time: UTC microseconds since 1970 inside, zone-aware datetimes outside.

A datetime without a zone is UTC everywhere in Undercroft.
"""

from __future__ import annotations

import datetime as dt
import zoneinfo
from collections.abc import Callable

from undercroft.core.errors import ConfigInvalid, InvalidInput, WrongType

UTC = dt.UTC
EPOCH = dt.datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = dt.timedelta(microseconds=1)


def wall() -> dt.datetime:
    """The machine's own clock, which nothing can be bound to: for measuring other clocks only."""
    return dt.datetime.now(UTC)  # noqa: TID251 - the one place


_clock: Callable[[], dt.datetime] = wall


def now() -> dt.datetime:
    """The present moment in UTC. Everything in Undercroft that needs "now" asks here."""
    return as_utc(_clock())


def is_bound() -> bool:
    """Whether `now` asks another clock than the machine's own."""
    return _clock is not wall


def bind(clock: Callable[[], dt.datetime] | None) -> None:
    """Let `now` ask `clock` (a host's patched clock, say), which is looked up at every call; None unbinds."""
    global _clock  # noqa: PLW0603 - one clock for the process is the point
    _clock = clock or wall


def as_utc(moment: dt.datetime, field: str = "time") -> dt.datetime:
    """`moment` in UTC; one without a zone is UTC already.

    Raises:
        WrongType: `moment` is no datetime.
        InvalidInput: its UTC form leaves the years 1 to 9999.
    """
    if not isinstance(moment, dt.datetime):
        raise WrongType(field, f"expected a datetime, got {type(moment).__name__}")
    if moment.tzinfo is None:
        return moment.replace(tzinfo=UTC)
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise InvalidInput(field, f"{moment.isoformat()} lies outside the years 1 to 9999 in UTC") from None


def to_micros(moment: dt.datetime, field: str = "time") -> int:
    """Microseconds from 1970 to `moment`, exact for the years 1 to 9999."""
    return (as_utc(moment, field) - EPOCH) // MICROSECOND


def from_micros(micros: int) -> dt.datetime:
    """The UTC datetime that lies `micros` microseconds after 1970."""
    return EPOCH + dt.timedelta(microseconds=micros)


# The first and the last moment that there are.
FIRST = to_micros(dt.datetime.min.replace(tzinfo=UTC))
LAST = to_micros(dt.datetime.max.replace(tzinfo=UTC))


def parse(text: str, field: str = "time") -> dt.datetime:
    """A moment from ISO 8601 text, extended or basic form, `Z`, an offset or none (UTC).

    Raises:
        InvalidInput: the text is no ISO 8601 moment; leap seconds are refused as well.
    """
    try:
        return as_utc(dt.datetime.fromisoformat(text), field)
    except ValueError as error:
        if isinstance(error, InvalidInput):
            raise
        raise InvalidInput(field, f"{text[:64]!r} is not an ISO 8601 time such as 2026-01-31T12:00:00Z or 2026-01-31") from None


def zone(name: str) -> zoneinfo.ZoneInfo:
    """The time zone with an IANA `name`.

    Raises:
        ConfigInvalid: no such zone.
    """
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise ConfigInvalid(f"timezone: {name[:64]!r} is not an IANA time zone such as UTC or Europe/Paris") from None


def this_month(tz: dt.tzinfo | None = None) -> tuple[dt.datetime, dt.datetime]:
    """Start of the current month and of the next one, in `tz`, or in the process's local zone."""
    local = now().astimezone(tz)
    first = dt.datetime(local.year, local.month, 1)  # noqa: DTZ001 - local midnight, its zone follows
    following = dt.datetime(local.year + local.month // 12, local.month % 12 + 1, 1)  # noqa: DTZ001
    if tz is None:
        # A naive `astimezone` applies the local zone's rules of that day, not today's offset.
        return first.astimezone().astimezone(UTC), following.astimezone().astimezone(UTC)
    return first.replace(tzinfo=tz).astimezone(UTC), following.replace(tzinfo=tz).astimezone(UTC)
