"""`undercroft queue`: queues, their messages and claims, and who is notified."""

from __future__ import annotations

import rich_click as click

from undercroft.cli.messaging import flavors, pools
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


@click.group()
def pool() -> None:
    """Pools: the stores that queues are spread over, where [messaging] pooling is on.

    The register of pools is in the store of messages; docs/pools.md says how queues get a pool, and how they move.

    \b
    Examples:
      undercroft pool create fast redis://cache.example --weight 100
      undercroft pool create safe postgresql://undercroft@db.example/messages --weight 50
      undercroft pool list
      undercroft flavor create durable safe
    """


for _command in (pools.create, pools.delete, pools.list_, pools.show, pools.update):
    pool.add_command(_command)


@click.group()
def flavor() -> None:
    """Flavors: groups of pools. A queue asks for one by its attribute _flavor.

    \b
    Examples:
      undercroft flavor create durable safe other-safe --project p1
      undercroft queue create jobs _flavor=durable --project p1
      undercroft flavor list --project p1
    """


for _command in (flavors.create, flavors.delete, flavors.list_, flavors.show, flavors.update):
    flavor.add_command(_command)
