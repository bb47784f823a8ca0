"""Numbers of things in messages: `1 sample`, `2,000 samples`."""

from __future__ import annotations


def number(count: int, things: str) -> str:
    """How many things, in digits with commas, and the word for them in the number that fits.

    Args:
        count: how many.
        things: a regular noun, in the plural.
    """
    return f"{count:,} {_one(things) if count == 1 else things}"


def _one(things: str) -> str:
    return things.removesuffix("es") if things.endswith("ches") else things.removesuffix("s")
