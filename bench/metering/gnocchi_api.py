"""Gnocchi's API server, with Gnocchi's Python: gnocchi_api.py CONFIGURATION PORT. Its own command wants uwsgi."""

from __future__ import annotations

import sys

import waitress


def main() -> None:
    configuration, port = sys.argv[1:]
    sys.argv = ["gnocchi-api", "--config-file", configuration]
    from gnocchi.cli import api

    waitress.serve(api.wsgi(), host="127.0.0.1", port=int(port), threads=4)


if __name__ == "__main__":
    main()
