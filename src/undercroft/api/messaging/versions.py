"""What the API is: its versions, its resources, whether it answers, and how the store is."""

from __future__ import annotations

from typing import Any

from oslo_config import cfg

from undercroft.api.call import Answer
from undercroft.api.messaging.door import MessagingCall
from undercroft.api.messaging.schemas import ApiLink, ApiMedia, ApiVersion, ApiVersions, Home, HomeResource
from undercroft.core.errors import Unavailable

_MEDIA = ApiMedia("application/json", "application/vnd.openstack.messaging-v2+json")
_GET, _GET_POST = ["GET"], ["GET", "POST"]
# Templates of paths below /v2, and methods, by what they are called.
_RESOURCES: dict[str, tuple[str, list[str]]] = {
    "rel/queues": ("queues{?marker,limit,detailed,name,with_count}", _GET),
    "rel/queue": ("queues/{queue_name}", ["GET", "PUT", "PATCH", "DELETE"]),
    "rel/queue_stats": ("queues/{queue_name}/stats", _GET),
    "rel/queue_share": ("queues/{queue_name}/share", ["POST"]),
    "rel/queue_purge": ("queues/{queue_name}/purge", ["POST"]),
    "rel/messages": ("queues/{queue_name}/messages{?marker,limit,echo,include_claimed,include_delayed}", ["GET", "POST", "DELETE"]),
    "rel/message": ("queues/{queue_name}/messages/{message_id}", ["GET", "DELETE"]),
    "rel/post_claim": ("queues/{queue_name}/claims{?limit}", ["POST"]),
    "rel/claim": ("queues/{queue_name}/claims/{claim_id}", ["GET", "PATCH", "DELETE"]),
    "rel/subscriptions": ("queues/{queue_name}/subscriptions{?marker,limit}", _GET_POST),
    "rel/subscription": ("queues/{queue_name}/subscriptions/{subscription_id}", ["GET", "PATCH", "DELETE"]),
    "rel/subscription_confirm": ("queues/{queue_name}/subscriptions/{subscription_id}/confirm", ["PUT"]),
    "rel/topics": ("topics{?marker,limit,detailed,name,with_count}", _GET),
    "rel/topic": ("topics/{topic_name}", ["GET", "PUT", "PATCH", "DELETE"]),
    "rel/ping": ("ping", ["GET", "HEAD"]),
}
# The same of a service whose queues are in pools, and of one for operators.
_OF_POOLS: dict[str, tuple[str, list[str]]] = {
    "rel/flavors": ("flavors{?marker,limit,detailed}", _GET),
    "rel/flavor": ("flavors/{flavor_name}", _GET),
}
_OF_ADMINS: dict[str, tuple[str, list[str]]] = {"rel/health": ("health", _GET)}
_OF_POOLS_FOR_ADMINS: dict[str, tuple[str, list[str]]] = {
    "rel/pools": ("pools{?marker,limit,detailed}", _GET),
    "rel/pool": ("pools/{pool_name}", ["GET", "PUT", "PATCH", "DELETE"]),
    "rel/flavor": ("flavors/{flavor_name}", ["GET", "PUT", "PATCH", "DELETE"]),
}
_VARIABLES = {
    name: f"param/{name}"
    for name in (
        "marker", "limit", "detailed", "name", "with_count", "echo", "include_claimed", "include_delayed", "queue_name",
        "topic_name", "message_id", "claim_id", "subscription_id", "pool_name", "flavor_name",
    )
}  # fmt: skip


def versions(_call: MessagingCall) -> Answer:
    """Tell the versions of the API."""
    return _versions("/v2/")


def home(call: MessagingCall) -> Answer:
    """Tell the resources of this version; without the last slash of the path, the versions, which is where some clients look."""
    if not call.sent.partition("?")[0].endswith("/"):
        # They join it with the URL that they asked and a slash: an absolute path would leave out where the service is mounted.
        return _versions("./")
    return Answer(200, Home({name: _resource(*each) for name, each in _resources(call.conf).items()}))


def _resources(conf: cfg.ConfigOpts) -> dict[str, tuple[str, list[str]]]:
    of_pools = _OF_POOLS if conf.messaging.pooling else {}
    if not conf.messaging.admin_mode:
        return _RESOURCES | of_pools
    return _RESOURCES | of_pools | _OF_ADMINS | (_OF_POOLS_FOR_ADMINS if of_pools else {})


def _versions(here: str) -> Answer:
    return Answer(300, ApiVersions([ApiVersion("2", [ApiMedia(_MEDIA.base, _MEDIA.type)], [ApiLink(here, "self")])]))


def _resource(template: str, methods: list[str]) -> HomeResource:
    variables = {name: where for name, where in _VARIABLES.items() if _has(template, name)}
    hints: dict[str, Any] = {"allow": methods, "formats": {"application/json": {}}}
    return HomeResource(f"/v2/{template}", variables, hints)


def _has(template: str, name: str) -> bool:
    return any(name in part.partition("}")[0].lstrip("?").split(",") for part in template.split("{")[1:])


def ping(call: MessagingCall) -> Answer:
    """Tell whether the store answers."""
    if not call.store.is_alive():
        raise Unavailable("the store of messages does not answer")
    return Answer(204)


def ping_head(_call: MessagingCall) -> Answer:
    """Tell that the service answers."""
    return Answer(204)


def health(call: MessagingCall) -> Answer:
    """Run the store's self-test on a queue of its own."""
    return Answer(200, call.store.health())
