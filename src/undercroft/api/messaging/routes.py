"""The routes of messages. Topics have those of queues, without claims."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import falcon
from oslo_config import cfg

from undercroft.api.call import Rule
from undercroft.api.messaging import (
    claims,
    door,
    flavors,
    messages,
    patches,
    pool_schemas,
    pools,
    queries,
    queues,
    schemas,
    signatures,
    subscriptions,
    versions,
)
from undercroft.api.routes import Route

PREFIX = "/messaging"


def _check_post(req: falcon.Request, conf: cfg.ConfigOpts) -> None:
    """Refuse a post of messages that is too large, before it is read."""
    door.check(req, conf)
    door.check_length(req, conf.messaging.max_messages_post_size, "the post", "post the messages in parts")


def _check_metadata(req: falcon.Request, conf: cfg.ConfigOpts) -> None:
    """Refuse metadata that are too large, before they are read."""
    door.check(req, conf)
    # As a caller writes it, it may be longer than as it is counted.
    door.check_length(req, 2 * conf.messaging.max_queue_metadata, "the body", "send less metadata")


def _route(method: str, path: str, *arguments: Any, **named: Any) -> Route:
    common = {"read": queries.read, "check": door.check, "headers": door.HEADERS}
    return Route(method, PREFIX + path, *arguments, **{**common, **named})


def _own(method: str, path: str, handler: Any, answers: dict[int, Any], **named: Any) -> Route:
    common = {"failures": (404, 406), "keeps_receipts": handler is messages.post_messages}
    return _route(method, path, handler, Rule.OWN, answers, **{**common, **named})


def _admin(method: str, path: str, handler: Any, answers: dict[int, Any], **named: Any) -> Route:
    """A route of operators, which a service for tenants does not have."""
    common: dict[str, Any] = {"failures": (404, 406), "is_served": _has_pools}
    return _route(method, path, handler, Rule.ADMIN, answers, **{**common, **named})


def _is_for_admins(conf: cfg.ConfigOpts) -> bool:
    return bool(conf.messaging.admin_mode)


def _is_pooling(conf: cfg.ConfigOpts) -> bool:
    return bool(conf.messaging.pooling)


def _has_pools(conf: cfg.ConfigOpts) -> bool:
    return _is_for_admins(conf) and _is_pooling(conf)


def _waits(query: schemas.MessagesQuery | schemas.ClaimQuery) -> int | None:
    return query.wait


def _of_both(base: str, name: str) -> Iterator[Route]:
    """The routes that queues and topics have."""
    one = f"{base}/{name}"
    yield _own(
        "PUT", one, queues.put_queue, {201: None, 204: None}, body=schemas.Metadata, may_be_empty=True, check=_check_metadata
    )
    yield _own("GET", one, queues.get_queue, {200: schemas.Metadata})
    yield _own(
        "PATCH",
        one,
        queues.patch_queue,
        {200: schemas.Metadata},
        body=schemas.Changes,
        body_media=(patches.MEDIA,),
        check=_check_metadata,
        failures=(404, 406, 409),
    )
    yield _own("DELETE", one, queues.delete_queue, {204: None})
    yield _own("GET", f"{one}/stats", queues.stats, {200: schemas.StatsOut})
    yield _own("POST", f"{one}/purge", queues.purge, {204: None}, body=schemas.Purge, may_be_empty=True)
    yield _own(
        "POST",
        f"{one}/messages",
        messages.post_messages,
        {201: schemas.Resources},
        body=schemas.Posted,
        check=_check_post,
        failures=(404, 406, 409),
    )
    yield _own(
        "GET",
        f"{one}/messages",
        messages.list_messages,
        {200: schemas.Messages},
        query=schemas.MessagesQuery,
        waits=_waits,
    )
    yield _own(
        "DELETE", f"{one}/messages", messages.delete_messages, {200: schemas.Popped, 204: None}, query=schemas.DeleteMessagesQuery
    )
    yield _own("GET", f"{one}/messages/{{message_id}}", messages.get_message, {200: schemas.MessageOut})
    yield _own("DELETE", f"{one}/messages/{{message_id}}", messages.delete_message, {204: None}, query=schemas.DeleteMessageQuery)
    yield _own(
        "GET", f"{one}/subscriptions", subscriptions.list_subscriptions, {200: schemas.Subscriptions}, query=schemas.PageQuery
    )
    yield _own(
        "POST",
        f"{one}/subscriptions",
        subscriptions.post_subscription,
        {201: schemas.SubscriptionId},
        body=schemas.NewSubscription,
        failures=(404, 406, 409),
    )
    subscription = f"{one}/subscriptions/{{subscription_id}}"
    yield _own("GET", subscription, subscriptions.get_subscription, {200: schemas.SubscriptionOut})
    yield _own(
        "PATCH",
        subscription,
        subscriptions.patch_subscription,
        {204: None},
        body=schemas.SubscriptionChanges,
        failures=(404, 406, 409),
    )
    yield _own("DELETE", subscription, subscriptions.delete_subscription, {204: None})
    yield _own("PUT", f"{subscription}/confirm", subscriptions.confirm_subscription, {204: None}, body=schemas.Confirmation)


_QUEUE = "/v2/queues/{queue_name}"
_POOL, _FLAVOR = f"{pools.PATH}/{{pool_name}}", f"{flavors.PATH}/{{flavor_name}}"
ROUTES: tuple[Route, ...] = (
    _route("GET", "", versions.versions, Rule.OPEN, {300: schemas.ApiVersions}, check=None, headers=()),
    _route("GET", "/v2", versions.home, Rule.OPEN, {200: schemas.Home, 300: schemas.ApiVersions}, check=None, headers=()),
    _route("GET", "/v2/ping", versions.ping, Rule.ANYONE, {204: None}, failures=(404, 406)),
    _route("HEAD", "/v2/ping", versions.ping_head, Rule.ANYONE, {204: None}, failures=(404, 406)),
    _admin("GET", "/v2/health", versions.health, {200: dict[str, Any]}, is_served=_is_for_admins),
    _own(
        "GET", "/v2/queues", queues.list_queues, {200: schemas.Queues}, query=schemas.QueuesQuery, read=queries.read_filters,
    ),
    _own(
        "GET", "/v2/topics", queues.list_topics, {200: schemas.Topics}, query=schemas.QueuesQuery, read=queries.read_filters,
    ),
    *_of_both("/v2/queues", "{queue_name}"),
    *_of_both("/v2/topics", "{topic_name}"),
    _own("POST", f"{_QUEUE}/share", signatures.share, {200: schemas.Signed}, body=schemas.Share),
    _own(
        "POST", f"{_QUEUE}/claims", claims.post_claim, {201: schemas.Messages, 204: None}, query=schemas.ClaimQuery,
        body=schemas.Lease, may_be_empty=True, waits=_waits,
    ),
    _own("GET", f"{_QUEUE}/claims/{{claim_id}}", claims.get_claim, {200: schemas.ClaimOut}),
    _own("PATCH", f"{_QUEUE}/claims/{{claim_id}}", claims.patch_claim, {204: None}, body=schemas.Lease),
    _own("DELETE", f"{_QUEUE}/claims/{{claim_id}}", claims.delete_claim, {204: None}),
    _admin("GET", pools.PATH, pools.list_pools, {200: pool_schemas.Pools}, query=pool_schemas.DetailedQuery),
    _admin("PUT", _POOL, pools.put_pool, {201: None}, body=pool_schemas.NewPool, failures=(404, 406, 409)),
    _admin("GET", _POOL, pools.get_pool, {200: pool_schemas.PoolOut}, query=pool_schemas.DetailQuery),
    _admin(
        "PATCH", _POOL, pools.patch_pool, {200: pool_schemas.PoolOut}, body=pool_schemas.PoolChanges, failures=(404, 406, 409),
    ),
    _admin("DELETE", _POOL, pools.delete_pool, {204: None}),
    _own(
        "GET", flavors.PATH, flavors.list_flavors, {200: pool_schemas.Flavors}, query=pool_schemas.DetailedQuery,
        is_served=_is_pooling,
    ),
    _own("GET", _FLAVOR, flavors.get_flavor, {200: pool_schemas.FlavorOut}, is_served=_is_pooling),
    _admin("PUT", _FLAVOR, flavors.put_flavor, {201: None}, body=pool_schemas.NewFlavor),
    _admin("PATCH", _FLAVOR, flavors.patch_flavor, {200: pool_schemas.FlavorOut}, body=pool_schemas.NewFlavor),
    _admin("DELETE", _FLAVOR, flavors.delete_flavor, {204: None}),
)  # fmt: skip
