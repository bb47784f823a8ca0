"""The options that name stores, and the opening and closing of what they name."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import rich_click as click

from undercroft.core import kinds, registry

F = TypeVar("F", bound=Callable[..., Any])


def option(kind: str) -> Callable[[F], F]:
    """The option `--store URL` of a command that is about one kind."""
    return click.option(
        "--store", metavar="URL", help=f"The store. Default: UNDERCROFT_{kind.upper()}__CONNECTION or [{kind}] connection."
    )


store_option = click.option(
    "--store",
    "given",
    multiple=True,
    metavar="KIND=URL",
    help="A kind of data and its store; may be repeated. Default: each kind that the settings name a store for. "
    f"Deprecated: a URL without a kind, which is a store of {kinds.bare().title}.",
)


def options(command: F) -> F:
    """The options of a command that is about every kind: `kind` and `given`, for `chosen`."""
    kind = click.option("--kind", type=click.Choice(registry.kinds()), help="Only this kind of data.")
    return kind(store_option(command))


def chosen(kind: str | None, given: Sequence[str], warn: Callable[[str], object] | None = None) -> dict[str, str]:
    """The stores that a command is about: URL by kind.

    Args:
        kind: the option `--kind`.
        given: the options `--store`; the settings when there are none.
        warn: tells what is deprecated; on stderr when None.

    Raises:
        ConfigInvalid: no store is named, or one of no kind that there is.
        click.UsageError: the options contradict each other.
    """
    from undercroft.core import settings
    from undercroft.core.errors import ConfigInvalid

    found = named(given, kind, warn or note)
    if not given:
        urls = {name: settings.get(name, "connection") for name in ([kind] if kind else registry.kinds())}
        found = {name: str(url) for name, url in urls.items() if url}
    if not found:
        raise ConfigInvalid(_nothing_named(kind))
    return found


def named(given: Sequence[str], kind: str | None, warn: Callable[[str], object]) -> dict[str, str]:
    """The stores of `--store KIND=URL`: URL by kind."""
    from undercroft.core import url as urls

    found: dict[str, str] = {}
    for text in given:
        name, equals, url = text.partition("=")
        if "://" in name or not equals:
            name, url = kind or kinds.bare().name, text
            if kind is None:
                warn(f"--store URL without a kind is deprecated; write --store {name}=URL")
        if name not in registry.kinds():
            raise urls.unknown("kind", name, registry.kinds())
        if name in found:
            raise click.UsageError(f"--store names two stores for {name}")
        if kind not in (None, name):
            raise click.UsageError(f"--kind {kind} and --store {name}=URL contradict each other")
        found[name] = url
    return found


def note(text: str) -> None:
    """Tell something beside the output, on stderr."""
    click.echo(f"note: {text}", err=True)


def url(given: str | None, kind: str) -> str:
    """The URL that was given, or the one of the settings.

    Raises:
        ConfigInvalid: there is none.
    """
    from undercroft.core import settings
    from undercroft.core.errors import ConfigInvalid

    found = given or settings.get(kind, "connection")
    if not found:
        example = kinds.installed()[kind].example_url or f"sqlite:////var/lib/undercroft/{kind}.db"
        raise ConfigInvalid(_nothing_named(kind, example=f"--store {example}"))
    return str(found)


def _nothing_named(kind: str | None, example: str | None = None) -> str:
    """The message for a command that has no store to work on."""
    from undercroft.core import settings

    name = kind or "<kind>"
    example = (
        example or f"--store {name}=URL, such as --store {kind or kinds.bare().name}=sqlite:////var/lib/undercroft/undercroft.db"
    )
    return (
        f"no store is named: give {example}, set {settings.PREFIX}{name.upper()}__CONNECTION, "
        f"or write connection = URL under [{name.lower()}] in the settings file"
    )


@contextlib.contextmanager
def opened(given: str | None, kind: str) -> Iterator[Any]:
    """The store, closed at the end."""
    from undercroft.core import settings

    named = kinds.installed()[kind].url(url(given, kind), settings.current)
    with contextlib.closing(registry.connect(kind, named)) as store:
        yield store
