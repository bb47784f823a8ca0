"""The forms of what goes in and out about pools and flavors."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType

from undercroft.api.messaging.schemas import Limit, Marker, NextLink
from undercroft.messaging.contract.arguments import HEAVIEST, LONGEST_NAME

# Characters of a URI, as the host has it; pools of a flavor.
LONGEST_URI = 255
MOST_POOLS = 100

Weight = Annotated[int, Meta(ge=0, le=HEAVIEST, description="How many of new queues a pool takes, beside the others; 0 for none.")]
Uri = Annotated[str, Meta(min_length=1, max_length=LONGEST_URI)]
FlavorName = Annotated[str, Meta(max_length=LONGEST_NAME)]
PoolNames = Annotated[list[str], Meta(max_length=MOST_POOLS)]


class DetailedQuery(Struct, forbid_unknown_fields=True):
    """Which page of pools or flavors, and whether with everything that is known of them."""

    marker: Marker = None
    limit: Limit = None
    detailed: bool = False


class DetailQuery(Struct, forbid_unknown_fields=True):
    """Whether everything that is known of a pool is asked for."""

    detailed: bool = False


class NewPool(Struct, forbid_unknown_fields=True):
    """A pool that is registered."""

    weight: Weight
    uri: Uri
    flavor: FlavorName | None = None
    options: dict[str, Any] | None = None


class PoolChanges(Struct, forbid_unknown_fields=True):
    """What is changed of a pool; an empty flavor takes it out of its flavor."""

    weight: Weight | None = None
    uri: Uri | None = None
    flavor: FlavorName | None = None
    options: dict[str, Any] | None = None


class NewFlavor(Struct, forbid_unknown_fields=True):
    """The pools of a flavor. `capabilities` are taken and not looked at: the pools say what they offer."""

    pool_list: PoolNames
    capabilities: Any = None


class PoolOut(Struct):
    """A pool."""

    name: str
    href: str
    uri: str
    weight: int
    flavor: str | None
    options: dict[str, Any] | UnsetType = UNSET


class Pools(Struct):
    """A page of pools."""

    pools: list[PoolOut]
    links: list[NextLink]


class FlavorOut(Struct):
    """A flavor."""

    name: str
    href: str
    pool_list: list[str]
    capabilities: list[str] | UnsetType = UNSET


class Flavors(Struct):
    """A page of flavors."""

    flavors: list[FlavorOut]
    links: list[NextLink]
