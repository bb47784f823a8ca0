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
        ConfigInvalid: the queue asks for encryption, and the settings have no key.
    """

    def __init__(self, opened: DataDriverBase, queue: str, project: str | None) -> None:
        from undercroft.core.errors import ConfigInvalid
        from undercroft.messaging import QueueDoesNotExist, attributes, settings

        try:
            metadata = opened.queue_controller.get_metadata(queue, project)
        except QueueDoesNotExist:
            metadata = {}
        self.default_ttl = int(metadata.get(attributes.DEFAULT_TTL) or opened.default_message_ttl)
        self.default_delay = int(metadata.get(attributes.DEFAULT_DELAY) or settings.value(opened.conf, "default_message_delay"))
        if metadata.get(attributes.ENCRYPT):
            raise ConfigInvalid(f"the messages of the queue {queue!r} are encrypted: set [messaging] encryption_key")

    def sealed(self, body: Any) -> Any:
        """A body as it is stored."""
        return body

    def opened(self, messages: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
        """Messages with their bodies as they were posted."""
        return list(messages)
