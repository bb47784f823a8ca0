"""Texts made to be taken for something else."""

from __future__ import annotations

TEXTS = [
    "' OR '1'='1", '" OR ""="', "'; DROP TABLE x; --", "\\'; --", "%", "_", "%_%", "a%", "*", "a*", ".*", "(a+)+$", "/* */",
    "-- ", "#", "`a`", "$where", '{"$gt": ""}', "$ne", "a\x00b", "a\nb", "\r\nX-Injected: 1", "field:* OR _exists_", "1=1",
    "a') RETURNING (1", "${jndi:x}", "{{7*7}}", "{0.__class__}", "%s%s%n", "|> drop()", '"; DROP MEASUREMENT x',
    "../../etc/passwd", "<script>", "é😀", "a" * 200, "1 UNION SELECT 1", "0x41", "\\x41", "\\", "'", '"', "''", "\ufeff",
    "\u202e",
]  # fmt: skip
# Without what no store keeps.
USABLE = [text for text in TEXTS if "\x00" not in text]
