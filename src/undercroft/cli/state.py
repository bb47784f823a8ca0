"""What the state of an import or an export is called by."""

from __future__ import annotations

import urllib.parse

from undercroft.core import url as urls


def store_name(url: str) -> str:
    """What tells one store from another, without a secret."""
    namespace = option(url, "namespace", "")
    return "#".join([urls.redacted(url), *([namespace] if namespace else [])])


def option(url: str, name: str, default: str) -> str:
    """An option of a store's URL."""
    return urllib.parse.parse_qs(url.partition("?")[2]).get(name, [default])[-1]
