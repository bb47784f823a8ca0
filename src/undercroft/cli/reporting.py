"""The option `--format` of commands that report: a text or a table for people, JSON for scripts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeVar

import rich_click as click

F = TypeVar("F", bound=Callable[..., Any])


def option(default: Literal["text", "table"], told: str = "How to report.") -> Callable[[F], F]:
    """The option, whose value goes to `output_format`.

    Args:
        default: what people get; scripts ask for `json`.
        told: its help.
    """
    return click.option(
        "--format", "output_format", type=click.Choice([default, "json"]), default=default, show_default=True, help=told
    )
