"""What Ceilometer never had: downloads, and the place that its publisher sends to."""

from __future__ import annotations

from typing import Any

from undercroft.api.call import Answer
from undercroft.api.metering import query
from undercroft.api.metering.ingest import MeteringCall
from undercroft.api.metering.schemas import DownloadQuery
from undercroft.api.taking import take
from undercroft.core.errors import InvalidInput
from undercroft.metering.files import FORMS
from undercroft.metering.wire import data


def take_samples(call: MeteringCall) -> Answer:
    """Store samples, as Ceilometer's publisher sends them: one, or a list; the forms of the API are taken, too."""
    return take(call, data, "samples")


def download_samples(call: MeteringCall) -> Answer:
    """Give all samples that are asked for, the newest first, as a file."""
    asked: DownloadQuery = call.query
    if asked.format not in FORMS:
        raise InvalidInput("format", f"{asked.format[:32]!r} is not one of {', '.join(FORMS)}")
    media, write = FORMS[asked.format]
    samples = call.store.get_samples(query.asked(asked, call.caller).sample_filter)
    name = {"Content-Disposition": f'attachment; filename="samples.{asked.format}"'}
    return Answer(200, stream=(part for part in write(samples)), media=media, headers=name)


def is_long(_asked: Any) -> bool:
    """A download has no limit on its length: always a long request."""
    return True
