"""A store's URL with a namespace."""

from __future__ import annotations


def with_namespace(url: str, namespace: str) -> str:
    return f"{url}{'&' if '?' in url else '?'}namespace={namespace}"
