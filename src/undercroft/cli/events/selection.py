"""The options that say which events are meant."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar

import rich_click as click

if TYPE_CHECKING:
    from undercroft.events import EventFilter

F = TypeVar("F", bound=Callable[..., Any])


class Which(TypedDict):
    """What the options give to a command."""

    begin: str | None
    end: str | None
    event_type: str | None
    message_id: str | None
    traits: tuple[str, ...]
    project: str | None
    where: str | None


_OPTIONS = (
    click.option("--begin", metavar="TIME", help="First moment, included: ISO 8601, UTC where it names no zone."),
    click.option("--end", metavar="TIME", help="Last moment, included."),
    click.option("--type", "event_type", metavar="TYPE", help="Only events of this type."),
    click.option("--id", "message_id", metavar="ID", help="Only the event with this message id."),
    click.option(
        "--trait",
        "traits",
        multiple=True,
        metavar="NAME=VALUE",
        help="Only events with this trait of text. Repeated: all must hold.",
    ),
    click.option("--project", metavar="ID", help="Only events of this project, and of none."),
    click.option(
        "--where", metavar="EXPRESSION", help="""Only events for which this holds: 'memory_mb >= 2048 and not host ^= "a"'."""
    ),
)
_TRAIT = re.compile(r"([^=]+)=(.*)", re.DOTALL)


def options(command: F) -> F:
    """Add the options."""
    for each in reversed(_OPTIONS):
        command = each(command)
    return command


def event_filter(asked: Which) -> EventFilter:
    """The filter that the options mean, less the expression."""
    from undercroft.events import EventFilter

    traits = []
    for text in asked["traits"]:
        match = _TRAIT.fullmatch(text)
        if match is None:
            raise click.UsageError(f"--trait {text!r} is not of the form NAME=VALUE")
        traits.append({"key": match[1], "string": match[2]})
    return EventFilter(
        asked["begin"], asked["end"], asked["event_type"], asked["message_id"], traits_filter=traits, admin_proj=asked["project"]
    )
