"""Ceilometer's settings for a pipeline that passes everything to one publisher."""

from __future__ import annotations

import pathlib
from typing import Any

import yaml
from ceilometer import service


def prepared(folder: pathlib.Path, publisher: str, passed: str, option: str, *more: str) -> Any:
    """Write the files and read them.

    Args:
        folder: of the files, and of Ceilometer's log.
        publisher: its URL.
        passed: what the pipeline passes, as its file names it.
        option: names the pipeline's file.
        more: lines of settings.
    """
    pipeline = folder / f"{option}.yaml"
    pipeline.write_text(yaml.safe_dump({
        "sources": [{"name": "all", passed: ["*"], "sinks": ["ours"]}],
        "sinks": [{"name": "ours", "publishers": [publisher]}],
    }))  # fmt: skip
    settings = folder / "ceilometer.conf"
    lines = ("[DEFAULT]", f"{option} = {pipeline}", f"log_file = {folder}/ceilometer.log", *more, "")
    settings.write_text("\n".join(lines))
    return service.prepare_service([], [str(settings)])
