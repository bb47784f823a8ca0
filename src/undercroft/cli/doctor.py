"""`undercroft doctor`: examine a store, and say what to do about what is found."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec
import rich_click as click
from click.exceptions import Exit

from undercroft.cli import stores

if TYPE_CHECKING:
    from undercroft.core.findings import Finding


@click.command()
@stores.kind_option
@stores.any_store_option
@click.option("--verify", is_flag=True, help="Look at everything that is stored, and read the whole file (SQLite): takes its time.")
@click.option(
    "--format", "output_format", type=click.Choice(["table", "json"]), default="table", show_default=True, help="How to report."
)
def doctor(kind: str | None, store: str | None, verify: bool, output_format: str) -> None:
    """Examine a store: does it answer, may we use it, are its tables current, its clock right, its commits durable, its sums exact?

    Changes nothing, and may be run beside everything else. Of MongoDB and OpenSearch it says what these servers tell.

    \b
    Examples:
      undercroft doctor --store sqlite:////var/lib/undercroft/rating.db
      undercroft doctor --verify
      undercroft doctor --kind events --store postgresql://undercroft@127.0.0.1/undercroft
      undercroft doctor --format json | jq '.[] | select(.level != "ok")'

    \b
    Exit codes:
      0    all is well
      1    there are warnings: something may be lost, or will fail later
      2    something does not work, or what is stored is wrong
    """
    from undercroft.cli import output
    from undercroft.core.findings import Level

    kinds = stores.kinds(kind, store)
    found = [
        one if len(kinds) == 1 else msgspec.structs.replace(one, check=f"{each}: {one.check}")
        for each in kinds
        for one in _findings(each, store, verify)
    ]
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


def _findings(kind: str, store: str | None, verify: bool) -> Iterator[Finding]:
    """What the store finds; a failure of the examination is a finding, too."""
    from undercroft.cli import failures
    from undercroft.core import findings
    from undercroft.core.errors import UndercroftError

    url = stores.url(store, kind)
    last = "connection"
    try:
        with stores.opened(url, kind) as storage:
            for one in storage.diagnose(verify=verify):
                last = f"after {one.check}"
                yield one
    except UndercroftError as error:
        yield findings.error(last, failures.message(error), "mend this first; what comes after it was not examined")
