"""The skeletons of docs/drivers.md run as they are printed."""

from __future__ import annotations

import inspect
import pathlib
import re
from typing import Any

import pytest

from undercroft.core import kinds
from undercroft.core.errors import ConfigInvalid

PAGE = (pathlib.Path(__file__).parents[3] / "docs/drivers.md").read_text()
SKELETONS = dict(re.findall(r"^### (\w+)\n\n```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL))


def test_each_kind_that_stores_has_one() -> None:
    assert list(SKELETONS) == [name for name, kind in kinds.installed().items() if kind.migrations is not None]


@pytest.mark.parametrize("kind", SKELETONS)
def test_it_can_be_instantiated_as_printed(kind: str) -> None:
    names: dict[str, Any] = {"__name__": f"skeleton_of_{kind}"}
    exec(compile(SKELETONS[kind], f"docs/drivers.md: {kind}", "exec"), names)
    (driver,) = (
        value
        for value in names.values()
        if inspect.isclass(value) and value.__module__ == names["__name__"] and hasattr(value, "open")
    )
    required = [each for each in inspect.signature(driver).parameters.values() if each.default is inspect.Parameter.empty]
    assert driver(*[None] * sum(each.kind is not inspect.Parameter.VAR_KEYWORD for each in required))
    store = driver.open("mystore://host/place?namespace=one", namespace="two")
    assert (store.place, store.options.namespace) == ("mystore://host/place", "two")
    with pytest.raises(ConfigInvalid, match="did you mean 'namespace'"):
        driver.open("mystore://host/place?namespac=one")
    # Whatever the annotations name is imported.
    for method in vars(driver).values():
        if inspect.isfunction(method):
            inspect.signature(method, eval_str=True)
