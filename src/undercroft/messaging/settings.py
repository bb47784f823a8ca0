"""Settings of messages: limits and defaults by the host's names, and our own."""

from __future__ import annotations

import logging
from typing import Any

from oslo_config import cfg

from undercroft.core.errors import ConfigInvalid

LOG = logging.getLogger(__name__)
# What a URL begins with whose queues are spread over the pools that are registered there.
POOLED = "pooled+"

# What the API refuses and what it fills in. The names are those of the host's group [transport].
LIMITS: list[cfg.Opt] = [
    cfg.IntOpt("default_message_ttl", default=3600, min=60, help="Seconds that a message lives whose sender did not say."),
    cfg.IntOpt("default_message_delay", default=0, min=0, help="Seconds before a message may be claimed whose sender did not say."),
    cfg.IntOpt("default_claim_ttl", default=300, min=60, help="Seconds that a claim lives whose maker did not say."),
    cfg.IntOpt(
        "default_claim_grace", default=60, min=60, help="Seconds that claimed messages outlive a claim whose maker did not say."
    ),
    cfg.IntOpt("default_subscription_ttl", default=3600, min=60, help="Seconds that a subscription lives whose maker did not say."),
    cfg.IntOpt("max_queues_per_page", default=20, min=1, max=1000, help="The most queues of a page."),
    cfg.IntOpt("max_messages_per_page", default=20, min=1, max=1000, help="The most messages of a page, and of a list of ids."),
    cfg.IntOpt("max_subscriptions_per_page", default=20, min=1, max=1000, help="The most subscriptions of a page."),
    cfg.IntOpt("max_pools_per_page", default=20, min=1, max=1000, help="The most pools of a page."),
    cfg.IntOpt("max_flavors_per_page", default=20, min=1, max=1000, help="The most flavors of a page."),
    cfg.IntOpt("max_messages_per_claim_or_pop", default=20, min=1, max=1000, help="The most messages of a claim or a pop."),
    cfg.IntOpt("max_queue_metadata", default=65_536, min=1, max=1_048_576, help="Bytes of a queue's metadata as JSON."),
    cfg.IntOpt("max_messages_post_size", default=262_144, min=1, max=1_048_576, help="Bytes of a post with all its messages."),
    cfg.IntOpt("max_message_ttl", default=1_209_600, min=60, help="The most seconds that a message may live."),
    cfg.IntOpt("max_message_delay", default=900, min=0, help="The most seconds of a message's delay."),
    cfg.IntOpt("max_claim_ttl", default=43_200, min=60, help="The most seconds that a claim may live."),
    cfg.IntOpt("max_claim_grace", default=43_200, min=60, help="The most seconds of a claim's grace."),
    cfg.ListOpt(
        "subscriber_types",
        default=["http", "https", "mailto"],
        help="Schemes of subscribers' URIs that are taken. trust+http and trust+https need Keystone: they are refused in any case.",
    ),
    cfg.StrOpt(
        "client_id_uuid_safe",
        default="strict",
        choices=["strict", "off"],
        help="`strict`: the header Client-ID is a UUID; `off`: any text of 10 to 36 characters.",
    ),
    cfg.BoolOpt(
        "message_delete_with_claim_id",
        default=False,
        help="Whether several claimed messages are deleted with the ids of their claims only.",
    ),
    cfg.BoolOpt("enable_checksum", default=False, help="Whether messages have a checksum of their body."),
]

