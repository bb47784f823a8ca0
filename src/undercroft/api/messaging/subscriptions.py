"""Subscriptions: who is to be notified of a queue's messages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from undercroft.api.call import Answer
from undercroft.api.messaging import attributes, confirmations, door, queries
from undercroft.api.messaging.bodies import check_integers
from undercroft.api.messaging.door import MessagingCall, Place
from undercroft.api.messaging.queues import metadata_of
from undercroft.api.messaging.refusals import API, BODY, Exists, Refused
from undercroft.api.messaging.schemas import NewSubscription, SubscriptionChanges, SubscriptionId, SubscriptionOut, Subscriptions
from undercroft.core.errors import InvalidInput
from undercroft.engines.addresses import Forbidden
from undercroft.messaging.attributes import RETRY_POLICY
from undercroft.messaging.contract.arguments import LONGEST
from undercroft.messaging.contract.subscription import LONGEST_URI
from undercroft.messaging.delivery import senders, uris
from undercroft.messaging.errors import SubscriptionAlreadyExists

SHORTEST = 60
_TRUSTS = ("trust+http", "trust+https")


def list_subscriptions(call: MessagingCall) -> Answer:
    """List the subscriptions to a queue."""
    at = door.place(call)
    most = door.limit(call.query.limit, call.conf.messaging.max_subscriptions_per_page)
    page = call.store.subscription_controller.list(at.key, at.project, call.query.marker, most)
    found = [_shown(at, each) for each in next(page)]
    return Answer(200, Subscriptions(found, queries.next_links(call, next(page), is_empty=not found)))


def _shown(at: Place, found: Mapping[str, Any]) -> SubscriptionOut:
    return SubscriptionOut(**{**found, "source": at.name})


def post_subscription(call: MessagingCall) -> Answer:
    """Subscribe to a queue; a queue that does not exist is made. A subscription that waits to be confirmed is given again."""
    at = door.place(call)
    given: NewSubscription = call.body
    _check(call, given.subscriber, given.ttl, given.options)
    if metadata_of(at) is None:
        at.queues.create(at.name, {}, at.project)
    ttl = call.conf.messaging.default_subscription_ttl if given.ttl is None else given.ttl
    made = _created(call, at, given.subscriber, ttl, given.options or {})
    confirmations.ask(call, at, made, ttl)
    return Answer(201, SubscriptionId(made), headers={"Location": f"{at.path}/subscriptions/{made}"})


def _created(call: MessagingCall, at: Place, subscriber: str, ttl: int, options: dict[str, Any]) -> str:
    controller = call.store.subscription_controller
    # The one that is in the way may go between the two calls.
    for _ in range(2):
        made = controller.create(at.key, subscriber, ttl, options, at.project)
        if made is not None:
            return made
        known = controller.get_with_subscriber(at.key, subscriber, at.project)
        if known is not None:
            if known["confirmed"]:
                break
            return str(known["id"])
    raise Exists("Such subscription already exists. Subscriptions are unique by project + queue + subscriber URI.")


def get_subscription(call: MessagingCall) -> Answer:
    """Give one subscription."""
    at = door.place(call)
    return Answer(200, _shown(at, call.store.subscription_controller.get(at.key, call.path["subscription_id"], at.project)))


def patch_subscription(call: MessagingCall) -> Answer:
    """Change the subscriber, the options or the time of a subscription."""
    at = door.place(call)
    given: SubscriptionChanges = call.body
    values = {"subscriber": given.subscriber, "ttl": given.ttl, "options": given.options}
    changes = {name: value for name, value in values.items() if value is not None}
    if not changes:
        raise Refused(BODY, "nothing to change: send subscriber, ttl or options")
    _check(call, given.subscriber, given.ttl, given.options)
    if given.subscriber is not None and call.conf.messaging.require_confirmation:
        _change_receiver(call, at, given.subscriber, changes)
    else:
        call.store.subscription_controller.update(at.key, call.path["subscription_id"], at.project, **changes)
    return Answer(204)


def _change_receiver(call: MessagingCall, at: Place, subscriber: str, changes: dict[str, Any]) -> None:
    """Change a subscription whose receiver may become another one, which has to agree, too."""
    controller, number = call.store.subscription_controller, call.path["subscription_id"]
    known = controller.get(at.key, number, at.project)
    if known["subscriber"] == subscriber:
        controller.update(at.key, number, at.project, **changes)
        return
    # Before the change: the new receiver is sent nothing that it did not agree to, whatever happens between the two.
    controller.confirm(at.key, number, at.project, confirmed=False)
    try:
        controller.update(at.key, number, at.project, **changes)
    except SubscriptionAlreadyExists:
        controller.confirm(at.key, number, at.project, confirmed=known["confirmed"])
        raise
    confirmations.ask(call, at, number, changes.get("ttl", known["ttl"]))


def delete_subscription(call: MessagingCall) -> Answer:
    """End a subscription."""
    at = door.place(call)
    call.store.subscription_controller.delete(at.key, call.path["subscription_id"], at.project)
    return Answer(204)


def confirm_subscription(call: MessagingCall) -> Answer:
    """Say whether the receiver of a subscription agrees."""
    at = door.place(call)
    confirmed: bool = call.body.confirmed
    call.store.subscription_controller.confirm(at.key, call.path["subscription_id"], at.project, confirmed)
    return Answer(204)


# -- checks ------------------------------------------------------------------------------------------------------------


def _check(call: MessagingCall, subscriber: str | None, ttl: int | None, options: dict[str, Any] | None) -> None:
    if subscriber is not None:
        _check_subscriber(call, subscriber)
    if ttl is not None and not SHORTEST <= ttl <= LONGEST:
        raise Refused(API, f"ttl is from {SHORTEST} to {LONGEST} seconds, not {ttl}")
    if options is not None:
        _check_options(options, subscriber)


def _check_subscriber(call: MessagingCall, uri: str) -> None:
    types = call.conf.messaging.subscriber_types
    if not 1 <= len(uri) <= LONGEST_URI or any(character <= " " or character == "\x7f" for character in uri):
        raise Refused(API, f"subscriber is a URI of 1 to {LONGEST_URI} characters, without spaces and control characters")
    scheme = uris.scheme(uri)
    if scheme in _TRUSTS:
        raise Refused(
            API,
            f"subscriber: {scheme} needs a trust of Keystone, which this service cannot make yet; use {scheme.partition('+')[2]}",
        )
    if scheme not in types:
        raise Refused(API, f"subscriber begins with {scheme[:32] or 'no scheme'}; the types that are taken are {', '.join(types)}")
    try:
        senders.check_subscriber(uri, call.beside.guard)
    except (InvalidInput, Forbidden) as error:
        raise Refused(API, str(error)) from None


def _check_options(options: dict[str, Any], subscriber: str | None) -> None:
    check_integers(options, "options")
    if RETRY_POLICY in options:
        attributes.check_retry_policy(options[RETRY_POLICY], f"options.{RETRY_POLICY}")
    try:
        senders.check_options(options, subscriber)
    except InvalidInput as error:
        raise Refused(API, str(error)) from None
