"""Settings of messages in a configuration of ours, of a host, and in none."""

from __future__ import annotations

from typing import Any

import pytest
from oslo_config import cfg

from tests.unit.messaging.stub import DataDriver
from undercroft.core.errors import ConfigInvalid
from undercroft.messaging import settings


def configured(**values: Any) -> cfg.ConfigOpts:
    """A configuration that has our options."""
    conf = cfg.ConfigOpts()
    conf(args=[], default_config_files=[], default_config_dirs=[])
    conf.register_opts(settings.OPTIONS["messaging"], group="messaging")
    for name, value in values.items():
        conf.set_override(name, value, group="messaging")
    return conf


def empty() -> cfg.ConfigOpts:
    """A host's, which does not have them."""
    conf = cfg.ConfigOpts()
    conf(args=[], default_config_files=[], default_config_dirs=[])
    return conf


def other_options() -> cfg.ConfigOpts:
    """A host's, with a group of that name and other options."""
    conf = empty()
    conf.register_opt(cfg.StrOpt("other"), group="messaging")
    return conf


@pytest.mark.parametrize("conf", [None, {}, {"messaging": None}, empty(), other_options(), configured()])
def test_an_option_that_is_not_there_has_its_default(conf: Any) -> None:
    assert settings.value(conf, "default_message_ttl") == 3_600
    assert settings.value(conf, "default_claim_ttl") == 300
    assert settings.value(conf, "max_messages_per_page") == 20
    assert settings.value(conf, "connection") is None
    assert DataDriver(conf).default_message_ttl == 3_600


def test_an_option_that_is_there() -> None:
    conf = configured(default_message_ttl=60, connection="sqlite:///x")
    assert settings.value(conf, "default_message_ttl") == DataDriver(conf).default_message_ttl == 60
    assert settings.connection(conf) == "sqlite:///x"


@pytest.mark.parametrize("conf", [None, empty(), configured(), configured(connection="")])
def test_no_connection(conf: Any) -> None:
    with pytest.raises(ConfigInvalid, match=r"\[messaging\] connection: name the store of messages, such as "):
        settings.connection(conf)


def test_the_defaults_keep_the_bounds() -> None:
    """What is filled in for a caller may be asked for by one."""
    found: dict[str, Any] = {option.dest: option for option in settings.LIMITS}
    for kind in ("message_ttl", "message_delay", "claim_ttl", "claim_grace"):
        default, most = found[f"default_{kind}"], found[f"max_{kind}"]
        assert default.type.min <= default.default <= most.default
    assert found["max_messages_post_size"].default < 2**20


@pytest.mark.parametrize(
    ("name", "value"),
    [("default_message_ttl", 59), ("max_messages_per_page", 0), ("max_messages_per_page", 1_001), ("client_id_uuid_safe", "maybe"),
     ("metrics_queues", -1), ("max_message_delay", -1)],
)  # fmt: skip
def test_values_out_of_bounds_are_refused(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=r".+"):
        configured(**{name: value})


def test_secrets_are_marked() -> None:
    assert {option.dest for option in settings.OPTIONS["messaging"] if option.secret} == {
        "connection",
        "secret_key",
        "encryption_key",
        "smtp_password",
    }
