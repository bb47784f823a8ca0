"""The options that say which events are meant."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar

import rich_click as click

if TYPE_CHECKING:
    from undercroft.events import EventFilter, Store
    from undercroft.events.contract import Count

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


# Types of events whose traits are looked at for a name that was probably meant.
_MOST_TYPES = 200


def empty_groups(store: Store, names: Sequence[str], found: Sequence[Count]) -> Iterator[str]:
    """What to tell of names that events were grouped by and that no event has as a text trait."""
    from undercroft.core import names as known_names
    from undercroft.events import Trait

    empty = [name for name in names if all(each.group[name] is None for each in found)]
    if not empty:
        return
    rows = [row for event_type in store.get_event_types()[:_MOST_TYPES] for row in store.get_trait_types(event_type)]
    types = {row["name"]: row["data_type"] for row in rows}
    known = {"event_type", *(row["name"] for row in rows if row["data_type"] == Trait.TEXT_TYPE)}
    for name in empty:
        near = known_names.nearest(name, known)
        if name in types:
            kind = Trait.get_name_by_type(types[name])
            yield f"the trait {name[:64]!r} is of type {kind}, and events are grouped by text only: it makes one empty group"
            continue
        advice = f"did you mean {near!r}?" if near else f"known are {', '.join(sorted(known)[:20])}"
        yield f"no event has the trait {name[:64]!r}, so it makes one empty group; {advice}"
