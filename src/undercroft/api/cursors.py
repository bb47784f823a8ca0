"""Cursors as callers get them: encrypted, and valid only for the caller and the query that they were made for."""

from __future__ import annotations

import base64
import hashlib

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from undercroft.core.errors import InvalidInput

# AES-256 in SIV mode takes two keys of 32 bytes.
_KEY_BYTES = 64
_PURPOSE = b"undercroft cursors 2"


class CursorCodec:
    """Encrypts and decrypts the cursors of one query.

    A cursor counts what has arrived in the whole store, so callers who see a part of it must not read it. Encryption is AES-SIV
    (RFC 5297): authenticated, with the query as associated data, and deterministic: equal cursors have equal text.

    Args:
        key: secret of the store, the same in every process that may get the cursor back.
        query: what the cursor is bound to: the caller and the query. Anything whose `repr` identifies it.
    """

    def __init__(self, key: bytes, *query: object) -> None:
        derived = HKDF(algorithm=SHA256(), length=_KEY_BYTES, salt=None, info=_PURPOSE).derive(key)
        self._cipher = AESSIV(derived)
        self._associated = [hashlib.sha256(repr(query).encode()).digest()]

    def encode(self, cursor: str) -> str:
        """The cursor as the caller gets it."""
        return _text(self._cipher.encrypt(cursor.encode(), self._associated))

    def decode(self, text: str, field: str) -> str:
        """The cursor that was encoded.

        Args:
            text: what the caller sent.
            field: its name in the error.

        Raises:
            InvalidInput: the text was not made for this query, or was changed.
        """
        try:
            given = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
            # base64 ignores characters and bits that it does not need: only one text of a cursor is accepted.
            if _text(given) == text:
                return self._cipher.decrypt(given, self._associated).decode()
        except (ValueError, InvalidTag):
            pass
        raise InvalidInput(field, "is not a cursor of this query")


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
