"""The configuration: where its texts come from, which wins, and what is said about one that is wrong."""

from __future__ import annotations

import datetime as dt
import os
import pathlib
from typing import Any

import pytest

from undercroft.core import settings as process
from undercroft.core.errors import ConfigInvalid
from undercroft.export import KEYS, load
from undercroft.export.settings import Settings, endpoint_id

FILTERS = "[filter:all]\nmeters = *\n"
ENOUGH = {"endpoint": "http://127.0.0.1:8777", "auth": "none", "connection": "sqlite:///x.db"}
# A text of each key that is not its default, and the value that it means.
TEXTS: dict[str, tuple[str, Any]] = {
    "endpoint": ("https://api.example.org/metering/", "https://api.example.org/metering"),
    "auth_url": ("http://keystone:5000/v3", "http://keystone:5000/v3"),
    "auth": ("none", "none"),
    "interface": ("internal", "internal"),
    "connection": ("mariadb://u:p%40@h/d?statement_timeout=5", "mariadb://u:p%40@h/d?statement_timeout=5"),
    "table": ("bi.cloud_samples", "bi.cloud_samples"),
    "extra_columns": ("resource_metadata, user_id", ("user_id", "resource_metadata")),
    "strict": ("yes", True), "insecure": ("on", True),
    "interval": ("500ms", 0.5), "overlap": ("1h", 3600.0), "lag": ("0", 0.0), "timeout": ("2.5", 2.5),
    "backoff_base": ("0.5", 0.5), "backoff_max": ("10m", 600.0),
    "start": ("-7d", "-7d"), "page": ("50", 50), "mode": ("simple", "simple"), "retries": ("3", 3),
}  # fmt: skip


def written(folder: pathlib.Path, *, filters: str = FILTERS, **keys: str) -> pathlib.Path:
    file = folder / "export.ini"
    lines = "".join(f"{name} = {value}\n" for name, value in {**ENOUGH, **keys}.items())
    file.write_text(f"[exporter]\n{lines}{filters}")
    return file


def text_of(key: str) -> tuple[str, Any]:
    return TEXTS.get(key, (f"a-{key}", f"a-{key}"))


def refusal(file: pathlib.Path, given: dict[str, str] | None = None) -> str:
    with pytest.raises(ConfigInvalid) as caught:
        load(file, given)
    return str(caught.value)


def test_defaults(tmp_path):
    found = load(written(tmp_path))
    for name, key in KEYS.items():
        if name not in ENOUGH:
            assert getattr(found, name) == key.default, name
    assert set(Settings.__struct_fields__) == {*KEYS, "filters"}


@pytest.mark.parametrize("key", list(KEYS))
@pytest.mark.parametrize("place", ["file", "environment", "option"])
def test_every_key_from_every_place(tmp_path, monkeypatch, key, place):
    text, value = text_of(key)
    file, given = written(tmp_path), {}
    if place == "file":
        file = written(tmp_path, **{key: text})
    elif place == "environment":
        monkeypatch.setenv(f"UNDERCROFT_EXPORTER__{key.upper()}", text)
        # Other commands do not take it for a setting of theirs that is misspelt.
        process.load()
    else:
        given = {key: text}
    assert getattr(load(file, given), key) == value


def test_options_win_over_the_environment_and_that_over_the_file(tmp_path, monkeypatch):
    file = written(tmp_path, page="1")
    monkeypatch.setenv("UNDERCROFT_EXPORTER__PAGE", "2")
    assert load(file).page == 2
    assert load(file, {"page": "3"}).page == 3


