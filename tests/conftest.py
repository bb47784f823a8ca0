"""What our own tests on real stores share: the stores that the runner passes, a seed, and the figures at the end of a run.

Tests that ask for `engine` or `opener` run once for each `--store` of their kind that the run was given, like the conformance
suite. A test is about the kind that its mark `kind` names, else the kind whose name a folder above it has (`tests/chaos/<kind>/`),
else the kind that a bare `--store URL` means.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import pathlib
import secrets
import urllib.parse
import uuid
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import hypothesis
import pytest

from tests import recorded
from undercroft.conformance.plugin import Opener, Target, targets
from undercroft.core import kinds, registry, url

pytest_plugins = ["tests.times"]
recorded.install()

# How long an example takes says how busy the machine is.
hypothesis.settings.register_profile("undercroft", deadline=None)
hypothesis.settings.load_profile("undercroft")

FIGURES = pathlib.Path(__file__).parent.parent / "docs" / "promises.json"
FULL = os.environ.get("UCTEST_CHAOS") == "full"
WHOLE = bool(os.environ.get("UCTEST_WHOLE"))
HERE = pathlib.Path(__file__).parent
CHAOS = HERE / "chaos"
_FIGURE = "figure"
# A twin shows that a test can fail, which does not depend on the engine.
_TWIN = "test_twin"
T = TypeVar("T")


def pytest_configure(config: pytest.Config) -> None:
    for mark in (
        "chaos: kills processes or breaks engines; `make chaos` runs it at its full figures",
        "kind(name, ...): the kinds whose stores the test runs on",
        "any_engine: runs on one engine, which does not matter; `make test-all` runs it on all",
        "one_per_family: runs on one engine with a server and one without of each driver; `make test-all` runs it on all",
        "one_per_driver: runs on one engine of each driver; `make test-all` runs it on all",
    ):
        config.addinivalue_line("markers", mark)


def kinds_of(definition: Any) -> tuple[str, ...]:
    """The kinds that a test, or a module of tests, is about."""
    if mark := definition.get_closest_marker("kind"):
        return tuple(mark.args)
    folders = definition.path.relative_to(HERE).parts if definition.path.is_relative_to(HERE) else ()
    return tuple(name for name in kinds.installed() if name in folders) or (kinds.bare().name,)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "engine" in metafunc.fixturenames:
        (kind,) = kinds_of(metafunc.definition)
        found = sample(metafunc.definition, stores(metafunc.config, kind))
        given = [pytest.param(store, id=store.driver) for store in found] or [_not_run(kind)]
        metafunc.parametrize("engine", given, scope="module")
    if "any_engine" in metafunc.fixturenames:
        mark = metafunc.definition.get_closest_marker("kind")
        # A kind without tables reads what others store.
        names = mark.args if mark else [name for name, kind in kinds.installed().items() if kind.migrations is not None]
        found = sample(metafunc.definition, [store for kind in names for store in stores(metafunc.config, kind)])
        metafunc.parametrize("any_engine", found, ids=[f"{store.kind}-{store.driver}" for store in found], scope="module")


def stores(config: pytest.Config, kind: str) -> list[Target]:
    """The stores of the run that give back what they take; of servers of one driver the first.

    One without a server gets a file of the test's own: other processes have to reach it.
    """
    known = [store for store in targets(config).get(kind, []) if not store.second and "#" not in store.driver]
    return [
        store
        if store.host or "{tmp}" in store.url or "{name}" in store.url
        else Target(store.kind, store.driver, f"{store.driver}:///{{tmp}}/{kind}.db")
        for store in known
        if getattr(registry.load(kind, url.scheme(store.url)).capabilities, "read", True)
    ]


def _not_run(kind: str) -> Any:
    """In the place of a store, where a run has none of the kind."""
    return pytest.param(None, marks=pytest.mark.skip(reason=f"NOT RUN: no engine of this run stores {kind}"))


def sample(definition: Any, found: list[Target]) -> list[Target]:
    """The stores that a test runs on: where its mark says so, and for chaos, some of them, unless the run is whole."""
    if WHOLE:
        return found
    if definition.get_closest_marker("any_engine"):
        return found[:1]
    if definition.get_closest_marker("one_per_driver"):
        # A server where there is one, since several processes meet there.
        return first_of_each(sorted(found, key=lambda store: not store.host), _driver)
    if CHAOS in definition.path.parents and definition.name.startswith(_TWIN):
        return first_of_each(found, lambda store: store.kind)
    if CHAOS in definition.path.parents or any(map(definition.get_closest_marker, ("one_per_family", "chaos"))):
        return first_of_each(found, lambda store: (_driver(store), store.host is None))
    return found


def _driver(store: Target) -> Any:
    return registry.load(store.kind, store.driver)


def first_of_each(found: Iterable[T], family: Callable[[T], Any]) -> list[T]:
    """The first of each family, in order."""
    chosen: dict[Any, T] = {}
    for each in found:
        chosen.setdefault(family(each), each)
    return list(chosen.values())


def opener_of(engine: Target, folder: pathlib.Path) -> Opener:
    """Opens stores on a namespace of its own."""
    name = f"c{uuid.uuid4().hex[:12]}"
    return Opener(engine, engine.url.replace("{tmp}", str(folder)).replace("{name}", name), name)


def url_of(opener: Opener, **options: str) -> str:
    """The URL of an opener's namespace."""
    joint = "&" if "?" in opener.url else "?"
    return opener.url + joint + "&".join(f"{name}={value}" for name, value in {"namespace": opener.namespace, **options}.items())


