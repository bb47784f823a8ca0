"""The worker's login to Keystone: its errors, and a look at the role that it needs."""

from __future__ import annotations

import dataclasses
import logging
from typing import Any

from undercroft.engines import keystone
from undercroft.export.errors import SourceForbidden, SourceUnavailable
from undercroft.export.settings import Settings

LOG = logging.getLogger(__name__)

SERVICE = "metering"
_ADMIN = "admin"


class Keystone(keystone.Keystone):
    """A login for the service of samples.

    Args:
        settings: `auth_url`, the user, the project, and how to reach both are used.
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__(
            keystone.Account(**{each.name: getattr(settings, each.name) for each in dataclasses.fields(keystone.Account)}), SERVICE
        )
        self._is_looked_at = False

    def _refused(self, text: str) -> SourceForbidden:
        return SourceForbidden(text)

    def _away(self, text: str, retry_after: float | None) -> SourceUnavailable:
        return SourceUnavailable(text, retry_after=retry_after, is_everything=True)

    def _logged_in(self, access: Any) -> None:
        if self._is_looked_at:
            return
        self._is_looked_at = True
        found = access.role_names
        if _ADMIN not in {name.lower() for name in found}:
            LOG.warning(
                "the user does not have the role admin (it has %s): the API returns the samples of its own project only",
                ", ".join(sorted(found)) or "none",
            )
