"""How much is measured."""

from __future__ import annotations


class Sizes:
    """How much is measured.

    Args:
        quick: little.
    """

    def __init__(self, *, quick: bool) -> None:
        self.seconds = 1.0 if quick else 4.0
        self.rounds = 1 if quick else 3
        self.held = 5.0 if quick else 180.0
        self.stored = 20_000 if quick else 1_000_000
        self.claimed = 2_000 if quick else 100_000
        # Deliveries of a round.
        self.notified = 2_000 if quick else 20_000
        # Of the race: seconds of a round, messages, and those claimed before others.
        self.turn = 0.5 if quick else 1.5
        self.raced = 40_000 if quick else 200_000
        self.held_claimed = 1_000 if quick else 5_000
