"""A kind of data in a package outside this repository's own: nothing of the product names it, and all of it serves it."""

from __future__ import annotations

import pathlib
import re
import subprocess
from collections.abc import Callable

import pytest

from tests import outside
from tests.api.service import Service

HERE = pathlib.Path(__file__).parent
pytestmark = pytest.mark.timeout(300)
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A folder with the kind's package installed."""
    return outside.install(HERE, tmp_path_factory.mktemp("outside"))


@pytest.fixture
def run(site: pathlib.Path, tmp_path: pathlib.Path) -> Run:
    """Runs a module of Python where the kind is installed."""
    settings = {"UNDERCROFT_NOTES__CONNECTION": f"sqlite:///{tmp_path}/notes.db"}
    return lambda *arguments, **more: outside.run(site, *arguments, cwd=tmp_path, **(settings | more))


def undercroft(run: Run, *arguments: str, **more: str) -> str:
    done = run("undercroft.cli.main", *arguments, **more)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_it_is_upgraded_examined_and_worked(run):
    assert "notes: from nothing to notes_0001" in undercroft(run, "db", "upgrade")
    assert "notes: current" in undercroft(run, "db", "check", "--kind", "notes")
    for name in ("a", "b"):
        undercroft(run, "note", "put", name, "text")
    assert "as this version needs them" in undercroft(run, "doctor", "--verify")
    assert "notes beyond the limit are deleted job=notes.expire notes=1" in undercroft(
        run, "worker", "--once", UNDERCROFT_NOTES__MOST="1"
    )


def test_its_settings_and_help_are_told(run):
    assert "[notes] most" in undercroft(run, "config", "show")
    told = undercroft(run, "--help")
    assert "Notes: short texts with names." in told
    assert "notes, " in told


def test_it_is_served_beside_the_others(run, site, tmp_path, monkeypatch):
    undercroft(run, "db", "upgrade", "--store", f"notes=sqlite:///{tmp_path}/notes.db")
    undercroft(run, "note", "put", "a", "text")
    monkeypatch.setenv("PYTHONPATH", str(site))
    service = Service(None, "--store", f"notes=sqlite:///{tmp_path}/notes.db")
    try:
        service.await_alive()
        assert service.client.get("/notes/v1/notes").json() == [["a", "text"]]
        assert service.client.get("/readyz").json() == {"status": "ready"}
        assert "/notes/v1/notes" in service.client.get("/openapi.json").json()["paths"]
        assert service.client.get("/notes/v1/nothing").status_code == 404
    finally:
        service.close()


def test_its_suite_runs_through_the_plugin(run):
    done = run(
        "pytest", "--pyargs", "notes_kind.conformance", "-q", "-p", "no:cacheprovider", "--store", "notes=sqlite:///{tmp}/n.db"
    )
    assert done.returncode == 0, done.stdout[-5000:]
    assert re.search(r"^notes +sqlite +3 +0 +0$", done.stdout, re.MULTILINE), done.stdout
