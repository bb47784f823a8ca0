"""`undercroft serve`: the HTTP service, run by granian."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import tempfile
from collections.abc import Callable
from typing import Any, TypeVar

import rich_click as click

from undercroft.cli import logs, sockets, stores
from undercroft.core import kinds, registry
from undercroft.core.errors import ConfigInvalid

APP = "undercroft.api.front.bridge:from_settings"
# Open at once in each process, and waiting at each listening socket: far more than threads, since a connection costs none.
CONNECTIONS = 4096
# What is under way at SIGTERM gets so long; ordinary requests end sooner by their own deadline.
GRACE_SECONDS = 7


F = TypeVar("F", bound=Callable[..., Any])


def _parameter(kind: str) -> str:
    return f"older_{kind}"


def _older_options(command: F) -> F:
    """The options that named stores before `--store KIND=URL`."""
    for kind in kinds.installed().values():
        if kind.serve_option:
            told = f"Deprecated: --store {kind.name}=URL."
            command = click.option(kind.serve_option, _parameter(kind.name), metavar="URL", help=told)(command)
    return command


@click.command()
@stores.store_option
@_older_options
@click.option("--host", metavar="ADDRESS", help="Address to listen on. Default: [api] host, 127.0.0.1.")
@click.option("--port", type=click.IntRange(1, 65535), help="Port to listen on. Default: [api] port, 8889.")
@click.option("--auth", type=click.Choice(["none", "tokens"]), help="Who may ask. Default: [api] auth, none (this machine only).")
@click.option("--token-file", type=click.Path(), help="Tokens, one a line: token, project, user, roles.")
@click.option("--workers", type=click.IntRange(1), help="Processes. Default: [api] workers, 1.")
@click.option("--log-format", type=click.Choice(["text", "json"]), default="text", show_default=True, help="How to log, on stderr.")
def serve(given: tuple[str, ...], log_format: str, **options: Any) -> None:
    """Serve each kind of data over HTTP, as the host projects' clients expect it: KIND is below /KIND.

    A kind is served when its store is named, by --store or by the settings.

    The tables must be there (`undercroft db upgrade`). SIGTERM ends the service: what is under way is finished first. Health is
    at /healthz and /readyz, counts at /metrics, the description of the API at /openapi.json.

    \b
    Examples:
      undercroft serve
      undercroft serve --store rating=sqlite:////var/lib/undercroft/undercroft.db
      undercroft serve --store rating=sqlite:///undercroft.db --store events=sqlite:///undercroft.db
      undercroft serve --host 0.0.0.0 --auth tokens --token-file /etc/undercroft/tokens
    """
    _check_extra()
    from undercroft.core import settings

    older = {kind: url for kind in registry.kinds() if (url := options.pop(_parameter(kind), None)) is not None}
    for kind, url in {**older, **stores.named(given, None, stores.note)}.items():
        _remember(kind, "connection", url)
    for name, value in options.items():
        if value is not None:
            _remember("api", name, value)
    settings.current.cache_clear()
    conf = settings.current()
    host, port, workers = (settings.get("api", name) for name in ("host", "port", "workers"))
    with contextlib.ExitStack() as stack:
        if workers > 1:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="undercroft-metrics-"))
            # Before the library of the counters is imported: it looks then.
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        from undercroft.api import app, auth
        from undercroft.api.front import bridge

        auth.check_address(settings.get("api", "auth"), host)
        address = sockets.free_address(host, port)
        # Built once here, so that a wrong setting ends the command and not, again and again, its workers.
        app.create_app(conf)
        sockets.allow_many()
        served = " and ".join(f"/{kind}" for kind in registry.kinds() if conf[kind].connection)
        place = f"http://{sockets.joined(host, port)}"
        ready = f"listening on {place}, {served} ({workers} x {bridge.threads_of(conf)} threads)"
        server = _server(address, port, workers, conf.api.header_deadline, log_format)
        server.on_startup(lambda: sockets.when_bound(address, port, lambda: click.echo(ready)))
        server.serve()


def _check_extra() -> None:
    """Raise what tells how to install the libraries of the service, where they are missing."""
    needed = ("falcon", "granian", "prometheus_client")
    missing = ", ".join(name for name in needed if importlib.util.find_spec(name) is None)
    if missing:
        raise ConfigInvalid(f"the service needs Python packages that are missing ({missing}): pip install 'undercroft[server]'")


def _remember(group: str, name: str, value: object) -> None:
    """Let this process and the server's workers see a setting."""
    from undercroft.core import settings

    os.environ[f"{settings.PREFIX}{group.upper()}__{name.upper()}"] = str(value)


def _server(address: str, port: int, workers: int, header_deadline: float, log_format: str) -> Any:
    from granian.constants import HTTPModes, Interfaces
    from granian.http import HTTP1Settings
    from granian.log import LogLevels
    from granian.server import Server

    return Server(
        APP, address=address, port=port, interface=Interfaces.ASGINL, factory=True, http=HTTPModes.http1, websockets=False,
        workers=workers, backlog=CONNECTIONS, backpressure=CONNECTIONS, workers_kill_timeout=GRACE_SECONDS,
        http1_settings=HTTP1Settings(header_read_timeout=int(header_deadline * 1000)), respawn_failed_workers=True,
        log_level=LogLevels.warning, log_dictconfig=logs.configuration(log_format),
    )  # fmt: skip
