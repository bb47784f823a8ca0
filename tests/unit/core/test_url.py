"""URLs name stores; their query keys are options; a password is never shown."""

from __future__ import annotations

import pathlib
import re
import urllib.parse
from typing import Literal

import hypothesis
import msgspec
import pytest
from hypothesis import strategies as st

from undercroft.core import registry, url
from undercroft.core.errors import ConfigInvalid


class Options(msgspec.Struct, kw_only=True):
    namespace: str = "x"
    pool_size: int = 5
    wait: float | None = None
    mode: Literal["a", "b"] = "a"


@pytest.mark.parametrize(
    ("given", "scheme"),
    [("sqlite:///x.db", "sqlite"), ("postgresql+psycopg://h/d", "postgresql"), ("SQLite:///x", "sqlite"), ("x://", "x")],
)
def test_scheme(given: str, scheme: str) -> None:
    assert url.scheme(given) == scheme


@pytest.mark.parametrize("wrong", ["", "sqlite", "sqlite:x.db", "://x", "x.db", "user:secret@host"])
def test_what_is_no_store_url(wrong: str) -> None:
    with pytest.raises(ConfigInvalid, match="not a store URL"):
        url.scheme(wrong)


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("postgresql://me:secret@host:5432/db?password=secret", "postgresql://me:***@host:5432/db"),
        ("postgresql://me@host/db", "postgresql://me@host/db"),
        ("postgresql://me:se%40cret@host/db", "postgresql://me:***@host/db"),
        ("postgresql://me:se@cret@host/db", "postgresql://me:***@host/db"),
        ("postgresql://:secret@host/db", "postgresql://:***@host/db"),
        ("postgresql://me:se/cret@host/db", "postgresql://me:***@host/db"),
        ("postgresql://me:se?cret@host/db?sslmode=require", "postgresql://me:***@host/db"),
        ("postgresql://me:s:e/c?r@et@host/db", "postgresql://me:***@host/db"),
        ("postgresql://me?secret@host/db", "postgresql://me:***@host/db"),
        ("me:secret@host/db", "me:***@host/db"),
        ("sqlite:////var/lib/x.db?timezone=UTC", "sqlite:////var/lib/x.db"),
        ("sqlite:///:memory:", "sqlite:///:memory:"),
    ],
)
@pytest.mark.promise("S7")
def test_no_password_is_shown(given: str, shown: str) -> None:
    assert url.redacted(given) == shown
    assert url.masked(given).partition("?")[0] == shown


def test_secrets_in_the_query_are_masked_and_the_rest_is_shown() -> None:
    assert url.masked("x://me:secret@h/d?sslpassword=secret&pool_size=7") == "x://me:***@h/d?sslpassword=***&pool_size=7"


def test_options_come_from_the_query_and_from_keywords_which_win() -> None:
    base, options, passed = url.split(
        "x://h/d?pool_size=7&namespace=n%20m&sslmode=require", Options, {"namespace": "k"}, ["sslmode"]
    )
    assert base == "x://h/d"
    assert options == Options(namespace="k", pool_size=7)
    assert passed == {"sslmode": "require"}


def test_values_are_converted_to_their_types() -> None:
    _, options, _ = url.split("x://h?wait=1.5&mode=b", Options, {"pool_size": "3"})
    assert (options.wait, options.mode, options.pool_size) == (1.5, "b", 3)


@pytest.mark.parametrize(
    ("given", "keywords", "told"),
    [
        ("x://h?pool_sise=7", {}, "did you mean 'pool_size'"),
        ("x://h", {"colour": 1}, "Known: mode, namespace, pool_size, wait"),
        ("x://h?sslmode=require", {}, "unknown option 'sslmode'"),
        ("x://h?pool_size=many", {}, "pool_size"),
        ("x://h?mode=c", {}, "mode"),
        ("x://h", {"pool_size": None}, "pool_size"),
        ("x://h?pool_size", {}, "key=value"),
    ],
)
def test_options_that_cannot_be_meant(given: str, keywords: dict[str, object], told: str) -> None:
    with pytest.raises(ConfigInvalid, match=told):
        url.split(given, Options, keywords)


def test_no_password_in_what_is_wrong_with_an_option() -> None:
    with pytest.raises(ConfigInvalid) as caught:
        url.split("x://me:secret@h?pool_size=many", Options, {})
    assert "secret" not in str(caught.value)


