"""Settings of notes."""

from oslo_config import cfg

OPTIONS = {
    "notes": [
        cfg.StrOpt("connection", default=None, secret=True, help="URL of the store of notes."),
        cfg.IntOpt("most", default=100, min=1, help="Notes that are kept."),
    ],
}
