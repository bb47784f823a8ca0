"""Settings of datasources."""

from __future__ import annotations

from oslo_config import cfg

OPTIONS = {
    "datasources": [
        cfg.StrOpt(
            "connection",
            default=None,
            secret=True,
            help="URL of the datasource: that of a metering store, or gnocchi://, prometheus://, aetos://, ceilometer://, "
            "grafana:// or monasca:// with a host.",
        ),
    ],
}
