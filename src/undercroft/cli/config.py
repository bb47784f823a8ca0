"""`undercroft config`: what the settings are, and where each comes from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import rich_click as click

from undercroft.cli import reporting

HIDDEN = "***"


class Shown(msgspec.Struct, frozen=True):
    """One setting.

    Attributes:
        group, option: its name.
        value: what it is; secrets are masked.
        origin: `default`, `environment` or `file`.
        place: the variable's name, or the file's path; empty for a default.
    """

    group: str
    option: str
    value: Any
    origin: str
    place: str


@click.group()
def config() -> None:
    """Show the settings.

    \b
    Examples:
      undercroft config show
      undercroft --config /etc/undercroft/undercroft.conf config show --format json
    """


@config.command()
@reporting.option("table", "How to print.")
def show(output_format: str) -> None:
    """Print every setting with its value and where it comes from. Passwords and other secrets are masked.

    \b
    Examples:
      undercroft config show
      undercroft config show --format json | jq '.[] | select(.origin != "default")'
    """
    from undercroft.cli import output

    found = list(_settings())
    if output_format == "json":
        click.echo(output.json_text(found))
    else:
        rows = [(f"[{one.group}] {one.option}", _text(one.value), f"{one.origin} {one.place}".strip()) for one in found]
        output.table(("setting", "value", "from"), rows)


def _settings() -> Iterator[Shown]:
    from oslo_config import cfg

    from undercroft.core import settings

    conf = settings.current()
    origins = {cfg.Locations.environment: "environment", cfg.Locations.user: "file"}
    for group, options in sorted(settings.options().items()):
        for option in options:
            value = settings.get(group, option.dest)
            where = conf.get_location(option.dest, group)
            origin = "default" if where is None else origins.get(where.location, "default")
            place = where.detail if where is not None and origin != "default" else ""
            yield Shown(group, option.name, _masked(value) if option.secret else value, origin, place)


def _masked(value: Any) -> Any:
    """A secret without what makes it one: of a store's URL, everything but passwords is shown."""
    from undercroft.core import url

    if value is None:
        return None
    return url.masked(str(value)) if "://" in str(value) else HIDDEN


def _text(value: Any) -> str:
    if value is None:
        return "not set"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
