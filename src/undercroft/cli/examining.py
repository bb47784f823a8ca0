"""How commands that examine something tell what they found: a table or JSON, and an exit code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import rich_click as click
from click.exceptions import Exit

from undercroft.cli import output

if TYPE_CHECKING:
    from undercroft.core.findings import Finding


def report(found: Sequence[Finding], output_format: str) -> None:
    """Print findings; ends the command with 1 where there are warnings, with 2 where there are errors.

    Args:
        found: what was found.
        output_format: `table` or `json`.
    """
    from undercroft.core.findings import Level

    if output_format == "json":
        click.echo(output.json_text(found))
    else:
        output.table(("check", "", "found", "what to do"), [(one.check, _sign(one.level), one.found, one.advice) for one in found])
    levels = {one.level for one in found}
    if Level.ERROR in levels:
        raise Exit(2)
    if Level.WARNING in levels:
        raise Exit(1)


def _sign(level: str) -> str:
    return "ok" if level == "ok" else level.upper()
