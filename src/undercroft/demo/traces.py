"""The readings: CPU use of 1,052 PlanetLab machines over a day (their origin: data/ORIGIN.md)."""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import importlib.resources
from typing import NamedTuple

DATA = importlib.resources.files("undercroft.demo") / "data"
FILE = "cpu-2011-03-03.csv.gz"
DAY = dt.datetime(2011, 3, 3, tzinfo=dt.UTC)
HOURS = 24
READINGS_AN_HOUR = 12


class Machine(NamedTuple):
    """A virtual machine.

    Attributes:
        number: its place in the file, from 0.
        name: as PlanetLab called it.
        readings: CPU use in percent of its vCPUs, 288 times, every five minutes.
    """

    number: int
    name: str
    readings: tuple[int, ...]

    def percent(self, hour: int) -> int:
        """The sum of an hour's readings."""
        return sum(self.readings[hour * READINGS_AN_HOUR : (hour + 1) * READINGS_AN_HOUR])


def machines() -> list[Machine]:
    """All machines, in the order of the file."""
    with (DATA / FILE).open("rb") as packed, gzip.open(packed, "rt", encoding="ascii", newline="") as text:
        rows = csv.reader(text)
        next(rows)
        return [Machine(number, row[0], tuple(map(int, row[1:]))) for number, row in enumerate(rows)]
