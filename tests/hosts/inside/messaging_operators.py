"""Pools, flavors and every command of the real python-zaqarclient: messaging_operators.py ENDPOINT PROJECT URI URI.

The URIs are of two stores that the service can reach, which become pools. Tells what it got, as JSON on the last line. Nothing in
it depends on the server but ids and moments, which are left out.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import io
import json
import sys
import types
from typing import Any

from zaqarclient.queues.v2 import client

from tests.hosts.inside.messaging_clients import refusal

PREFIX = "messaging_"
CLIENT = "3381af92-2b9e-11e3-b191-71861300734c"


class Operator(client.Client):
    """A client with the role that pools are for."""

    def _request_and_transport(self) -> Any:
        request, transport = super()._request_and_transport()
        request.headers["X-Roles"] = "admin"
        return request, transport


class Commands:
    """The commands of `openstack messaging`, as that program calls them.

    Args:
        operator: what they ask.
    """

    def __init__(self, operator: Any) -> None:
        self._app = types.SimpleNamespace(client_manager=types.SimpleNamespace(messaging=operator), stdout=sys.stdout)
        found = importlib.metadata.entry_points(group="openstack.messaging.v2")
        self._known = {entry.name.removeprefix(PREFIX): entry for entry in found}
        self.untold = set(self._known)

    def __call__(self, name: str, *arguments: Any) -> Any:
        """What a command shows: rows with their columns, a row of one thing, or what it prints."""
        self.untold.discard(name)
        command = self._known[name].load()(self._app, None)
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            found = command.take_action(command.get_parser(name).parse_args([str(each) for each in arguments]))
            if found is None:
                return json.loads(printed.getvalue() or "null")
            columns, values = found
            rows = [dict(zip(columns, row, strict=True)) for row in values] if not isinstance(values, tuple) else None
        return rows if rows is not None else dict(zip(columns, values, strict=True))


def with_library(operator: Any, uris: list[str]) -> dict[str, Any]:
    first, second = (operator.pool(f"p{n}", weight=10, uri=uri, options={}) for n, uri in enumerate(uris))
    told: dict[str, Any] = {"pool": [first.get()["weight"], first.get()["uri"] == uris[0], first.get()["flavor"]]}
    told["pools"] = [[each.name, each.weight, each.uri in uris] for each in operator.pools(limit=1)]
    told["detailed"] = [[each.name, each.options] for each in operator.pools(detailed=True)]
    first.update({"weight": 20, "options": {"a": 1}})
    told["changed"] = [first.weight, first.get()["weight"]]
    flavor = operator.flavor("gold", pool_list=["p0"])
    told["flavor"] = {name: value for name, value in flavor.get().items() if name != "href"}
    flavor.update({"pool_list": ["p0", "p1"]})
    told["joined"] = sorted(flavor.get()["pool_list"])
    told["flavors"] = [[each.name, sorted(each.pool_list)] for each in operator.flavors(limit=1)]
    told["unknown flavor"] = refusal(lambda: operator.flavor("none", auto_create=False).get())
    told["unknown pool"] = refusal(lambda: operator.pool("none", auto_create=False).get())
    told["no pools"] = refusal(lambda: operator.flavor("silver", pool_list=[]))
    told["away"] = refusal(lambda: operator.pool("p2", weight=1, uri="undercroft+postgresql://nobody@127.0.0.1:9/x"))
    told["same"] = refusal(lambda: operator.pool("p2", weight=1, uri=uris[0]))
    flavor.update({"pool_list": ["p0"]})
    told["in use"] = refusal(first.delete)
    told["health"] = operator.health().keys() == {"catalog_reachable", "p0", "p1"}
    flavor.delete()
    first.delete()
    second.delete()
    told["gone"] = [list(operator.pools()), list(operator.flavors())]
    return told


def with_commands(run: Commands, uris: list[str]) -> dict[str, Any]:
    told: dict[str, Any] = {"ping": run("ping"), "home": "resources" in run("homedoc")}
    told["created"] = [run("pool_create", f"p{n}", uri, 10 + n)["Weight"] for n, uri in enumerate(uris)]
    told["flavor"] = run("flavor_create", "gold", "--pool_list", "p0,p1")["Name"]
    told["flavors"] = [[each["Name"], sorted(each["Pool list"])] for each in run("flavor_list")]
    shown = run("flavor_list", "--detailed", "--limit", 1)[0]
    told["offers"] = shown["Capabilities"] == run("flavor_show", "gold")["Capabilities"]
    told["pools"] = [[each["Name"], each["Flavor"]] for each in run("pool_list", "--limit", 1)]
    told["updated"] = run("pool_update", "p1", "--pool_weight", 7, "--pool_options", '{"a": 1}')["Weight"]
    told["shown"] = run("pool_show", "p1")["Weight"]
    told["fewer"] = run("flavor_update", "gold", "--pool_list", "p0")["Pool_list"]
    told["health"] = run("health")["p1"]["storage_reachable"]

    run("queue_create", "q")
    run("queue_set_metadata", "q", '{"_flavor": "gold", "a": 1}')
    told["metadata"] = run("queue_get_metadata", "q")["Metadata"].items() >= {"_flavor": "gold", "a": 1}.items()
    told["queues"] = [each["Name"] for each in run("queue_list")]
    run("message_post", "q", '[{"body": {"n": 1}, "ttl": 300}, {"body": {"n": 2}, "ttl": 300}]', "--client-id", CLIENT)
    told["messages"] = [each["Body"]["n"] for each in run("message_list", "q", "--echo", "--client-id", CLIENT)]
    told["total"] = run("queue_stats", "q")["Stats"]["messages"]["total"]
    claimed = run("claim_create", "q", "--ttl", 300, "--grace", 60, "--limit", 1)
    told["claimed"] = [each["Messages"]["n"] for each in claimed]
    claim = claimed[0]["Claim_ID"]
    told["queried"] = [each["Message"]["n"] for each in run("claim_query", "q", claim)]
    told["renewed"] = [each["Message"]["n"] for each in run("claim_renew", "q", claim, "--ttl", 400, "--grace", 60)]
    run("claim_release", "q", claim)
    told["signed"] = sorted(run("queue_signed_url", "q", "--ttl-seconds", 600))
    made = run("subscription_create", "q", "http://trigger.me", 600)
    told["subscriber"] = run("subscription_show", "q", made["ID"])["Subscriber"]
    run("subscription_update", "q", made["ID"], "--ttl", 900)
    told["life"] = run("subscription_show", "q", made["ID"])["TTL"]
    told["subscriptions"] = [each["Subscriber"] for each in run("subscription_list", "q")]
    run("subscription_delete", "q", made["ID"])
    run("queue_purge", "q", "--resource_types", "messages")
    told["purged"] = run("message_list", "q", "--echo", "--client-id", CLIENT)
    run("queue_delete", "q")
    run("flavor_delete", "gold")
    for name in ("p0", "p1"):
        run("pool_delete", name)
    told["gone"] = [run("pool_list"), run("flavor_list"), run("queue_list")]
    told["commands without a call"] = sorted(run.untold)
    return told


if __name__ == "__main__":
    where, whose, *stores = sys.argv[1:]
    made = Operator(where, version=2, conf={"auth_opts": {"backend": "noauth", "options": {"os_project_id": whose}}})
    print(json.dumps({"library": with_library(made, stores), "commands": with_commands(Commands(made), stores)}))
