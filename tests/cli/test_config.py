"""`undercroft config show`: every setting, where it comes from, and no secret."""

from __future__ import annotations

import msgspec
import pytest

from undercroft.core import settings, url

SECRET = "canary-word"


def shown(run, *more):
    found = msgspec.json.decode(run(*more, "config", "show", "--format", "json").stdout)
    return {f"{one['group']}.{one['option']}": one for one in found}


def test_every_setting_is_shown_with_its_default(run):
    found = shown(run)
    assert set(found) == {f"{group}.{option.name}" for group, options in settings.options().items() for option in options}
    assert found["storage.retention_period"] == {
        "group": "storage", "option": "retention_period", "value": 2400, "origin": "default", "place": "",
    }  # fmt: skip
    assert found["rating.connection"]["value"] is None


def test_a_file_and_the_environment_are_named_as_origins(run, tmp_path, monkeypatch):
    file = tmp_path / "undercroft.conf"
    file.write_text("[storage]\nretention_period = 48\n[rating]\nresource_keys = a,b\n")
    monkeypatch.setenv("UNDERCROFT_RATING__RESOURCE_KEYS", "c,d")
    found = shown(run, "--config", file)
    kept = found["storage.retention_period"]
    assert (kept["value"], kept["origin"], kept["place"]) == (48, "file", str(file))
    keys = found["rating.resource_keys"]
    assert (keys["value"], keys["origin"], keys["place"]) == (["c", "d"], "environment", "UNDERCROFT_RATING__RESOURCE_KEYS")
    table = run("--config", file, "config", "show").stdout
    assert f"file {file}" in table
    assert "c, d" in table


@pytest.mark.promise("S7")
@pytest.mark.parametrize(
    "connection",
    [
        f"postgresql://user:{SECRET}@host/db?pool_size=4",
        f"postgresql://user:a@b:{SECRET}/x@host/db",
        f"postgresql://user:a?{SECRET}@host/db",
        f"postgresql://user:a/{SECRET}@host/db",
        f"postgresql://host/db?sslpassword={SECRET}&pool_size=4",
        f"postgresql://host/db?password={SECRET}",
        f"postgresql://host/db?PASSWD={SECRET}#x",
        f"postgresql://host/db?auth_token={SECRET}@home",
        f"mysql+pymysql://user:{SECRET}@host/db",
        SECRET,
        f"user:{SECRET}@host",
    ],
)
def test_no_secret_is_shown(run, monkeypatch, connection):
    monkeypatch.setenv("UNDERCROFT_RATING__CONNECTION", connection)
    for form in ("table", "json"):
        settings.current.cache_clear()
        done = run("config", "show", "--format", form)
        assert SECRET not in done.stdout + done.stderr
        assert "UNDERCROFT_RATING__CONNECTION" in done.stdout
        assert "***" in done.stdout


def test_what_is_no_secret_of_a_url_is_shown():
    for plain in (
        "sqlite:////srv/rating.db?timezone=Europe/Paris&resource_keys=a",
        "postgresql://user@host:5432/db?sslmode=require",
    ):
        assert url.masked(plain) == plain
    assert (
        url.masked("postgresql://u:p@h:1/db?pool_size=4&sslpassword=x") == "postgresql://u:***@h:1/db?pool_size=4&sslpassword=***"
    )


def test_a_variable_that_sets_nothing_is_told(run, monkeypatch):
    monkeypatch.setenv("UNDERCROFT_RATNG__CONNECTION", SECRET)
    err = run("config", "show", code=2).stderr
    assert "'UNDERCROFT_RATNG__CONNECTION'; did you mean 'UNDERCROFT_RATING__CONNECTION'?" in err
    assert SECRET not in err


def test_a_value_of_the_wrong_type(run, tmp_path):
    file = tmp_path / "undercroft.conf"
    file.write_text("[storage]\nretention_period = soon\n")
    assert "retention_period" in run("--config", file, "config", "show", code=2).stderr
