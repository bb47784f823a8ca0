"""The configuration of the worker: an INI file, over it the environment, over that the options of the command line.

Texts may be `${NAME}`, for a variable of the environment, or `file:PATH`, for what a file holds, so that no secret need be written
into the file.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import pathlib
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import msgspec
from oslo_config import cfg

from undercroft.core import names, span, strict, time
from undercroft.core.errors import ConfigInvalid, InvalidInput
from undercroft.export import keys
from undercroft.export.query import Condition, parse_meters, parse_query

GROUP = "exporter"
_FILTER = "filter:"
_FILTER_KEYS = ("query", "meters")
_NAME = re.compile(r"[^\s\[\]][^\[\]]{0,253}")
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}", re.ASCII)


class Filter(NamedTuple):
    """A filter query and the meters that it is asked for.

    Attributes:
        name: of its section, without `filter:`.
        query: conditions, all of which must hold.
        meters: names and shell patterns.
    """

    name: str
    query: tuple[Condition, ...]
    meters: tuple[str, ...]

    @property
    def section(self) -> str:
        """How messages call it."""
        return f"[{_FILTER}{self.name}]"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The configuration; `undercroft.export.keys` says what each key means, and its default.

    Times are in seconds. `retries` is None for unlimited.
    """

    endpoint: str | None
    auth_url: str | None
    auth: str
    tenant: str | None
    tenant_id: str | None
    user: str | None
    user_id: str | None
    key: str | None
    user_domain_name: str
    user_domain_id: str | None
    project_domain_name: str
    project_domain_id: str | None
    region: str | None
    interface: str
    token: str | None
    connection: str
    table: str
    extra_columns: tuple[str, ...]
    strict: bool
    interval: float
    overlap: float
    lag: float
    start: str
    page: int
    mode: str
    timeout: float
    retries: int | None
    backoff_base: float
    backoff_max: float
    cafile: str | None
    insecure: bool
    state: str
    filters: tuple[Filter, ...]

    def __repr__(self) -> str:
        # A representation could end in a log, and would hold the secrets.
        return f"<settings of the export worker, {len(self.filters)} filters>"

    def begin(self) -> dt.datetime | None:
        """The first timestamp to read where a meter has no point yet, naive UTC; None for the beginning."""
        return _start(self.start)

    def earliest(self) -> dt.datetime | None:
        """`begin` where it is a fixed moment: nothing before it is read, whatever the point is."""
        return None if self.start in ("beginning", "now") or self.start.startswith("-") else _start(self.start)


def endpoint_id(endpoint: str) -> str:
    """What an endpoint is called in the table of points."""
    return hashlib.sha256(endpoint.rstrip("/").encode()).hexdigest()[:32]


def load(file: str | os.PathLike[str], given: Mapping[str, str] | None = None) -> Settings:
    """Read and check the configuration.

    Args:
        file: the INI file.
        given: texts of keys that were given at the command line.

    Raises:
        ConfigInvalid: the file cannot be read; a section or a key is unknown, or a value wrong. The message names the line.
    """
    sections = _sections(pathlib.Path(file))
    places = {(line.group, line.option): line.place for line in strict.lines([str(file)])}
    texts: dict[str, tuple[str, str]] = {}
    for name, values in sections.pop(GROUP, {}).items():
        _put(texts, name, values[-1], _place(places, GROUP, name, file))
    for name, text in _environment():
        _put(texts, name, text, strict.variable(GROUP, name), over=True)
    for name, text in (given or {}).items():
        _put(texts, name, text, "--" + name.replace("_", "-"), over=True)
    found: dict[str, Any] = {name: key.default for name, key in keys.KEYS.items()}
    for name, (text, place) in texts.items():
        found[name] = _value(name, _revealed(text, place), place)
    filters = tuple(_filter(section, options, places, file) for section, options in sections.items())
    return _checked(found, filters, file)


