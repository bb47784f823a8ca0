"""Groups, options and variables that nobody reads are refused with the nearest name: a misspelt setting does not count."""

from __future__ import annotations

import os
import pathlib
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from undercroft.core import names
from undercroft.core.errors import ConfigInvalid

PREFIX = "UNDERCROFT_"
# Variables that are not settings.
OTHERS = {PREFIX + "CONFIG"}
# Groups of programs that have a file of their own, and check their variables when they read it.
ELSEWHERE = (PREFIX + "EXPORTER__",)
DEFAULT = "DEFAULT"

# What Kubernetes gives to every container beside a service that is called `undercroft` or `undercroft-...`.
_LINK_NAME = re.compile(
    PREFIX + r"([A-Z0-9_]+_)?(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT_\d+_(TCP|UDP|SCTP)_(PROTO|PORT|ADDR))"
)
_LINK_VALUE = re.compile(r"(tcp|udp|sctp)://[0-9a-f.:\[\]]+")

Known = Mapping[str, Collection[str]]


class Line(NamedTuple):
    """A line of a configuration file: the head of a group, where `option` is None, or an option with what is written behind it."""

    place: str
    group: str
    option: str | None
    text: str = ""


def lines(files: Iterable[str]) -> Iterator[Line]:
    """The heads and options of files that oslo.config has read without an error."""
    for file in files:
        group = DEFAULT
        for number, text in enumerate(pathlib.Path(file).read_text(errors="replace").splitlines(), start=1):
            place, line = f"{file}:{number}", text.rstrip()
            if line.startswith("["):
                group = line.strip("[]")
                group = group if group == DEFAULT else group.lower()
                yield Line(place, group, None)
            elif line and not line.startswith((" ", "\t", "#", ";")):
                option, value = re.split("[:=]", line, maxsplit=1)
                yield Line(place, group, option.strip(), value.strip().strip("\"'"))


def check_files(files: Iterable[str], known: Known) -> None:
    """Refuse our own configuration files when they hold a group or an option that nobody reads.

    Args:
        files: the files' paths.
        known: names of options by group.

    Raises:
        ConfigInvalid: the message names the file, the line and the nearest name.
    """
    for line in lines(files):
        if line.group not in known:
            raise ConfigInvalid(f"{line.place}: {names.unknown('group', line.group, known)}")
        if line.option is not None and line.option not in known[line.group]:
            raise _unknown_option(line, known)


def check_host(conf: Any, group: str, known: Collection[str]) -> None:
    """Refuse an unknown option in our own group of a host's configuration, whose files hold other programs' groups, too.

    Args:
        conf: the host's oslo.config object.
        group: the group.
        known: names of its options.

    Raises:
        ConfigInvalid: as `check_files`.
    """
    # A configuration that no file was read for has neither attribute.
    folders = [pathlib.Path(folder) for folder in getattr(conf, "config_dir", None) or ()]
    files = [
        *(getattr(conf, "config_file", None) or ()),
        *(str(file) for folder in folders for file in sorted(folder.glob("*.conf"))),
    ]
    for line in lines(file for file in files if os.access(file, os.R_OK)):
        if line.group == group.lower() and line.option is not None and line.option not in known:
            raise _unknown_option(line, {group: known})


def _unknown_option(line: Line, known: Known) -> ConfigInvalid:
    elsewhere = [group for group, options in known.items() if line.option in options]
    hint = f" It is an option of group [{elsewhere[0]}]." if elsewhere else ""
    found = names.unknown("option", str(line.option), known.get(line.group, ()))
    return ConfigInvalid(f"{line.place}, group [{line.group}]: {found}.{hint}")


def variable(group: str, option: str) -> str:
    """The name of the environment variable that sets an option."""
    return f"{PREFIX}{group}__{option}".upper()


def check_environment(known: Known) -> None:
    """Refuse variables that begin with `UNDERCROFT_` and set nothing. Their values are not shown.

    Raises:
        ConfigInvalid: the message names the variable, and the nearest name.
    """
    settings = sorted({*OTHERS, *(variable(group, option) for group, options in known.items() for option in options)})
    for name in sorted(os.environ):
        if (
            name.startswith(PREFIX)
            and not name.startswith(ELSEWHERE)
            and name not in settings
            and not _is_link(name, os.environ[name])
        ):
            near = names.nearest(name, settings)
            hint = f"did you mean {near!r}?" if near else "`undercroft config show` lists the settings."
            raise ConfigInvalid(f"the environment has an unknown variable {name[:128]!r}; {hint}")


def _is_link(name: str, value: str) -> bool:
    return "__" not in name and bool(_LINK_NAME.fullmatch(name) or _LINK_VALUE.fullmatch(value))


def written(files: Sequence[str], group: str, option: str) -> tuple[str, str] | None:
    """Place and text of an option in the environment or in files; None where it is not written."""
    name = variable(group, option)
    if name in os.environ:
        return name, os.environ[name]
    found = [line for line in lines(files) if (line.group, line.option) == (group, option)]
    return (found[-1].place, found[-1].text) if found else None
