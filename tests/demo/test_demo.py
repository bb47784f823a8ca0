"""The demo: its totals, its page, and that doing it twice changes nothing."""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import gzip
import hashlib
import html.parser
import importlib.resources
import json
import pathlib
import re
import shlex
import shutil
import statistics
import subprocess
import sys
from decimal import Decimal

import click.testing
import pytest

import undercroft
from tests.cli.conftest import runner
from undercroft.cli.main import root
from undercroft.core.errors import Unavailable
from undercroft.demo import chart, figures, happenings, measurements, page, prices, recount, relay, relay_worker, traces, usage
from undercroft.events import EventFilter
from undercroft.events.definitions import Converter
from undercroft.metering import SampleFilter
from undercroft.rating import DataFrame, DataPoint

VOID = {"meta", "link", "img", "br", "hr", "input", "line", "rect", "circle", "polyline"}
MACHINES = 60
NOVA = pathlib.Path(__file__).parent.parent / "events" / "data" / "nova.jsonl"


def demo(folder, *more: object, code: int = 0) -> click.testing.Result:
    arguments = ["demo", "--output", str(folder), *map(str, more)]
    result = runner().invoke(root, arguments, prog_name="undercroft", catch_exceptions=False)
    assert result.exit_code == code, result.stderr
    return result


WHOLE = traces.DATA


@pytest.fixture(scope="module")
def _small(tmp_path_factory):
    """The file's first sixty machines stand for all of them: the whole day is stored by one test only."""
    data = tmp_path_factory.mktemp("small") / "data"
    shutil.copytree(str(WHOLE), data)
    lines = gzip.decompress((data / traces.FILE).read_bytes()).splitlines(keepends=True)
    (data / traces.FILE).write_bytes(gzip.compress(b"".join(lines[: MACHINES + 1])))
    with pytest.MonkeyPatch.context() as patch:
        for module in (traces, prices, happenings, page):
            patch.setattr(module, "DATA", data)
        patch.setattr(recount, "HERE", data)
        yield


@pytest.fixture(scope="module")
def done(_small, tmp_path_factory):
    """The demo, run once: its folder and what it printed."""
    folder = tmp_path_factory.mktemp("demo") / "out"
    return folder, demo(folder).stdout


@pytest.fixture
def again(done, tmp_path):
    """A copy of its folder, to be changed."""
    return pathlib.Path(shutil.copytree(done[0], tmp_path / "again"))


@pytest.fixture(scope="module")
def text(done) -> str:
    return str((done[0] / "index.html").read_text("utf-8"))


@pytest.fixture
def samples(done):
    with contextlib.closing(undercroft.connect("metering", f"sqlite:///{done[0]}/metering.db")) as opened:
        yield opened


@pytest.fixture
def store(done):
    with contextlib.closing(undercroft.connect("rating", f"sqlite:///{done[0]}/rating.db")) as opened:
        yield opened


# -- the numbers -------------------------------------------------------------------------------------------------------


