"""The root command: help, versions, settings, and what becomes of failures."""

from __future__ import annotations

import pathlib
import socket
import subprocess
import sys

import click
import pytest

import undercroft
from tests.cli.conftest import runner
from undercroft.cli.main import root


def commands(group: click.Group, words: tuple[str, ...] = ()):
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield (*words, name)
        if isinstance(command, click.Group):
            yield from commands(command, (*words, name))


@pytest.mark.parametrize("words", [(), *commands(root)], ids=" ".join)
def test_every_help_has_examples_that_name_the_command(words, run):
    text = run(*words, "--help").stdout
    assert "Examples:" in text
    assert " ".join(("undercroft", *words)) in text.split("Examples:")[1]


def test_help_lists_the_exit_codes(run):
    text = run("--help").stdout.split("Exit codes:")[1]
    for code in ("0", "1", "2", "75", "130", "141"):
        assert f"  {code} " in text


def test_version(run):
    assert run("--version").stdout == f"undercroft {undercroft.__version__}\n"


def test_help_loads_no_engine_library():
    code = (
        "import sys; from undercroft.cli.main import root; root(['rating', '--help'], standalone_mode=False); "
        "print([name for name in ('sqlalchemy', 'alembic', 'psycopg', 'oslo_config') if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


@pytest.mark.parametrize(
    ("arguments", "message", "place"),
    [
        (("ratings",), "error: No such command 'ratings'.", "undercroft"),
        (("--colour", "db"), "error: No such option", "undercroft"),
        (("rating", "total", "--buy", "x"), "error: No such option", "undercroft rating total"),
        (("rating", "push", "/no/such/file"), "error: Invalid value for", "undercroft rating push"),
        (("--config", "/no/such/file", "db"), "error: Invalid value for '--config'", "undercroft"),
    ],
)
def test_misuse_is_one_line_and_where_to_look(run, arguments, message, place):
    result = run(*arguments, code=2)
    first, second = result.stderr.splitlines()
    assert first.startswith(message)
    assert second == f"note: {place} --help tells how it is used"
    assert result.stdout == ""


@pytest.mark.parametrize("group", [(), ("rating",), ("db",)], ids=" ".join)
def test_a_group_alone_shows_its_help(group):
    result = runner().invoke(root, group, prog_name="undercroft")
    assert "Examples:" in result.stdout + result.stderr


def test_no_store_says_how_to_name_one(run):
    message = run("rating", "total", code=2).stderr
    assert message.count("\n") == 1
    assert message.startswith("error: no store is named")
    for hint in ("--store", "UNDERCROFT_RATING__CONNECTION", "[rating]"):
        assert hint in message


def test_the_example_of_a_store_is_one_of_its_kind(run):
    assert "give --store prometheus://127.0.0.1:9090, set" in run("datasource", "list", code=2).stderr


def test_store_from_the_environment(run, url, monkeypatch):
    monkeypatch.setenv("UNDERCROFT_RATING__CONNECTION", url)
    assert run("db", "check").stdout.startswith("rating: current")


def test_store_from_a_settings_file_for_this_command_only(run, url, tmp_path):
    file = tmp_path / "undercroft.conf"
    file.write_text(f"[rating]\nconnection = {url}\n")
    assert run("--config", file, "db", "check").stdout.startswith("rating: current")
    assert "no store is named" in run("db", "check", code=2).stderr


def test_settings_file_that_is_none(run, tmp_path):
    file = tmp_path / "undercroft.conf"
    file.write_text("connection without a group\n")
    assert run("--config", file, "db", "check", code=2).stderr.startswith("error: settings:")


@pytest.mark.parametrize("url", ["rating.db", "oracle://host/db", "sqlite:///x.db?pool=3"])
def test_wrong_url(run, url, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    message = run("rating", "total", "--store", url, code=2).stderr
    assert message.startswith("error: ")
    assert message.count("\n") == 1


def test_an_engine_that_does_not_answer_can_be_tried_again(run):
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        url = f"postgresql://somebody:secret@127.0.0.1:{reserved.getsockname()[1]}/nothing"
        message = run("rating", "total", "--store", url, code=75).stderr
    assert message.startswith("error: ")
    assert message.count("\n") == 1
    assert "secret" not in message


def test_a_store_without_tables_names_the_command_that_makes_them(run, tmp_path):
    message = run("rating", "total", "--store", f"sqlite:///{tmp_path}/empty.db", code=2).stderr
    assert "undercroft db upgrade" in message


def test_an_unexpected_failure_is_one_line_and_a_traceback_with_debug(url, tmp_path):
    # A folder in the place of the file that was named: nothing in the code expects it.
    code = (
        "import sys, undercroft.rating.files as files; "
        "files.jsonl = lambda frames: 1 / 0; "
        "from undercroft.cli.main import root; root(sys.argv[1:])"
    )
    arguments = ["rating", "retrieve", "--store", url, "--format", "jsonl"]
    plain = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    assert plain.returncode == 1
    assert plain.stderr == "error: unexpected ZeroDivisionError: division by zero (--debug shows where; please report it)\n"
    debug = subprocess.run([sys.executable, "-c", code, "--debug", *arguments], capture_output=True, text=True, check=False)
    assert debug.returncode == 1
    assert "Traceback" in debug.stderr


def test_what_cannot_be_written_is_named(run, url, tmp_path):
    target = tmp_path / "missing" / "usage.jsonl"
    message = run("rating", "retrieve", "--store", url, "--output", target, code=1).stderr
    assert message.startswith("error: ")
    assert "missing" in message
    assert message.count("\n") == 1


def test_control_characters_of_a_message_do_not_reach_the_terminal(run, url, tmp_path, jsonl):
    path = jsonl('{"period": {"begin": "\\u001b[31m", "end": "x"}, "usage": {}}')
    message = run("rating", "push", path, "--store", url, code=2).stderr
    assert "\x1b" not in message
    assert "period.begin" in message


def test_the_installed_program_runs():
    program = pathlib.Path(sys.executable).with_name("undercroft")
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    assert undercroft.__version__ in done.stdout
