"""The price list, data/prices.toml."""

from __future__ import annotations

import tomllib
from decimal import Decimal

import msgspec

from undercroft.demo.traces import DATA


class Flavor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A size of virtual machine; `hour` is the price of one for an hour."""

    id: str
    name: str
    vcpus: int
    hour: Decimal


class Prices(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What things cost; the file explains each."""

    currency: str
    quantity_places: int
    cpu_hour: Decimal
    flavor: tuple[Flavor, ...]


def load() -> Prices:
    """The price list of the package."""
    return msgspec.convert(tomllib.loads((DATA / "prices.toml").read_text("utf-8")), Prices)
