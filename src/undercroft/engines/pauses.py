"""How long a service asks to be left alone."""

from __future__ import annotations

import datetime as dt
import email.utils

from undercroft.core import time

# Seconds that a service may ask to wait; one that asks for more is mistaken.
_LONGEST = 86_400.0


def retry_after(text: str | None) -> float | None:
    """Seconds that the header Retry-After asks to wait: a number, or an HTTP date."""
    if not text:
        return None
    if text.strip().isascii() and text.strip().isdigit():
        return min(float(text.strip()[:9]), _LONGEST)
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    return min(max(0.0, (time.as_utc(moment) - time.now()) / dt.timedelta(seconds=1)), _LONGEST)
