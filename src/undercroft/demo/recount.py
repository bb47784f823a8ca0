"""The day's total once more, straight from the file: no frame, no store, nothing of `usage`. To check the others by."""

from __future__ import annotations

import csv
import gzip
import importlib.resources
import tomllib
from decimal import ROUND_HALF_EVEN, Decimal

HERE = importlib.resources.files("undercroft.demo") / "data"


def grand_total() -> Decimal:
    """What all machines cost over the day."""
    prices = tomllib.loads((HERE / "prices.toml").read_text("utf-8"))
    step = Decimal(1).scaleb(-prices["quantity_places"])
    lines = gzip.decompress((HERE / "cpu-2011-03-03.csv.gz").read_bytes()).decode("ascii").splitlines()
    total = Decimal(0)
    for number, (_, *percents) in enumerate(csv.reader(lines[1:])):
        flavor = prices["flavor"][number % 3]
        for first in range(0, 288, 12):
            mean = sum(Decimal(percent) for percent in percents[first : first + 12]) / 12
            hours = (mean / 100 * flavor["vcpus"]).quantize(step, ROUND_HALF_EVEN)
            total += Decimal(flavor["hour"]) + hours * Decimal(prices["cpu_hour"])
    return total
