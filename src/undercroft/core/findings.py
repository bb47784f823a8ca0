"""What an examination of a store finds: one finding a check, from facts worth knowing to what must be mended."""

from __future__ import annotations

import enum

import msgspec


class Level(enum.StrEnum):
    """How grave a finding is."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


class Finding(msgspec.Struct, frozen=True):
    """One thing that was looked at.

    Attributes:
        check: what was looked at, such as `clock` or `durability: fsync`; the same text in every run.
        level: whether it is as it should be.
        found: what was seen, in words.
        advice: what to do about it; empty when nothing.
    """

    check: str
    level: Level
    found: str
    advice: str = ""


def ok(check: str, found: str) -> Finding:
    """All is as it should be."""
    return Finding(check, Level.OK, found)


def warning(check: str, found: str, advice: str) -> Finding:
    """It works, but something may be lost, or will fail later."""
    return Finding(check, Level.WARNING, found, advice)


def error(check: str, found: str, advice: str) -> Finding:
    """It does not work, or what is stored is wrong."""
    return Finding(check, Level.ERROR, found, advice)