def publisher_url(store: str, **own: object) -> str:
    """The URL by which our publisher inside a host writes to the store at a URL, with options of its own."""
    scheme, _, rest = store.partition("://")
    place, _, query = rest.partition("?")
    return f"undercroft://{place}?{urllib.parse.urlencode({'engine': scheme, **own})}&{query}"


@pytest.fixture
def opener(engine: Target, tmp_path: pathlib.Path) -> Iterator[Opener]:
    """Opens stores on the test's own namespace; the first call makes it."""
    found = opener_of(engine, tmp_path)
    yield found
    found.clear()


@pytest.fixture
def any_opener(any_engine: Target, tmp_path: pathlib.Path) -> Iterator[Opener]:
    """The same for stores of every kind, or of those that the mark `kind` names."""
    found = opener_of(any_engine, tmp_path)
    yield found
    found.clear()


@pytest.fixture
def openers(request: pytest.FixtureRequest, tmp_path: pathlib.Path) -> Iterator[list[Opener]]:
    """One opener for each store of the run, of the test's kind."""
    (kind,) = kinds_of(request.node)
    found = [opener_of(store, tmp_path) for store in stores(request.config, kind)]
    yield found
    for each in found:
        each.clear()


@pytest.fixture
def seed() -> int:
    """Of everything random in a test; UCTEST_SEED repeats a run."""
    return int(os.environ.get("UCTEST_SEED") or secrets.randbits(32))


@pytest.fixture
def record(request: pytest.FixtureRequest, seed: int) -> Iterator[Callable[..., None]]:
    """Tells the figures of a test: `record(kills=25, lost=0)`. The seed is told in any case."""
    figures: dict[str, Any] = {"seed": seed}
    yield figures.update
    text = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in figures.items())
    promises = sorted({name for mark in request.node.iter_markers("promise") for name in mark.args})
    request.node.user_properties.append((_FIGURE, [promises, text]))
    print(f"{'/'.join(promises)} {request.node.name}: {text}")


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """List the figures of the run; those of a full run are kept for the page of the promises."""
    stats = terminalreporter.stats
    # The figures come with the report of a test's end, which passes also where the test has failed.
    failed = {report.nodeid for outcome in ("failed", "error") for report in stats.get(outcome, ())}
    found: dict[str, tuple[list[str], str, bool]] = {}
    for report in (report for reports in stats.values() for report in reports):
        for name, value in getattr(report, "user_properties", ()):
            if name == _FIGURE:
                found[report.nodeid] = (*value, report.nodeid not in failed)
    if not found:
        return
    terminalreporter.section("figures")
    for node, (promises, text, passed) in sorted(found.items(), key=lambda item: (item[1][0], item[0])):
        terminalreporter.line(f"{'/'.join(promises):<4} {node.rpartition('::')[2]}: {text}{'' if passed else ' FAILED'}")
    if FULL:
        keep(found)


def keep(found: dict[str, tuple[list[str], str, bool]]) -> None:
    """Write the figures of tests that passed beside the docs, and strike out those that failed."""
    kept = json.loads(FIGURES.read_text()) if FIGURES.exists() else {}
    today = dt.datetime.now(dt.UTC).date().isoformat()
    for node, (_, text, passed) in found.items():
        kept.pop(node, None)
        if passed:
            kept[node] = f"{text} ({today})"
    FIGURES.write_text(json.dumps(kept, indent=1, sort_keys=True, ensure_ascii=False) + "\n")
