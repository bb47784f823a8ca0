"""Serving: what the lane of a due subscription has is sent, wave by wave."""

from __future__ import annotations

import concurrent.futures
import contextlib
import logging
import time
import urllib.parse
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from undercroft.messaging.contract import DataDriverBase
from undercroft.messaging.contract.outbox import lane
from undercroft.messaging.delivery import policy, spans
from undercroft.messaging.delivery.counts import Counts, Tally
from undercroft.messaging.delivery.letters import Letter, letter, notification
from undercroft.messaging.delivery.notification import Kind, Notification, Outcome, Sender
from undercroft.messaging.delivery.receivers import Receiver
from undercroft.messaging.delivery.waves import Sending, Wave
from undercroft.messaging.errors import ClaimDoesNotExist, QueueDoesNotExist, SubscriptionDoesNotExist
from undercroft.messaging.models import Due, Subscribed
from undercroft.messaging.sealing import Sealer, Unopened

LOG = logging.getLogger(__name__)

# Seconds for which a subscription is served; then others have their turn.
TURN = 3.0
# Seconds until a message that nobody can decrypt is looked at again.
_SEALED = 60
# So many failures are followed by no delay, if the policy says so; then there is one of a second.
_AT_ONCE = 10
# Seconds that a receiver may ask to wait, at most.
_LONGEST_WISH = 3_600


class Left(NamedTuple):
    """A letter that stays in its lane, and the seconds until it is tried again."""

    letter: Letter
    seconds: int


