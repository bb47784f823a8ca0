"""Keystone's API server, with Keystone's Python: keystone_api.py CONFIGURATION PORT. Keystone brings no server of its own."""

from __future__ import annotations

import os
import sys

import waitress


def main() -> None:
    configuration, port = sys.argv[1:]
    sys.argv = ["keystone"]
    os.environ["OS_KEYSTONE_CONFIG_FILES"] = configuration
    from keystone.server import wsgi

    waitress.serve(wsgi.initialize_public_application(), host="127.0.0.1", port=int(port), threads=4)


if __name__ == "__main__":
    main()
