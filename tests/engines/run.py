"""Run a command beside real engines, and leave none of them behind.

    python tests/engines/run.py --engines sqlite,postgresql -- pytest tests {stores}

Starts the engines of `servers.toml` on free loopback ports, each with a temporary folder, and runs the command; without a command
it prints the URLs and waits. In the command, `{stores}` stands for `--store KIND=URL` once per kind and engine; beside the engine
that it is a second server of, it is `--second-store KIND=URL`, unless UCTEST_WHOLE is set. The environment variable UCTEST_STORES
has one KIND=URL a line, UCTEST_ENGINES the names of the engines that are not second, with commas between. The URLs
differ for engines without a server: the option leaves `{tmp}` in the URL, a folder of each test's own; the variable has the run's.
The exit code is the command's; when it is an error, what the engines' logs have of their own deaths is printed. What did not run is
printed last.

The engines belong to a second process, the keeper, in a session of its own. It waits for the end of its standard input, which comes
when this process ends, be it by `kill -9`, and then kills what is left of the command, stops the engines and removes their folders.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import contextlib
import dataclasses
import itertools
import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from typing import IO, Any

HERE = pathlib.Path(__file__).resolve().parent
TABLE = HERE.parent.parent / "servers.toml"
STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# A first start may install the engine.
START_SECONDS = 1800
GRACE_SECONDS = 30
PORTS = range(15_000, 32_000, 2)
# A file system in memory, and the room that it must have.
MEMORY = pathlib.Path("/dev/shm")
MEMORY_BYTES = 8 * 2**30
# What a log has of a server, or a process of it, that died, and how many of its lines are told.
DEATH = re.compile(r"terminated by signal|PANIC|No space left|got signal|OutOfMemoryError|fatal error")
DEATHS = 10


@dataclasses.dataclass(frozen=True)
class Engine:
    """A row of servers.toml."""

    name: str
    kinds: list[str]
    needs: str
    everywhere: bool
    start: str = ""
    environment: dict[str, str] = dataclasses.field(default_factory=dict)
    url: str = ""
    program: str = ""
    forgets: bool = False
    second_of: str = ""
    whole: bool = False


def table(path: pathlib.Path) -> dict[str, Engine]:
    """The engines by name."""
    return {name: Engine(name, **row) for name, row in tomllib.loads(path.read_text()).items()}


def choose(known: dict[str, Engine], wanted: str) -> tuple[list[Engine], bool]:
    """The engines that `wanted` names ("", "all" or names with commas between), and whether each of them must run."""
    if not wanted:
        return [engine for engine in known.values() if engine.everywhere], False
    # One that has neither is for development: it runs when it is named.
    names = (
        [name for name, one in known.items() if (one.kinds or one.program) and (not one.whole or os.environ.get("UCTEST_WHOLE"))]
        if wanted == "all"
        else [name.strip() for name in wanted.split(",")]
    )
    unknown = [name for name in names if name not in known]
    if unknown:
        raise SystemExit(f"unknown engines: {', '.join(unknown)}. Known: {', '.join(known)}, or all")
    return [known[name] for name in names], True


def is_missing(engine: Engine) -> bool:
    """Whether it is a program that this machine does not have."""
    return bool(engine.program) and shutil.which(engine.program) is None


def free_ports(count: int) -> list[int]:
    """Different loopback ports that nobody listens on, the one behind each free as well (OpenSearch takes two).

    They lie below those that outgoing connections get: a server that is killed finds its port free when it is started again.
    """
    found: list[int] = []
    for port in random.SystemRandom().sample(PORTS, len(PORTS)):
        if len(found) == count:
            break
        if _is_free(port) and _is_free(port + 1):
            found.append(port)
    return found


def _is_free(port: int) -> bool:
    with socket.socket() as one:
        try:
            one.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def start(engine: Engine, folder: pathlib.Path, port: int) -> dict[str, str]:
    """Start one engine, or start it again on what it left in its folder: its `url` and place, or the `error` that says why not."""
    folder.mkdir(exist_ok=True)
    if engine.url:
        return {"url": engine.url.replace("{tmp}", str(folder))}
    environment = {"UCTEST_PYTHON": sys.executable, **os.environ, **engine.environment}
    script = [str(HERE / engine.start), str(folder), str(port)]
    try:
        done = subprocess.run(
            script, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=START_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return {"error": str(error)}
    sys.stderr.write(done.stderr if done.returncode else "")
    if done.returncode:
        return {"error": next(reversed(done.stderr.strip().splitlines()), f"exit code {done.returncode}")}
    return {"url": done.stdout.strip(), "folder": str(folder), "port": str(port)}


def stop(folder: pathlib.Path) -> None:
    """End the engines of a folder, and of those below it."""
    subprocess.run([str(HERE / "stop.sh"), str(folder)], check=False)


def in_memory() -> pathlib.Path | None:
    """Where files are made quickly that need not survive: tables by the thousand take an engine several times as long on a disk."""
    if os.environ.get("UCTEST_DURABLE") == "1" or not os.access(MEMORY, os.W_OK):
        return None
    return MEMORY if shutil.disk_usage(MEMORY).free >= MEMORY_BYTES else None


def keep(engines: list[Engine], folder: pathlib.Path) -> None:
    """The keeper: start engines, tell their URLs on stdout; when stdin ends, kill the process groups named there, and stop them.

    The folder, which holds all that the engines and the command write, is removed then.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    folders = [folder / engine.name for engine in engines]
    try:
        with concurrent.futures.ThreadPoolExecutor() as pool:
            started = list(pool.map(start, engines, folders, free_ports(len(engines))))
        with contextlib.suppress(BrokenPipeError):
            print(json.dumps({engine.name: result for engine, result in zip(engines, started, strict=True)}), flush=True)
        for group in list(sys.stdin):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(int(group), signal.SIGKILL)
    finally:
        stop(folder)
        shutil.rmtree(folder, ignore_errors=True)


