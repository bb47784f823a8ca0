"""Who asks: the one object that every handler gets, whatever filled it (token file, identity headers, Keystone)."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated party.

    Attributes:
        project: id of the project the caller acts in; None when unscoped.
        user: id of the user; None for a service without one.
        roles: lower-case role names.
        domain: id of the project's domain, where known.
        is_named: False when nothing was said about who asks.
        is_global: True for an admin without a project in the service's own list of tokens; such a caller sees every project.
    """

    project: str | None = None
    user: str | None = None
    roles: frozenset[str] = frozenset()
    domain: str | None = None
    is_named: bool = True
    is_global: bool = False

    @property
    def owner(self) -> str | None:
        """Whose share of what there is to share the caller takes: its project's, or its own without one; None for nobody known."""
        if not (self.project or self.user):
            return None
        return f"project {self.project}" if self.project else f"user {self.user}"

    @property
    def is_admin(self) -> bool:
        """True when the caller may see every project."""
        return "admin" in self.roles
