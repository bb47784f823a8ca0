"""An engine that is not there."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import pytest

import undercroft
from undercroft.conformance.plugin import Target
from undercroft.core import registry
from undercroft.core.errors import Unavailable


def write_is_unavailable(target: Target, write: Callable[[Any], object]) -> None:
    """A write through a store at a port where nobody listens is told as one that may be tried again; a file is always there."""
    if target.host is None:
        return
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        scheme, _, rest = target.url.partition("://")
        place = rest.rpartition("@")[2].partition("/")[0]
        url = f"{scheme}://{rest.replace(place, f'127.0.0.1:{free.getsockname()[1]}', 1)}"
        # Where a refused connection is tried again for a while, not each call has to do so for long.
        short = {"connect_timeout": 1.0} if "connect_timeout" in registry.options(target.kind, url) else {}
        store = undercroft.connect(target.kind, url, **short)
        with pytest.raises(Unavailable):
            write(store)
        store.close()
