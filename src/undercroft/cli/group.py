"""A group of commands, some of which answer to further names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import rich_click as click


class Group(click.RichGroup):
    """A group whose commands have further names, which its help does not list.

    Args:
        other_names: further names, and the command of each.
    """

    def __init__(self, *args: Any, other_names: Mapping[str, str] | None = None, **more: Any) -> None:
        super().__init__(*args, **more)
        self.other_names = other_names or {}

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name."""
        return super().get_command(ctx, self.other_names.get(cmd_name, cmd_name))
