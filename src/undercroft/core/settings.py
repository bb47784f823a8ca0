"""Settings of the process: declared here once, read from a configuration file and from the environment.

The file has oslo.config's form (INI), like those of the host projects. `UNDERCROFT_<GROUP>__<OPTION>` in the environment wins
over it. Which file: `UNDERCROFT_CONFIG`, else `/etc/undercroft/undercroft.conf` where it exists. What nobody reads is refused.
"""

from __future__ import annotations

import functools
import os
import pathlib
from collections.abc import Iterator
from typing import Any

from oslo_config import cfg, sources, types

from undercroft.core import kinds, span, strict
from undercroft.core.errors import ConfigInvalid
from undercroft.core.options import Span

PREFIX = strict.PREFIX
DEFAULT_FILE = pathlib.Path("/etc/undercroft/undercroft.conf")


def _seconds(name: str, default: float, least: float, does: str) -> cfg.Opt:
    """An option that is a span, or a number of seconds."""
    return cfg.Opt(name, Span("s", least=least), default=default, help=does)


_SHARED: dict[str, list[cfg.Opt]] = {
    "api": [
        cfg.StrOpt("host", default="127.0.0.1", help="Address that the service listens on."),
        cfg.PortOpt("port", default=8889, help="Port that the service listens on."),
        cfg.StrOpt(
            "auth",
            default="none",
            choices=["none", "tokens"],
            help="Who may ask: `tokens` reads token_file; `none` believes identity headers, and answers this machine only.",
        ),
        cfg.StrOpt("token_file", default=None, help="Tokens, one a line: token, project, user, roles; `-` for none."),
        cfg.IntOpt("workers", default=1, min=1, help="Processes that serve."),
        cfg.IntOpt("max_body", default=1024 * 1024, min=1024, help="Bytes that the body of a request may have."),
        cfg.IntOpt("requests", default=16, min=1, help="Ordinary requests that a process works on at once."),
        _seconds("deadline", 4.5, 0.5, "Time that an ordinary request may take: 4500ms."),
        cfg.IntOpt(
            "waiting_requests",
            default=1000,
            min=0,
            help="Requests of a process that wait for something to happen (`wait=`) at once; others are answered without a wait.",
        ),
        cfg.IntOpt("long_requests", default=4, min=1, help="Long requests (everything at once, large pages) at once."),
        cfg.IntOpt("long_share", default=2, min=1, help="Long requests that one project may have under way at once."),
        _seconds("long_deadline", 60.0, 0.5, "Time that a long request may take: 60s."),
        _seconds("header_deadline", 10.0, 1, "Time for the headers of the next request to come: 10s."),
        _seconds("body_deadline", 10.0, 0.1, "Time for the body of a request to come: 10s."),
        _seconds("send_deadline", 20.0, 0.1, "Time for a client to take a part of its answer: 20s."),
        cfg.IntOpt("held_bodies", default=64 * 1024 * 1024, min=1024, help="Bytes of bodies that a process holds at once."),
        cfg.ListOpt(
            "hosts",
            default=[],
            help="Names by which this machine's programs may call the service under auth = none, beside localhost.",
        ),
        cfg.ListOpt("cors_origins", default=[], help="Origins whose pages may ask, such as https://console.example.org."),
    ],
    "worker": [
        cfg.Opt(
            "clean_interval",
            Span("s", whole=True, least=0),
            default=30,
            help="Time from one removal of expired messages to the next: 30s; 0 does none. A number without a unit is in seconds.",
        ),
        cfg.Opt(
            "expire_interval",
            Span("s", whole=True, least=0),
            default=3600,
            help="Time from one deletion of expired data to the next: 1h; 0 does none. A number without a unit is in seconds.",
        ),
        cfg.Opt(
            "maintain_interval",
            Span("s", whole=True, least=0),
            default=3600,
            help="Time from one run of postponed work to the next: 1h; 0 does none. A number without a unit is in seconds.",
        ),
        cfg.Opt(
            "move_interval",
            Span("s", whole=True, least=0),
            default=10,
            help="Time from one look for what is to move to the next: 10s; 0 moves none. A number without a unit is in seconds.",
        ),
        cfg.Opt(
            "notify_interval",
            Span("s", whole=True, least=0),
            default=1,
            help="Time from one look for notifications to the next: 1s; 0 sends none. A number without a unit is in seconds.",
        ),
    ],
}


@functools.cache
def options() -> dict[str, list[cfg.Opt]]:
    """Every option by its group: those of the process, and those that each kind of data brings."""
    found = {group: list(shared) for group, shared in _SHARED.items()}
    for kind in kinds.installed().values():
        for group, own in kind.load_settings().items():
            found.setdefault(group, []).extend(own)
    return found


