"""Settings of samples."""

from __future__ import annotations

from oslo_config import cfg

from undercroft.core.options import Span

OPTIONS: dict[str, list[cfg.Opt]] = {
    "metering": [
        cfg.StrOpt("connection", default=None, secret=True, help="URL of the store of samples."),
        cfg.IntOpt("default_limit", default=100, min=1, help="Samples, meters or resources that are given when no limit is named."),
        cfg.Opt(
            "time_to_live",
            Span("s"),
            default=-1,
            help="How long samples are kept, such as 90d; 0 or less keeps everything. A number without a unit is in seconds.",
        ),
        cfg.StrOpt(
            "on_error",
            default="answer",
            choices=["close", "answer"],
            help="When the store is away and samples come: `answer` answers 503, and Ceilometer writes them to its log; `close` "
            "breaks the connection off, for senders that keep what got no answer. Ceilometer sends neither again.",
        ),
    ],
}
