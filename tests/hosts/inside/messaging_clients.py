"""The real python-zaqarclient and openstacksdk against a messaging service: messaging_clients.py ENDPOINT PROJECT DISCOVERY.

DISCOVERY is where openstacksdk looks for the versions of the API.

Tells what they got, as JSON on the last line. Nothing in it depends on the server but ids, which are left out.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

from keystoneauth1 import noauth, session
from openstack import connection, exceptions
from zaqarclient import errors
from zaqarclient.queues import client
from zaqarclient.queues.v2 import core
from zaqarclient.transport import errors as transport_errors

BODIES = [{"event": "BackupStarted", "n": n, "text": "naïve ☃"} for n in range(5)]


def refusal(call: Callable[[], Any]) -> Any:
    """What a call gives, or the class of the error that it raises."""
    try:
        return call()
    except (errors.ZaqarError, transport_errors.TransportError, exceptions.SDKException) as error:
        return type(error).__name__


def with_zaqarclient(endpoint: str, project: str) -> dict[str, Any]:
    def connected(**options: Any) -> Any:
        return client.Client(endpoint, version=2, conf={"auth_opts": {"backend": "noauth", "options": options}})

    sender, reader = (connected(os_project_id=project) for _ in range(2))
    told: dict[str, Any] = {"ping": sender.ping()}
    queue = sender.queue("orders", force_create=True)
    told["created"] = [queue.exists(), sorted(each.name for each in sender.queues()[0])]
    for n in range(3):
        sender.queue(f"more-{n}", force_create=True)
    told["queues"] = [each.name for each in sender.queues(limit=2)[0]]
    told["count"] = sender.queues(with_count=True)[1]
    queue.metadata(new_meta={"color": "red", "_default_message_ttl": 300})
    told["metadata"] = queue.metadata(force_reload=True)
    told["filtered"] = [each.name for each in sender.queues(color="red")[0]]

    told["posted"] = len(queue.post([{"body": body, "ttl": 120} for body in BODIES])["resources"])
    told["own"] = [each.body for each in queue.messages()]
    told["echo"] = [each.body for each in queue.messages(echo=True)]
    theirs = reader.queue("orders", auto_create=False)
    page = theirs.messages(limit=2)
    told["stream"] = [each.body["n"] for each in page.stream()]
    first, second, *_ = list(theirs.messages(limit=5))
    told["one"] = [theirs.message(first.id).body, first.ttl, second.claim_id]
    told["many"] = [each.body["n"] for each in theirs.messages(first.id, second.id)]
    stats = queue.stats["messages"]
    told["stats"] = [stats["total"], stats["claimed"], stats["free"], sorted(stats["oldest"]), sorted(stats["newest"])]

    claim = theirs.claim(ttl=600, grace=60, limit=2)
    taken = list(claim)
    told["claimed"] = [[each.body["n"], each.ttl, each.claim_id == claim.id] for each in taken]
    told["free"] = [each.body["n"] for each in theirs.messages()]
    told["all"] = [each.body["n"] for each in theirs.messages(include_claimed=True)]
    claim.update(ttl=700, grace=60)
    again = theirs.claim(id=claim.id)
    told["renewed"] = [again.ttl, len(list(theirs.claim(id=claim.id)))]
    told["not permitted"] = refusal(lambda: bare_delete(queue, taken[1].id))
    taken[0].delete()
    claim.delete()
    told["released"] = [each.body["n"] for each in theirs.messages()]
    told["gone"] = refusal(lambda: theirs.message(taken[0].id))
    told["popped"] = [each.body["n"] for each in theirs.pop(2)]
    left = [each.id for each in theirs.messages()]
    queue.delete_messages(*left)
    told["empty"] = [len(left), list(theirs.messages()), list(theirs.claim(ttl=60, grace=60))]

    subscription = sender.subscription("orders", subscriber="http://trigger.me", ttl=600, options={"a": 1})
    subscription.update({"ttl": 900})
    (found,) = sender.subscriptions("orders")
    told["subscription"] = [found.id == subscription.id, found.subscriber, found.ttl, found.options, found.confirmed]
    subscription.delete()
    told["subscriptions"] = list(sender.subscriptions("orders"))

    queue.post([{"body": n, "ttl": 60} for n in range(3)])
    signed = queue.signed_url(paths=["messages"], methods=["GET", "POST"])
    told["signed"] = sorted(signed)
    given = client.Client(
        endpoint,
        version=2,
        conf={"auth_opts": {"backend": "signed-url", "options": {**signed, "os_project_id": signed["project"]}}},
    )
    told["through it"] = [each.body for each in given.queue("orders", auto_create=False).messages()]
    queue.purge()
    told["purged"] = list(theirs.messages())
    other = connected(os_project_id=f"{project}-other")
    told["other project"] = [list(other.queues()[0]), list(other.queue("orders", auto_create=False).messages())]
    queue.post([{"body": "last", "ttl": 60}])
    queue.delete()
    sender.queue("orders", force_create=True)
    told["made again"] = list(theirs.messages())
    return told


def bare_delete(queue: Any, message: str) -> None:
    """Delete a message without naming its claim."""
    request, transport = queue.client._request_and_transport()
    core.message_delete(transport, request, queue.name, message)


class Project(noauth.NoAuth):
    """No token, and a project for the header."""

    def __init__(self, endpoint: str, project: str) -> None:
        super().__init__(endpoint=endpoint)
        self._project = project

    def get_project_id(self, session: Any, **kwargs: Any) -> str:
        return self._project


def with_openstacksdk(endpoint: str, project: str, discovery: str) -> dict[str, Any]:
    made = session.Session(auth=Project(endpoint, project))
    cloud = connection.Connection(session=made, message_endpoint_override=discovery, message_api_version="2")
    message = cloud.message
    queue = message.create_queue(name="sdk")
    told: dict[str, Any] = {"queue": [queue.name, [each.name for each in message.queues()]]}
    told["posted"] = len(message.post_message("sdk", [{"body": body, "ttl": 120} for body in BODIES]))
    found = list(message.messages("sdk", limit=2))
    told["messages"] = [each.body["n"] for each in found]
    told["one"] = message.get_message("sdk", found[0].id).body
    message.delete_message("sdk", found[0].id)
    told["gone"] = refusal(lambda: message.get_message("sdk", found[0].id))
    made_one = message.create_subscription("sdk", subscriber="http://trigger.me", ttl=600, options={"a": 1})
    told["subscription"] = [
        [each.subscriber, each.ttl, each.options, each.id == made_one.id] for each in message.subscriptions("sdk")
    ]
    told["fetched"] = message.get_subscription("sdk", made_one.id).subscriber
    message.delete_subscription("sdk", made_one.id)
    told["subscriptions"] = list(message.subscriptions("sdk"))
    # Its create_claim fails with any server, after the answer: it looks for the id in an attribute `location` that the SDK sets
    # itself, not in the header of that name. A claim of the other client is read, renewed and ended.
    claimed = (
        client.Client(endpoint, version=2, conf={"auth_opts": {"backend": "noauth", "options": {"os_project_id": project}}})
        .queue("sdk", auto_create=False)
        .claim(ttl=600, grace=60, limit=2)
    )
    told["claim"] = [len(message.get_claim("sdk", claimed.id).messages), message.get_claim("sdk", claimed.id).ttl]
    message.update_claim("sdk", claimed.id, ttl=700, grace=60)
    told["renewed"] = message.get_claim("sdk", claimed.id).ttl
    message.delete_claim("sdk", claimed.id)
    told["no claim"] = refusal(lambda: message.get_claim("sdk", claimed.id))
    message.delete_queue("sdk")
    told["queues"] = [each.name for each in message.queues()]
    return told


if __name__ == "__main__":
    where, whose, versions = sys.argv[1:]
    told = {"zaqarclient": with_zaqarclient(where, whose), "openstacksdk": with_openstacksdk(where, f"{whose}-sdk", versions)}
    print(json.dumps(told))
