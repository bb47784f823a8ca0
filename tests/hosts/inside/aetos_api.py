"""Aetos' API server, with Aetos' Python: aetos_api.py PORT LARGEST. It brings no server of its own.

A request whose line and headers are larger than LARGEST bytes is refused, as uWSGI and Apache do. Aetos and the middleware before
it each read their configuration from the home directory.
"""

from __future__ import annotations

import sys

import waitress


def main() -> None:
    port, largest = map(int, sys.argv[1:])
    sys.argv = ["aetos"]
    from aetos.wsgi import api

    waitress.serve(api.application, host="127.0.0.1", port=port, threads=4, max_request_header_size=largest)


if __name__ == "__main__":
    main()
