"""Gnocchi's API server and its metricd as one process group, with Gnocchi's Python: gnocchi_server.py CONFIGURATION PORT.

Its own command for the API wants uwsgi.
"""

from __future__ import annotations

import pathlib
import signal
import subprocess
import sys

import waitress


def main() -> None:
    configuration, port = sys.argv[1:]
    # Ends by an exception, so that what was started ends, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    metricd = pathlib.Path(sys.executable).with_name("gnocchi-metricd")
    with subprocess.Popen([metricd, "--config-file", configuration]) as digesting:
        try:
            sys.argv = ["gnocchi-api", "--config-file", configuration]
            from gnocchi.cli import api

            waitress.serve(api.wsgi(), host="127.0.0.1", port=int(port), threads=4)
        finally:
            digesting.terminate()


if __name__ == "__main__":
    main()
