"""`undercroft serve`: the HTTP service, run by granian or by gunicorn."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable
from typing import Any, TypeVar

import rich_click as click

from undercroft.cli import stores
from undercroft.core import kinds, registry

APP = "undercroft.api.app:from_settings"
# What is under way at SIGTERM gets so long; ordinary requests end sooner by their own deadline.
GRACE_SECONDS = 8


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
@click.option("--server", type=click.Choice(["granian", "gunicorn"]), default="granian", show_default=True, help="The HTTP server.")
def serve(given: tuple[str, ...], server: str, **options: Any) -> None:
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
    import falcon  # noqa: F401 - a missing extra is told before anything is started

    from undercroft.api import app, auth
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
    auth.check_address(settings.get("api", "auth"), host)
    # Built once here, so that a wrong setting ends the command and not, again and again, its workers.
    app.create_app(conf)
    threads = conf.api.requests + conf.api.long_requests + app.SPARE_THREADS
    with contextlib.ExitStack() as stack:
        if workers > 1:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="undercroft-metrics-"))
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        served = " and ".join(f"/{kind}" for kind in registry.kinds() if conf[kind].connection)
        click.echo(f"listening on http://{host}:{port}, {served} ({server}, {workers} x {threads} threads)")
        {"granian": _granian, "gunicorn": _gunicorn}[server](host, port, workers, threads)


def _remember(group: str, name: str, value: object) -> None:
    """Let this process and the server's workers see a setting."""
    from undercroft.core import settings

    os.environ[f"{settings.PREFIX}{group.upper()}__{name.upper()}"] = str(value)


def _granian(host: str, port: int, workers: int, threads: int) -> None:
    from granian.constants import HTTPModes, Interfaces
    from granian.server import Server

    Server(
        APP, address=host, port=port, interface=Interfaces.WSGI, factory=True, http=HTTPModes.http1, websockets=False,
        workers=workers, blocking_threads=threads, backpressure=threads * 4,
        workers_kill_timeout=GRACE_SECONDS, respawn_failed_workers=True,
    ).serve()  # fmt: skip


def _gunicorn(host: str, port: int, workers: int, threads: int) -> None:
    from gunicorn.app.base import BaseApplication

    class Application(BaseApplication):  # type: ignore[misc]
        """gunicorn, told by us instead of by its own command line."""

        def load_config(self) -> None:
            wanted = {
                "bind": f"[{host}]:{port}" if ":" in host else f"{host}:{port}", "workers": workers, "threads": threads,
                "worker_class": "gthread", "graceful_timeout": GRACE_SECONDS, "timeout": 120, "control_socket_disable": True,
            }  # fmt: skip
            for name, value in wanted.items():
                if name in self.cfg.settings:
                    self.cfg.set(name, value)

        def load(self) -> Any:
            from undercroft.api.app import from_settings

            return from_settings()

    Application().run()
