"""Settings of rated usage."""

from __future__ import annotations

from oslo_config import cfg

OPTIONS: dict[str, list[cfg.Opt]] = {
    "storage": [
        cfg.IntOpt("retention_period", default=2400, min=0, help="Hours for which rated usage is kept; 0 keeps everything."),
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
