"""The threads that run the application."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor


class Threads:
    """Three pools, so that nothing waits behind work of another sort.

    Args:
        work: threads that answer requests.
        parts: threads that go on with answers that are sent in parts.
        spare: threads for what takes no time: the question whether the process lives, and refusals.
    """

    def __init__(self, work: int, parts: int, spare: int) -> None:
        self.work = ThreadPoolExecutor(work, "undercroft-work")
        self.parts = ThreadPoolExecutor(parts, "undercroft-parts")
        self.spare = ThreadPoolExecutor(spare, "undercroft-spare")
