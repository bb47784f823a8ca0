"""Events as lines of a log: written as JSON, one each, and never read again."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import Any, Self

import msgspec

from undercroft.core import url as urls
from undercroft.core.capabilities import never
from undercroft.core.errors import Unsupported
from undercroft.events import contract, query
from undercroft.events.models import Event, Trait
from undercroft.events.record import Record

LOG = logging.getLogger(__name__)
_GONE = never("a log is not read again")
_encode = msgspec.json.Encoder().encode


class Options(msgspec.Struct, kw_only=True, frozen=True):
    """Options of the log.

    Attributes:
        namespace: name of the logger; this module's when empty.
    """

    namespace: str = ""


class Connection(contract.Store):
    """Events behind `undercroft.events.Connection`, at level info.

    Args:
        url: `log://`.
        conf: the host's configuration, of which nothing is needed; it may come in the place of the URL.
        options: options as a dict; they win over the URL's.
    """

    ephemeral = "log://"
    Options = Options
    capabilities = contract.Capabilities.without(
        **dict.fromkeys(
            (
                "read", "filter_traits", "expressions", "count", "page", "expire", "tail", "concurrent_writers", "survives_restart",
                "large_stores", "store_once",
            ),
            _GONE,
        )
    )  # fmt: skip

    def __init__(self, url: Any = None, conf: Any = None, *, options: Any = None) -> None:
        super().__init__(url, conf)
        _, self.options, _ = urls.split(url if isinstance(url, str) else "log://", Options, options or {})
        self._log = logging.getLogger(self.options.namespace) if self.options.namespace else LOG

    @classmethod
    def open(cls, url: str, **options: Any) -> Self:
        return cls(url, options=options)

    def upgrade(self) -> None:  # type: ignore[override]
        """Nothing is needed."""

    def clear(self) -> None:  # type: ignore[override]
        """Nothing is kept."""

    def drop(self) -> None:
        """Nothing is kept."""

    def close(self) -> None:
        """Nothing is open."""

    def _record(self, records: Sequence[Record]) -> list[str]:
        for record in records:
            line = {
                "message_id": record.message_id,
                "event_type": record.event_type,
                "generated": query.moment(record.generated),
                "traits": [
                    (name, dtype, query.moment(value) if dtype == Trait.DATETIME_TYPE else value)
                    for name, dtype, value in record.traits
                ],
                "raw": msgspec.Raw(record.raw.encode()),
            }
            self._log.info("%s", _encode(line).decode())
        return []

    @staticmethod
    def clear_expired_data(ttl: float, max_count: int | None = None) -> int:
        """Tell how much would be deleted, and delete nothing."""
        LOG.info("Dropping %s events data with TTL %s", max_count, ttl)
        return 0

    def _expire(self, before: int, count: int | None) -> int:
        raise Unsupported("a log is not read again")

    def _events(self, selection: query.Selection, page: query.Page) -> Iterable[Event]:
        raise Unsupported("a log is not read again")

    def _event_types(self) -> list[str]:
        raise Unsupported("a log is not read again")

    def _trait_types(self, event_type: str) -> list[tuple[str, int]]:
        raise Unsupported("a log is not read again")

    def _traits(self, event_type: str, name: str | None) -> Iterable[Trait]:
        raise Unsupported("a log is not read again")
