"""The mutations of tests/mutations.py still fit the drivers; running them is a matter of minutes, and done by hand."""

from __future__ import annotations

import pathlib
import runpy
from typing import Any

import pytest

FOUND = runpy.run_path(str(pathlib.Path(__file__).parents[2] / "mutations.py"))


@pytest.mark.parametrize("mutation", FOUND["MUTATIONS"], ids=lambda mutation: mutation.name)
def test_a_mutation_fits_and_is_still_python(mutation: Any) -> None:
    broken = mutation.applied(FOUND["PACKAGE"])
    assert broken != (FOUND["PACKAGE"] / mutation.file).read_text()
    # What a script of an engine is, only the engine knows.
    if mutation.file.endswith(".py"):
        compile(broken, mutation.file, "exec")


def test_there_are_enough() -> None:
    assert len({mutation.name for mutation in FOUND["MUTATIONS"]}) >= 10
