"""Regular expressions of filters: in time that grows with the length of a text, whatever the expression is.

They are RE2's: Python's without references to groups and without looking around. Python's own engine tries one way after the other,
and a short expression from outside can keep it busy for years.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from typing import Any

from undercroft.core import words
from undercroft.core.errors import ConfigInvalid, InvalidInput

# Characters of an expression.
LONGEST = 255
# Characters of a text that are looked at: the dearest expressions cost 7 microseconds for each.
LOOKED_AT = 4_096
# Bytes of a compiled expression, and of what is remembered of texts.
_MEMORY = 2**18


def matcher(pattern: Any) -> Callable[[str], bool]:
    """What tells whether a regular expression is found anywhere in the first 4,096 characters of a text.

    Raises:
        InvalidInput: it is no regular expression, or too large.
        ConfigInvalid: RE2 is not installed.
    """
    if not isinstance(pattern, str) or len(pattern) > LONGEST:
        raise InvalidInput("filter", f"a regular expression is text of at most {LONGEST} characters")
    return _compiled(words.text(pattern, "filter"))


@functools.lru_cache(64)
def _compiled(pattern: str) -> Callable[[str], bool]:
    try:
        re2: Any = importlib.import_module("re2")
    except ImportError:
        raise ConfigInvalid("regular expressions need the Python module 're2': pip install 'undercroft[patterns]'") from None
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MEMORY
    try:
        search = re2.compile(pattern, options).search
    except re2.error as error:
        said = error.args[0] if error.args else b""
        problem = said.decode(errors="replace") if isinstance(said, bytes) else str(said)
        raise InvalidInput("filter", f"{pattern[:64]!r} is no regular expression: {problem[:200]}") from None
    return lambda text: search(text[:LOOKED_AT]) is not None
