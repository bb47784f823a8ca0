"""Entry point `undercroft`: the global options, the groups of commands, and the end of every failure."""

from __future__ import annotations

import os
import pkgutil
import sys
from typing import Any, NoReturn

import rich_click as click
from click.exceptions import Exit

import undercroft
from undercroft.cli import failures
from undercroft.core import kinds

_HELP = """Store and read the telemetry of a cloud: {kinds}.

A store is named by a URL: sqlite:///relative.db, sqlite:////absolute.db, postgresql://user@host:port/database.
Give it by --store, by UNDERCROFT_<KIND>__CONNECTION, or as [<kind>] connection in the settings file. Kinds of data: {names}.

\b
Examples:
{examples}

\b
Exit codes:
  0    done
  1    it failed, or `db check` found the tables not current
  2    wrong input, option or configuration: mend it first
  75   the engine did not answer: the same command may work later
  130  interrupted; what was acknowledged is stored
  141  the reader of the output went away
"""


# Those of the kinds come beside them.
SHARED = {name: f"undercroft.cli.{name}:{name}" for name in ("config", "db", "demo", "doctor", "export", "serve", "worker")}

# Commands that tell everything by their log; they look at the settings when it has begun.
LOGGING = frozenset({"worker"})
_ASKS_FOR_HELP = "undercroft.asks_for_help"


def commands() -> dict[str, str]:
    """Every command or group, and where it is."""
    return SHARED | {name: place for kind in kinds.installed().values() for name, place in kind.cli.items()}


def _help() -> str:
    """The help of the program, with the kinds that there are."""
    shared = ("undercroft demo", "undercroft db upgrade --store KIND=sqlite:///undercroft.db")
    examples = [*shared, *(each for kind in kinds.installed().values() for each in kind.examples)]
    return _HELP.format(
        kinds=", ".join(kind.title for kind in kinds.installed().values()),
        names=", ".join(kinds.installed()),
        examples="\n".join(f"  {each}" for each in examples),
    )


class Root(click.RichGroup):
    """Imports a group when it is named, and turns exceptions into messages and exit codes."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of the groups."""
        return sorted(commands())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The group of that name, imported now."""
        place = SHARED.get(cmd_name) or commands().get(cmd_name)
        command: click.Command | None = None if place is None else pkgutil.resolve_name(place)
        return command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the global options."""
        # Help is given whatever the settings are.
        ctx.meta[_ASKS_FOR_HELP] = any(name in args for name in ctx.help_option_names)
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            self._misused(ctx, error)

    def _misused(self, ctx: click.Context, error: click.ClickException) -> NoReturn:
        """End the command for what click found wrong; in our own words, because rich-click's differ from version to version."""
        if type(error).__name__ == "NoArgsIsHelpError":
            raise error
        place = getattr(error, "ctx", None) or ctx
        click.echo(f"error: {failures.printable(error.format_message())}", err=True)
        click.echo(f"note: {place.command_path} --help tells how it is used", err=True)
        ctx.exit(error.exit_code)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; see `undercroft.cli.failures` for what becomes of an exception."""
        try:
            with failures.interrupts_not_logged():
                result = super().invoke(ctx)
            sys.stdout.flush()
        except Exit:
            raise
        except click.ClickException as error:
            self._misused(ctx, error)
        except KeyboardInterrupt as interrupt:
            click.echo("interrupted", err=True)
            for note in getattr(interrupt, "__notes__", ()):
                click.echo(f"note: {failures.printable(note)}", err=True)
            ctx.exit(failures.INTERRUPTED)
        except Exception as error:
            if failures.is_closed_pipe(error):
                failures.forget_stdout()
                ctx.exit(failures.PIPE_CLOSED)
            if ctx.params.get("debug"):
                raise
            ctx.exit(failures.report(error))
        return result


@click.command(cls=Root, help=_help(), context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(undercroft.__version__, message="%(prog)s %(version)s")
@click.option(
    "--config",
    type=click.Path(exists=True, dir_okay=False),
    metavar="FILE",
    help="Settings file (INI). Default: UNDERCROFT_CONFIG, else /etc/undercroft/undercroft.conf where it exists.",
)
@click.option("--debug", is_flag=True, help="Show the traceback of a failure.")
@click.pass_context
def root(ctx: click.Context, config: str | None, debug: bool) -> None:  # noqa: ARG001 - `Root.invoke` reads it
    """Read the settings from the file that was named, and refuse wrong ones; `_HELP` is the help."""
    if config is not None:
        _read_settings_from(ctx, config)
    if not ctx.meta[_ASKS_FOR_HELP] and ctx.invoked_subcommand not in LOGGING:
        from undercroft.cli import stores
        from undercroft.core import settings

        settings.current()
        for note in settings.notes():
            stores.note(note)


def _read_settings_from(ctx: click.Context, file: str) -> None:
    """Let this process's settings come from `file`, until the command ends."""
    from undercroft.core import settings

    name = settings.PREFIX + "CONFIG"
    before = os.environ.get(name)

    def restore() -> None:
        os.environ.pop(name, None)
        if before is not None:
            os.environ[name] = before
        settings.current.cache_clear()

    os.environ[name] = file
    settings.current.cache_clear()
    ctx.call_on_close(restore)


def main() -> None:
    """Run the command line of this process."""
    root(prog_name="undercroft")


if __name__ == "__main__":
    main()
