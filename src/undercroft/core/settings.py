"""Settings of the process: declared here once, read from a configuration file and from the environment.

The file has oslo.config's form (INI), like those of the host projects. `UNDERCROFT_<GROUP>__<OPTION>` in the environment wins
over it. Which file: `UNDERCROFT_CONFIG`, else `/etc/undercroft/undercroft.conf` where it exists.
"""

from __future__ import annotations

import functools
import os
import pathlib
from typing import Any

from oslo_config import cfg, sources

from undercroft.core import kinds
from undercroft.core.errors import ConfigInvalid

PREFIX = "UNDERCROFT_"
DEFAULT_FILE = pathlib.Path("/etc/undercroft/undercroft.conf")

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
        cfg.FloatOpt("deadline", default=4.5, min=0.5, help="Seconds that an ordinary request may take."),
        cfg.IntOpt("long_requests", default=4, min=1, help="Long requests (everything at once, large pages) at once."),
        cfg.FloatOpt("long_deadline", default=60.0, min=0.5, help="Seconds that a long request may take."),
        cfg.ListOpt("cors_origins", default=[], help="Origins whose pages may ask, such as https://console.example.org."),
    ],
    "worker": [
        cfg.IntOpt(
            "expire_interval", default=3600, min=0, help="Seconds from one deletion of expired data to the next; 0 does none."
        ),
        cfg.IntOpt(
            "maintain_interval", default=3600, min=0, help="Seconds from one run of what stores put off to the next; 0 does none."
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
        return f"{PREFIX}{(group_name or 'DEFAULT').upper()}__{option_name.upper()}"

    def get(self, group_name: str | None, option_name: str, opt: cfg.Opt) -> tuple[Any, Any]:
        name = self.get_name(group_name, option_name)
        if name not in os.environ:
            return sources._NoValue, None
        return os.environ[name], cfg.LocationInfo(cfg.Locations.environment, name)


def load(file: str | os.PathLike[str] | None = None) -> cfg.ConfigOpts:
    """Read the settings.

    Args:
        file: a configuration file; the one that the environment names, or the default one, when None.

    Raises:
        ConfigInvalid: the file cannot be read or parsed.
    """
    named = file or os.environ.get(PREFIX + "CONFIG")
    files = [str(named)] if named else [str(DEFAULT_FILE)] if DEFAULT_FILE.is_file() else []
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


@functools.cache
def current() -> cfg.ConfigOpts:
    """The process's settings, read once. `current.cache_clear()` reads them again."""
    return load()


def get(group: str, name: str) -> Any:
    """The value of one option.

    Raises:
        ConfigInvalid: the value in the file or in the environment is not of the option's type.
    """
    try:
        return current()[group][name]
    except (cfg.ConfigFileValueError, ValueError) as error:
        raise ConfigInvalid(f"settings: [{group}] {name}: {error}") from None
