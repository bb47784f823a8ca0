"""Messages over HTTP: Zaqar's API v2. `API` is what the service asks for."""

from __future__ import annotations

from oslo_config import cfg

from undercroft.api.kind import Api
from undercroft.api.messaging import confirmations, signatures
from undercroft.api.messaging.door import Beside
from undercroft.api.messaging.metrics import gauges
from undercroft.api.messaging.refusals import PROBLEMS
from undercroft.api.messaging.routes import ROUTES
from undercroft.messaging import DataDriverBase
from undercroft.messaging.delivery import senders
from undercroft.messaging.sealing import Sealer

__all__ = ["API"]


def _probe(store: DataDriverBase) -> None:
    store.queue_controller.exists("probe")


def _open_beside(_store: DataDriverBase, conf: cfg.ConfigOpts) -> Beside:
    signatures.check_key(conf.messaging.secret_key)
    confirmations.check(conf)
    return Beside(Sealer(conf.messaging.encryption_key), senders.guard(conf))


API = Api("messaging", ROUTES, _probe, (PROBLEMS,), _open_beside, signed=signatures.caller, gauges=gauges)
