"""The values of the kinds: what they name as text is there."""

from __future__ import annotations

import importlib.util
import pkgutil
import subprocess
import sys

import click
import pytest

from undercroft.api.kind import Api
from undercroft.core import kinds, registry, settings
from undercroft.core.errors import ConfigInvalid

KINDS = list(kinds.installed().values())


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_what_a_kind_names_is_there(kind):
    assert {option.dest for option in kind.load_settings()[kind.name]} >= {"connection"}
    assert registry.schemes(kind.name)
    api = kind.load_api()
    assert api is None or (isinstance(api, Api) and api.name == kind.name)
    assert all(route.path.split("/")[1] == kind.name for route in (() if api is None else api.routes))
    workers = {option.dest for option in settings.options()["worker"]}
    assert all(task.interval in workers for task in kind.load_tasks())
    assert all(isinstance(pkgutil.resolve_name(place), click.Group) for place in kind.cli.values())
    for package in (kind.suite, kind.migrations):
        assert package is None or importlib.util.find_spec(package) is not None


def test_one_kind_takes_a_bare_url(monkeypatch):
    assert [kind for kind in KINDS if kind.takes_bare_url] == [kinds.bare()]
    monkeypatch.setattr(kinds, "installed", dict)
    with pytest.raises(ConfigInvalid, match="install undercroft again"):
        kinds.bare()


def test_no_two_kinds_share_a_setting_or_a_command():
    options = [(group, option.dest) for group, declared in settings.options().items() for option in declared]
    assert len(set(options)) == len(options)
    commands = [name for kind in KINDS for name in kind.cli]
    assert len(set(commands)) == len(commands)


def test_reading_the_values_loads_no_kind():
    code = "import sys; from undercroft.core import kinds; kinds.installed(); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"sqlalchemy", "falcon", "click", "pytest", *(f"undercroft.{kind.name}" for kind in KINDS)} & set(loaded)
