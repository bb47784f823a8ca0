"""Options that every driver for Redis takes."""

from __future__ import annotations

import os
import re

import msgspec

from undercroft.core.errors import ConfigInvalid

_NAMESPACE = re.compile(r"[a-z][a-z0-9_]{0,30}", re.ASCII)


class EngineOptions(msgspec.Struct, kw_only=True, frozen=True):
    """Options that every driver for Redis takes, whatever kind it stores.

    Attributes:
        namespace: prefix of every key, so that kinds, parallel tests and others share one server.
        pool_size: connections kept open to each server; more are opened while more threads are at work.
        connect_timeout: seconds to wait for a connection.
        statement_timeout: seconds that one command may take.
        ca_certs: file of the certificates to trust, with `rediss://`.
        certfile: file of our own certificate, where the server asks for one.
        keyfile: file of its key, where that is not in `certfile`.
    """

    namespace: str = "undercroft"
    pool_size: int = 5
    connect_timeout: float = 5.0
    statement_timeout: float = 60.0
    ca_certs: str | None = None
    certfile: str | None = None
    keyfile: str | None = None

    def check(self) -> None:
        """Raise `ConfigInvalid` for values that are out of range, and for files that cannot be read."""
        if not _NAMESPACE.fullmatch(self.namespace):
            raise ConfigInvalid(
                f"namespace: {self.namespace[:40]!r} is not a lower-case letter followed by at most 30 of a-z, 0-9, _"
            )
        if self.pool_size < 0:
            raise ConfigInvalid(f"pool_size: {self.pool_size} is less than 0")
        for name in ("connect_timeout", "statement_timeout"):
            if not getattr(self, name) > 0:
                raise ConfigInvalid(f"{name}: {getattr(self, name):g} is not more than 0")
        for name in ("ca_certs", "certfile", "keyfile"):
            file = getattr(self, name)
            if file is not None and not os.access(file, os.R_OK):
                raise ConfigInvalid(f"{name}: {file} cannot be read")
