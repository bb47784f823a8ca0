"""Settings of events."""

from __future__ import annotations

from oslo_config import cfg

from undercroft.core.options import Span

OPTIONS: dict[str, list[cfg.Opt]] = {
    "events": [
        cfg.StrOpt("connection", default=None, secret=True, help="URL of the store of events."),
        cfg.IntOpt("default_limit", default=100, min=1, help="Events of a page when a question names no limit."),
        cfg.Opt(
            "time_to_live",
            Span("s"),
            default=-1,
            help="How long events are kept, such as 90d; 0 or less keeps everything. A number without a unit is in seconds.",
        ),
        cfg.StrOpt(
            "on_error",
            default="close",
            choices=["close", "answer"],
            help="When the store is away and events come: `close` breaks the connection off, so that Ceilometer keeps them; "
            "`answer` answers 503.",
        ),
        cfg.StrOpt(
            "definitions_file",
            default=None,
            help="How notifications become events: a file in the form of Ceilometer's event_definitions.yaml. Default: our own.",
        ),
    ],
}
