"""The pages about importing and the demo say what is so."""

from __future__ import annotations

import pathlib
import re
from typing import Any

from undercroft.demo import prices

DOCS = pathlib.Path(__file__).parents[2] / "docs"


def blocks(page: str, language: str) -> list[str]:
    """The code blocks of a page."""
    found: list[str] = re.findall(rf"^```{language}\n(.*?)^```", (DOCS / page).read_text("utf-8"), re.DOTALL | re.MULTILINE)
    return found


def test_the_examples_of_both_formats_can_be_pushed(run, url, stored):
    (frame,) = blocks("import.md", "json")
    run("rating", "push", "--store", url, stdin=frame)
    assert [point.groupby["id"] for got in stored() for _, point in got.iterpoints()] == ["vm-1"]
    (table,) = [block for block in blocks("import.md", "text") if block.startswith("begin,end,")]
    run("rating", "push", "--from", "csv", "--store", url, stdin=table)
    points = [point for got in stored() for _, point in got.iterpoints()]
    assert [(point.groupby["id"], dict(point.metadata)) for point in points] == [("vm-1", {"name": "web"}), ("vm-2", {})]


def test_the_error_of_the_page_is_worded_so(run, url, jsonl, frame):
    (example,) = [block for block in blocks("import.md", "text") if block.startswith("error: ")]
    path = jsonl(frame(0, "a"), frame(1, "a"), frame(2, "a").json().replace('"qty":1.5', '"qty":"many"'))
    message = run("rating", "push", path, "--batch", 1, "--store", url, code=2).stderr

    def without_figures(text: str) -> str:
        return re.sub(r"\d[\d,]*", "N", text.replace(str(path), "usage.jsonl"))

    assert without_figures(message) == without_figures(example)


def test_the_code_about_messages_runs_as_printed(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (code,) = blocks("messaging.md", "python")
    names: dict[str, Any] = {}
    exec(compile(code, "docs/messaging.md", "exec"), names)
    assert capsys.readouterr().out == "{'image': 'cirros'}\n"
    assert names["store"].queue_controller.stats("jobs", "p1")["messages"]["total"] == 0
    names["store"].close()


def test_the_code_about_samples_runs_as_printed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (code,) = blocks("metering.md", "python")
    names: dict[str, Any] = {}
    exec(compile(code, "docs/metering.md", "exec"), names)
    assert [sample.counter_volume for sample in names["newest"]] == [12.5]
    assert [row.avg for row in names["hours"]] == [12.5]
    names["store"].close()


def test_the_prices_of_the_page_are_those_of_the_list():
    text = (DOCS / "demo.md").read_text("utf-8")
    listed = prices.load()
    for flavor in listed.flavor:
        assert f"| {flavor.name}, an hour | {flavor.vcpus} | {flavor.hour} {listed.currency} |" in text
    assert f"| CPU time, an hour | | {listed.cpu_hour} {listed.currency} |" in text