OPTIONS: dict[str, list[cfg.Opt]] = {
    "messaging": [
        cfg.StrOpt("connection", default=None, secret=True, help="URL of the store of messages."),
        *LIMITS,
        cfg.StrOpt(
            "secret_key",
            default=None,
            secret=True,
            help="What signed URLs are signed with; without it there are none. At least 32 characters.",
        ),
        cfg.StrOpt(
            "encryption_key",
            default=None,
            secret=True,
            help="32 bytes in base64 that encrypt the messages of queues that ask for it; without it such a post is refused.",
        ),
        cfg.IntOpt(
            "max_waiters",
            default=1000,
            min=0,
            max=100_000,
            help="The most calls of a process that wait for messages at once, half of them for one project; others answer at once.",
        ),
        cfg.BoolOpt(
            "pooling",
            default=False,
            help="Whether queues are spread over the pools that are registered in the store, instead of being in the store itself.",
        ),
        cfg.BoolOpt(
            "enable_virtual_pool",
            default=False,
            help="With pooling: whether the store itself takes queues for as long as no pool is registered.",
        ),
        cfg.BoolOpt(
            "admin_mode", default=False, help="Whether pools, changes of flavors and the self-test of the store are served."
        ),
        cfg.BoolOpt(
            "require_confirmation",
            default=False,
            help="Whether a subscriber gets messages only after it has confirmed the subscription.",
        ),
        cfg.IntOpt("notify_parallel", default=16, min=1, max=256, help="Subscribers that a process notifies at the same time."),
        cfg.ListOpt(
            "notify_allow",
            default=[],
            help="Networks such as 10.1.0.0/16 whose addresses subscribers may have although they are not public.",
        ),
        cfg.StrOpt(
            "notify_cafile",
            default=None,
            help="File of the authorities that sign the certificates of subscribers; by default those that the machine trusts.",
        ),
        cfg.StrOpt(
            "public_url",
            default=None,
            help="URL of this API as subscribers reach it, with its prefix /messaging, for confirmations; by default that by which "
            "the subscription was made.",
        ),
        cfg.StrOpt(
            "external_confirmation_url",
            default=None,
            help="Page that confirms a subscription when it is opened, for mail; it gets the parameters of the host's. Without it "
            "the mail says which call confirms.",
        ),
        cfg.StrOpt(
            "smtp_host", default=None, help="Server that takes mail for subscribers of mailto; without it they are sent nothing."
        ),
        cfg.PortOpt("smtp_port", default=25, help="Port of that server."),
        cfg.StrOpt(
            "smtp_security",
            default="starttls",
            choices=["starttls", "tls", "none"],
            help="`starttls`: the connection is encrypted after it was made; `tls`: from the start; `none`: it is not.",
        ),
        cfg.StrOpt("smtp_user", default=None, help="Name to log in with; none for no login."),
        cfg.StrOpt("smtp_password", default=None, secret=True, help="Its password."),
        cfg.StrOpt("smtp_sender", default="undercroft@localhost", help="Address that mail comes from."),
        cfg.IntOpt(
            "metrics_queues", default=1000, min=0, max=100_000, help="The most queues that /metrics tells of, the fullest first."
        ),
    ],
}
_DEFAULTS = {option.dest: option.default for option in OPTIONS["messaging"]}


def value(conf: Any, name: str) -> Any:
    """An option of ours; its default where the configuration, which may be a host's, does not have it."""
    try:
        return conf["messaging"][name]
    except (cfg.NoSuchOptError, cfg.NoSuchGroupError, KeyError, TypeError):
        return _DEFAULTS[name]


# As drivers register them, in the configuration of a host, too.
GROUPS = tuple(OPTIONS.items())


def meant(named: str, conf: Any) -> str:
    """The URL of the store that is opened for one that was named: with pools, where the settings say so."""
    if not value(conf, "pooling") or named.startswith(POOLED):
        return named
    virtual = "virtual_pool=true" if value(conf, "enable_virtual_pool") else ""
    separator = ("&" if "?" in named else "?") if virtual else ""
    return f"{POOLED}{named}{separator}{virtual}"


def defaults() -> cfg.ConfigOpts:
    """A configuration of defaults, for a store that is opened without one."""
    conf = cfg.ConfigOpts()
    conf(args=[], project="undercroft", default_config_files=[], default_config_dirs=[])
    return conf


def connection(conf: Any) -> str:
    """The URL of the store, from the configuration.

    Raises:
        ConfigInvalid: it names none.
    """
    found = value(conf, "connection")
    if not found:
        raise ConfigInvalid(
            "[messaging] connection: name the store of messages, such as sqlite:////var/lib/undercroft/messaging.db"
        )
    return str(found)