def test_kinds_and_schemes_are_those_installed() -> None:
    assert "rating" in registry.kinds()
    assert registry.schemes("rating") == sorted(registry.schemes("rating"))
    for scheme in registry.schemes("rating"):
        if scheme == "sqlite":
            assert registry.load("rating", scheme).__name__ == "Storage"


def test_kinds_and_schemes_that_nobody_knows() -> None:
    with pytest.raises(ConfigInvalid, match="unknown kind 'ratings'; did you mean 'rating'"):
        registry.connect("ratings", "sqlite:///x")
    with pytest.raises(ConfigInvalid, match="unknown rating driver 'sqlight'; did you mean 'sqlite'"):
        registry.connect("rating", "sqlight:///x")


def test_a_missing_library_is_named_with_its_cure() -> None:
    error = registry.missing_library("postgresql", ImportError("no", name="psycopg"))
    assert "'psycopg'" in str(error)
    assert "pip install 'undercroft[postgresql]'" in str(error)
    assert "pip install 'undercroft[opensearch]'" in str(registry.missing_library("es", ImportError("no", name="opensearchpy")))


class Timed(msgspec.Struct, kw_only=True):
    busy_timeout: float = 1.0


def test_a_timeout_is_a_span_or_a_number_of_seconds() -> None:
    for given, seconds in (("30s", 30.0), ("2m", 120.0), ("500ms", 0.5), ("7", 7.0), ("0.5", 0.5)):
        assert url.split(f"sqlite:///x.db?busy_timeout={given}", Timed, {})[1].busy_timeout == seconds
    with pytest.raises(ConfigInvalid, match="busy_timeout: 'soon' is not a span of time such as 90d"):
        url.split("sqlite:///x.db?busy_timeout=soon", Timed, {})


@pytest.mark.parametrize(
    ("scheme", "told"),
    [
        ("postgresql+psycopg2", "postgresql is reached by psycopg: write postgresql://"),
        ("postgresql+asyncpg", "postgresql is reached by psycopg: write postgresql://"),
        ("mysql+mysqldb", "mariadb is reached by pymysql: write mysql://"),
        ("mariadb+mariadbconnector", "mariadb is reached by pymysql: write mariadb://"),
        ("sqlite+aiosqlite", "sqlite is reached by pysqlite: write sqlite://"),
    ],
)
def test_a_client_library_that_is_not_ours(scheme: str, told: str) -> None:
    """SQLAlchemy would ask for its installation, which helps nobody."""
    with pytest.raises(ConfigInvalid, match=re.escape(told)) as caught:
        registry.connect("rating", f"{scheme}://user:canary@host/db")
    assert not {"canary", "user", "pip"} & {*re.split(r"\W", str(caught.value))}


def test_our_client_libraries_may_be_named(tmp_path: pathlib.Path) -> None:
    registry.connect("rating", f"sqlite+pysqlite:///{tmp_path}/x.db").close()
    for scheme in ("postgresql+psycopg", "mysql+pymysql", "mariadb+pymysql"):
        registry.connect("rating", f"{scheme}://user@host/db").close()


@pytest.mark.promise("S7")
@pytest.mark.parametrize("password", ["se@cret", "se/cret", "se?cret", "se#cret", "@secret", "secret@", "s@e/c?r#et", "a@b/secret"])
@pytest.mark.parametrize("rest", ["host/db", "host:5432/db?pool_size=7", "host"])
def test_a_password_that_is_not_encoded_is_refused_and_not_told(password, rest):
    with pytest.raises(ConfigInvalid, match="percent-encoding") as caught:
        url.split(f"postgresql://me:{password}@{rest}", Options, {})
    assert not any(part in str(caught.value) for part in ("secret", "cret", "et@", "host"))


@hypothesis.given(st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF), min_size=4, max_size=12))
def test_an_encoded_password_is_taken(password):
    quoted = urllib.parse.quote(password, safe="")
    assert url.split(f"x://me:{quoted}@host/db?pool_size=7", Options, {})[0] == f"x://me:{quoted}@host/db"


@pytest.mark.parametrize("place", ["sqlite:////tmp/a@b#c.db", "sqlite:///x@y.db?pool_size=7", "x://host/db", "x://me@host/db"])
def test_what_has_no_password_needs_no_encoding(place):
    assert url.split(place, Options, {})[0] == place.partition("?")[0]
