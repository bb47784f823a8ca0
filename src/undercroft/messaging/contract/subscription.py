"""Subscriptions: who is to be notified of a queue's messages. `undercroft.messaging.delivery` notifies them."""

from __future__ import annotations

import abc
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from undercroft.core.errors import InvalidInput
from undercroft.messaging.contract import arguments
from undercroft.messaging.contract.outbox import lane
from undercroft.messaging.errors import SubscriptionAlreadyExists, SubscriptionDoesNotExist
from undercroft.messaging.models import Subscriber

# Characters of a subscriber's URI.
LONGEST_URI = 2_048


class Subscription(abc.ABC):
    """Makes subscriptions, finds and changes them.

    A subscription is `{"id", "source", "subscriber", "ttl", "age", "options", "confirmed"}`.

    Q35 One that has expired is in no answer, and frees its subscriber's place.

    Args:
        driver: the data driver.
    """

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def list(self, queue: str, project: str | None = None, marker: str | None = None, limit: int = 10) -> Iterator[Any]:
        """A page of the queue's subscriptions in the order of their making, then the marker of the next page, the last id."""
        own, scope = arguments.name(queue), arguments.project(project)
        found = self._list(own, scope, arguments.marker(marker), arguments.limit(limit))
        return iter((list(map(_shown, found)), found[-1].id if found else ""))

    def get(self, queue: str, subscription_id: str, project: str | None = None) -> dict[str, Any]:
        """One subscription.

        Q36 Raises SubscriptionDoesNotExist, also for one of another queue or project.
        """
        found = self._get(arguments.name(queue), str(subscription_id), arguments.project(project))
        if found is None:
            raise SubscriptionDoesNotExist(str(subscription_id))
        return _shown(found)

    def create(
        self, queue: str, subscriber: str, ttl: int, options: Mapping[str, Any] | None, project: str | None = None
    ) -> str | None:
        """Make a subscription, which is unconfirmed; its id.

        Q37 None where the queue has one of this subscriber. The queue need not exist. Of equal calls at once one makes it.
        """
        return self._create(
            arguments.name(queue),
            _uri(subscriber),
            arguments.seconds(ttl, "ttl"),
            arguments.mapping(options, "options"),
            arguments.project(project),
        )

    def update(self, queue: str, subscription_id: str, project: str | None = None, **kwargs: Any) -> None:
        """Change `subscriber`, `ttl` or `options`.

        Q38 SubscriptionDoesNotExist; SubscriptionAlreadyExists where another one has that subscriber; AssertionError where nothing
            is to be changed. A new ttl lets its life begin anew.
        """
        if not kwargs.keys() & {"subscriber", "ttl", "options"}:
            raise AssertionError("nothing to change: give subscriber, ttl or options")
        changes: dict[str, Any] = {}
        for name, value in kwargs.items():
            if name == "subscriber":
                changes[name] = _uri(value)
            elif name == "ttl":
                changes[name] = arguments.seconds(value, "ttl")
            elif name == "options":
                changes[name] = arguments.mapping(value, "options")
            else:
                raise InvalidInput(name, "is not to be changed: subscriber, ttl and options are")
        found = self._update(arguments.name(queue), str(subscription_id), arguments.project(project), changes)
        if found is None:
            raise SubscriptionDoesNotExist(str(subscription_id))
        if not found:
            raise SubscriptionAlreadyExists

    def exists(self, queue: str, subscription_id: str, project: str | None = None) -> bool:
        """Whether there is such a subscription."""
        return self._get(arguments.name(queue), str(subscription_id), arguments.project(project)) is not None

    def delete(self, queue: str, subscription_id: str, project: str | None = None) -> None:
        """Remove a subscription, with what it was still to be sent; an unknown one is ignored."""
        scope = arguments.project(project)
        if self._delete(arguments.name(queue), str(subscription_id), scope):
            # One that ends before this has left a lane to `clean`.
            self.driver.message_controller.forget(lane(str(subscription_id)), scope)

    def get_with_subscriber(self, queue: str, subscriber: str, project: str | None = None) -> dict[str, Any] | None:
        """The subscription of a subscriber; None where the queue has none."""
        found = self._get_with_subscriber(arguments.name(queue), _uri(subscriber), arguments.project(project))
        return None if found is None else _shown(found)

    def confirm(self, queue: str, subscription_id: str, project: str | None = None, confirmed: bool = True) -> None:
        """Say whether its receiver has agreed; raises SubscriptionDoesNotExist."""
        if not self._confirm(arguments.name(queue), str(subscription_id), arguments.project(project), bool(confirmed)):
            raise SubscriptionDoesNotExist(str(subscription_id))

    # -- to be written by drivers ----------------------------------------------------------------------------------

    @abc.abstractmethod
    def _list(self, queue: str, project: str, marker: str | None, limit: int) -> Sequence[Subscriber]:
        """At most `limit` subscriptions behind the marker; none behind a malformed one."""

    @abc.abstractmethod
    def _get(self, queue: str, subscription: str, project: str) -> Subscriber | None:
        """One subscription."""

    @abc.abstractmethod
    def _get_with_subscriber(self, queue: str, subscriber: str, project: str) -> Subscriber | None:
        """The one of that subscriber."""

    @abc.abstractmethod
    def _create(self, queue: str, subscriber: str, ttl: int, options: dict[str, Any], project: str) -> str | None:
        """See `create`."""

    @abc.abstractmethod
    def _update(self, queue: str, subscription: str, project: str, changes: Mapping[str, Any]) -> bool | None:
        """Change it; None where there is none, False where another one has the subscriber."""

    @abc.abstractmethod
    def _delete(self, queue: str, subscription: str, project: str) -> bool:
        """Remove it, if it is there; whether it was."""

    @abc.abstractmethod
    def _confirm(self, queue: str, subscription: str, project: str, confirmed: bool) -> bool:
        """Set whether it is confirmed; whether there is one."""


def _uri(value: Any) -> str:
    return arguments.text(value, "subscriber", LONGEST_URI)


def _shown(found: Subscriber) -> dict[str, Any]:
    return found._asdict()
