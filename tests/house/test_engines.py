"""The runner of engines: what it starts it stops, however the run ends; what did not run is said, or fails."""

from __future__ import annotations

import os
import pathlib
import re
import signal
import subprocess
import sys
import time

import psycopg
import pytest

RUNNER = pathlib.Path(__file__).parent.parent / "engines" / "run.py"
MISSING = """
[sqlite]
kinds = ["rating"]
needs = "nothing"
everywhere = true
url = "sqlite:///{tmp}/undercroft.db"

[absent]
kinds = ["rating"]
needs = "a machine that has it"
everywhere = true
start = "start-absent.sh"

[elsewhere]
kinds = ["rating"]
needs = "root"
everywhere = false
start = "start-absent.sh"
"""


def runner(*arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(RUNNER), *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def python(code: str) -> list[str]:
    return ["--", sys.executable, "-c", code]


def await_end(condition, what: str) -> None:
    """Wait until `condition` holds; the limit is far above what a stop takes and only ends a test that fails."""
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.05)


def processes_in(folder: str) -> list[str]:
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
            if folder in command:
                found.append(command)
    return found


def test_command_gets_running_engines_and_they_are_gone_afterwards():
    code = """
import os, sys, psycopg
stores = dict(line.split("=", 1) for line in os.environ["UCTEST_STORES"].splitlines())
with psycopg.connect(stores["rating"]) as connection:
    print("SEEN", connection.execute("show data_directory").fetchone()[0])
print("ARGUMENTS", sys.argv[1:])
sys.exit(7)
"""
    process = runner("--engines", "postgresql", *python(code), "{stores}", "last")
    out, err = process.communicate(timeout=110)
    assert process.returncode == 7, err
    folder = re.search(r"SEEN (\S+)/postgresql/pg", out)
    url = re.search(r"postgresql://\S+", out)
    assert folder
    assert url
    given = [
        word for kind in ("rating", "events", "metering", "messaging", "datasources") for word in ("--store", f"{kind}={url[0]}")
    ]
    assert f"ARGUMENTS {[*given, 'last']}" in out
    assert not pathlib.Path(folder[1]).exists()
    assert processes_in(folder[1]) == []
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url[0], connect_timeout=5)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_interrupted_run_leaves_no_server(number):
    code = "import os; print(os.environ['UCTEST_STORES'], flush=True); import time; time.sleep(600)"
    process = runner("--engines", "postgresql", *python(code))
    assert process.stdout is not None
    url = ""
    while not url.startswith("rating="):
        url = process.stdout.readline()
        assert url, "the runner ended early"
    url = url.strip().removeprefix("rating=")
    with psycopg.connect(url) as connection:
        row = connection.execute("show data_directory").fetchone()
        assert row
        folder = row[0].removesuffix("/postgresql/pg")
    assert processes_in(folder), "the test must be able to see the server"
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode == (-number if number == signal.SIGKILL else 128 + number)
    await_end(lambda: not processes_in(folder), "the server runs on")
    await_end(lambda: not pathlib.Path(folder).exists(), "the folder is still there")


def test_what_is_ignored_outside_is_not_ignored_inside():
    code = "import signal; print('SIGNALS', [signal.getsignal(n) is signal.SIG_IGN for n in (1, 2, 15)])"
    ignoring = "trap '' HUP INT; exec \"$@\""
    words = ["sh", "-c", ignoring, "sh", sys.executable, str(RUNNER), "--engines", "sqlite", *python(code)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=True)
    assert "SIGNALS [False, False, False]" in done.stdout


def test_a_failed_run_tells_of_servers_that_died():
    code = """
import os, signal, sys, psycopg
url = os.environ["UCTEST_STORES"].splitlines()[0].partition("=")[2]
doomed, other = psycopg.connect(url), psycopg.connect(url, autocommit=True)
os.kill(doomed.info.backend_pid, signal.SIGKILL)
# The server writes to its log before it ends the others.
while True:
    other.execute("SELECT 1")
"""
    _, err = runner("--engines", "postgresql", *python(code)).communicate(timeout=60)
    assert re.search(r"^DIED postgresql: .*terminated by signal 9", err, re.MULTILINE), err


def test_killed_command_is_reported_and_its_children_end():
    code = "import os, subprocess; subprocess.Popen(['sleep', '987654']); os.kill(os.getpid(), 9)"
    process = runner("--engines", "sqlite", *python(code))
    process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGKILL
    await_end(lambda: not processes_in("sleep 987654"), "a child of the command runs on")


