"""Bodies of messages, encrypted before they are stored, for queues that ask for it.

AES-256-GCM with a key for each queue, which is derived from the key of the settings; project and queue are associated data, so that
a sealed body is valid in no other project, and not as one of another queue. It carries the name of the queue that it was posted to:
dead letters and messages that are driven back move to other queues of the project.
"""

from __future__ import annotations

import base64
import binascii
import functools
import secrets
from typing import Any

# Most queues are not encrypted, and an installation without the service does not have this library.
try:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF
except ModuleNotFoundError as error:
    _MISSING: ModuleNotFoundError | None = error
else:
    _MISSING = None

from undercroft.core import decoding, document, registry
from undercroft.core.errors import ConfigInvalid, Corrupt, InvalidInput

# A body that is an object of this key alone is ours: what is sealed, or what a caller sent that has the key, too.
MARK = "undercroft:sealed"
SETTING = "[messaging] encryption_key"
_BYTES, _NONCE = 32, 12
_PURPOSE = b"undercroft messages 1"


class Unopened(Corrupt):
    """A body cannot be decrypted: the key is another one, or what is stored was changed."""

    _public = "a message cannot be decrypted; the operator of the service has to look after its encryption key"


class Sealer:
    """Seals bodies and opens them.

    Args:
        key: 32 bytes in base64; None to seal nothing.

    Raises:
        ConfigInvalid: the key is malformed.
    """

    def __init__(self, key: str | None) -> None:
        self._key = None if not key else _key(key)
        self._cipher = functools.lru_cache(maxsize=1_024)(self._derived)

    @property
    def is_able(self) -> bool:
        """Whether there is a key."""
        return self._key is not None

    def seal(self, body: Any, queue: str, project: str) -> Any:
        """The body as it is stored in a queue that asks for encryption."""
        data = document.encoded(body, "body").encode()
        nonce = secrets.token_bytes(_NONCE)
        sealed = self._cipher(queue, project).encrypt(nonce, data, _associated(queue, project))
        return {MARK: [queue, base64.b64encode(nonce + sealed).decode()]}

    @staticmethod
    def shield(body: Any) -> Any:
        """The body as it is stored in any other queue: one that looks sealed is wrapped, so that nothing tries to open it."""
        return {MARK: [body]} if isinstance(body, dict) and MARK in body else body

    def open(self, body: Any, project: str) -> Any:
        """The body as it was posted, whatever queue the message is in now.

        Raises:
            Unopened: it is sealed, and cannot be decrypted.
        """
        if not isinstance(body, dict) or body.keys() != {MARK}:
            return body
        match body[MARK]:
            case [plain]:
                return plain
            case [str(queue), str(text)]:
                return self._opened(queue, text, project)
            case _:
                raise Unopened("a message is marked as sealed, and is not of a form that was ever stored")

    def _opened(self, queue: str, text: str, project: str) -> Any:
        if self._key is None:
            raise Unopened(f"a message of queue {queue!r} is encrypted: set {SETTING} to the key that it was encrypted with")
        cipher = self._cipher(queue, project)
        try:
            data = base64.b64decode(text, validate=True)
            plain = cipher.decrypt(data[:_NONCE], data[_NONCE:], _associated(queue, project))
            return decoding.decode(plain, Any, "body")
        except (binascii.Error, ValueError, InvalidTag, InvalidInput):
            raise Unopened(
                f"a message of queue {queue!r} cannot be decrypted: {SETTING} is not the key that it was encrypted with, or the "
                "stored message was changed"
            ) from None

    def _derived(self, queue: str, project: str) -> AESGCM:
        if self._key is None:
            raise ConfigInvalid(f"set {SETTING} to 32 bytes in base64")
        if _MISSING is not None:
            raise registry.missing_extra("encryption of messages", "server", _MISSING)
        info = _PURPOSE + _associated(queue, project)
        return AESGCM(HKDF(algorithm=SHA256(), length=_BYTES, salt=None, info=info).derive(self._key))


def _associated(queue: str, project: str) -> bytes:
    return document.encoded([project, queue], "body").encode()


def _key(text: str) -> bytes:
    try:
        found = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        found = b""
    if len(found) != _BYTES:
        raise ConfigInvalid(
            f"{SETTING} is not 32 bytes in base64; make one with "
            "`python -c 'import base64, secrets; print(base64.b64encode(secrets.token_bytes(32)).decode())'`"
        )
    return found
