"""Cursors as callers get them: sealed, so that one tells nothing, and is good for one caller's one question only."""

from __future__ import annotations

import base64
import hashlib
import hmac

from undercroft.core.errors import InvalidInput

_TAG_BYTES = 16


class Seal:
    """Closes and opens the cursors of one question.

    The tag authenticates cursor and question. The cursor itself is hidden, because the number of what has arrived in a store is
    nothing for those who see a part of it.

    Args:
        key: secret, and the same wherever the cursor may come back.
        question: what the cursor is bound to: who asks what. Anything whose `repr` tells it apart.
    """

    def __init__(self, key: bytes, *question: object) -> None:
        self._key = key
        self._question = hashlib.sha256(repr(question).encode()).digest()

    def close(self, cursor: str) -> str:
        """The cursor as the caller gets it."""
        return self._closed(cursor.encode())

    def open(self, text: str, field: str) -> str:
        """The cursor that was closed.

        Args:
            text: what the caller gives.
            field: its name in a refusal.

        Raises:
            InvalidInput: it was not given for this question, or was changed since.
        """
        try:
            given = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        except ValueError:
            given = b""
        plain = self._masked(given[:_TAG_BYTES], given[_TAG_BYTES:])
        # Compared as a whole: one cursor has one form.
        if not hmac.compare_digest(self._closed(plain).encode(), text.encode(errors="replace")):
            raise InvalidInput(field, "is no cursor of this question")
        return plain.decode()

    def _closed(self, plain: bytes) -> str:
        tag = hmac.digest(self._key, self._question + plain, "sha256")[:_TAG_BYTES]
        return base64.urlsafe_b64encode(tag + self._masked(tag, plain)).rstrip(b"=").decode()

    def _masked(self, tag: bytes, text: bytes) -> bytes:
        """Under a mask that the tag chooses; the same again takes it off."""
        mask = hashlib.shake_256(self._key + tag).digest(len(text))
        return bytes(left ^ right for left, right in zip(text, mask, strict=True))
