"""Which authorities of certificates are trusted, for webhooks and mail."""

from __future__ import annotations

import ssl

from undercroft.core.errors import ConfigInvalid


def trusted(cafile: str | None) -> ssl.SSLContext:
    """Checks certificates by the authorities of a file; None for those that the machine trusts.

    Raises:
        ConfigInvalid: the file cannot be read.
    """
    try:
        return ssl.create_default_context(cafile=cafile)
    except OSError as error:
        reason = "holds no certificates" if isinstance(error, ssl.SSLError) else error.strerror
        raise ConfigInvalid(f"[messaging] notify_cafile: {cafile}: {reason}") from None
