"""InfluxQL: quoting, and the query templates that operators write for Watcher's Grafana datasource."""

from __future__ import annotations

import dataclasses
import re
import string
from collections.abc import Iterator, Mapping

from undercroft.core.errors import ConfigInvalid, InvalidInput

# Watcher's numbered fields, by the names that may be written as well.
NUMBERED = {"0": "aggregate", "1": "resource", "2": "period", "3": "granularity", "4": "retention"}
FIELDS = (*NUMBERED.values(), "start", "end", "resources")
# What a resource's name may consist of where a template does not quote it.
_PLAIN = re.compile(r"[\w.:-]+", re.ASCII)
_REGEX = re.compile(r"[=!]~\s*\Z")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def text(value: str) -> str:
    """A string literal."""
    return f"'{_escaped(value, chr(39))}'"


def name(value: str) -> str:
    """A quoted identifier."""
    return f'"{_escaped(value, chr(34))}"'


def _escaped(value: str, quote: str) -> str:
    return value.replace("\\", "\\\\").replace(quote, f"\\{quote}").replace("\n", "\\n")


def pattern(value: str) -> str:
    """The inside of a regular expression between slashes that matches `value` alone."""
    plain = re.escape(_CONTROL.sub("\0", value)).split("\0")
    controls = [f"\\x{ord(each):02x}" for each in _CONTROL.findall(value)]
    return "".join(part + control for part, control in zip(plain, [*controls, ""], strict=True)).replace("/", "\\/")


@dataclasses.dataclass(frozen=True)
class _Part:
    """Text of a template, and the field behind it, with the quote that it stands in: `'`, `"`, `/`, or nothing."""

    before: str
    field: str | None
    quote: str


class Template:
    """A query with fields in braces: Watcher's {0} to {4}, and our {start}, {end} and {resources}.

    The name of a resource is data: it is escaped as the quote around its field wants. Outside quotes it is taken only where it
    consists of letters, digits and `_ . : -`.

    Args:
        source: the template.
        where: it is written, for messages.

    Raises:
        ConfigInvalid: an unknown field, or braces that do not match.
    """

    def __init__(self, source: str, where: str) -> None:
        self._where = where
        self._parts = list(_parts(source, where))
        fields = {each.field for each in self._parts}
        if "resource" in fields and "resources" in fields:
            raise ConfigInvalid(f"{where}: a template is for one resource, {{1}}, or for many, {{resources}}; it has both")
        # Whether it asks about one resource, and so has to be sent once for each.
        self.is_single = "resource" in fields

    def fill(self, values: Mapping[str, str]) -> str:
        """The query.

        Args:
            values: by field; of `resource` the bare name.

        Raises:
            InvalidInput: the resource's name cannot stand where the template has it.
        """
        return "".join(each.before + self._filled(each, values) for each in self._parts)

    def _filled(self, part: _Part, values: Mapping[str, str]) -> str:
        if part.field is None:
            return ""
        value = values[part.field]
        if part.field != "resource":
            return value
        if part.quote == "/":
            return pattern(value)
        if part.quote:
            return _escaped(value, part.quote)
        if not _PLAIN.fullmatch(value):
            raise InvalidInput("resource", f"{value!r:.80} cannot stand in {self._where}: put {{1}} between single quotes there")
        return value


def _parts(source: str, where: str) -> Iterator[_Part]:
    quote = seen = ""
    try:
        for before, field, form, conversion in string.Formatter().parse(source):
            quote, escapes = _quote(quote, seen, before)
            seen += before
            if field is None:
                yield _Part(before, None, quote)
                continue
            known = NUMBERED.get(field, field)
            if known not in FIELDS or form or conversion:
                raise ConfigInvalid(f"{where}: unknown field {{{field}}}; known are {{0}} to {{4}}, {{{'}, {'.join(FIELDS)}}}")
            if escapes:
                raise ConfigInvalid(f"{where}: a backslash stands before {{{field}}}")
            yield _Part(before, known, quote)
            # Whatever it becomes, it is not an operator before a regular expression.
            seen = ""
    except ValueError as error:
        raise ConfigInvalid(f"{where}: {error}; write a brace that is meant as {{{{ or }}}}") from None


def _quote(quote: str, seen: str, part: str) -> tuple[str, bool]:
    """The quote in which `part` ends, when it begins in `quote`; and whether its last character escapes the next one."""
    skip = False
    for place, character in enumerate(part):
        if skip:
            skip = False
        elif quote:
            if character == "\\":
                skip = True
            elif character == quote:
                quote = ""
        elif character in "'\"" or (character == "/" and _REGEX.search(seen + part[:place])):
            quote = character
    return quote, skip
