"""Message ids as 16 bytes that grow with time.

Ceilometer's ids are UUIDs, most of version 1, whose text begins with the fast end of its clock. In the order of their time an index
of them grows at its end, and a batch touches a few pages of it instead of one for every sample. So a UUID is kept with its version
first, then, for version 1, the slow end of the clock before the fast one; other versions follow as they are written. Each UUID has
one such form, and the form one UUID. A text that is no UUID as Python writes them is kept in `oddity`, and known by its digest
under the version 15, which UUIDs do not have.
"""

from __future__ import annotations

import hashlib
import re

_UUID = re.compile("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-e][0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}", re.ASCII)
_TIME = "1"
ODD = 0xF0


def key(text: str) -> bytes:
    """The 16 bytes of a message id."""
    if _UUID.fullmatch(text) is None:
        digest = hashlib.blake2b(text.encode(), digest_size=16).digest()
        return bytes((ODD | digest[0] & 0x0F,)) + digest[1:]
    low, middle, high, clock, node = text.split("-")
    if high[0] == _TIME:
        return bytes.fromhex(high + middle + low + clock + node)
    return bytes.fromhex(high[0] + low + middle + high[1:] + clock + node)


def is_odd(found: bytes) -> bool:
    """Whether the text is not to be had from these bytes."""
    return found[0] >= ODD


def text(found: bytes) -> str:
    """The message id of which these are the bytes; it must not be odd."""
    h = found.hex()
    if h[0] == _TIME:
        return f"{h[8:16]}-{h[4:8]}-{h[:4]}-{h[16:20]}-{h[20:]}"
    return f"{h[1:9]}-{h[9:13]}-{h[0]}{h[13:16]}-{h[16:20]}-{h[20:]}"
