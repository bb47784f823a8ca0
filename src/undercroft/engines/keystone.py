"""A login to Keystone by user and password, v3 or v2: keystoneauth1 speaks both, and reads tokens and catalogues."""

from __future__ import annotations

import dataclasses
import threading
import urllib.parse
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from undercroft.core import deadline, registry
from undercroft.core.errors import NotPermitted, Unavailable
from undercroft.engines import connecting

try:
    from keystoneauth1 import exceptions, identity, session
except ImportError as error:
    raise registry.missing_extra("a login to Keystone", "http", error) from error

T = TypeVar("T")

# A token that expires sooner is renewed before it is used, in seconds.
_MARGIN = 60
_DEFAULT_DOMAIN = "Default"
_SHOWN = 300
_NOT_NOW = (408, 429)


@dataclasses.dataclass(frozen=True, kw_only=True, repr=False)
class Account:
    """The user that logs in, and how Keystone is reached. None means unknown.

    Attributes:
        auth_url: of Keystone.
        auth: `v3`, `v2` or `auto`.
        endpoint: of the service that is wanted; None for the one of the catalogue.
        tenant, tenant_id: the project.
        user, user_id, key: the user, and the password.
        user_domain_name, user_domain_id, project_domain_name, project_domain_id: domains, v3 only.
        region, interface: which endpoint of the catalogue.
        timeout: seconds that a login may take.
        cafile, insecure: of TLS.
    """

    auth_url: str | None
    auth: str = "auto"
    endpoint: str | None = None
    tenant: str | None = None
    tenant_id: str | None = None
    user: str | None = None
    user_id: str | None = None
    key: str | None = None
    user_domain_name: str = _DEFAULT_DOMAIN
    user_domain_id: str | None = None
    project_domain_name: str = _DEFAULT_DOMAIN
    project_domain_id: str | None = None
    region: str | None = None
    interface: str = "public"
    timeout: float = 5.0
    cafile: str | None = None
    insecure: bool = False


