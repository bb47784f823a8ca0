"""Regular expressions of filters: found anywhere, and never dear."""

from __future__ import annotations

import importlib
import time

import pytest

from undercroft.conformance.limits import within
from undercroft.core.errors import ConfigInvalid, InvalidInput
from undercroft.metering import patterns

MOST_SECONDS = 0.1


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        ("vm-[0-9]+", "the vm-12 of a", True),
        ("^vm", "a vm", False),
        ("é+$", "caféé", True),
        ("(?i)VM", "vm", True),
        ("", "", True),
        ("a.c", "a\nc", False),
        ("x", "y" * 4_095 + "x", True),
        ("x", "y" * 4_096 + "x", False),
    ],
)
def test_it_is_found_anywhere_in_the_first_characters(pattern, text, found):
    assert patterns.matcher(pattern)(text) is found


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("(", "'(' is no regular expression: missing ): ("),
        ("(a)\\1", "is no regular expression: invalid escape sequence: \\1"),
        ("(?=a)", "is no regular expression: "),
        ("((a{100}){100}){100}", "is no regular expression: "),
        ("a" * 256, "a regular expression is text of at most 255 characters"),
        (5, "a regular expression is text of at most 255 characters"),
        ("\ud800", "half a surrogate pair is no character"),
    ],
)
def test_what_is_none_is_refused(pattern, said):
    with pytest.raises(InvalidInput) as caught:
        patterns.matcher(pattern)
    assert said in str(caught.value)


@pytest.mark.promise("S3")
@pytest.mark.parametrize(
    "pattern",
    ["(a+)+$", "(a|aa)+$", "(.*)*x", "(.{0,250}x){0,3}$", "(a{30}){30}b", "((a?){100}a{100}){3}$", "[ab]*a[ab]{900}c", "(x+x+)+y"],
)
def test_the_dearest_are_cheap(pattern):
    holds = patterns.matcher(pattern)
    for text in ("a" * 1_000_000 + "!", "ab" * 500_000, "x" * 1_000_000):
        # The minimum of three runs, because other work on the machine only adds time.
        took = []
        for _ in range(3):
            began = time.thread_time()
            holds(text)
            took.append(time.thread_time() - began)
        # A backtracking engine would take centuries.
        within(min(took), MOST_SECONDS, slow=1)


def test_a_missing_library_is_named(monkeypatch):
    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(ConfigInvalid, match=r"pip install 'undercroft\[patterns\]'"):
        patterns.matcher("never compiled before")