def _sections(path: pathlib.Path) -> dict[str, dict[str, list[str]]]:
    sections: dict[str, dict[str, list[str]]] = {}
    try:
        cfg.ConfigParser(str(path), sections).parse()
    except OSError as error:
        raise ConfigInvalid(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigInvalid(f"{path}: is not UTF-8 text") from None
    except Exception as error:
        # Of oslo.config's parser, whose own class of errors is not public; its text may quote the line, and that a secret.
        line = getattr(error, "lineno", None)
        if line is None:
            raise
        raise ConfigInvalid(f"{path}:{line}: {getattr(error, 'msg', 'cannot be read')}") from None
    for section, options in sections.items():
        if section != GROUP and not section.startswith(_FILTER):
            raise ConfigInvalid(f"{path}: {names.unknown('section', f'[{section}]', [f'[{GROUP}]', f'[{_FILTER}NAME]'])}")
        for name, values in options.items():
            if len(values) > 1:
                raise ConfigInvalid(f"{path}: [{section}] {name} is given {len(values)} times")
    return sections


def _place(places: Mapping[tuple[str, str | None], str], section: str, name: str, file: object) -> str:
    return places.get((section.lower(), name), str(file))


def _put(texts: dict[str, tuple[str, str]], name: str, text: str, place: str, *, over: bool = False) -> None:
    key = keys.canonical(name)
    if key is None:
        raise ConfigInvalid(f"{place}: [{GROUP}] {names.unknown('key', name, keys.names_of_all())}")
    if key in texts and not over:
        raise ConfigInvalid(f"{place}: {name} and {key} are one key; give one of them")
    texts[key] = text, place


def _environment() -> Iterable[tuple[str, str]]:
    prefix = strict.variable(GROUP, "")
    for name in sorted(os.environ):
        if name.startswith(prefix):
            yield name.removeprefix(prefix).lower(), os.environ[name]


def _revealed(text: str, place: str) -> str:
    """The text with variables of the environment put in, or the content of the file that it names."""

    def variable(match: re.Match[str]) -> str:
        if match[1] not in os.environ:
            raise ConfigInvalid(f"{place}: the environment has no variable {match[1]}")
        return os.environ[match[1]]

    if text.startswith("file:"):
        path = pathlib.Path(text.removeprefix("file:"))
        try:
            return path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "is not UTF-8 text"
            raise ConfigInvalid(f"{place}: {path}: {reason}") from None
    return _VARIABLE.sub(variable, text)


def _value(name: str, text: str, place: str) -> Any:
    key = keys.KEYS[name]
    if not text:
        return key.default
    try:
        return key.parse(text)
    except ValueError as error:
        raise ConfigInvalid(f"{place}: {name}: {error}") from None


def _filter(section: str, options: dict[str, list[str]], places: Mapping[tuple[str, str | None], str], file: object) -> Filter:
    name = section.removeprefix(_FILTER).strip()
    if not _NAME.fullmatch(name):
        raise ConfigInvalid(f"{file}: [{section}]: write [{_FILTER}NAME], with a name of at most 254 characters")
    for option in options:
        if option not in _FILTER_KEYS:
            place = _place(places, section, option, file)
            raise ConfigInvalid(f"{place}: [{section}] {names.unknown('key', option, _FILTER_KEYS)}")
    texts = {option: _revealed(values[-1], _place(places, section, option, file)) for option, values in options.items()}
    try:
        return Filter(name, parse_query(texts.get("query", "")), parse_meters(texts.get("meters", "")))
    except InvalidInput as error:
        raise ConfigInvalid(f"{_place(places, section, error.field, file)}: [{section}] {error}") from None


def _start(text: str) -> dt.datetime | None:
    if text == "beginning":
        return None
    now = time.now().replace(tzinfo=None)
    if text == "now":
        return now
    if text.startswith("-"):
        return now - span.parse(text[1:], "start")
    return time.parse(text, "start").replace(tzinfo=None)


def _checked(found: dict[str, Any], filters: tuple[Filter, ...], file: object) -> Settings:
    """The settings, when they fit together."""

    def refuse(problem: str) -> ConfigInvalid:
        return ConfigInvalid(f"{file}: [{GROUP}] {problem}")

    if not found["connection"]:
        raise refuse("connection is missing: the URL of the database that the samples go to")
    if not filters:
        raise ConfigInvalid(f"{file}: there is no [filter:NAME] section: it says which meters to export")
    try:
        _start(found["start"])
    except (InvalidInput, OverflowError) as error:
        raise refuse(f"start: {error}; or write `beginning`, `now` or -7d") from None
    if found["auth"] == "auto" and found["token"]:
        found["auth"] = "token"
    if found["auth"] == "token" and not found["token"]:
        raise refuse("auth = token needs token")
    if found["auth"] in ("token", "none") and not found["endpoint"]:
        raise refuse(f"auth = {found['auth']} needs endpoint: only a login brings the catalogue that names it")
    if found["auth"] in ("auto", "v2", "v3"):
        missing = [
            name
            for name, given in (
                ("auth_url", found["auth_url"]),
                ("tenant", found["tenant"] or found["tenant_id"]),
                ("user", found["user"] or found["user_id"]),
                ("key", found["key"]),
            )
            if not given
        ]
        if missing:
            raise refuse(f"{', '.join(missing)} missing: a login needs them; without one write auth = none, or give a token")
    if found["backoff_base"] > found["backoff_max"]:
        raise refuse("backoff_base is longer than backoff_max")
    return Settings(**found, filters=filters)
