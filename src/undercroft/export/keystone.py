"""A login to Keystone by user and password, v3 or v2: keystoneauth1 speaks both, and reads tokens and catalogues."""

from __future__ import annotations

import logging
import urllib.parse
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from undercroft.core import deadline, registry
from undercroft.core.errors import Unavailable
from undercroft.engines import connecting
from undercroft.export.errors import SourceForbidden, SourceUnavailable
from undercroft.export.settings import Settings

try:
    from keystoneauth1 import exceptions, identity, session
except ImportError as error:
    raise registry.missing_extra("a login to Keystone", "export", error) from error

LOG = logging.getLogger(__name__)
T = TypeVar("T")

SERVICE = "metering"
# A token that expires sooner is renewed before it is used, in seconds.
_MARGIN = 60
_DEFAULT_DOMAIN = "Default"
_ADMIN = "admin"
_SHOWN = 300
_NOT_NOW = (408, 429)


class Keystone:
    """A login, made when it is first used, and again before its token expires.

    Args:
        settings: `auth_url`, the user, the project, and how to reach both are used.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._place = f"Keystone at {settings.auth_url}"
        verify: bool | str = False if settings.insecure else settings.cafile or True
        self._session = session.Session(verify=verify, timeout=settings.timeout, redirect=False)
        self._plugin = _plugin(settings)
        self._access: Any = None
        self._endpoint = settings.endpoint
        self._is_looked_at = False

    @property
    def endpoint(self) -> str:
        """The root of the API: of the settings, else of the catalogue.

        Raises:
            SourceForbidden: the login is refused, or the catalogue has no such endpoint.
            SourceUnavailable: Keystone does not answer.
        """
        if self._endpoint is None:
            self._endpoint = self._of_catalogue(self._current())
        return self._endpoint

    def headers(self) -> dict[str, str]:
        """The token; raises as `endpoint`."""
        return {"X-Auth-Token": self._current().auth_token}

    def renew(self) -> None:
        """Log in again, whatever the token's time is; raises as `endpoint`."""
        self._access = None
        self._current()

    def roles(self) -> frozenset[str] | None:
        """The roles that the token has on its project; raises as `endpoint`."""
        return frozenset(self._current().role_names)

    def close(self) -> None:
        """Close the connections."""
        self._session.session.close()

    def _current(self) -> Any:
        """What the token is, with enough time left."""
        if self._access is None or self._access.will_expire_soon(_MARGIN):
            self._access = self._asked(lambda: self._plugin.get_auth_ref(self._session))
            self._warn_unless_admin()
        return self._access

    def _warn_unless_admin(self) -> None:
        if self._is_looked_at:
            return
        self._is_looked_at = True
        found = self._access.role_names
        if _ADMIN not in {name.lower() for name in found}:
            LOG.warning(
                "the user does not have the role admin (it has %s): the API returns the samples of its own project only",
                ", ".join(sorted(found)) or "none",
            )

    def _of_catalogue(self, access: Any) -> str:
        wanted = self._settings
        catalogue = access.service_catalog
        try:
            found: str | None = catalogue.url_for(service_type=SERVICE, interface=wanted.interface, region_name=wanted.region)
        except exceptions.CatalogException:
            found = None
        if found:
            return found.rstrip("/")
        there = sorted(
            f"{each.region_name or 'no region'}/{str(each.interface).removesuffix('URL')}"
            for endpoints in catalogue.get_endpoints_data(service_type=SERVICE).values()
            for each in endpoints
        )
        raise SourceForbidden(
            f"{self._place}: the catalogue has no endpoint of the service {SERVICE} for interface {wanted.interface}, "
            f"region {wanted.region or 'any'}; it has {', '.join(there) or 'none at all: give endpoint'}"
        )

    def _asked(self, ask: Callable[[], T]) -> T:
        """What Keystone answers, within the time for all of it; a failure becomes ours."""
        try:
            with deadline.within(self._settings.timeout):
                found: T = connecting.in_time(ask, self._place)
                return found
        # Without the cause: a traceback would show its text, and that what the server repeats.
        except exceptions.HttpError as error:
            if error.http_status >= 500 or error.http_status in _NOT_NOW:
                raise self._unavailable(error, getattr(error, "retry_after", None) or None) from None
            raise SourceForbidden(f"{self._place} refuses the login: {self._told(error)}") from None
        except (exceptions.AuthorizationFailure, exceptions.MissingRequiredOptions) as error:
            raise SourceForbidden(f"{self._place} refuses the login: {self._told(error)}") from None
        except (exceptions.ClientException, Unavailable, OSError) as error:
            raise self._unavailable(error) from None

    def _unavailable(self, error: Exception, retry_after: float | None = None) -> SourceUnavailable:
        return SourceUnavailable(f"{self._place} cannot be asked: {self._told(error)}", retry_after=retry_after, is_everything=True)

    def _told(self, error: Exception) -> str:
        """What a library says, in one line, without the password, whatever a server repeats."""
        text = " ".join(str(error).split())
        key = self._settings.key or ""
        # As it is, and as it would be in JSON and in a URL.
        for form in {key, msgspec.json.encode(key).decode()[1:-1], urllib.parse.quote(key, safe="")} - {""}:
            text = text.replace(form, "***")
        return text[:_SHOWN] or type(error).__name__


def _plugin(settings: Settings) -> Any:
    """The plugin for the version that the settings, or the URL, name; one that asks Keystone where neither does."""
    version, place = settings.auth, str(settings.auth_url)
    if version == "auto":
        end = place.rpartition("/")[2]
        version = {"v3": "v3", "v2.0": "v2"}.get(end, version)
    user: dict[str, Any] = {
        "username": None if settings.user_id else settings.user,
        "user_id": settings.user_id,
        "password": settings.key,
    }
    names: dict[str, Any]
    if version == "v2":
        names = {"tenant_id": settings.tenant_id, "tenant_name": None if settings.tenant_id else settings.tenant}
        return identity.v2.Password(place, **{name: value for name, value in (user | names).items() if value})
    names = {
        "project_id": settings.tenant_id,
        "project_name": None if settings.tenant_id else settings.tenant,
        "user_domain_id": settings.user_domain_id,
        "user_domain_name": None if settings.user_domain_id or settings.user_id else settings.user_domain_name,
        "project_domain_id": settings.project_domain_id,
        "project_domain_name": None if settings.project_domain_id or settings.tenant_id else settings.project_domain_name,
    }
    if version == "v3":
        return identity.v3.Password(place, **user, **names)
    # With a domain that is given, the library would not try v2; as a default it takes v3 first, then v2.
    defaults: dict[str, Any] = {
        name: None for name, value in names.items() if name.endswith("domain_name") and value == _DEFAULT_DOMAIN
    }
    return identity.generic.Password(place, **user, **(names | defaults), default_domain_name=_DEFAULT_DOMAIN)
