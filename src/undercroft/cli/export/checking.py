"""`undercroft export check`: the configuration, the login, the endpoint and the target, looked at without changing anything."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import rich_click as click

from undercroft.cli import examining, reporting
from undercroft.cli.export import configured

if TYPE_CHECKING:
    from undercroft.core.findings import Finding
    from undercroft.export.login import Login
    from undercroft.export.settings import Filter, Settings
    from undercroft.export.source import Source


@click.command()
@reporting.option("table")
@configured.options
def check(settings: Settings, output_format: str) -> None:
    """Look at the configuration, log in, ask the endpoint, look at the table and at what we may do with it. Changes nothing.

    \b
    Examples:
      undercroft export check /etc/undercroft/export.ini
      undercroft export check export.ini --format json | jq '.[] | select(.level != "ok")'

    \b
    Exit codes:
      0    all is well
      1    there are warnings
      2    something does not work
    """
    examining.report(list(_findings(settings)), output_format)


def _findings(settings: Settings) -> Iterator[Finding]:
    from undercroft.cli import failures
    from undercroft.core import findings
    from undercroft.core.errors import UndercroftError
    from undercroft.core.plural import number

    yield findings.ok("configuration", f"{number(len(settings.filters), 'filters')}, table {settings.table}")
    with configured.opened(settings) as (source, target, login):
        try:
            yield findings.ok("endpoint", source.endpoint)
            yield findings.ok("mode", source.mode)
            yield _roles(login)
        except UndercroftError as error:
            yield findings.error("endpoint", failures.message(error), "mend this first; filters were not examined")
        else:
            for filter_ in settings.filters:
                yield from _filter(source, filter_)
        yield from target.findings()


def _roles(login: Login) -> Finding:
    from undercroft.core import findings

    roles = login.roles()
    if roles is None:
        return findings.ok("role", "unknown: only a login to Keystone tells the roles of a token")
    found = ", ".join(sorted(roles)) or "none"
    if "admin" in {role.lower() for role in roles}:
        return findings.ok("role", found)
    return findings.warning(
        "role", found, "without the role admin the API gives the samples of one project only, and does not say so"
    )


def _filter(source: Source, filter_: Filter) -> Iterator[Finding]:
    """Whether the source takes a filter, and has its meters."""
    from undercroft.cli import failures
    from undercroft.core import findings
    from undercroft.core.errors import UndercroftError
    from undercroft.core.plural import number

    try:
        there = set(source.meters(filter_._replace(meters=("*",))))
        chosen = source.meters(filter_)
    except UndercroftError as error:
        yield findings.error(filter_.section, failures.message(error), "mend the filter, or the service")
        return
    missing = [name for name in chosen if name not in there]
    if missing or not chosen:
        shown = ", ".join(missing[:5]) + (", ..." if len(missing) > 5 else "") if missing else ", ".join(filter_.meters)
        yield findings.warning(filter_.section, f"without a sample: {shown}", "right, if these meters are yet to come")
    else:
        yield findings.ok(filter_.section, number(len(chosen), "meters"))