class Keystone:
    """A login, made when it is first used, and again before its token expires. Threads share it: one logs in for all.

    Args:
        account: the user and the project.
        service: the type of the service in the catalogue.
    """

    def __init__(self, account: Account, service: str) -> None:
        self._account = account
        self._service = service
        self._place = f"Keystone at {account.auth_url}"
        verify: bool | str = False if account.insecure else account.cafile or True
        self._session = session.Session(verify=verify, timeout=account.timeout, redirect=False)
        self._plugin = _plugin(account)
        self._access: Any = None
        self._turn = threading.Lock()
        self._endpoint = account.endpoint

    @property
    def endpoint(self) -> str:
        """The root of the API: of the settings, else of the catalogue.

        Raises:
            NotPermitted: the login is refused, or the catalogue has no such endpoint.
            Unavailable: Keystone does not answer.
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
        access = self._access
        if _is_fresh(access):
            return access
        with deadline.holding(self._turn, self._account.timeout, self._late):
            access = self._access
            # Another thread may have logged in meanwhile.
            if not _is_fresh(access):
                access = self._asked(lambda: self._plugin.get_auth_ref(self._session))
                self._logged_in(access)
                self._access = access
            return access

    def _late(self) -> Unavailable:
        return self._away(f"{self._place}: earlier logins took longer than {self._account.timeout:g} s", None)

    def _logged_in(self, access: Any) -> None:
        """Look at a new token."""

    def _refused(self, text: str) -> NotPermitted:
        """The error for a login that is refused."""
        return NotPermitted(text)

    def _away(self, text: str, retry_after: float | None) -> Unavailable:
        """The error for a Keystone that does not answer; `retry_after` are the seconds that it asks to wait."""
        return Unavailable(text)

    def _of_catalogue(self, access: Any) -> str:
        wanted = self._account
        catalogue = access.service_catalog
        try:
            found: str | None = catalogue.url_for(service_type=self._service, interface=wanted.interface, region_name=wanted.region)
        except exceptions.CatalogException:
            found = None
        if found:
            return found.rstrip("/")
        there = sorted(
            f"{each.region_name or 'no region'}/{str(each.interface).removesuffix('URL')}"
            for endpoints in catalogue.get_endpoints_data(service_type=self._service).values()
            for each in endpoints
        )
        raise self._refused(
            f"{self._place}: the catalogue has no endpoint of the service {self._service} for interface {wanted.interface}, "
            f"region {wanted.region or 'any'}; it has {', '.join(there) or 'none at all: give endpoint'}"
        )

    def _asked(self, ask: Callable[[], T]) -> T:
        """What Keystone answers, within the time for all of it; a failure becomes ours."""
        try:
            with deadline.within(self._account.timeout):
                found: T = connecting.in_time(ask, self._place)
                return found
        # Without the cause: a traceback would show its text, and that what the server repeats.
        except exceptions.HttpError as error:
            if error.http_status >= 500 or error.http_status in _NOT_NOW:
                raise self._unavailable(error, getattr(error, "retry_after", None) or None) from None
            raise self._refused(f"{self._place} refuses the login: {self._told(error)}") from None
        except (exceptions.AuthorizationFailure, exceptions.MissingRequiredOptions) as error:
            raise self._refused(f"{self._place} refuses the login: {self._told(error)}") from None
        except (exceptions.ClientException, Unavailable, OSError) as error:
            raise self._unavailable(error) from None

    def _unavailable(self, error: Exception, retry_after: float | None = None) -> Unavailable:
        return self._away(f"{self._place} cannot be asked: {self._told(error)}", retry_after)

    def _told(self, error: Exception) -> str:
        """What a library says, in one line, without the password, whatever a server repeats."""
        text = " ".join(str(error).split())
        key = self._account.key or ""
        # As it is, and as it would be in JSON and in a URL.
        for form in {key, msgspec.json.encode(key).decode()[1:-1], urllib.parse.quote(key, safe="")} - {""}:
            text = text.replace(form, "***")
        return text[:_SHOWN] or type(error).__name__


class Session:
    """The token and the endpoint of a session that the host program keeps (a keystoneauth1 session).

    Args:
        keeper: the session.
        service: the type of the service in the catalogue.
        interface, region: which endpoint of it; None for any.
        endpoint: of the service; None for the one of the catalogue.
    """

    def __init__(
        self, keeper: Any, service: str, interface: str | None = None, region: str | None = None, endpoint: str | None = None
    ) -> None:
        self._keeper, self._service, self._interface, self._region = keeper, service, interface, region
        self._endpoint = endpoint

    @property
    def endpoint(self) -> str:
        """The root of the API.

        Raises:
            NotPermitted: the login is refused, or the catalogue has no such endpoint.
            Unavailable: Keystone does not answer.
        """
        if self._endpoint is None:
            wanted = {"service_type": self._service, "interface": self._interface, "region_name": self._region}
            found = self._asked(lambda: self._keeper.get_endpoint(**{name: value for name, value in wanted.items() if value}))
            if not found:
                raise NotPermitted(f"the catalogue of Keystone has no endpoint of the service {self._service}")
            self._endpoint = str(found).rstrip("/")
        return self._endpoint

    def headers(self) -> dict[str, str]:
        """The token, none where the host program has no login, and the endpoint is given; raises as `endpoint`."""
        if self._endpoint is not None and getattr(self._keeper, "auth", self) is None:
            return {}
        return dict(self._asked(self._keeper.get_auth_headers) or {})

    def renew(self) -> None:
        """Have a new token made for the next request."""
        self._keeper.invalidate()

    def close(self) -> None:
        """Nothing: the session belongs to the host."""

    def _asked(self, ask: Callable[[], T]) -> T:
        try:
            found = connecting.in_time(ask, "Keystone")
        except exceptions.HttpError as error:
            if error.http_status >= 500 or error.http_status in _NOT_NOW:
                raise Unavailable(f"Keystone cannot be asked: {error.http_status}") from None
            raise NotPermitted(f"Keystone refuses the login: {error.http_status}") from None
        except exceptions.ClientException as error:
            raise Unavailable(f"Keystone cannot be asked: {type(error).__name__}") from None
        else:
            # Outside a deadline nothing was done.
            return ask() if found is None else found


def _is_fresh(access: Any) -> bool:
    return access is not None and not access.will_expire_soon(_MARGIN)


def _plugin(account: Account) -> Any:
    """The plugin for the version that the account, or the URL, names; one that asks Keystone where neither does."""
    version, place = account.auth, str(account.auth_url)
    if version == "auto":
        end = place.rpartition("/")[2]
        version = {"v3": "v3", "v2.0": "v2"}.get(end, version)
    user: dict[str, Any] = {
        "username": None if account.user_id else account.user,
        "user_id": account.user_id,
        "password": account.key,
    }
    names: dict[str, Any]
    if version == "v2":
        names = {"tenant_id": account.tenant_id, "tenant_name": None if account.tenant_id else account.tenant}
        return identity.v2.Password(place, **{name: value for name, value in (user | names).items() if value})
    names = {
        "project_id": account.tenant_id,
        "project_name": None if account.tenant_id else account.tenant,
        "user_domain_id": account.user_domain_id,
        "user_domain_name": None if account.user_domain_id or account.user_id else account.user_domain_name,
        "project_domain_id": account.project_domain_id,
        "project_domain_name": None if account.project_domain_id or account.tenant_id else account.project_domain_name,
    }
    if version == "v3":
        return identity.v3.Password(place, **user, **names)
    # With a domain that is given, the library would not try v2; as a default it takes v3 first, then v2.
    defaults: dict[str, Any] = {
        name: None for name, value in names.items() if name.endswith("domain_name") and value == _DEFAULT_DOMAIN
    }
    return identity.generic.Password(place, **user, **(names | defaults), default_domain_name=_DEFAULT_DOMAIN)
