"""Pools, flavors and the catalogue, which a management store on Undercroft does not keep yet."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from zaqar import storage

from undercroft.core.errors import Unsupported


def _absent(base: Any, what: str) -> Any:
    """A controller of Zaqar's each of whose calls says that there are none."""

    def refusing(name: str) -> Callable[..., Any]:
        def refuse(*_args: Any, **_kwargs: Any) -> Any:
            raise Unsupported(f"a management store on Undercroft keeps no {what} yet: leave the option pooling off")

        refuse.__name__ = name
        return refuse

    return type(base.__name__, (base,), {name: refusing(name) for name in base.__abstractmethods__})


Pools = _absent(storage.PoolsBase, "pools")
Flavors = _absent(storage.FlavorsBase, "flavors")
Catalogue = _absent(storage.CatalogueBase, "catalogue of pools")