class Serving:
    """Serves subscriptions; one object serves many threads.

    Args:
        driver: the store.
        sender: sends notifications.
        sealer: opens what is encrypted.
        helpers: threads that send a wave, beside that which serves.
        tally: counts what is done.
        requires_confirmation: whether only confirmed subscriptions get messages.
    """

    def __init__(
        self,
        driver: DataDriverBase,
        sender: Sender,
        sealer: Sealer,
        helpers: concurrent.futures.Executor,
        tally: Tally,
        *,
        requires_confirmation: bool,
    ) -> None:
        self._driver = driver
        self._sender = sender
        self._sealer = sealer
        self._helpers = helpers
        self._tally = tally
        self._requires_confirmation = requires_confirmation

    def serve(self, due: Due, receiver: Receiver, ends: Callable[[], bool]) -> None:
        """Serve a subscription until its lane is empty, its receiver is slow, or its turn is over; then say when it is due next.

        Args:
            due: the subscription.
            receiver: what is known of it; learns.
            ends: whether to end early; what is under way is finished.
        """
        until = time.monotonic() + TURN
        while True:
            wave = self._wave(due.subscribed, receiver.size, ends)
            if wave is None:
                self._settle(due, None)
                return
            if not wave.found:
                self._settle(due, self._next(due.subscribed))
                return
            receiver.note(wave)
            if receiver.is_slow or ends() or time.monotonic() >= until:
                self._settle(due, receiver.rests)
                return

    def _settle(self, due: Due, seconds: float | None) -> None:
        self._driver.outbox.settle(due, None if seconds is None else self._driver.now() + round(seconds * 1000))

    def _next(self, subscribed: Subscribed) -> float | None:
        """Seconds until an empty lane has something again by itself: a claim ends."""
        name, project = lane(subscribed.subscription), subscribed.project
        ((is_free, seconds),) = self._driver.outlooks([(project, name)])
        if seconds is not None and not is_free:
            return seconds
        # Not every engine knows, and somebody else may be about to take it.
        is_empty = not self._driver.message_controller.stats(name, project)["messages"]["total"]
        return None if is_empty else 1.0

    # -- a wave ----------------------------------------------------------------------------------------------------

    def _wave(self, subscribed: Subscribed, size: int, ends: Callable[[], bool]) -> Wave | None:
        """Claim messages and send them; None where the subscription has ended."""
        began = time.monotonic()
        name, project = lane(subscribed.subscription), subscribed.project
        messages = self._driver.message_controller
        claim, found = self._driver.claim_controller.create(name, {"ttl": spans.CLAIM, "grace": 0}, project, size)
        subscription = self._subscription(subscribed) if found else {}
        if subscription is None:
            messages.forget(name, project)
            return None
        if claim is None or not found:
            return Wave(0)
        letters = self._wanted(found, subscription)
        kept, sealed = self._opened(letters, subscription, project)
        sending = Sending(self._sender, [each for _, each in kept], ends)
        sending.run(self._helpers)
        results = list(zip((each for each, _ in kept), sending.outcomes, strict=True))
        left, given_up = self._left(results, subscription, project)
        left += sealed
        stays = {each.letter.id for each in left}
        messages.bulk_delete(name, [each["id"] for each in found if each["id"] not in stays], project)
        rest = max((each.seconds for each in left), default=0)
        self._release(name, claim, project, rest if left else None)
        delivered = sum(outcome is not None and outcome.kind is Kind.DELIVERED for _, outcome in results)
        failed = sum(outcome is not None for _, outcome in results) - delivered
        self._tally.add(Counts(0, delivered, failed - given_up, given_up, len(found) - len(letters)))
        took = time.monotonic() - began
        wish = max((min(outcome.after or 0, _LONGEST_WISH) for outcome in sending.outcomes if outcome is not None), default=0)
        return Wave(len(found), delivered, failed, rest, wish, took, sending.slowest, len(found) >= size)

    def _subscription(self, subscribed: Subscribed) -> Mapping[str, Any] | None:
        try:
            return self._driver.subscription_controller.get(subscribed.queue, subscribed.subscription, subscribed.project)
        except SubscriptionDoesNotExist:
            return None

    def _wanted(self, found: Sequence[Mapping[str, Any]], subscription: Mapping[str, Any]) -> list[Letter]:
        """What is to be sent: nothing that has expired, and what was not agreed to only where that is not required."""
        now = self._driver.now()
        is_confirmed = subscription["confirmed"] or not self._requires_confirmation
        letters = [each for each in map(letter, found) if each is not None]
        return [
            each
            for each in letters
            if (each.expires is None or each.expires > now) and (is_confirmed or each.confirmation is not None)
        ]

    def _opened(
        self, letters: Sequence[Letter], subscription: Mapping[str, Any], project: str
    ) -> tuple[list[tuple[Letter, Notification]], list[Left]]:
        """Letters as they are sent, and those that cannot be decrypted."""
        kept: list[tuple[Letter, Notification]] = []
        sealed: list[Left] = []
        for each in letters:
            try:
                kept.append((each, notification(each, subscription, project, self._sealer)))
            except Unopened as error:
                if not sealed:
                    LOG.warning("%s", error, extra={"subscription": subscription["id"]})
                sealed.append(Left(each, _SEALED))
        return kept, sealed

    # -- what was not taken ----------------------------------------------------------------------------------------

    def _left(
        self, results: Sequence[tuple[Letter, Outcome | None]], subscription: Mapping[str, Any], project: str
    ) -> tuple[list[Left], int]:
        """Which letters stay, and how many were given up."""
        left: list[Left] = []
        given_up: list[Outcome] = []
        chosen: policy.Policy | None = None
        for each, outcome in results:
            if outcome is None:
                left.append(Left(each, 0))
                continue
            if outcome.kind is Kind.DELIVERED:
                continue
            chosen = chosen or policy.chosen(self._metadata(subscription["source"], project), subscription["options"])
            seconds = policy.delay(chosen, each.claims) if outcome.kind is Kind.RETRY else None
            if seconds is None:
                given_up.append(outcome)
                continue
            if each.claims > _AT_ONCE:
                seconds = max(seconds, 1)
            left.append(Left(each, max(seconds, min(outcome.after or 0, _LONGEST_WISH))))
        if given_up:
            _tell(given_up, subscription)
        return left, len(given_up)

    def _metadata(self, queue: str, project: str) -> Mapping[str, Any]:
        try:
            return self._driver.queue_controller.get_metadata(queue, project)
        except QueueDoesNotExist:
            return {}

    def _release(self, name: str, claim: str, project: str, rest: int | None) -> None:
        """Let what is left of a claim be free after some seconds; None where nothing is."""
        if rest is None:
            return
        claims = self._driver.claim_controller
        # One that took too long is free, and maybe somebody else's.
        with contextlib.suppress(ClaimDoesNotExist):
            if rest:
                claims.update(name, claim, {"ttl": rest, "grace": 0}, project)
            else:
                claims.delete(name, claim, project)


def _tell(given_up: Sequence[Outcome], subscription: Mapping[str, Any]) -> None:
    reasons = sorted({each.reason for each in given_up})
    LOG.warning(
        "notifications are given up",
        extra={
            "subscription": subscription["id"],
            "queue": subscription["source"],
            "host": host(subscription["subscriber"]),
            "messages": len(given_up),
            "reason": "; ".join(reasons[:3]),
        },
    )


def host(uri: str) -> str:
    """The host of a subscriber, which is all of its URI that logs have."""
    try:
        found = urllib.parse.urlsplit(uri)
        name = found.hostname or ""
    except ValueError:
        return ""
    return found.path.rpartition("@")[2] if found.scheme.lower() == "mailto" else name
