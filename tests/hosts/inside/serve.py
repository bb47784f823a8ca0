"""CloudKitty's API server: serve.py --config-file FILE. Prints the port that it has chosen; serves until it is told to end."""

from __future__ import annotations

from cloudkitty import wsgi  # noqa: F401 - the package of the next one
from cloudkitty.wsgi.api import application
from werkzeug.serving import make_server

if __name__ == "__main__":
    server = make_server("127.0.0.1", 0, application, threaded=True)
    print(server.port, flush=True)
    server.serve_forever()
