"""The options that say which samples are meant."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar

import rich_click as click

if TYPE_CHECKING:
    from undercroft.metering import SampleFilter

F = TypeVar("F", bound=Callable[..., Any])


class Owner(TypedDict):
    """What the options of every command give."""

    resource: str | None
    project: str | None
    user: str | None
    source: str | None
    metadata: tuple[str, ...]


class Times(Owner):
    """The same, and bounds of time."""

    begin: str | None
    end: str | None


class Which(Times):
    """The same, and a meter."""

    meter: str | None


_TIMES = (
    click.option("--begin", metavar="TIME", help="First moment, included: ISO 8601, UTC where it names no zone."),
    click.option("--end", metavar="TIME", help="Last moment, not included."),
)
_OWNER = (
    click.option("--resource", metavar="ID", help="Only samples of this resource."),
    click.option("--project", metavar="ID", help="Only samples of this project; None: of none."),
    click.option("--user", metavar="ID", help="Only samples of this user; None: of none."),
    click.option("--source", metavar="NAME", help="Only samples from this source."),
    click.option(
        "--metadata",
        multiple=True,
        metavar="KEY=VALUE",
        help="Only samples with this metadata; names of nested keys are joined by dots. The type counts: vcpus=2 is a number, "
        "vcpus='\"2\"' is text. Repeated: all must hold.",
    ),
)
_METER = (click.option("--meter", metavar="NAME", help="Only samples of this meter."),)
_METADATA = re.compile(r"([^=]+)=(.*)", re.DOTALL)
_LONGEST = 1_000


def owner_options(command: F) -> F:
    """Add the options of `Owner`."""
    return _added(command, _OWNER)


def time_options(command: F) -> F:
    """Add the options of `Times`."""
    return _added(command, (*_TIMES, *_OWNER))


def options(command: F) -> F:
    """Add the options of `Which`."""
    return _added(command, (*_METER, *_TIMES, *_OWNER))


def _added(command: F, those: Sequence[Callable[[F], F]]) -> F:
    for option in reversed(those):
        command = option(command)
    return command


def sample_filter(asked: Which) -> SampleFilter:
    """The filter that the options mean."""
    from undercroft.metering import SampleFilter

    begin, end = bounds(asked)
    return SampleFilter(
        user=asked["user"],
        project=asked["project"],
        start_timestamp=begin,
        end_timestamp=end,
        resource=asked["resource"],
        meter=asked["meter"],
        source=asked["source"],
        metaquery=metaquery(asked["metadata"]),
    )


def owner(asked: Owner) -> dict[str, Any]:
    """The arguments of `get_meters` and `get_resources` that the options mean."""
    return {
        "user": asked["user"],
        "project": asked["project"],
        "source": asked["source"],
        "resource": asked["resource"],
        "metaquery": metaquery(asked["metadata"]),
    }


def bounds(asked: Times) -> tuple[Any, Any]:
    """The times of `--begin` and `--end`.

    Raises:
        InvalidInput: one is not a time.
    """
    from undercroft.core import time

    begin, end = asked["begin"], asked["end"]
    return (
        None if begin is None else time.parse(begin, "--begin"),
        None if end is None else time.parse(end, "--end"),
    )


def metaquery(given: Sequence[str]) -> dict[str, Any]:
    """The metadata of `--metadata`: `{'metadata.KEY': value}`.

    Raises:
        click.UsageError: one without `=`.
    """
    found: dict[str, Any] = {}
    for text in given:
        match = _METADATA.fullmatch(text)
        if match is None:
            raise click.UsageError(f"--metadata {text[:64]!r} is not of the form KEY=VALUE")
        found[f"metadata.{match[1]}"] = _value(match[2])
    return found


def _value(text: str) -> Any:
    """What a value means: a number, True, False or text in quotes as Python writes them, anything else is text as it is."""
    if len(text) <= _LONGEST:
        try:
            value = ast.literal_eval(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            return text
        if isinstance(value, (bool, int, float, str)):
            return value
    return text


def filter_expr(asked: Which) -> dict[str, Any] | None:
    """The options as a complex filter, for questions that take no other one; None for every sample."""
    from undercroft.core import cells

    begin, end = bounds(asked)
    parts: list[dict[str, Any]] = []
    if begin is not None:
        parts.append({">=": {"timestamp": cells.timestamp(begin)}})
    if end is not None:
        parts.append({"<": {"timestamp": cells.timestamp(end)}})
    equal = {name: asked[name] for name in ("meter", "resource", "source", "user", "project")} | metaquery(asked["metadata"])
    for name, value in equal.items():
        if name in ("user", "project") and value == "None":
            # A comparison holds for those that have a value.
            parts.append({"not": {">=": {name: ""}}})
        elif value is not None:
            parts.append({"=": {name: value}})
    return {"and": parts} if len(parts) > 1 else parts[0] if parts else None
