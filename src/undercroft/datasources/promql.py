"""PromQL: how metrics are named in options, and names become text that cannot be taken for anything else."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from undercroft.core.errors import ConfigInvalid

LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_NUMBER = r"(?:[0-9]*\.)?[0-9]+(?:[eE][-+]?[0-9]+)?"
_METRIC = re.compile(rf"(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)\s*(?:\{{(?P<tests>.*)\}})?\s*(?:\*\s*(?P<scale>{_NUMBER}))?", re.DOTALL)
_TEST = re.compile(r'\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*(=~|!~|!=|=)\s*"((?:[^"\\\n]|\\.)*)"\s*')


class Selected(NamedTuple):
    """Which series are meant.

    Attributes:
        name: of the metric.
        tests: on labels, as they stand between braces.
        scale: what is stored, times this, is in the meter's unit.
    """

    name: str
    tests: tuple[str, ...] = ()
    scale: float = 1.0

    def text(self, *further: str) -> str:
        """The selector, with further tests."""
        tests = ",".join((*self.tests, *further))
        return f"{self.name}{{{tests}}}" if tests else self.name


def parse(option: str, text: str) -> Selected:
    """A metric as an option names it: `NAME`, `NAME{label="value"}`, `NAME * 0.001`.

    Raises:
        ConfigInvalid: it is something else.
    """
    found = _METRIC.fullmatch(text.strip())
    tests = None if found is None else _tests(found["tests"] or "")
    if found is None or tests is None:
        raise ConfigInvalid(
            f"{option}: {text[:100]!r} is not a metric such as NAME, NAME{{label=\"value\"}} or NAME * 0.001 "
            "(in a URL { is %7B, \" is %22, } is %7D)"
        )  # fmt: skip
    return Selected(found["name"], tests, float(found["scale"] or 1))


def _tests(text: str) -> tuple[str, ...] | None:
    """The tests on labels; None where it is something else."""
    found: list[str] = []
    place = 0
    while place < len(text.rstrip()):
        one = _TEST.match(text, place)
        if one is None:
            return None
        found.append(f'{one[1]}{one[2]}"{one[3]}"')
        place = one.end()
        if place < len(text) and text[place] != ",":
            return None
        place += 1
    return tuple(found)


def quoted(text: str) -> str:
    """A string literal."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r") + '"'


def among(label: str, values: Iterable[str]) -> str:
    """The test that a label has one of these values."""
    return f"{label}=~{quoted('|'.join(map(_literal, values)))}"


def _literal(text: str) -> str:
    """A regular expression of RE2 that this text matches, and no other."""
    return re.sub(r"[^\w-]", lambda found: "\\" + found[0] if ord(found[0]) < 128 else found[0], text)


def label(option: str, text: str) -> str:
    """The name of a label.

    Raises:
        ConfigInvalid: it cannot be one.
    """
    if not LABEL.fullmatch(text):
        raise ConfigInvalid(f"{option}: {text[:100]!r} is not the name of a label")
    return text


def chosen(option_texts: Mapping[str, str | None]) -> dict[str, Selected]:
    """The metrics that options name, by option."""
    return {name: parse(name, text) for name, text in option_texts.items() if text is not None}
