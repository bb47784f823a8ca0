"""What the commands of the worker have in common: its file, its keys as options, and the opening of both ends."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import rich_click as click

if TYPE_CHECKING:
    from undercroft.export.login import Login
    from undercroft.export.settings import Settings
    from undercroft.export.source import Source
    from undercroft.export.target import Target

F = TypeVar("F", bound=Callable[..., Any])


class Ends(NamedTuple):
    """Where samples come from, and where they go."""

    source: Source
    target: Target
    login: Login


def options(command: F) -> F:
    """The argument FILE, and an option for each key of [exporter]; the command gets `settings`."""
    from undercroft.export import keys

    @functools.wraps(command)
    def configured(file: str, **given: Any) -> Any:
        from undercroft.export import settings

        texts = {name: given.pop(_parameter(name)) for name in keys.KEYS}
        return command(settings=settings.load(file, {name: text for name, text in texts.items() if text is not None}), **given)

    found: Any = configured
    for name, key in reversed(list(keys.KEYS.items())):
        is_flag = key.default is False
        found = click.option(
            f"--{name.replace('_', '-')}",
            _parameter(name),
            metavar="BOOLEAN" if is_flag else "TEXT",
            is_flag=False,
            flag_value="true" if is_flag else None,
            help=key.does + (" Other users of this machine see it in the list of processes." if key.secret else ""),
        )(found)
    argument: Callable[[Any], F] = click.argument("file", metavar="FILE", type=click.Path(dir_okay=False))
    return argument(found)


def _parameter(name: str) -> str:
    # Apart from parameters of the commands themselves, such as `strict`.
    return f"key_{name}"


@contextlib.contextmanager
def opened(settings: Settings, *, dry: bool = False) -> Iterator[Ends]:
    """Both ends, closed at the end.

    Args:
        settings: the configuration.
        dry: whether nothing is to be stored.
    """
    from undercroft.export.client import Client
    from undercroft.export.dry import DryTarget
    from undercroft.export.login import login
    from undercroft.export.source import Source
    from undercroft.export.target import Target

    with contextlib.ExitStack() as stack:
        target = stack.enter_context(contextlib.closing((DryTarget if dry else Target)(settings)))
        logged_in = stack.enter_context(contextlib.closing(login(settings)))
        client = stack.enter_context(contextlib.closing(Client(settings, logged_in)))
        yield Ends(Source(settings, client), target, logged_in)
