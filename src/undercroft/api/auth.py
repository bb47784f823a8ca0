"""Who asks: fills a `Caller` from identity headers, or from a token. Everything else in the service knows the caller only."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import pathlib
from typing import Protocol

import falcon

from undercroft.api.call import WRITERS, Rule
from undercroft.api.nearby import Nearby, is_loopback
from undercroft.core.caller import Caller
from undercroft.core.errors import ConfigInvalid, NotPermitted

NOTHING = "-"


class Unauthenticated(NotPermitted):
    """No token, or one that nobody has."""

    http = 401


class Unauthorized(NotPermitted):
    """A caller who may not do this, told so as Panko tells it."""

    http = 401


class Access(Protocol):
    """A way to tell who asks."""

    def caller(self, req: falcon.Request) -> Caller:
        """The party behind a request.

        Raises:
            Unauthenticated: it does not say, or not truly.
            NotPermitted: nobody may ask from there.
        """


class Headers:
    """Access `none`: believes the identity headers of the host project's proxy; without `X-Roles`, everybody is admin.

    Anybody who reaches the port can say anything, so only this machine is answered, whatever address the server is bound to.

    Args:
        nearby: tells its requests from others.
    """

    def __init__(self, nearby: Nearby) -> None:
        self._nearby = nearby

    def caller(self, req: falcon.Request) -> Caller:
        """See `Access`."""
        self._nearby.check(req)
        roles = req.get_header("X-Roles")
        said = [roles, req.get_header("X-Project-Id"), req.get_header("X-User-Id")]
        return Caller(
            project=req.get_header("X-Project-Id") or None,
            user=req.get_header("X-User-Id") or None,
            roles=_roles("admin" if roles is None else roles),
            domain=req.get_header("X-Project-Domain-Id") or req.get_header("X-Domain-Id") or None,
            is_named=any(each is not None for each in said),
        )


class Tokens:
    """Access by a file of tokens: one a line, `token project user roles`, `-` for none, roles with commas between.

    A token is sent as `X-Auth-Token`, as `Authorization: Bearer`, or as the password of basic authentication.
    """

    def __init__(self, file: str) -> None:
        self._callers: list[tuple[bytes, Caller]] = []
        try:
            lines = pathlib.Path(file).read_text("utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigInvalid(f"[api] token_file {file!r}: {getattr(error, 'strerror', None) or 'is not UTF-8 text'}") from None
        for number, line in enumerate(lines, start=1):
            words = line.split()
            if not words or words[0].startswith("#"):
                continue
            if len(words) != 4:
                raise ConfigInvalid(f"[api] token_file {file!r}, line {number}: expected `token project user roles`")
            token, project, user, roles = (None if word == NOTHING else word for word in words)
            if token is None:
                raise ConfigInvalid(f"[api] token_file {file!r}, line {number}: a token is needed")
            held = _roles(roles or "")
            caller = Caller(project, user, held, is_global=project is None and "admin" in held)
            self._callers.append((_digest(token), caller))
        if not self._callers:
            raise ConfigInvalid(f"[api] token_file {file!r} holds no token")

    def caller(self, req: falcon.Request) -> Caller:
        """See `Access`."""
        token = _token(req)
        if token is None:
            raise Unauthenticated("a token is needed: X-Auth-Token, Authorization: Bearer, or the password of basic authentication")
        digest = _digest(token)
        found = None
        # Digests are of one length and every one is compared: how long it takes tells nothing.
        for known, caller in self._callers:
            if hmac.compare_digest(known, digest):
                found = caller
        if found is None:
            raise Unauthenticated("the token is not valid")
        return found


def permit(rule: Rule, caller: Caller) -> None:
    """Let a caller pass, or not.

    Raises:
        NotPermitted: the rule is for others.
    """
    match rule:
        case Rule.ADMIN if not caller.is_admin:
            raise NotPermitted("this needs the role admin")
        case Rule.SCOPED if not caller.is_global and not (caller.project and caller.user):
            raise NotPermitted("RBAC Authorization Failed")
        case Rule.SEGREGATED if not (caller.is_admin and caller.is_named):
            raise Unauthorized(f"Not Authorized to access project {caller.project}")
        case Rule.WRITER if not caller.roles & WRITERS:
            raise NotPermitted(f"this needs one of the roles {', '.join(sorted(WRITERS))}")
        case _:
            pass


def access(auth: str, token_file: str | None, nearby: Nearby) -> Access:
    """The way that the settings `[api] auth` and `token_file` name.

    Args:
        auth: `none` or `tokens`.
        token_file: its path; needed by `tokens`.
        nearby: used by `none`.
    """
    if auth == "none":
        return Headers(nearby)
    if not token_file:
        raise ConfigInvalid("[api] auth = tokens needs token_file: one line a token, `token project user roles`")
    return Tokens(token_file)


def check_address(auth: str, host: str) -> None:
    """Refuse to serve everybody without access control.

    Raises:
        ConfigInvalid: `auth` is `none`, and `host` can be reached from elsewhere.
    """
    if auth == "none" and not is_loopback(host):
        raise ConfigInvalid(
            f"refusing to listen on {host} without access control: everybody who reaches it would be admin. "
            "Listen on 127.0.0.1, or set [api] auth = tokens and token_file"
        )


def _roles(text: str) -> frozenset[str]:
    return frozenset(role.strip().lower() for role in text.split(",") if role.strip())


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


def _token(req: falcon.Request) -> str | None:
    if token := req.get_header("X-Auth-Token"):
        return token
    scheme, _, rest = (req.get_header("Authorization") or "").partition(" ")
    if scheme.lower() == "bearer":
        return rest.strip() or None
    if scheme.lower() == "basic":
        try:
            text = base64.b64decode(rest.strip(), validate=True).decode()
        except (binascii.Error, ValueError):
            return None
        return text.partition(":")[2] or None
    return None
