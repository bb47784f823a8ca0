"""Zaqar's configuration of a test's own: its stores are ours, on tables of the process's own, emptied for each test."""

from __future__ import annotations

import atexit
import functools
import pathlib
import sys
import tempfile
import uuid
from typing import Any

import undercroft
from tests.hosts.inside.urls import with_namespace

TEXT = """
[DEFAULT]
auth_strategy =
admin_mode = True
[drivers]
transport = wsgi
message_store = undercroft
management_store = undercroft
[drivers:message_store:undercroft]
uri = {data}
[drivers:management_store:undercroft]
uri = {control}
[drivers:management_store:sqlalchemy]
uri = sqlite:///{folder}/queues.db
[signed_url]
secret_key = test
[oslo_policy]
policy_file = {policies}
"""
# The words of a script's command line.
TOGETHER, APART, THEIRS, POOLED = "together", "apart", "theirs", "pooled"


# Tables of what is not data.
KEPT = ("_setting", "_slot")


def made(test: Any, more: str = "") -> str:
    """A configuration's file for a test, with the stores, one or two, as the command line `URL together|...` says."""
    url, stores = sys.argv[1:3]
    folder = tempfile.TemporaryDirectory()
    test.addCleanup(folder.cleanup)
    urls = [emptied(url, number) for number in range(2 if stores == APART else 1)]
    import zaqar.tests

    policies = pathlib.Path(zaqar.tests.__file__).parent / "etc" / "policy.yaml"
    # A dollar sign begins a reference in such a file.
    data, control = (each.replace("$", "$$") for each in (urls[0], urls[-1]))
    file = pathlib.Path(folder.name) / "zaqar.conf"
    file.write_text(TEXT.format(data=data, control=control, folder=folder.name, policies=policies) + more)
    return str(file)


def scheme_in_host(url: str) -> str:
    """A URL with the scheme by which Zaqar finds our driver for it: without the client library that ours takes in the scheme."""
    scheme, _, rest = url.partition("://")
    return f"undercroft+{scheme.partition('+')[0]}://{rest}"


def emptied(url: str, number: int) -> str:
    """The URL of one of the process's stores, without data."""
    address, store = store_of(url, number)
    if not hasattr(store, "tables"):
        # There is nothing but data, and what makes names unique.
        store.drop()
        store.init()
        return address

    def work(connection: Any) -> None:
        for table in store.tables.metadata.sorted_tables:
            if not table.name.endswith(KEPT):
                connection.execute(table.delete())

    store.db.write(work)
    return address


@functools.cache
def store_of(url: str, number: int) -> tuple[str, Any]:
    """One of the process's stores, with tables of its own, which are dropped at the process's end."""
    address = with_namespace(url, f"u{uuid.uuid4().hex[:16]}")
    store: Any = undercroft.connect("messaging", address)
    store.init()
    atexit.register(store.close)
    atexit.register(store.drop)
    return address, store
