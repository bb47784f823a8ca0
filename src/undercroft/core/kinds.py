"""What a kind of data tells the rest of the product: one value, found by the entry point group `undercroft.kinds`.

The shared parts (service, command line, worker, settings, conformance plugin) go through these values and know no kind by name.
What only some processes need is named as `module:attribute`, and imported when it is asked for: `undercroft --help` loads no
service, and a host that embeds one driver loads no command line.
"""

from __future__ import annotations

import dataclasses
import functools
import pkgutil
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from undercroft.core import registry
from undercroft.core.errors import ConfigInvalid


@dataclasses.dataclass(frozen=True)
class Task:
    """Periodic work on a store of a kind.

    Attributes:
        name: with the kind's name before it, the job's name and that of its lock: `expire`.
        run: does the work; takes the store, and an event that says when to stop.
        interval: the option of [worker] that holds its period in seconds, 0 for never.
        does: what it does, as a phrase for help.
    """

    name: str
    run: Callable[[Any, threading.Event], object]
    interval: str
    does: str


@dataclasses.dataclass(frozen=True)
class Kind:
    """A kind of data.

    Attributes:
        name: the group of its settings, the prefix of its routes, the name of its conformance suite; its drivers are the entry
            points of the group `undercroft.<name>`.
        title: what it is, in the plural, for help and messages: `rated usage`.
        settings: options by group, `module:attribute`. Its own group has `connection`, the URL of its store.
        meant: `module:attribute`, a function of a URL that somebody named and the settings, which may want a driver before it: the
            URL to open. None where it is always the one that was named.
        tasks: periodic work, `module:attribute`, a sequence of `Task`.
        api: what is served below `/<name>`, `module:attribute` of an `undercroft.api.kind.Api`; None for nothing.
        cli: groups of commands, name to `module:attribute`.
        migrations: the package (a folder is enough) that holds the steps of its SQL tables; None when there is none.
        suite: the package that holds its conformance suite; None when there is none.
        examples: command lines for the help of the program.
        example_url: of a store, for messages; None for a file of SQLite.
        takes_bare_url: its store is meant by `--store URL` without a kind. One kind was here before all others.
        serve_option: an option of `serve` that names its store, from before `--store KIND=URL`.
    """

    name: str
    title: str
    settings: str
    meant: str | None = None
    tasks: str | None = None
    api: str | None = None
    cli: Mapping[str, str] = dataclasses.field(default_factory=dict)
    migrations: str | None = None
    suite: str | None = None
    examples: Sequence[str] = ()
    example_url: str | None = None
    takes_bare_url: bool = False
    serve_option: str | None = None

    def load_settings(self) -> Mapping[str, Sequence[Any]]:
        """Its options, by group."""
        options: Mapping[str, Sequence[Any]] = pkgutil.resolve_name(self.settings)
        return options

    def url(self, named: str, settings: Callable[[], Any]) -> str:
        """The URL to open where somebody named one, there or in the settings, which are read if they matter."""
        if self.meant is None:
            return named
        found: str = pkgutil.resolve_name(self.meant)(named, settings())
        return found

    def load_tasks(self) -> Sequence[Task]:
        """Its periodic work."""
        return () if self.tasks is None else pkgutil.resolve_name(self.tasks)

    def load_api(self) -> Any:
        """What of it is served."""
        return None if self.api is None else pkgutil.resolve_name(self.api)


@functools.cache
def installed() -> Mapping[str, Kind]:
    """Every kind by its name, in the order of names."""
    return {kind.name: kind for kind in sorted(_load(), key=lambda kind: kind.name)}


def _load() -> Iterator[Kind]:
    for entry in registry.entries("kinds"):
        kind: Kind = entry.load()
        yield kind


def bare() -> Kind:
    """The kind that a bare URL is for.

    Raises:
        ConfigInvalid: the installation has none.
    """
    for kind in installed().values():
        if kind.takes_bare_url:
            return kind
    raise ConfigInvalid("the metadata of this installation are of another version: install undercroft again")
