"""Settings of rated usage."""

from __future__ import annotations

from oslo_config import cfg

from undercroft.core.options import Span

OPTIONS: dict[str, list[cfg.Opt]] = {
    "storage": [
        cfg.Opt(
            "retention_period",
            Span("h", whole=True, least=0),
            default=2400,
            help="How long rated usage is kept, such as 100d; 0 keeps everything. A number without a unit is in hours. Nothing is "
            "deleted unless this is written; the default is only what get_retention() answers then.",
        ),
    ],
    "rating": [
        cfg.StrOpt("connection", default=None, secret=True, help="URL of the store of rated usage."),
        cfg.ListOpt(
            "resource_keys",
            default=["id", "resource_id"],
            help="Names of the attributes that may hold a resource's id; what one resource cost is looked up by them.",
        ),
        cfg.StrOpt("scope_key", default="project_id", help="Name of the attribute that tells whose a point is."),
    ],
    "api": [
        cfg.StrOpt("metrics_file", default=None, help="The metrics.yml of the collectors, which /v1/info tells about."),
    ],
}
