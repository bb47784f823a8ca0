"""The bodies of a queue's messages, which are encrypted where its metadata ask for that."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from undercroft.messaging import DataDriverBase


class Bodies:
    """Encrypts and decrypts what a command posts and reads.

    Args:
        opened: the store.
        queue, project: which queue.

    Attributes:
        default_ttl, default_delay: seconds, of messages that do not say.

    Raises:
        ConfigInvalid: the queue asks for encryption, and the settings have no key; or the key is malformed.
    """

    def __init__(self, opened: DataDriverBase, queue: str, project: str | None) -> None:
        from undercroft.core import settings
        from undercroft.core.errors import ConfigInvalid
        from undercroft.messaging import QueueDoesNotExist, attributes
        from undercroft.messaging.sealing import SETTING, Sealer

        try:
            metadata = opened.queue_controller.get_metadata(queue, project)
        except QueueDoesNotExist:
            metadata = {}
        self.default_ttl = int(metadata.get(attributes.DEFAULT_TTL) or settings.get("messaging", "default_message_ttl"))
        self.default_delay = int(metadata.get(attributes.DEFAULT_DELAY) or settings.get("messaging", "default_message_delay"))
        self._queue = queue
        self._project = project or ""
        self._is_sealed = bool(metadata.get(attributes.ENCRYPT))
        self._sealer = Sealer(settings.get("messaging", "encryption_key"))
        if self._is_sealed and not self._sealer.is_able:
            raise ConfigInvalid(f"the messages of queue {queue!r} are encrypted: set {SETTING}")

    def sealed(self, body: Any) -> Any:
        """A body as it is stored."""
        return self._sealer.seal(body, self._queue, self._project) if self._is_sealed else self._sealer.shield(body)

    def opened(self, messages: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
        """Messages with their bodies as they were posted.

        Raises:
            Unopened: one cannot be decrypted.
        """
        return [{**message, "body": self._sealer.open(message["body"], self._project)} for message in messages]
