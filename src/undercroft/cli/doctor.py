"""`undercroft doctor`: examine a store, and say what to do about what is found."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec
import rich_click as click

from undercroft.cli import examining, reporting, stores

if TYPE_CHECKING:
    from undercroft.core.findings import Finding


@click.command()
@stores.options
@click.option("--verify", is_flag=True, help="Look at everything that is stored, and read the whole file (SQLite): takes its time.")
@reporting.option("table")
def doctor(kind: str | None, given: tuple[str, ...], verify: bool, output_format: str) -> None:
    """Examine a store: does it answer, may we use it, are its tables current, its clock right, its commits durable, its sums exact?

    Changes nothing, and may be run beside everything else. Of MongoDB, OpenSearch and Redis it says what these servers tell.

    \b
    Examples:
      undercroft doctor --store rating=sqlite:////var/lib/undercroft/undercroft.db
      undercroft doctor --verify
      undercroft doctor --store events=postgresql://undercroft@127.0.0.1/undercroft
      undercroft doctor --format json | jq '.[] | select(.level != "ok")'

    \b
    Exit codes:
      0    all is well
      1    there are warnings: something may be lost, or will fail later
      2    something does not work, or what is stored is wrong
    """
    chosen = stores.chosen(kind, given)
    found = [
        one if len(chosen) == 1 else msgspec.structs.replace(one, check=f"{each}: {one.check}")
        for each, url in chosen.items()
        for one in _findings(each, url, verify)
    ]
    examining.report(found, output_format)


def _findings(kind: str, url: str, verify: bool) -> Iterator[Finding]:
    """What the store finds; a failure of the examination is a finding, too."""
    from undercroft.cli import failures
    from undercroft.core import findings
    from undercroft.core.errors import UndercroftError

    last = "connection"
    try:
        with stores.opened(url, kind) as storage:
            for one in storage.diagnose(verify=verify):
                last = f"after {one.check}"
                yield one
    except UndercroftError as error:
        yield findings.error(last, failures.message(error), "mend this first; what comes after it was not examined")