@dataclasses.dataclass(frozen=True)
class Running:
    """What a keeper runs.

    Attributes:
        started: by engine, its `url` or its `error`.
        keeper: where to tell it the command's process group.
        folder: for the command's own temporary files; they go with the engines.
    """

    started: dict[str, dict[str, str]]
    keeper: IO[str]
    folder: pathlib.Path


@contextlib.contextmanager
def engines_running(path: pathlib.Path, engines: list[Engine], *, on_disk: bool = False) -> Iterator[Running]:
    """Have a keeper start the engines; they are stopped at the end of the block, or with this process."""
    names = ",".join(engine.name for engine in engines)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="undercroft-", dir=None if on_disk else in_memory()))
    with subprocess.Popen(
        [sys.executable, __file__, "--table", str(path), "--keep", str(folder), "--engines", names],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as keeper:
        assert keeper.stdin is not None
        assert keeper.stdout is not None
        try:
            yield Running(json.loads(keeper.stdout.readline()), keeper.stdin, folder)
        finally:
            keeper.stdin.close()
            keeper.wait()


def run(command: list[str], engines: list[Engine], runs: Running) -> int:
    """Run the command until it ends or we are told to stop; its exit code as a shell would give it."""
    started = runs.started
    temporary = runs.folder / "tmp"
    temporary.mkdir()
    running = [
        (kind, engine, started[engine.name]["url"]) for engine in engines for kind in engine.kinds if "url" in started[engine.name]
    ]
    names = {engine.name for _, engine, _ in running}
    second = set() if os.environ.get("UCTEST_WHOLE") else {engine.name for _, engine, _ in running if engine.second_of in names}
    options = [
        word
        for kind, engine, url in running
        for word in ("--second-store" if engine.name in second else "--store", f"{kind}={engine.url or url}")
    ]
    words = [each for word in command for each in (options if word == "{stores}" else [word])]
    environment = {
        **os.environ,
        "TMPDIR": str(temporary),
        "UCTEST_STORES": "\n".join(f"{kind}={url}" for kind, _, url in running),
        "UCTEST_ENGINES": ",".join(dict.fromkeys(engine.name for _, engine, _ in running if engine.name not in second)),
    }
    # What we were started to ignore (by nohup, say) stays ignored by us, not by the command: its tests may send such signals.
    heeded = [number for number in STOPPING if signal.getsignal(number) is not signal.SIG_IGN]
    for number in STOPPING:
        signal.signal(number, signal.SIG_DFL)
    # A session of its own: a signal reaches the command and all it started through us, once.
    with subprocess.Popen(words, env=environment, start_new_session=True) as child:
        print(child.pid, file=runs.keeper, flush=True)

        def forward(number: int, _: Any) -> None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, number)
            # Only now: a command that has ended in time is not killed.
            signal.alarm(GRACE_SECONDS)

        def kill(_: int, __: Any) -> None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)

        for number in STOPPING:
            signal.signal(number, forward if number in heeded else signal.SIG_IGN)
        signal.signal(signal.SIGALRM, kill)
        code = child.wait()
        signal.alarm(0)
    return code if code >= 0 else 128 - code


def deaths(started: dict[str, dict[str, str]]) -> Iterator[str]:
    """What the logs of the engines have of servers that died, a few lines of each."""
    for name, result in started.items():
        log = pathlib.Path(result.get("folder", ""), "server.log")
        if "folder" in result and log.is_file():
            with log.open(errors="replace") as lines:
                found = (line.rstrip() for line in lines if DEATH.search(line))
                yield from (f"DIED {name}: {line}" for line in itertools.islice(found, DEATHS))


def wait() -> int:
    """Wait until told to stop."""
    signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
    print("Ctrl-C stops them.", flush=True)
    signal.sigwait(STOPPING)
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engines", default="", help="names with commas between, or all; those that run everywhere when empty")
    parser.add_argument("--table", type=pathlib.Path, default=TABLE, help="another servers.toml")
    parser.add_argument("--keep", type=pathlib.Path, metavar="FOLDER", help=argparse.SUPPRESS)
    parser.add_argument("command", nargs="*", metavar="-- COMMAND", help="what to run; nothing: print the URLs and wait")
    arguments = parser.parse_args()
    known = table(arguments.table)
    engines, needed = choose(known, arguments.engines)
    if arguments.keep:
        keep(engines, arguments.keep)
        return 0
    others = [name for name, each in known.items() if each not in engines and not each.whole and (each.kinds or is_missing(each))]
    with engines_running(arguments.table, engines) as runs:
        try:
            failed = {name: result["error"] for name, result in runs.started.items() if "error" in result}
            if failed and needed:
                for name, error in failed.items():
                    print(f"MISSING {name}: {error} (needs: {known[name].needs})", file=sys.stderr)
                return 1
            for name, result in runs.started.items():
                if "url" in result:
                    print(f"{name:15} {result['url']}", flush=True)
            code = run(arguments.command, engines, runs) if arguments.command else wait()
            for line in deaths(runs.started) if code else ():
                print(line, file=sys.stderr)
        finally:
            # Nothing may cut the wait for the engines' end short.
            for number in STOPPING:
                signal.signal(number, signal.SIG_IGN)
    for name, error in failed.items():
        print(f"NOT RUN {name}: {error} (needs {known[name].needs})", flush=True)
    if others:
        print(f"NOT RUN {', '.join(others)}: not asked for; `make test ENGINES=all`, as root, installs and runs every engine")
    return code


if __name__ == "__main__":
    sys.exit(main())
