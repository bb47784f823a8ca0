"""`undercroft queue subscribe`, `subscriptions` and `unsubscribe`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import rich_click as click

from undercroft.cli import reporting, spans, stores
from undercroft.cli.messaging import metadata, options

if TYPE_CHECKING:
    from undercroft.messaging import DataDriverBase

_PAGE = 1_000
_HIDDEN = "***"


@click.command()
@options.name
@click.argument("uri", metavar="URI")
@options.store
@click.option(
    "--ttl",
    callback=spans.option(bare="s"),
    metavar="SPAN",
    help="How long the subscription lives: 30d. Default: [messaging] default_subscription_ttl.",
)
@click.option(
    "--option",
    "given",
    multiple=True,
    metavar="KEY=JSON",
    help="An option, such as post_headers or _retry_policy; may be repeated.",
)
@click.option("--confirmed", is_flag=True, help="The receiver has agreed: it is not asked to confirm.")
def subscribe(
    queue: str, uri: str, store: str | None, project: str | None, ttl: dt.timedelta | None, given: tuple[str, ...], confirmed: bool
) -> None:
    """Subscribe a URI (http, https, mailto) to a queue: it is sent every message that is posted from now on.

    A queue that does not exist is created. `undercroft queue notify` or `undercroft worker` has to run. A subscriber that a queue
    has already keeps its id, time and options. Where [messaging] require_confirmation is on, nothing is sent without --confirmed:
    only the HTTP API asks receivers to confirm.

    \b
    Examples:
      undercroft queue subscribe jobs https://ops.example.org/hooks/jobs --ttl 30d
      undercroft queue subscribe jobs 'mailto:ops@example.org?subject=jobs' --confirmed
      undercroft queue subscribe jobs https://ops.example.org/x --option 'post_headers={"X-Team": "ops"}' \\
          --option '_retry_policy={"maximum_delay_retries": 100}'
    """
    from undercroft.core import settings

    metadata.check_name(queue)
    chosen = options.attributes(given)
    _check(uri, chosen)
    seconds = options.seconds(ttl)
    if seconds is None:
        seconds = int(settings.get("messaging", "default_subscription_ttl"))
    with stores.opened(store, "messaging") as opened:
        opened.queue_controller.create(queue, {}, project)
        made, is_new = _made(opened, queue, uri, seconds, chosen, project)
        if confirmed:
            opened.subscription_controller.confirm(queue, made, project)
    click.echo(f"{queue}: {'subscribed' if is_new else 'was subscribed already'}: {made}")
    if settings.get("messaging", "require_confirmation") and not confirmed:
        stores.note(
            "the subscription is not confirmed, and nothing is sent before it is: --confirmed, or ask the HTTP API to subscribe"
        )


def _check(uri: str, chosen: Mapping[str, Any]) -> None:
    """Refuse what could never be sent to."""
    from undercroft.core import settings
    from undercroft.core.errors import InvalidInput
    from undercroft.messaging.attributes import RETRY_POLICY
    from undercroft.messaging.delivery import policy, senders

    types, scheme = settings.get("messaging", "subscriber_types"), uri.partition(":")[0].lower()
    if scheme not in types or scheme.startswith("trust+"):
        raise InvalidInput("URI", f"begins with {scheme[:32] or 'no scheme'}; the types that are taken are {', '.join(types)}")
    senders.check_subscriber(uri, senders.guard(settings.current()))
    senders.check_options(chosen, uri)
    if RETRY_POLICY in chosen:
        policy.check(chosen[RETRY_POLICY], f"--option {RETRY_POLICY}")


def _made(
    opened: DataDriverBase, queue: str, uri: str, ttl: int, chosen: Mapping[str, Any], project: str | None
) -> tuple[str, bool]:
    """The id of the subscription, and whether it is new."""
    from undercroft.messaging import SubscriptionAlreadyExists

    controller = opened.subscription_controller
    # The one that is in the way may go between the two calls.
    for _ in range(2):
        if (made := controller.create(queue, uri, ttl, chosen, project)) is not None:
            return made, True
        if (known := controller.get_with_subscriber(queue, uri, project)) is not None:
            return str(known["id"]), False
    raise SubscriptionAlreadyExists


@click.command()
@click.argument("queue", metavar="[QUEUE]", required=False)
@options.store
@click.option("--all", "everything", is_flag=True, help="Of every queue of the project.")
@click.option("--show-secrets", is_flag=True, help="Print URIs and options in full.")
@reporting.option("table", "How to print.")
def subscriptions(
    queue: str | None, store: str | None, project: str | None, everything: bool, show_secrets: bool, output_format: str
) -> None:
    """List the subscriptions of a queue, and what each is still to be sent.

    A message is waiting from the moment when a worker has handed it out until its receiver has taken it, or it is given up. Of a
    URI only scheme, host and port are printed, and of options only the names, in both formats: paths, queries and headers often
    hold secrets.

    \b
    Examples:
      undercroft queue subscriptions jobs
      undercroft queue subscriptions --all --project p1 --format json
      undercroft queue subscriptions jobs --show-secrets
    """
    from undercroft.cli import output

    if everything == (queue is not None):
        raise click.UsageError("give either QUEUE or --all")
    with stores.opened(store, "messaging") as opened:
        queues = _queues(opened, project) if queue is None else [queue]
        found = [_told(opened, project, each, show_secrets) for name in queues for each in _of(opened, name, project)]
    if output_format == "json":
        click.echo(output.json_text(found))
    elif found:
        columns = ("id", "queue", "subscriber", "confirmed", "expires_in", "waiting", "oldest_age")
        heads = ("id", "queue", "subscriber", "confirmed", "expires in, s", "waiting", "oldest, s")
        output.table(heads, [[_word(each[column]) for column in columns] for each in found])
    else:
        stores.note("no subscriptions found")


def _word(value: Any) -> Any:
    return ("yes" if value else "no") if isinstance(value, bool) else value


def _queues(opened: DataDriverBase, project: str | None) -> Iterator[str]:
    marker = None
    while True:
        pages = opened.queue_controller.list(project, marker, _PAGE)
        page, marker = list(next(pages)), next(pages)
        yield from (each["name"] for each in page)
        if len(page) < _PAGE:
            return


def _of(opened: DataDriverBase, queue: str, project: str | None) -> Iterator[dict[str, Any]]:
    marker = None
    while True:
        pages = opened.subscription_controller.list(queue, project, marker, _PAGE)
        page: Sequence[dict[str, Any]] = list(next(pages))
        marker = next(pages)
        yield from page
        if len(page) < _PAGE:
            return


def _told(opened: DataDriverBase, project: str | None, found: Mapping[str, Any], show_secrets: bool) -> dict[str, Any]:
    from undercroft.messaging.contract.outbox import lane

    waiting = opened.message_controller.stats(lane(found["id"]), project)["messages"]
    return {
        "id": found["id"],
        "queue": found["source"],
        "subscriber": found["subscriber"] if show_secrets else without_secrets(found["subscriber"]),
        "options": found["options"] if show_secrets else dict.fromkeys(found["options"], _HIDDEN),
        "confirmed": found["confirmed"],
        "expires_in": max(0, found["ttl"] - found["age"]),
        "waiting": waiting["total"],
        "oldest_age": waiting["oldest"]["age"] if waiting["total"] else 0,
    }


def without_secrets(uri: str) -> str:
    """A subscriber's URI for people: its scheme and its host, and that there was more."""
    scheme, _, rest = uri.partition(":")
    if scheme.lower() == "mailto":
        address, query, _ = rest.partition("?")
        return f"{scheme}:{address}" + (f"?{_HIDDEN}" if query else "")
    place = rest.removeprefix("//")
    ends = min((place.index(each) for each in "/?#" if each in place), default=len(place))
    host, path = place[:ends].rpartition("@")[2], place[ends:]
    return f"{scheme}://{host}" + (path if path in {"", "/"} else f"/{_HIDDEN}")


@click.command()
@options.name
@click.argument("subscription", metavar="ID")
@options.store
def unsubscribe(queue: str, subscription: str, store: str | None, project: str | None) -> None:
    """End a subscription: what it was still to be sent is not sent any more.

    \b
    Examples:
      undercroft queue unsubscribe jobs 000000000042
    """
    with stores.opened(store, "messaging") as opened:
        opened.subscription_controller.get(queue, subscription, project)
        opened.subscription_controller.delete(queue, subscription, project)
    click.echo(f"{queue}: unsubscribed: {subscription}")
