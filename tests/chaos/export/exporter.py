"""One worker, its configuration, and how its target is compared with the ledger."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import pathlib
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tests.chaos.export.lives import work
from tests.chaos.export.traffic import METERS, PAGE, Row, Traffic, now
from tests.chaos.faults import Faults
from tests.chaos.processes import Life, life
from tests.export.places import Place
from undercroft.conformance.limits import within
from undercroft.core.errors import UndercroftError
from undercroft.export import COLUMNS
from undercroft.export.dialects.base import naive

# Far above what anything takes here, 30,000 samples in pages of 8 included; ends a test that hangs.
PATIENCE = 300
LAG = 0.3
_NAME, _PROJECT, _RESOURCE = map(COLUMNS.index, ("counter_name", "project_id", "resource_id"))


@dataclasses.dataclass(frozen=True)
class Filter:
    """A filter of the worker.

    Attributes:
        query, meters: as its section has them.
        names: the meters that these are.
        selects: whether it selects a row.
    """

    query: str
    meters: str
    names: tuple[str, ...]
    selects: Callable[[Row], bool]


EVERYTHING = Filter("", "*", METERS, lambda _: True)
OF_A_PROJECT = Filter("project_id=p1", "cpu, disk.*", METERS, lambda row: row[_PROJECT] == "p1")
OF_A_RESOURCE = Filter("resource_id=r1", "cpu", METERS[:1], lambda row: row[_RESOURCE] == "r1" and row[_NAME] == "cpu")
OF_A_METER = Filter("", "disk.read", METERS[1:2], lambda row: row[_NAME] == "disk.read")
ALL_THREE = {"all": EVERYTHING, "project": OF_A_PROJECT, "resource": OF_A_RESOURCE}


class Exporter:
    """A worker that is started and ended, again and again.

    Args:
        folder: for its configuration and its log.
        place: the target, as the test reaches it.
        endpoint: of the source, without `/v2`.
        traffic: what arrives there.
        overlap: seconds.
        filters: by name.
        keys: further ones of the configuration, such as another `connection`.
    """

    def __init__(
        self, folder: pathlib.Path, place: Place, endpoint: str, traffic: Traffic, *, overlap: float,
        filters: Mapping[str, Filter] = ALL_THREE, **keys: Any,
    ) -> None:  # fmt: skip
        self.place, self.traffic, self.filters = place, traffic, dict(filters)
        self.log = folder / "worker.log"
        self.file = folder / "export.ini"
        self.highest: dict[tuple[str, str], dt.datetime] = {}
        self.wrong: list[str] = []
        values = {
            "endpoint": endpoint, "auth": "none", "connection": place.url, "table": place.table, "page": PAGE, "interval": 0.1,
            "lag": LAG, "overlap": overlap, "timeout": 5, "backoff_base": 0.05, "backoff_max": 0.5, **keys,
        }  # fmt: skip
        lines = ["[exporter]", *(f"{name} = {value}" for name, value in values.items())]
        for name, each in self.filters.items():
            lines += [f"[filter:{name}]", f"query = {each.query}", f"meters = {each.meters}"]
        self.file.write_text("\n".join(lines) + "\n")

    @contextlib.contextmanager
    def living(self, twin: str | None = None, log: pathlib.Path | None = None) -> Iterator[Life]:
        """One life of the worker, which does not outlive the block."""
        with life(work, str(self.file), str(log or self.log), twin) as found:
            assert found.hear() == "begins"
            yield found

    def told(self) -> str:
        """What it logged."""
        return self.log.read_text() if self.log.exists() else ""

    def await_told(self, text: str, log: pathlib.Path | None = None) -> None:
        """Wait until a log says something; the worker's own, or that of another one."""
        end = time.monotonic() + PATIENCE
        while text not in (self.told() if log is None else log.read_text()):
            assert time.monotonic() < end, self.told()[-3000:]
            time.sleep(0.02)

    # -- points ----------------------------------------------------------------------------------------------------

    def positions(self) -> dict[tuple[str, str], dt.datetime]:
        """The points; none while the target does not answer, or has no tables yet. What is wrong with them is kept."""
        quote = self.place.db.engine.dialect.identifier_preparer.quote
        try:
            found = self.place.ask(f"SELECT {quote('filter')}, meter, {quote('position')} FROM {{t}}_sync")
        except UndercroftError:
            return {}
        newest = now() - dt.timedelta(seconds=LAG)
        positions: dict[tuple[str, str], dt.datetime] = {}
        for name, meter, at in found:
            position = naive(at)
            if position is None:
                continue
            positions[name, meter] = position
            if position > newest:
                self.wrong.append(f"the point of {name}/{meter} is {position - newest} past now - lag")
            if position < self.highest.get((name, meter), position):
                self.wrong.append(f"the point of {name}/{meter} moved back")
            self.highest[name, meter] = position
        return positions

    def passed(self, moment: dt.datetime, *left_out: str) -> bool:
        """Whether all points are behind a moment, except those of filters that are left out."""
        units = {(name, meter) for name, each in self.filters.items() if name not in left_out for meter in each.names}
        positions = self.positions()
        return all(positions.get(unit, dt.datetime.min) > moment for unit in units)

    def await_passed(self, moment: dt.datetime, *left_out: str, patience: float = PATIENCE) -> float:
        """Wait until they are; how many seconds that took."""
        began = time.monotonic()
        while not self.passed(moment, *left_out):
            assert time.monotonic() - began < patience, f"no point passes {moment}: {self.positions()}\n{self.told()[-3000:]}"
            time.sleep(0.02)
        return time.monotonic() - began

    def await_recovery(self, patience: float) -> float:
        """Wait until a point goes beyond the present moment, which shows that both ends answer; how many seconds that took."""
        began, moment = time.monotonic(), now()
        while not any(position > moment for position in self.positions().values()):
            assert time.monotonic() - began < patience, f"no point passes {moment}\n{self.told()[-3000:]}"
            time.sleep(0.02)
        return time.monotonic() - began

    def watch(self, seconds: float) -> None:
        """Look at the points for a while."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.positions()
            time.sleep(min(left, 0.05))

    # -- the end ---------------------------------------------------------------------------------------------------

    def settle(self, *left_out: str) -> None:
        """Wait for a round that began when everything had arrived, and its time had come.

        A point is at the beginning of its round less the lag. So all that arrived before has been asked for.
        """
        self.await_passed(max(self.traffic.last, self.traffic.added), *left_out)

    def audit(self, *left_out: str, is_over: bool = True) -> Faults:
        """Compare the target with the ledger, row by row."""
        filters = [each for name, each in self.filters.items() if name not in left_out]
        found = self.place.rows()
        faults = self.traffic.audit(found, lambda row: any(each.selects(row) for each in filters), is_over=is_over)
        answers = list(self.wrong)
        # One statement, and so one moment.
        statement = "SELECT (SELECT count(*) FROM {t}), (SELECT sum(rows_stored) FROM {t}_sync)"
        ((rows, counted),) = self.place.ask(statement)
        if rows != (counted or 0):
            answers.append(f"{rows} rows, {counted} counted")
        return faults._replace(answers=answers)

    def end(self, found: Life, number: int) -> float:
        """Send a signal that ends the worker well; how many seconds that took."""
        began = time.monotonic()
        found.signal(number)
        code = found.end()
        took = time.monotonic() - began
        assert code == 0, f"{code}\n{self.told()[-3000:]}"
        within(took, 10, "the end")
        return took


def figures(faults: Faults) -> dict[str, int]:
    """For the record."""
    return {"lost": faults.lost, "doubled": faults.doubled, "wrong_answers": len(faults.answers)}
