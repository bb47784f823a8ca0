"""Zaqar's controllers of messages, claims and subscriptions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from zaqar import storage
from zaqar.storage import errors as theirs

from undercroft.compat.zaqar import letters
from undercroft.compat.zaqar.errors import as_theirs

_PAGE = storage.DEFAULT_MESSAGES_PER_PAGE
_CLAIM = storage.DEFAULT_MESSAGES_PER_CLAIM
_SUBSCRIPTIONS = storage.DEFAULT_SUBSCRIPTIONS_PER_PAGE


class Message(storage.Message):
    """Messages."""

    @property
    def _ours(self) -> Any:
        return self.driver.ours.message_controller

    def list(
        self,
        queue: str,
        project: str | None = None,
        marker: str | None = None,
        limit: int = _PAGE,
        echo: bool = False,
        client_uuid: Any = None,
        include_claimed: bool = False,
        include_delayed: bool = False,
    ) -> Iterator[Any]:
        """A page of messages, then the marker of the next one."""
        with as_theirs():
            found: Iterator[Any] = self._ours.list(
                queue, project, marker, limit, echo, client_uuid, include_claimed, include_delayed=include_delayed
            )
        return found

    def first(self, queue: str, project: str | None = None, sort: int = 1) -> dict[str, Any]:
        """The oldest message, or the newest; QueueIsEmpty where there is none."""
        with as_theirs():
            found: dict[str, Any] | None = self._ours.first(queue, project, sort)
        if found is None:
            raise theirs.QueueIsEmpty(queue, project)
        return found

    def get(self, queue: str, message_id: str, project: str | None = None) -> dict[str, Any]:
        """One message."""
        with as_theirs():
            found: dict[str, Any] = self._ours.get(queue, message_id, project)
        return found

    def bulk_get(self, queue: str, message_ids: Iterable[str], project: str | None = None) -> Iterator[dict[str, Any]]:
        """Those of the messages that there are."""
        with as_theirs():
            found: Iterator[dict[str, Any]] = self._ours.bulk_get(queue, message_ids, project)
        return found

    def post(self, queue: str, messages: Iterable[dict[str, Any]], client_uuid: Any, project: str | None = None) -> Any:
        """Store messages; their ids."""
        with as_theirs():
            return self._ours.post(queue, map(_as_json, messages), client_uuid, project)

    def delete(self, queue: str, message_id: str, project: str | None = None, claim: str | None = None) -> None:
        """Delete one message."""
        with as_theirs():
            self._ours.delete(queue, message_id, project, claim)

    def bulk_delete(
        self, queue: str, message_ids: Iterable[str], project: str | None = None, claim_ids: Iterable[str] | None = None
    ) -> None:
        """Delete messages."""
        with as_theirs():
            self._ours.bulk_delete(queue, message_ids, project, claim_ids=claim_ids)

    def pop(self, queue: str, limit: int, project: str | None = None) -> Any:
        """Remove the oldest messages, and give them back."""
        with as_theirs():
            return self._ours.pop(queue, limit, project)


def _as_json(message: dict[str, Any]) -> dict[str, Any]:
    """The message; what Zaqar has encrypted is base64 as bytes."""
    body = message.get("body")
    return {**message, "body": body.decode("ascii")} if isinstance(body, bytes) else message


class Claim(storage.Claim):
    """Claims."""

    @property
    def _ours(self) -> Any:
        return self.driver.ours.claim_controller

    def create(
        self, queue: str, metadata: dict[str, Any], project: str | None = None, limit: int = _CLAIM
    ) -> tuple[str | None, Any]:
        """Claim messages: the claim's id, and the messages."""
        with as_theirs():
            found: tuple[str | None, Any] = self._ours.create(queue, metadata, project, limit)
        letters.bring(self.driver, queue, project)
        return found

    def get(self, queue: str, claim_id: str | None, project: str | None = None) -> tuple[dict[str, Any], Any]:
        """A claim and its messages."""
        with as_theirs():
            found: tuple[dict[str, Any], Any] = self._ours.get(queue, claim_id, project)
        return found

    def update(self, queue: str, claim_id: str | None, metadata: dict[str, Any], project: str | None = None) -> None:
        """Renew a claim."""
        with as_theirs():
            self._ours.update(queue, claim_id, metadata, project)

    def delete(self, queue: str, claim_id: str | None, project: str | None = None) -> None:
        """Release a claim."""
        with as_theirs():
            self._ours.delete(queue, claim_id, project)


class Subscription(storage.Subscription):
    """Subscriptions."""

    @property
    def _ours(self) -> Any:
        return self.driver.ours.subscription_controller

    def list(self, queue: str, project: str | None = None, marker: str | None = None, limit: int = _SUBSCRIPTIONS) -> Iterator[Any]:
        """A page of subscriptions, then the marker of the next one."""
        with as_theirs():
            found: Iterator[Any] = self._ours.list(queue, project, marker, limit)
        return found

    def get(self, queue: str, subscription_id: str, project: str | None = None) -> dict[str, Any]:
        """One subscription."""
        with as_theirs():
            found: dict[str, Any] = self._ours.get(queue, subscription_id, project)
        return found

    def create(self, queue: str, subscriber: str, ttl: int, options: dict[str, Any], project: str | None = None) -> str | None:
        """Make a subscription; None where there is one of this subscriber."""
        with as_theirs():
            found: str | None = self._ours.create(queue, subscriber, ttl, options, project)
        return found

    def update(self, queue: str, subscription_id: str, project: str | None = None, **kwargs: Any) -> None:
        """Change subscriber, ttl or options; Zaqar passes on what else a request has, and nulls, and they are dropped."""
        known = {"subscriber", "ttl", "options"}
        changes = {name: value for name, value in kwargs.items() if name in known and value is not None}
        with as_theirs():
            self._ours.update(queue, subscription_id, project, **changes)

    def exists(self, queue: str, subscription_id: str, project: str | None = None) -> bool:
        """Whether there is such a subscription."""
        with as_theirs():
            return bool(self._ours.exists(queue, subscription_id, project))

    def delete(self, queue: str, subscription_id: str, project: str | None = None) -> None:
        """Remove a subscription."""
        with as_theirs():
            self._ours.delete(queue, subscription_id, project)

    def get_with_subscriber(self, queue: str, subscriber: str, project: str | None = None) -> dict[str, Any] | None:
        """The subscription of a subscriber."""
        with as_theirs():
            found: dict[str, Any] | None = self._ours.get_with_subscriber(queue, subscriber, project)
        return found

    def confirm(self, queue: str, subscription_id: str, project: str | None = None, confirmed: bool = True) -> None:
        """Say whether its receiver has agreed."""
        with as_theirs():
            self._ours.confirm(queue, subscription_id, project, confirmed)
