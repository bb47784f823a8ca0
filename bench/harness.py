"""What every benchmark needs: subjects in processes of their own, databases of their own, and the facts of the machine."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import pathlib
import platform
import subprocess
import sys
import tempfile
import urllib.parse
from collections.abc import Callable
from typing import Any

TOP = pathlib.Path(__file__).resolve().parent.parent


class Process:
    """A subject in a process of its own, which takes orders as JSON lines and answers each with one.

    Args:
        name: for messages.
        python: the interpreter of its environment.
        module: run by `-m`; answers `{}` once it is ready.
        arguments: of the module.
    """

    def __init__(self, name: str, python: pathlib.Path, module: str, *arguments: object) -> None:
        self.name = name
        command = [str(python), "-m", module, *map(str, arguments)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=TOP, bufsize=1)
        self.answer()

    def answer(self) -> Any:
        """The answer to the order given last."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.name}: the worker ended with code {self._process.wait()}")
        return json.loads(line)

    def order(self, do: str, **arguments: Any) -> Any:
        """Give an order; the answer."""
        self.send(do, **arguments)
        return self.answer()

    def send(self, do: str, **arguments: Any) -> None:
        """Give an order; its answer is to be asked for, so that others can have theirs meanwhile."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")

    def close(self) -> None:
        """End the process."""
        # Closes its stdin, waits, and closes the rest.
        self._process.communicate()


def obey(worker: Any, answers: Any) -> None:
    """The other end: carry out orders from stdin until there are no more."""
    print("{}", file=answers, flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        print(json.dumps(getattr(worker, order.pop("do"))(**order)), file=answers, flush=True)


def own_stdout() -> Any:
    """stdout for answers; what libraries print must not get between them."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return answers


def say(text: str) -> None:
    """Progress."""
    print(f"{dt.datetime.now(dt.UTC):%H:%M:%S}  {text}", file=sys.stderr, flush=True)


def store_urls(kind: str) -> dict[str, str]:
    """The stores that `tests/engines/run.py` gives a kind, by engine."""
    stores = [line.partition("=") for line in os.environ["UCTEST_STORES"].splitlines()]
    urls = {urllib.parse.urlsplit(url).scheme.partition("+")[0]: url for each, _, url in stores if each == kind}
    return {{"mysql": "mariadb", "es": "elasticsearch"}.get(name, name): url for name, url in urls.items()}


def database(url: str, name: str, folder: pathlib.Path) -> str:
    """A database of its own on the server of `url`, empty; its URL. Where there are no databases, a namespace."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme == "sqlite":
        return f"sqlite:///{folder / name}.db"
    if parts.scheme.startswith("postgresql"):
        import psycopg

        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {name}")
            connection.execute(f"CREATE DATABASE {name}")
    elif parts.scheme.startswith("mongodb"):
        import pymongo

        with pymongo.MongoClient[Any](url) as client:
            client.drop_database(name)
    elif parts.scheme in {"opensearch", "es"}:
        import opensearchpy

        with contextlib.closing(opensearchpy.OpenSearch([{"host": parts.hostname, "port": parts.port}])) as search:
            for index in search.indices.get(index=f"{name}_*"):
                search.indices.delete(index=index)
        return urllib.parse.urlunsplit(parts._replace(query=f"namespace={name}&replicas=0"))
    else:
        import pymysql

        with pymysql.connect(host=parts.hostname, port=parts.port or 3306, user=parts.username) as connection:
            connection.cursor().execute(f"DROP DATABASE IF EXISTS {name}")
            connection.cursor().execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")
    return urllib.parse.urlunsplit(parts._replace(path=f"/{name}"))


def machine() -> dict[str, Any]:
    """What the figures depend on."""
    cpus = pathlib.Path("/proc/cpuinfo").read_text()
    memory = pathlib.Path("/proc/meminfo").read_text().split()
    return {
        "processors": os.cpu_count(),
        "processor": next((line.partition(": ")[2] for line in cpus.splitlines() if line.startswith("model name")), ""),
        "memory_gib": round(int(memory[1]) / 2**20),
        "python": platform.python_version(),
        "system": platform.system(),
    }


def peak_memory() -> int:
    """Bytes of the highest resident memory of this process since the last call."""
    status = pathlib.Path("/proc/self/status").read_text()
    peak = next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))
    pathlib.Path("/proc/self/clear_refs").write_text("5")
    return peak


def part(arguments: str, measure: Callable[[pathlib.Path], Any]) -> dict[str, Any]:
    """What a part of a benchmark found, as `engines`, and what the figures depend on.

    Args:
        arguments: which run it again.
        measure: given a folder that is removed afterwards, which servers of other users can enter.
    """
    before = os.getloadavg()[0]
    began = dt.datetime.now(dt.UTC)
    with tempfile.TemporaryDirectory(prefix="undercroft-bench-") as folder:
        pathlib.Path(folder).chmod(0o755)
        engines = measure(pathlib.Path(folder))
    return {
        "began": f"{began:%Y-%m-%d %H:%M}",
        "arguments": arguments,
        "minutes": round((dt.datetime.now(dt.UTC) - began).total_seconds() / 60, 1),
        "durable": os.environ.get("UCTEST_DURABLE") == "1",
        "machine": machine(),
        "load": [round(before, 1), round(os.getloadavg()[0], 1)],
        "engines": engines,
    }
