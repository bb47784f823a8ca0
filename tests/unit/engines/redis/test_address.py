"""URLs and options: what they mean, and what is said of those that mean nothing."""

from __future__ import annotations

import pytest

from undercroft.core.errors import ConfigInvalid
from undercroft.engines.redis import EngineOptions, Node, Redis
from undercroft.engines.redis.address import Address


def test_a_server():
    found = Address.of("redis://10.0.0.1")
    assert found.nodes == (Node("10.0.0.1", 6379),)
    assert (found.user, found.password, found.database, found.tls) == (None, None, 0, False)


def test_servers_a_login_and_a_database():
    found = Address.of("rediss://undercroft:a%40b%2Fc@one:1,[::1]:2,three/7")
    assert [str(node) for node in found.nodes] == ["one:1", "[::1]:2", "three:6379"]
    assert (found.user, found.password, found.database, found.tls) == ("undercroft", "a@b/c", 7, True)
    assert "a%40b" not in found.place


def test_a_password_without_a_user():
    found = Address.of("redis://:secret@one")
    assert (found.user, found.password) == (None, "secret")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("redis://", "is not a server"),
        ("redis://one,,two", "is not a server"),
        ("redis://one:port", "is not a server"),
        ("redis://one/x", "not the number of a database"),
        ("redi://one", "redis"),
    ],
)
def test_no_server(url, said):
    with pytest.raises(ConfigInvalid, match=said):
        Redis.open(url, EngineOptions, {})


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("pool_siz=3", "pool_size"),
        ("pool_size=-1", "pool_size"),
        ("pool_size=few", "pool_size"),
        ("namespace=A", "namespace"),
        ("connect_timeout=0", "connect_timeout"),
        ("statement_timeout=nan", "statement_timeout"),
    ],
)
def test_options_that_mean_nothing(query, said):
    with pytest.raises(ConfigInvalid, match=said):
        Redis.open(f"redis://:secret@one?{query}", EngineOptions, {})


def test_options_of_the_url_and_given():
    redis, options = Redis.open("redis://one?pool_size=7&statement_timeout=2m", EngineOptions, {"namespace": "mine"})
    assert (options.pool_size, options.statement_timeout, options.namespace) == (7, 120.0, "mine")
    assert redis.options is options
