"""What Zaqar puts in front of a management store's controllers, so that the message store takes part in their calls.

A call goes on to the management store after a stage that returns None. Where both stores are one, that store does everything.
"""

from __future__ import annotations

from typing import Any

from zaqar.storage import errors as theirs

from undercroft.compat.zaqar.errors import as_theirs


class _Stage:
    """What both have in common.

    Args:
        driver: the message store.
        control_driver: the management store, which may be another project's.
    """

    def __init__(self, driver: Any, control_driver: Any) -> None:
        self.driver, self.control_driver = driver, control_driver

    def create(self, name: str, metadata: Any = None, project: str | None = None) -> None:
        """Nothing: the message store needs no making of queues."""

    def _forget(self, name: str, project: str | None) -> None:
        with as_theirs():
            self.driver.ours.message_controller.forget(name, project)

    def _stats(self, name: str, project: str | None) -> dict[str, Any]:
        with as_theirs():
            found: dict[str, Any] = self.driver.ours.message_controller.stats(name, project)
        return found


class QueueStage(_Stage):
    """For queues."""

    def delete(self, name: str, project: str | None = None) -> None:
        """Remove the queue's messages and claims."""
        if not self.driver.has_queues:
            self._forget(name, project)

    def stats(self, name: str, project: str | None = None) -> dict[str, Any] | None:
        """How full the queue is."""
        if self.driver.has_queues:
            return None
        if not self.control_driver.queue_controller.exists(name, project):
            raise theirs.QueueDoesNotExist(name, project)
        return self._stats(name, project)


class TopicStage(_Stage):
    """For topics. Zaqar keeps a topic's messages under its bare name, where those of a queue of that name are, too."""

    def delete(self, name: str, project: str | None = None) -> None:
        """Remove the topic's messages, unless they may be a queue's."""
        if not self.control_driver.queue_controller.exists(name, project):
            self._forget(name, project)

    def stats(self, name: str, project: str | None = None) -> dict[str, Any]:
        """How full the topic is."""
        if not self.control_driver.topic_controller.exists(name, project):
            raise theirs.TopicDoesNotExist(name, project)
        return self._stats(name, project)
