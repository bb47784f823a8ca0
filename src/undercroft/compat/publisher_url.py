"""The URL of a publisher in a host's pipeline file: `undercroft://user:password@host:port/database?engine=postgresql&pool_size=5`."""

from __future__ import annotations

import hashlib
import urllib.parse
from collections.abc import Collection
from typing import NamedTuple, Self

from undercroft.core.errors import ConfigInvalid

_SPOOL_BYTES = 256 * 2**20


class Target(NamedTuple):
    """What a publisher's URL names: the store's URL, the publisher's own options, and a digest of the store's address."""

    url: str
    own: dict[str, str]
    digest: str

    @classmethod
    def of(cls, parsed_url: urllib.parse.SplitResult, own: Collection[str] = ()) -> Self:
        """Read a publisher's URL, split.

        Args:
            parsed_url: the URL.
            own: names of the publisher's own options.

        Raises:
            ConfigInvalid: it names no engine, or its port is not a number.
        """
        query = dict(urllib.parse.parse_qsl(parsed_url.query, keep_blank_values=True))
        engine = query.pop("engine", None)
        if not engine:
            raise ConfigInvalid("the URL of the publisher needs the store's engine: undercroft://host/database?engine=postgresql")
        mine = {name: query.pop(name) for name in own if name in query}
        place = f"{engine}://{parsed_url.netloc}{parsed_url.path}"
        try:
            names = (engine, parsed_url.hostname, parsed_url.port, parsed_url.path, query.get("namespace"))
        except ValueError:
            raise ConfigInvalid("the port in the URL of the publisher is not a number of 0 to 65535") from None
        digest = hashlib.sha256(repr(names).encode()).hexdigest()[:16]
        return cls(f"{place}?{urllib.parse.urlencode(query)}" if query else place, mine, digest)

    def spool_bytes(self) -> int:
        """How large the spool may become."""
        text = self.own.get("spool_bytes", str(_SPOOL_BYTES))
        if not (text.isascii() and text.isdigit() and int(text)):
            raise ConfigInvalid(f"spool_bytes={text[:32]!r} of the publisher's URL is not a number of bytes such as {_SPOOL_BYTES}")
        return int(text)
