"""InfluxDB behind Grafana, written to as an agent such as Telegraf does: by lines, through the same proxy."""

from __future__ import annotations

import urllib.parse
from collections.abc import Iterator, Sequence

from undercroft.conformance.datasources.feeders.posting import OverHttp
from undercroft.conformance.datasources.feeding import CPU, Series, percents

_SPECIAL = str.maketrans({",": "\\,", "=": "\\=", " ": "\\ ", "\n": "\\n"})


class Feeder(OverHttp):
    """Writes a measurement per meter, with the resource as a tag; CPU use as a level in percent.

    Args:
        url: of the source.
    """

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._path = f"/write?db={urllib.parse.quote(self.options['database'])}"

    def feed(self, series: Sequence[Series]) -> None:
        """Write the points; InfluxDB answers when they can be read."""
        lines = "\n".join(line for each in series for line in _lines(each))
        if lines:
            headers = {"Content-Type": "text/plain; charset=utf-8"}
            self.client.post(self._path, content=lines.encode(), headers=headers).raise_for_status()


def _lines(series: Series) -> Iterator[str]:
    points = percents(series) if series.meter == CPU else series.points
    for moment, value in points:
        yield f"{series.meter},resource={series.resource.translate(_SPECIAL)} value={float(value)!r} {moment}000"