class _Environment(sources.ConfigurationSource):
    """Reads our own prefix; oslo.config's source of this kind is bound to `OS_`."""

    @staticmethod
    def get_name(group_name: str | None, option_name: str) -> str:
        return strict.variable(group_name or strict.DEFAULT, option_name)

    def get(self, group_name: str | None, option_name: str, opt: cfg.Opt) -> tuple[Any, Any]:
        name = self.get_name(group_name, option_name)
        if name not in os.environ:
            return sources._NoValue, None
        return os.environ[name], cfg.LocationInfo(cfg.Locations.environment, name)


def load(file: str | os.PathLike[str] | None = None) -> cfg.ConfigOpts:
    """Read and check the settings.

    Args:
        file: a configuration file; the one that the environment names, or the default one, when None.

    Raises:
        ConfigInvalid: the file cannot be read or parsed; it holds a group or an option that is unknown, or the environment such a
            variable; a value is not of its option's type.
    """
    named = file or os.environ.get(PREFIX + "CONFIG")
    files = [str(named)] if named else [str(DEFAULT_FILE)] if DEFAULT_FILE.is_file() else []
    known = {group: {name for option in declared for name in (option.name, option.dest)} for group, declared in options().items()}
    checked = _read(files)
    strict.check_files(files, known)
    strict.check_environment(known)
    for group, declared in options().items():
        for option in declared:
            _value(checked, group, option)
    # Another one, because a value that was looked at stays as it is, and hosts change the environment after the import.
    return _read(files)


def _read(files: list[str]) -> cfg.ConfigOpts:
    conf = cfg.ConfigOpts()
    # The one place for a prefix of one's own that oslo.config has (seen up to 10.7).
    conf._env_driver = _Environment()  # type: ignore[assignment]
    for group, declared in options().items():
        conf.register_opts(declared, group=group)
    try:
        conf(args=[], project="undercroft", default_config_files=files, default_config_dirs=[])
    except (cfg.ConfigFilesNotFoundError, cfg.ConfigFilesPermissionDeniedError, cfg.ConfigFileParseError) as error:
        raise ConfigInvalid(f"settings: {error}") from None
    return conf


def _value(conf: cfg.ConfigOpts, group: str, option: cfg.Opt) -> Any:
    """The value of an option; one that is not of its type is refused."""
    try:
        return conf[group][option.dest]
    except (cfg.ConfigFileValueError, ValueError):
        place, text = strict.written(conf.config_file, group, option.dest) or ("", "")
        shown = "the value" if option.secret else repr(text[:64])
        raise ConfigInvalid(f"{place}: [{group}] {option.name}: {shown} is not {_allowed(option.type)}") from None


def _allowed(type_: Any) -> str:
    """What the values of a type are, for the message about one that is not."""
    if isinstance(type_, types.String) and type_.choices:
        return f"one of {', '.join(map(repr, type_.choices))}"
    if isinstance(type_, Span):
        number = "a whole number" if type_.whole else "a number"
        least = "" if type_.least is None else f", at least {type_.least:g} {type_.unit}"
        return f"a span of time such as {span.FORM}, or {number} of {span.NAMES[type_.unit]}{least}"
    if isinstance(type_, types.Number):
        number = "a whole number" if isinstance(type_, types.Integer) else "a number"
        bounds = {"at least": type_.min, "at most": type_.max}
        return number + "".join(f", {words} {bound}" for words, bound in bounds.items() if bound is not None)
    return f"of the type {type_.type_name}"


@functools.cache
def current() -> cfg.ConfigOpts:
    """The process's settings, read once. `current.cache_clear()` reads them again."""
    return load()


def get(group: str, name: str) -> Any:
    """The value of one option.

    Raises:
        ConfigInvalid: as `load`.
    """
    return _value(current(), group, next(option for option in options()[group] if option.dest == name))


def is_set(group: str, name: str) -> bool:
    """Whether somebody wrote a value for an option, be it the default one."""
    where = current().get_location(name, group)
    return where is not None and where.location not in (cfg.Locations.opt_default, cfg.Locations.set_default)


def notes() -> Iterator[str]:
    """What to tell the operator about the settings: numbers without a unit where a span is meant."""
    for group, declared in options().items():
        for option in declared:
            if not isinstance(option.type, Span):
                continue
            found = strict.written(current().config_file, group, option.dest)
            if found and (text := span.note(f"{found[0]}: [{group}] {option.name} =", found[1], option.type.unit)):
                yield text
