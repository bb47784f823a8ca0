"""The option `--store`, and the opening and closing of what it names."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import rich_click as click

F = TypeVar("F", bound=Callable[..., Any])


def option(kind: str) -> Callable[[F], F]:
    """The option `--store URL` for a kind."""
    return click.option(
        "--store", metavar="URL", help=f"The store. Default: UNDERCROFT_{kind.upper()}__CONNECTION or [{kind}] connection."
    )


store_option = option("rating")
any_store_option = option("<kind>")
KINDS = ["rating", "events"]
kind_option = click.option(
    "--kind",
    type=click.Choice(KINDS),
    help="The kind of data. Default: each that the settings name a store for; rating with --store.",
)
one_kind_option = click.option("--kind", type=click.Choice(KINDS), default=KINDS[0], show_default=True, help="The kind of data.")


def kinds(kind: str | None, store: str | None) -> list[str]:
    """The kinds that a command is about, where the options `--kind` and `--store` leave that open."""
    from undercroft.core import settings

    if kind or store:
        return [kind or KINDS[0]]
    return [each for each in KINDS if settings.get(each, "connection")] or KINDS[:1]


def url(given: str | None, kind: str = "rating") -> str:
    """The URL that was given, or the one of the settings.

    Raises:
        ConfigInvalid: there is none.
    """
    from undercroft.core import settings
    from undercroft.core.errors import ConfigInvalid

    found = given or settings.get(kind, "connection")
    if not found:
        raise ConfigInvalid(
            f"no store is named: give --store URL (sqlite:////var/lib/undercroft/{kind}.db, say), "
            f"set {settings.PREFIX}{kind.upper()}__CONNECTION, or write connection = URL under [{kind}] in the settings file"
        )
    return str(found)


@contextlib.contextmanager
def opened(given: str | None, kind: str = "rating") -> Iterator[Any]:
    """The store, closed at the end."""
    from undercroft.core import registry

    with contextlib.closing(registry.connect(kind, url(given, kind))) as store:
        yield store
