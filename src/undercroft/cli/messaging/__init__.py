"""`undercroft queue`: queues, their messages and claims, and who is notified."""

from __future__ import annotations

import rich_click as click

from undercroft.cli.messaging.moving import purge, redrive
from undercroft.cli.messaging.notifying import notify
from undercroft.cli.messaging.posting import post
from undercroft.cli.messaging.queues import create, delete, list_, set_, show, stats
from undercroft.cli.messaging.subscribing import subscribe, subscriptions, unsubscribe
from undercroft.cli.messaging.tailing import tail
from undercroft.cli.messaging.taking import claim, pop


@click.group()
def queue() -> None:
    """Messages: queues that services post to, claim from and subscribe to.

    \b
    Examples:
      undercroft db upgrade --store messaging=sqlite:///messaging.db
      undercroft queue create jobs --store sqlite:///messaging.db
      undercroft queue post jobs '{"image": "cirros"}' --ttl 1h
      undercroft queue claim jobs --limit 5 --ttl 5m
      undercroft queue stats
      undercroft queue subscribe jobs https://ops.example.org/hooks/jobs
    """


_COMMANDS = (
    claim, create, delete, list_, notify, pop, post, purge, redrive, set_, show, stats, subscribe, subscriptions, tail, unsubscribe,
)  # fmt: skip
for _command in _COMMANDS:
    queue.add_command(_command)
