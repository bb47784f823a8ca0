"""Settings: declared once, read from a file and from the environment."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

import pytest
from oslo_config import cfg

from undercroft.core import paging, settings, strict
from undercroft.core.caller import Caller
from undercroft.core.errors import ConfigInvalid, InvalidInput, WrongType
from undercroft.core.paging import Page


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> Iterator[None]:
    for name in ("UNDERCROFT_CONFIG", "UNDERCROFT_STORAGE__RETENTION_PERIOD", "UNDERCROFT_RATING__RESOURCE_KEYS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(settings, "DEFAULT_FILE", tmp_path / "none.conf")
    settings.current.cache_clear()
    yield
    settings.current.cache_clear()


def test_defaults() -> None:
    assert settings.get("storage", "retention_period") == 2400
    assert settings.get("rating", "resource_keys") == ["id", "resource_id"]
    assert settings.get("rating", "connection") is None


def test_the_environment_wins_over_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    file = tmp_path / "x.conf"
    file.write_text("[storage]\nretention_period = 7\n[rating]\nconnection = sqlite:///a.db\n")
    monkeypatch.setenv("UNDERCROFT_CONFIG", str(file))
    monkeypatch.setenv("UNDERCROFT_STORAGE__RETENTION_PERIOD", "9")
    assert settings.get("storage", "retention_period") == 9
    assert settings.get("rating", "connection") == "sqlite:///a.db"


def test_settings_are_read_once_until_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings.get("storage", "retention_period") == 2400
    monkeypatch.setenv("UNDERCROFT_STORAGE__RETENTION_PERIOD", "9")
    assert settings.get("storage", "retention_period") == 2400
    settings.current.cache_clear()
    assert settings.get("storage", "retention_period") == 9


def test_a_list_has_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNDERCROFT_RATING__RESOURCE_KEYS", "id, server")
    assert settings.get("rating", "resource_keys") == ["id", "server"]


@pytest.mark.parametrize("wrong", ["many", "-1", "1.5"])
def test_values_of_a_wrong_type(monkeypatch: pytest.MonkeyPatch, wrong: str) -> None:
    monkeypatch.setenv("UNDERCROFT_STORAGE__RETENTION_PERIOD", wrong)
    with pytest.raises(ConfigInvalid, match="retention_period"):
        settings.get("storage", "retention_period")


def test_a_file_that_cannot_be_read(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    with pytest.raises(ConfigInvalid, match="settings"):
        settings.load(tmp_path / "missing.conf")
    (tmp_path / "broken.conf").write_text("no section\n")
    with pytest.raises(ConfigInvalid, match="settings"):
        settings.load(tmp_path / "broken.conf")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[storage]\nretention_perod = 0\n", ":2, group [storage]: unknown option 'retention_perod'; did you mean 'retention_per"),
        ("[storage]\n\n# x\nretention-period: 0\n", ":4, group [storage]: unknown option 'retention-period'; did you mean"),
        ("[STORAGE]\nRetention_Period = 0\n", ":2, group [storage]: unknown option 'Retention_Period'; did you mean 'retention_"),
        ("[api]\nport = 1\n  , 2\n[storge]\n", ":4: unknown group 'storge'; did you mean 'storage'?"),
        ("[DEFAULT]\ndebug = true\n", ":1: unknown group 'DEFAULT'."),
        ("[rating]\nretention_period = 1d\n", " It is an option of group [storage]."),
        ("[worker]\nexpire_intervall = 1h\n", "did you mean 'expire_interval'?"),
    ],
)  # fmt: skip
def test_what_nobody_reads_is_refused_with_its_line(tmp_path: pathlib.Path, text: str, told: str) -> None:
    file = tmp_path / "x.conf"
    file.write_text(text)
    with pytest.raises(ConfigInvalid) as caught:
        settings.load(file)
    assert str(caught.value).startswith(f"{file}:")
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("UNDERCROFT_RATING_CONNECTION", "UNDERCROFT_RATING__CONNECTION"),
        ("UNDERCROFT_RATNG__CONNECTION", "UNDERCROFT_RATING__CONNECTION"),
        ("UNDERCROFT_STORAGE__RETENTION_PEROD", "UNDERCROFT_STORAGE__RETENTION_PERIOD"),
        ("UNDERCROFT_storage__retention_period", "UNDERCROFT_STORAGE__RETENTION_PERIOD"),
        ("UNDERCROFT_CONF", "UNDERCROFT_CONFIG"),
        ("UNDERCROFT_API_PORT", "UNDERCROFT_API__PORT"),
    ],
)
def test_a_variable_that_sets_nothing_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, meant: str) -> None:
    monkeypatch.setenv(name, "canary-word")
    with pytest.raises(ConfigInvalid, match=f"unknown variable '{name}'; did you mean '{meant}'") as caught:
        settings.load()
    assert "canary-word" not in str(caught.value)


def test_the_variables_that_kubernetes_gives_are_no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service called `undercroft` or `undercroft-api`, seen from its own containers."""
    for name in ("UNDERCROFT", "UNDERCROFT_API"):
        given = {
            "SERVICE_HOST": "10.0.0.11", "SERVICE_PORT": "8889", "SERVICE_PORT_HTTP": "8889", "PORT": "tcp://10.0.0.11:8889",
            "PORT_8889_TCP": "tcp://10.0.0.11:8889", "PORT_8889_TCP_PROTO": "tcp", "PORT_8889_TCP_PORT": "8889",
            "PORT_8889_TCP_ADDR": "10.0.0.11",
        }  # fmt: skip
        for part, value in given.items():
            monkeypatch.setenv(f"{name}_{part}", value)
    settings.load()


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("[storage]\nretention_period = soon\n", "'soon' is not a span of time such as 90d, 36h, 15m, 30s or 2w, or a whole numb"),
        ("[api]\nauth = keystone\n", "'keystone' is not one of 'none', 'tokens'"),
        ("[api]\nworkers = 0\n", "'0' is not a whole number, at least 1"),
        ("[api]\nport = 70000\n", "'70000' is not a whole number, at least 0, at most 65535"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_told_with_its_place_and_what_is_allowed(tmp_path: pathlib.Path, line: str, told: str) -> None:
    file = tmp_path / "x.conf"
    file.write_text(line)
    group, option = line.partition("\n")[0], line.partition("\n")[2].partition(" ")[0]
    with pytest.raises(ConfigInvalid) as caught:
        settings.load(file)
    assert str(caught.value).startswith(f"{file}:2: {group} {option}: {told}")


def test_spans_and_numbers_without_a_unit(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    file = tmp_path / "x.conf"
    file.write_text("[storage]\nretention_period = 2w\n[events]\ntime_to_live = 3600\n[worker]\nexpire_interval = 0\n")
    monkeypatch.setenv("UNDERCROFT_CONFIG", str(file))
    assert (settings.get("storage", "retention_period"), settings.get("events", "time_to_live")) == (336, 3600)
    (note,) = settings.notes()
    assert note.startswith(f"{file}:4: [events] time_to_live = 3600 is taken as seconds; write 3600s")
    assert [settings.is_set(*option) for option in (("storage", "retention_period"), ("worker", "maintain_interval"))] == [
        True,
        False,
    ]
    monkeypatch.setenv("UNDERCROFT_WORKER__MAINTAIN_INTERVAL", "60")
    assert sorted(note.partition(":")[0] for note in settings.notes()) == [str(file), "UNDERCROFT_WORKER__MAINTAIN_INTERVAL"]


def test_of_a_host_s_file_only_our_own_group_is_looked_at(tmp_path: pathlib.Path) -> None:
    (tmp_path / "d").mkdir()
    file, more = tmp_path / "host.conf", tmp_path / "d" / "more.conf"
    file.write_text("[DEFAULT]\ndebug = true\n[storage]\nbackend = undercroft\n[ours]\nconnection = x\n")
    more.write_text("[Ours]\nconection = y\n")
    conf = cfg.ConfigOpts()
    strict.check_host(conf, "ours", ["connection"])
    conf(args=[], default_config_files=[str(file)], default_config_dirs=[])
    strict.check_host(conf, "ours", ["connection"])
    conf(args=[], default_config_files=[str(file)], default_config_dirs=[str(tmp_path / "d")])
    with pytest.raises(ConfigInvalid, match=r"more\.conf:2, group \[ours\]: unknown option 'conection'; did you mean 'connection'"):
        strict.check_host(conf, "ours", ["connection"])


def test_a_page() -> None:
    assert paging.page(0, 1000) == Page(0, 1000)
    assert paging.page(2**63 - 1, 0) == Page(2**63 - 1, 0)
    assert paging.page("ignored", None, paginate=False) is None


@pytest.mark.parametrize(
    ("offset", "limit", "field", "error"),
    [
        (-1, 1, "offset", InvalidInput),
        (1, -1, "limit", InvalidInput),
        (2**63, 1, "offset", InvalidInput),
        (1.0, 1, "offset", WrongType),
        (0, "1", "limit", WrongType),
        (True, 1, "offset", WrongType),
        (0, None, "limit", WrongType),
    ],
)
def test_a_page_that_cannot_be_meant(offset: object, limit: object, field: str, error: type[InvalidInput]) -> None:
    with pytest.raises(error) as caught:
        paging.page(offset, limit)
    assert caught.value.field == field


def test_only_an_admin_sees_every_project() -> None:
    assert Caller(roles=frozenset({"admin", "member"})).is_admin
    assert not Caller(project="p", user="u", roles=frozenset({"member"})).is_admin
    assert Caller() == Caller(None, None, frozenset(), None)