def test_engine_without_a_server_gives_each_test_its_own_folder():
    code = "import os, sys; print(os.environ['UCTEST_STORES'].splitlines()[0]); print(sys.argv[2])"
    out, _ = runner("--engines", "sqlite", *python(code), "{stores}").communicate(timeout=60)
    of_the_run, of_a_test = out.splitlines()[1:3]
    assert re.fullmatch(r"rating=sqlite:////\S+/undercroft\.db", of_the_run)
    assert of_a_test == "rating=sqlite:///{tmp}/undercroft.db"


def test_servers_without_a_command_wait_for_the_signal():
    process = runner("--engines", "sqlite")
    assert process.stdout is not None
    lines = [process.stdout.readline(), process.stdout.readline()]
    assert re.match(r"sqlite +sqlite:////\S+/undercroft\.db\n", lines[0])
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    (line,) = [line for line in out.splitlines() if line.startswith("NOT RUN ")]
    assert "postgresql, " in line


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "servers.toml"
    path.write_text(MISSING)
    return path


def test_missing_engine_is_said_last_in_a_plain_run(table):
    process = runner("--table", table, *python("print('the command ran')"))
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    lines = out.splitlines()
    assert lines[-3] == "the command ran"
    assert lines[-2].startswith("NOT RUN absent: ")
    assert lines[-2].endswith("(needs a machine that has it)")
    assert lines[-1].startswith("NOT RUN elsewhere: not asked for; `make test ENGINES=all`")


@pytest.mark.parametrize(("program", "told"), [("sh", []), ("no-such-program", ["NOT RUN helper: not asked for"])])
def test_a_program_that_is_there_has_run_whoever_installed_it(tmp_path, program, told):
    path = tmp_path / "servers.toml"
    head = MISSING.partition("[absent]")[0]
    path.write_text(f'{head}[helper]\nkinds = []\nneeds = "Debian\'s helper"\neverywhere = false\nprogram = "{program}"\n')
    out, _ = runner("--table", path, *python("print('the command ran')")).communicate(timeout=60)
    assert [line.partition(";")[0] for line in out.splitlines()[2:]] == told


@pytest.mark.parametrize("engines", ["all", "sqlite,absent"])
def test_missing_engine_fails_where_it_was_asked_for(table, engines):
    process = runner("--table", table, "--engines", engines, *python("print('the command ran')"))
    out, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "the command ran" not in out
    assert "MISSING absent: " in err


SECOND = """
[sqlite]
kinds = ["rating"]
needs = "nothing"
everywhere = true
url = "sqlite:///{tmp}/first.db"

[again]
kinds = ["rating"]
needs = "nothing"
everywhere = true
second_of = "sqlite"
url = "sqlite:///{tmp}/second.db"
"""


@pytest.mark.parametrize(
    ("engines", "whole", "told", "names"),
    [
        ("sqlite,again", "", ["--store", "--second-store"], "sqlite"),
        ("sqlite,again", "1", ["--store", "--store"], "sqlite,again"),
        ("again", "", ["--store"], "again"),
    ],
)
def test_second_servers_are_told_apart_unless_all_tests_are_wanted(tmp_path, engines, whole, told, names):
    path = tmp_path / "servers.toml"
    path.write_text(SECOND)
    code = "import os, sys; print(sys.argv[1::2], os.environ['UCTEST_ENGINES'])"
    words = [sys.executable, str(RUNNER), "--table", str(path), "--engines", engines, *python(code), "{stores}"]
    done = subprocess.run(words, env={**os.environ, "UCTEST_WHOLE": whole}, capture_output=True, text=True, check=True)
    assert f"{told} {names}" in done.stdout


def test_unknown_engine_is_refused():
    process = runner("--engines", "oracle", *python("pass"))
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "unknown engines: oracle" in err


def test_durable_setting_reaches_the_server():
    code = """
import os, psycopg
url = os.environ["UCTEST_STORES"].splitlines()[0].partition("=")[2]
with psycopg.connect(url) as connection:
    names = ("fsync", "synchronous_commit", "full_page_writes")
    print("FSYNC", *(connection.execute(f"show {name}").fetchone()[0] for name in names))
"""
    for durable, expected in (("1", "FSYNC on on on"), ("0", "FSYNC off off off")):
        done = subprocess.run(
            [sys.executable, str(RUNNER), "--engines", "postgresql", *python(code)],
            env={**os.environ, "UCTEST_DURABLE": durable},
            capture_output=True,
            text=True,
            timeout=110,
            check=True,
        )
        assert expected in done.stdout
