"""Settings: declared once, read from a file and from the environment."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

import pytest

from undercroft.core import paging, settings
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