@pytest.mark.parametrize(
    ("alias", "key"),
    [("project_name", "tenant"), ("project_id", "tenant_id"), ("username", "user"), ("password", "key"), ("region_name", "region")],
)
def test_aliases(tmp_path, monkeypatch, alias, key):
    assert getattr(load(written(tmp_path, **{alias: "x"})), key) == "x"
    assert "are one key" in refusal(written(tmp_path, **{alias: "x", key: "y"}))
    monkeypatch.setenv(f"UNDERCROFT_EXPORTER__{alias.upper()}", "z")
    assert getattr(load(written(tmp_path, **{key: "y"})), key) == "z"


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ({"overlp": "3"}, ":5: [exporter] unknown key 'overlp'; did you mean 'overlap'?"),
        ({"interval": "soon"}, ":5: interval: 'soon' is not a span of time such as 90d"),
        ({"interval": "0"}, ":5: interval: '0' is not between 0.05 and"),
        ({"page": "0"}, ":5: page: '0' is not a whole number from 1 to 100,000"),
        ({"page": "1_0"}, ":5: page: "),
        ({"mode": "complx"}, "did you mean 'complex'?"),
        ({"strict": "maybe"}, "is not true or false"),
        ({"retries": "-1"}, "retries: '-1' is not a whole number"),
        ({"table": "x; drop"}, "is not a table name"),
        ({"extra_columns": "users"}, "unknown value 'users'"),
        ({"start": "yesterday"}, "is not an ISO 8601 time"),
        ({"start": "-7"}, "is not a span of time"),
        ({"endpoint": "ftp://x"}, "is not an http:// or https:// URL"),
        ({"connection": "x.db"}, "is not a database URL"),
        ({"backoff_base": "400"}, "backoff_base is longer than backoff_max"),
        ({"auth": "v3"}, "auth_url, tenant, user, key missing"),
        ({"auth": "token"}, "auth = token needs token"),
        ({"auth": "none", "endpoint": ""}, "auth = none needs endpoint"),
        ({"connection": ""}, "connection is missing"),
        ({"key": "${NOT_THERE_AT_ALL}"}, "the environment has no variable NOT_THERE_AT_ALL"),
        ({"key": "file:/does/not/exist"}, "/does/not/exist: No such file or directory"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(tmp_path, keys, problem):
    assert problem in refusal(written(tmp_path, **keys))


def test_an_option_and_a_variable_that_are_wrong_are_named(tmp_path, monkeypatch):
    assert refusal(written(tmp_path), {"backoff_max": "x"}).startswith("--backoff-max: backoff_max: 'x'")
    monkeypatch.setenv("UNDERCROFT_EXPORTER__PAEG", "1")
    assert "UNDERCROFT_EXPORTER__PAEG: [exporter] unknown key 'paeg'; did you mean 'page'?" in refusal(written(tmp_path))


@pytest.mark.parametrize(
    ("filters", "problem"),
    [
        ("", "there is no [filter:NAME] section"),
        ("[filters:x]\nmeters = *\n", "unknown section '[filters:x]'"),
        ("[filter:]\nmeters = *\n", "write [filter:NAME]"),
        ("[filter:x]\nmeter = *\n", ":6: [filter:x] unknown key 'meter'; did you mean 'meters'?"),
        ("[filter:x]\nquery = a=b\n", "[filter:x] meters: is missing"),
        ("[filter:x]\nmeters = *\nquery = colour\n", ":7: [filter:x] query: 'colour' is not a condition"),
        ("[filter:x]\nmeters = *\nmeters = cpu\n", "[filter:x] meters is given 2 times"),
        ("[filter:x\nmeters = *\n", ":5: "),
        ("[filter:x]\nmeters\n", ":6: "),
    ],
)
def test_filters_that_are_wrong(tmp_path, filters, problem):
    assert problem in refusal(written(tmp_path, filters=filters))


def test_filters_many_and_with_odd_names(tmp_path):
    names = ["a", "A", "with space", "ü", "a:b", "a=b", *(f"f{number}" for number in range(600))]
    text = "".join(f"[filter:{name}]\nquery = project_id={number}\nmeters = cpu,\n  disk.*\n" for number, name in enumerate(names))
    found = load(written(tmp_path, filters=text)).filters
    assert [each.name for each in found] == names
    assert found[3].section == "[filter:ü]"
    assert {each.meters for each in found} == {("cpu", "disk.*")}


def test_values_from_the_environment_and_from_files(tmp_path, monkeypatch):
    monkeypatch.setenv("DATABASE_PASSWORD", "p$w")
    (tmp_path / "key").write_text("line ü\n")
    found = load(written(tmp_path, connection="postgresql://u:${DATABASE_PASSWORD}@h/d", key=f"file:{tmp_path}/key"))
    assert found.connection == "postgresql://u:p$w@h/d"
    assert found.key == "line ü"
    text = "[filter:x]\nquery = project_id=${DATABASE_PASSWORD}\nmeters = *\n"
    assert load(written(tmp_path, filters=text)).filters[0].query[0].value == "p$w"


def test_files_that_cannot_be_read(tmp_path):
    assert "Is a directory" in refusal(tmp_path)
    assert "No such file" in refusal(tmp_path / "none.ini")
    odd = tmp_path / "odd.ini"
    odd.write_bytes(b"[exporter]\nkey = \xff\n")
    assert "is not UTF-8" in refusal(odd)


def test_where_it_starts(tmp_path):
    def start(text: str) -> Settings:
        return load(written(tmp_path, start=text))

    assert start("beginning").begin() is None
    now = dt.datetime.now(dt.UTC).replace(tzinfo=None)
    for text, age in (("now", dt.timedelta(0)), ("-7d", dt.timedelta(days=7))):
        begin = start(text).begin()
        assert begin is not None
        assert abs(begin - now + age) < dt.timedelta(minutes=1)
    fixed = start("2026-03-01T12:00:00+02:00")
    assert fixed.begin() == fixed.earliest() == dt.datetime(2026, 3, 1, 10)
    assert start("now").earliest() is None


def test_one_endpoint_has_one_id():
    assert endpoint_id("http://a:8777") == endpoint_id("http://a:8777/")
    assert endpoint_id("http://a:8777") != endpoint_id("http://a:8778")


@pytest.fixture(autouse=True)
def _nothing_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("UNDERCROFT_"):
            monkeypatch.delenv(name)
