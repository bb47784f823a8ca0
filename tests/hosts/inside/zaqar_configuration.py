"""Zaqar's configuration of a test's own: its stores on ours, on tables that are made here and dropped at the test's end."""

from __future__ import annotations

import pathlib
import sys
import tempfile
import uuid
from typing import Any

import undercroft
from tests import recorded
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
# Every test has tables of its own.
recorded.install()

# The words of a script's command line.
TOGETHER, APART, THEIRS = "together", "apart", "theirs"


def made(test: Any, more: str = "") -> str:
    """Make the stores of a test, one or two as the command line `URL together|apart|theirs` says, and its configuration's file."""
    url, stores = sys.argv[1:3]
    folder = tempfile.TemporaryDirectory()
    test.addCleanup(folder.cleanup)
    urls = [with_namespace(url, f"u{uuid.uuid4().hex[:16]}") for _ in range(2 if stores == APART else 1)]
    for each in urls:
        store: Any = undercroft.connect("messaging", each)
        store.init()
        test.addCleanup(store.close)
        test.addCleanup(store.drop)
    import zaqar.tests

    policies = pathlib.Path(zaqar.tests.__file__).parent / "etc" / "policy.yaml"
    # A dollar sign begins a reference in such a file.
    data, control = (each.replace("$", "$$") for each in (urls[0], urls[-1]))
    file = pathlib.Path(folder.name) / "zaqar.conf"
    file.write_text(TEXT.format(data=data, control=control, folder=folder.name, policies=policies) + more)
    return str(file)