def test_the_whole_day(tmp_path):
    command = [sys.executable, "-m", "undercroft.cli.main", "demo", "--output", str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "1,052 virtual machines, 24 hours, 2 meters: 329,276 samples" in ended.stdout
    assert "2 metric types: 50,496 points" in ended.stdout
    assert "Total of the store:          789.92064 EUR\nRecomputed from the file:    789.92064 EUR" in ended.stdout
    assert "Both agree, to the last digit." in ended.stdout
    with contextlib.closing(undercroft.connect("rating", f"sqlite:///{tmp_path}/rating.db")) as store:
        found = figures.ask(store)
    assert (found.machines, found.points) == (1052, 50_496)
    with contextlib.closing(undercroft.connect("metering", f"sqlite:///{tmp_path}/metering.db")) as samples:
        assert measurements.count(samples) == 1052 * (288 + 25)


def test_the_readings_are_those_of_the_file(monkeypatch):
    monkeypatch.setattr(traces, "DATA", WHOLE)
    machines = traces.machines()
    assert len(machines) == 1052
    assert len({machine.name for machine in machines}) == 1052
    assert {len(machine.readings) for machine in machines} == {288}
    packed = importlib.resources.files("undercroft.demo") / "data" / traces.FILE
    second = gzip.decompress(packed.read_bytes()).decode().splitlines()[2].split(",")
    assert machines[1] == (1, second[0], tuple(int(cell) for cell in second[1:]))


def test_a_machine_by_hand(samples):
    """Machine 5: project-05, flavor 3 (large, 4 vCPUs). Its first hour's readings, summed and priced here."""
    machine, listed = traces.machines()[5], prices.load()
    percent = sum(machine.readings[:12])
    end = figures.BEGIN + dt.timedelta(hours=1)
    which = SampleFilter(meter="cpu", resource=machine.name, end_timestamp=end, end_timestamp_op="le")
    last, first = samples.get_samples(which)
    assert (first.counter_volume, last.counter_volume) == (0, percent * 4 * 3_000_000_000)
    instance, cpu = usage.points(last, last.counter_volume - first.counter_volume, listed, {"year": "2011"})
    assert instance.groupby == {"id": machine.name, "project_id": "project-05", "flavor_id": "3", "year": "2011"}
    assert (instance.qty, instance.price) == (Decimal(1), Decimal("0.024"))
    assert cpu.qty == (Decimal(percent) * 4 / 1200).quantize(Decimal("0.0001"))
    assert cpu.price == cpu.qty * Decimal("0.06")
    assert cpu.metadata == {"name": machine.name, "flavor_name": "large", "vcpus": "4"}


def test_the_calendar_attributes_are_those_that_collectors_add(store):
    (frame,) = store.retrieve(figures.BEGIN, figures.END, limit=1)["dataframes"]
    ((_, point),) = frame.iterpoints()
    calendar = {"year": "2011", "month": "3", "week_of_the_year": "09", "day_of_the_year": "62"}
    assert calendar.items() <= point.groupby.items()


def test_totals_equal_the_recomputation(done, store):
    found, total = figures.ask(store), recount.grand_total()
    assert (found.machines, found.points) == (MACHINES, MACHINES * 24 * 2)
    assert total > 0
    assert found.total == found.day.total == total
    assert sum(cost.total for cost in found.by_project.values()) == total
    assert sum(cost.total for cost in found.by_hour.values()) == total
    assert sum(cost.total for cost in found.by_project_and_hour.values()) == total
    assert (len(found.by_project), len(found.by_hour), len(found.by_project_and_hour)) == (20, 24, 480)
    assert "Both agree, to the last digit." in done[1]


def test_the_samples_are_the_readings(samples):
    machine = traces.machines()[17]
    kept = samples.query_samples({"and": [{"=": {"meter": "cpu_util"}}, {"=": {"resource": machine.name}}]}, [{"timestamp": "asc"}])
    assert [(sample.counter_volume, type(sample.counter_volume)) for sample in kept] == [(value, int) for value in machine.readings]
    assert samples.count_samples(SampleFilter(meter="cpu_util")) == MACHINES * 288
    assert samples.count_samples(SampleFilter(meter="cpu")) == MACHINES * 25
    (resource,) = samples.get_resources(resource=machine.name)
    about = (resource.project_id, resource.metadata["vcpus"], resource.metadata["flavor"])
    assert about == ("project-17", 4, {"id": "3", "name": "large"})
    assert (resource.last_sample_timestamp - resource.first_sample_timestamp) == dt.timedelta(days=1)


def test_the_use_of_an_hour_is_that_of_the_file(samples):
    readings = [machine.readings[96:108] for machine in traces.machines()]
    values = [value for part in readings for value in part]
    hour = measurements.use(samples).hours[8].as_dict()
    assert (hour["count"], hour["max"], hour["aggregate"]["cardinality/resource_id"]) == (len(values), max(values), MACHINES)
    assert hour["avg"] == pytest.approx(sum(values) / len(values), rel=1e-12)
    assert hour["stddev"] == pytest.approx(statistics.pstdev(values), rel=1e-9)


def test_twice_is_the_same(done, store):
    before = figures.ask(store)
    assert demo(done[0]).stdout == done[1]
    assert figures.ask(store) == before


def test_totals_that_differ_are_an_error(again):
    """The twin: one point more in the store, and the demo says so."""
    store = undercroft.connect("rating", f"sqlite:///{again}/rating.db")
    stranger = DataPoint("h", 1, "0.000001", {"id": "stranger", "project_id": "project-00"}, {})
    frame = DataFrame(figures.BEGIN, figures.BEGIN + dt.timedelta(hours=1), {"cpu": [stranger]})
    store.push([frame])
    store.close()
    result = demo(again, code=1)
    assert "error: the two totals differ" in result.stderr
    assert "Both agree" not in result.stdout
    assert "NOT EQUAL" in (again / "index.html").read_text("utf-8")


def test_what_is_rated_is_what_is_stored(again):
    """The twin: a sample that changes in the store of samples changes the total."""
    with contextlib.closing(undercroft.connect("metering", f"sqlite:///{again}/metering.db")) as store:
        (sample, *_) = store.get_samples(SampleFilter(meter="cpu"), limit=1)
        kept = [other.as_dict() for other in store.get_samples(SampleFilter()) if other.message_id != sample.message_id]
        store.clear()
        store.record_metering_data({**sample.as_dict(), "counter_volume": sample.counter_volume + 3_600 * 10**9})
        store.record_metering_data_batch(kept)
    assert "error: the two totals differ" in demo(again, code=1).stderr


@pytest.mark.usefixtures("_small")
def test_another_store(tmp_path):
    url = f"sqlite:///{tmp_path}/elsewhere.db?namespace=demo"
    assert url.split("?", maxsplit=1)[0] in demo(tmp_path / "there", "--store", url).stdout
    assert [path.name for path in (tmp_path / "there").iterdir()] == ["index.html"]
    for kind in ("metering", "events", "messaging"):
        other = f"sqlite:///{tmp_path}/{kind}-only.db"
        assert f"{kind}-only.db" in demo(tmp_path / "elsewhere", f"--{kind}", other).stdout


def test_what_to_try_next_works(done):
    commands = re.findall(r"undercroft ((?:rating|meter|events|queue) .*)", done[1])
    assert len(commands) == 7
    for command in commands:
        result = runner().invoke(root, shlex.split(command), prog_name="undercroft")
        assert result.exit_code == 0, result.stderr
        assert result.stdout.count("\n") > (2 if command.startswith("queue ") else 5)


# -- the queue ---------------------------------------------------------------------------------------------------------


def test_every_message_is_finished_once_though_a_process_is_killed(done):
    assert "140 messages posted, claimed by 3 processes" in done[1]
    assert "one was killed with 4 of its 10 messages unfinished; after 2 s these came back" in done[1]
    assert "140 messages finished, each once" in done[1]
    with contextlib.closing(undercroft.connect("messaging", f"sqlite:///{done[0]}/messaging.db")) as store:
        stats = store.queue_controller.stats(relay_worker.QUEUE, relay_worker.PROJECT)
    assert stats == {"messages": {"free": 0, "claimed": 0, "total": 0}}


def test_messages_that_are_not_finished_once_are_an_error(done, tmp_path, monkeypatch):
    """The twin: a message that the demo did not post."""
    url = f"sqlite:///{tmp_path}/messaging.db"
    with contextlib.closing(undercroft.connect("messaging", url)) as store:
        store.init()
        posted = type(store.message_controller).post

        def post(self, queue, messages, *more):
            posted(self, queue, [{"ttl": 60}], *more)
            return posted(self, queue, messages, *more)

        monkeypatch.setattr(type(store.message_controller), "post", post)
        assert relay.run(store, url) == relay.Relayed(140, 10, 141, is_once=False)
    result = demo(done[0], code=1)
    assert "141 messages finished\n" in result.stdout
    assert "error: not every message was finished once" in result.stderr


def test_a_process_that_fails_is_an_error(tmp_path, monkeypatch, capfd):
    url = f"sqlite:///{tmp_path}/messaging.db"
    with contextlib.closing(undercroft.connect("messaging", url)) as store:
        store.init()
        with pytest.raises(Unavailable, match="a process that claims messages has failed"):
            relay.run(store, "nothing://")
    assert "nothing" in capfd.readouterr().err


# -- the page ----------------------------------------------------------------------------------------------------------


class Page(html.parser.HTMLParser):
    """Checks that tags close in order, and collects attributes and text."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@pytest.fixture(scope="module")
def parsed(text) -> Page:
    parser = Page()
    parser.feed(text)
    parser.close()
    assert parser.open == []
    return parser


def test_the_page_loads_nothing_and_runs_nothing(parsed, text):
    names = {tag for tag, _ in parsed.tags}
    assert not names & {"script", "link", "img", "iframe", "object", "embed", "base", "use", "image", "foreignobject"}
    attributes = [(name, value or "") for _, given in parsed.tags for name, value in given.items()]
    assert not [name for name, _ in attributes if name.startswith("on") or name in {"style", "src", "href", "srcset", "xlink:href"}]
    assert not re.search(r"https?:|//[a-z]|url\(|@import|\$\w", text)


def test_the_policy_allows_its_own_style_only(parsed, text):
    (policy,) = [given["content"] for tag, given in parsed.tags if tag == "meta" and "http-equiv" in given]
    (style,) = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    assert "prefers-color-scheme: dark" in style


def test_what_scrolls_can_be_reached_by_keyboard_and_has_a_name(parsed, text):
    assert ".plot, .scroll { overflow-x: auto; }" in text
    scrolling = [given for tag, given in parsed.tags if tag == "div" and given["class"] in {"plot", "scroll"}]
    assert len(scrolling) == 5 + 4
    assert {(given["role"], given["tabindex"]) for given in scrolling} == {("group", "0")}
    assert len({given["aria-label"] for given in scrolling}) == len(scrolling)


def test_the_charts_show_every_hour_project_and_type(parsed, store):
    found = figures.ask(store)
    marks = [given["class"] for tag, given in parsed.tags if tag == "rect" and "class" in given]
    for type_ in ("instance", "cpu"):
        assert marks.count(type_) == 24 + 20
    assert sum(mark.startswith("shade") for mark in marks) == 480
    labels = [given.get("aria-label") for tag, given in parsed.tags if tag == "svg"]
    assert len(labels) == 5
    assert marks.count("use") == 24
    (line,) = [given["points"] or "" for tag, given in parsed.tags if tag == "polyline"]
    assert line.count(",") == 288
    assert all(labels)
    words = "".join(parsed.words)
    for hour, cost in found.by_hour.items():
        assert f"{hour:02}:00 to {hour + 1:02}:00 UTC\ntotal: {cost.total:,.2f} EUR" in words


def test_the_tables_hold_every_digit(text, store):
    found = figures.ask(store)
    for cost in [*found.by_project.values(), *found.by_hour.values()]:
        assert f"{cost.total:,.6f}" in text
    assert f"<b>{found.total:,f}</b>" in text


def test_names_are_escaped(store, samples):
    found = figures.ask(store)
    found.by_project["<script>alert(1)</script>&"] = found.by_project.pop("project-00")
    use = measurements.use(samples)
    drawn = page.render(found, prices.load(), found.total, {0: {'"><b>': 1}}, use, 1, '"><b>')
    assert "<script>" not in drawn
    assert "&lt;script&gt;alert(1)&lt;/script&gt;&amp;" in drawn
    assert '"><b>' not in drawn


@pytest.mark.parametrize(("top", "step"), [(34.2, 10), (6, 1), (6.1, 2), (0.5, 0.1), (700, 200), (1, 0.2)])
def test_ticks_are_round(top, step):
    assert chart.tick_step(top) == pytest.approx(step)


def test_a_store_without_points_is_no_division_by_zero():
    empty = {hour: figures.Cost() for hour in range(24)}
    assert "<svg" in chart.by_hour(empty, "EUR")
    assert "<svg" in chart.by_project({"p": figures.Cost()}, "EUR")
    assert "<svg" in chart.use([], [])


def test_the_price_list_is_exact():
    listed = prices.load()
    assert [(flavor.vcpus, flavor.hour) for flavor in listed.flavor] == [
        (1, Decimal("0.006")),
        (2, Decimal("0.012")),
        (4, Decimal("0.024")),
    ]
    assert listed.cpu_hour == Decimal("0.06")


# -- events ------------------------------------------------------------------------------------------------------------


def test_the_events_are_those_of_nova_s_notifications():
    made = [Converter.load().event(json.loads(line)) for line in NOVA.read_text("utf-8").splitlines()]
    for one, other in zip(happenings.events(), made, strict=True):
        assert one.message_id == other.message_id
        assert one.event_type == other.event_type
        assert one.traits == other.traits


def test_the_day_s_plot_shows_every_event(done, text):
    folder, out = done
    assert "140 of OpenStack Nova" in out
    labels = re.search(r"Events by hour: ([0-9, ]+)", text)
    assert labels is not None
    assert sum(map(int, labels[1].split(","))) == 140
    assert len(labels[1].split(",")) == 24
    store = undercroft.connect("events", f"sqlite:///{folder}/events.db")
    assert len(list(store.get_events(EventFilter()))) == 140
    store.close()
