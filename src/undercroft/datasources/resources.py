"""The one accessor of resources: objects of clients, elements of Watcher's model, and mappings with the same names.

Drivers read no attributes themselves: they get ids and names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from undercroft.datasources.meters import BARE_METAL, COMPUTE_NODE, INSTANCE, STORAGE

# Classes of novaclient, openstacksdk, ironicclient, cinderclient and Watcher, by name: these libraries are not imported.
_CLASSES = {
    "Server": INSTANCE,
    "ServerDetail": INSTANCE,
    "Instance": INSTANCE,
    "Hypervisor": COMPUTE_NODE,
    "ComputeNode": COMPUTE_NODE,
    "Node": BARE_METAL,
    "IronicNode": BARE_METAL,
    "StorageNode": STORAGE,
    "Pool": STORAGE,
    "BackendPools": STORAGE,
}


class Reference(NamedTuple):
    """A resource, as far as datasources need to know it. What is not known is None.

    Attributes:
        type: one of RESOURCE_TYPES.
        uuid: its id.
        host: a compute node's host name.
        vcpus: how many vCPUs an instance has.
        memory: an instance's, in MB.
        disk: an instance's root disk in GB.
        name: an instance's name.
    """

    type: str
    uuid: str | None
    host: str | None = None
    vcpus: float | None = None
    memory: float | None = None
    disk: float | None = None
    name: str | None = None

    @property
    def key(self) -> str | None:
        """What a batch names it by: its uuid, else its host name."""
        return self.uuid or self.host


def refer(resource: object, resource_type: object) -> Reference:
    """What `resource` is.

    The object outranks `resource_type`: hosts of the contract ask about a compute node with the type `instance`.
    """
    type_ = _type(resource, resource_type)
    return _ACCESSORS[type_](resource)


def _type(resource: object, given: object) -> str:
    told = next((_CLASSES[each.__name__] for each in type(resource).__mro__ if each.__name__ in _CLASSES), None)
    if told is not None:
        return told
    if given in (BARE_METAL, STORAGE):
        return str(given)
    if _read(resource, "flavor") is not None:
        return INSTANCE
    if _read(resource, "hypervisor_hostname") is not None or _read(resource, "hostname") is not None:
        return COMPUTE_NODE
    if any(_read(resource, name) is not None for name in ("project_id", "tenant_id", "metadata")):
        return INSTANCE
    return str(given) if given in _ACCESSORS else INSTANCE


def _instance(resource: object) -> Reference:
    flavor = _read(resource, "flavor")
    return Reference(
        INSTANCE,
        _text(resource, "uuid", "id"),
        vcpus=_number(resource, "vcpus") if flavor is None else _number(flavor, "vcpus"),
        memory=_number(resource, "memory") if flavor is None else _number(flavor, "ram"),
        disk=_number(resource, "disk") if flavor is None else _number(flavor, "disk"),
        name=_text(resource, "name"),
    )


def _compute_node(resource: object) -> Reference:
    return Reference(COMPUTE_NODE, _text(resource, "uuid", "id"), _text(resource, "hypervisor_hostname", "hostname", "name"))


def _bare_metal(resource: object) -> Reference:
    return Reference(BARE_METAL, _text(resource, "uuid", "id"), _text(resource, "human_id", "name"))


def _storage(resource: object) -> Reference:
    return Reference(STORAGE, _text(resource, "uuid", "id", "name"), _text(resource, "host"))


_ACCESSORS: Mapping[str, Callable[[object], Reference]] = {
    INSTANCE: _instance,
    COMPUTE_NODE: _compute_node,
    BARE_METAL: _bare_metal,
    STORAGE: _storage,
}


def _read(resource: object, name: str) -> Any:
    """An attribute, or an item of a mapping; None where it is missing, or where reading it fails, as an unset field does."""
    if isinstance(resource, Mapping):
        return resource.get(name)
    try:
        return getattr(resource, name)
    except Exception:  # noqa: BLE001 - an unset field raises an exception of its library
        return None


def _text(resource: object, *names: str) -> str | None:
    for name in names:
        value = _read(resource, name)
        if isinstance(value, (str, int)) and not isinstance(value, bool) and value != "":
            return str(value)
    return None


def _number(resource: object, name: str) -> float | None:
    value = _read(resource, name)
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
