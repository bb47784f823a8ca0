"""The pytest plugin of the conformance suites: which stores, a fresh namespace for each test, gaps, and the table at the end.

A test file belongs to the kind whose value (`undercroft.core.kinds.Kind.suite`) names the package that the file is in, wherever
that package is installed. The plugin imports only pytest when loaded, because pytest loads it in every environment that Undercroft
is installed in.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib.util
import pathlib
import urllib.parse
import uuid
from collections.abc import Callable, Generator, Iterator
from typing import Any

import pytest

_PROPERTY = "undercroft"
_GAPS = "undercroft gaps"
_TARGETS = pytest.StashKey["dict[str, list[Target]]"]()
_CAPABILITIES: dict[Target, Any] = {}


@dataclasses.dataclass(frozen=True, repr=False)
class Target:
    """A store to run against.

    Attributes:
        kind: the name of the kind of data.
        driver: the scheme of its URL (that of its engine, where it has several), numbered where one is given twice.
        url: may hold `{tmp}`, a folder of the test's own, and `{name}`, a name of its own.
        second: another server of a driver that runs the whole suite elsewhere; runs the essential tests only.
    """

    kind: str
    driver: str
    url: str
    second: bool = False

    def __repr__(self) -> str:
        return f"{self.kind}={self.driver}"

    @property
    def host(self) -> str | None:
        """The server's host; None where there is no server."""
        return urllib.parse.urlsplit(self.url).hostname


# -- options and collection ------------------------------------------------------------------------------------------


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--store` and `--second-store`."""
    group = parser.getgroup("undercroft")
    group.addoption(
        "--store",
        action="append",
        default=[],
        metavar="KIND=URL",
        help="a store to run the conformance suite against; may be repeated. {tmp} in the URL is a folder of each test's own. "
        "Default: every installed driver that needs no server.",
    )
    group.addoption(
        "--second-store",
        action="append",
        default=[],
        metavar="KIND=URL",
        help="another server of a driver that a --store runs the whole suite on: it runs the tests marked essential only.",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Announce the suites' marks; refuse a store that is not valid."""
    for mark in (
        "clause(id): the clause of the contract that the test shows",
        "promise(id): the reliability promise that the test proves",
        "needs(capability): must pass where the driver has it, must end in Unsupported where it declares a gap",
        "assumes(capability): does not run where the driver declares a gap",
        "essential: runs on second stores, too",
    ):
        config.addinivalue_line("markers", mark)
    if not config.pluginmanager.hasplugin("timeout"):
        config.addinivalue_line("markers", "timeout(seconds): how long a test may take, where pytest-timeout is installed")
    if config.getoption("--store"):
        targets(config)


@functools.cache
def suites() -> dict[pathlib.Path, str]:
    """The folders of the installed suites, each with its kind. No suite is imported to find them."""
    from undercroft.core import kinds

    found: dict[pathlib.Path, str] = {}
    for kind in kinds.installed().values():
        spec = importlib.util.find_spec(kind.suite) if kind.suite else None
        for folder in (spec and spec.submodule_search_locations) or ():
            found[pathlib.Path(folder).resolve()] = kind.name
    return found


@functools.cache
def _packages() -> set[str]:
    """The top-level packages that bring kinds, read without importing them. A suite is in the package of its kind."""
    from undercroft.core import registry

    return {entry.value.partition(".")[0].partition(":")[0] for entry in registry.entries("kinds")}


def kind_of(path: pathlib.Path) -> str | None:
    """The kind whose suite a test file belongs to; None for a file of no suite."""
    # Most test runs that load the plugin have nothing to do with Undercroft: do not import the kinds for them.
    if _packages().isdisjoint(path.parts):
        return None
    found = suites()
    return next((found[folder] for folder in path.resolve().parents if folder in found), None)


def targets(config: pytest.Config) -> dict[str, list[Target]]:
    """The stores to run against, by kind."""
    if _TARGETS not in config.stash:
        config.stash[_TARGETS] = _given(config.getoption("--store"), config.getoption("--second-store")) or _ephemeral()
    return config.stash[_TARGETS]


def _given(first: list[str], second: list[str]) -> dict[str, list[Target]]:
    from undercroft.core import registry, url
    from undercroft.core.errors import ConfigInvalid

    found: dict[str, list[Target]] = {}
    for place, text in enumerate(first + second):
        kind, equals, where = text.partition("=")
        if not equals:
            raise pytest.UsageError(f"--store takes KIND=URL, such as {registry.kinds()[0]}=SCHEME://HOST/NAME")
        try:
            scheme = url.scheme(where)
            registry.load(kind, scheme)
        except ConfigInvalid as error:
            raise pytest.UsageError(f"--store: {error}") from None
        name = registry.SYNONYMS.get(scheme, scheme)
        same = sum(target.driver.partition("#")[0] == name for target in found.get(kind, []))
        driver = f"{name}#{same + 1}" if same else name
        found.setdefault(kind, []).append(Target(kind, driver, where, second=place >= len(first)))
    return found


def _ephemeral() -> dict[str, list[Target]]:
    from undercroft.core import registry, url
    from undercroft.core.errors import ConfigInvalid

    found: dict[str, list[Target]] = {}
    for kind in registry.kinds():
        for scheme in registry.schemes(kind):
            try:
                where = getattr(registry.load(kind, scheme), "ephemeral", None)
            except ConfigInvalid:
                # Its client library is not installed: the table says NOT RUN.
                continue
            if where is not None and url.scheme(where) == scheme:
                found.setdefault(kind, []).append(Target(kind, scheme, where))
    return found


def pytest_ignore_collect(collection_path: pathlib.Path, config: pytest.Config) -> bool | None:
    """Pass over the suites of kinds that no store was given for; the table at the end says so.

    A file that is named itself is collected in any case, and then wants a store.
    """
    if not collection_path.match("test_*.py"):
        return None
    kind = kind_of(collection_path)
    return True if kind and targets(config) and kind not in targets(config) else None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test of a suite once per store of its kind."""
    kind = kind_of(metafunc.definition.path)
    if kind is None:
        return
    stores = targets(metafunc.config).get(kind, [])
    if not stores:
        pytest.fail(f"no store to test {kind} with: give --store {kind}=URL", pytrace=False)
    if not metafunc.definition.get_closest_marker("essential"):
        stores = [store for store in stores if not store.second]
    if "target" in metafunc.fixturenames:
        metafunc.parametrize("target", stores, ids=[store.driver for store in stores])


# -- fixtures --------------------------------------------------------------------------------------------------------


@dataclasses.dataclass
class Opener:
    """Opens objects of the contract on one namespace of one store, and clears up after them."""

    target: Target
    url: str
    namespace: str
    opened: list[Any] = dataclasses.field(default_factory=list)
    used: bool = False

    def __call__(self, *, init: bool = True, **options: Any) -> Any:
        """Another object on the test's own data.

        Args:
            init: call its `init`, too.
            options: the driver's options.
        """
        import undercroft

        store = undercroft.connect(self.target.kind, self.url, namespace=self.namespace, **options)
        self.opened.append(store)
        self.used = True
        if init:
            store.init()
        return store

    def close(self, store: Any) -> None:
        """Close an object that is not needed any more."""
        self.opened.remove(store)
        store.close()

    def clear(self) -> None:
        """Drop the namespace, unless it goes with the test's own folder, and close what was opened."""
        if self.used and "{tmp}" not in self.target.url:
            _patiently(self(init=False).drop)
        for store in self.opened:
            store.close()


def _patiently(drop: Callable[[], None]) -> None:
    """Drop; again for ten seconds, because a server may still execute the last statement of a process that was killed.

    Some fail to drop what they delete from at the same time.
    """
    import tenacity

    from undercroft.core.errors import UndercroftError

    tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(UndercroftError),
        stop=tenacity.stop_after_delay(10),
        wait=tenacity.wait_fixed(0.2),
        reraise=True,
    )(drop)


def _opener(target: Target, folder: pathlib.Path) -> Opener:
    name = f"t{uuid.uuid4().hex[:16]}"
    return Opener(target, target.url.replace("{tmp}", str(folder)).replace("{name}", name), name)


@pytest.fixture
def open_store(target: Target, tmp_path: pathlib.Path) -> Iterator[Opener]:
    """Opens further objects on the data of `store`: `open_store(on_conflict="append")`. The first call makes the namespace."""
    opener = _opener(target, tmp_path)
    yield opener
    opener.clear()


@pytest.fixture
def store(open_store: Opener) -> Any:
    """An empty store with the driver's default options."""
    return open_store()


@pytest.fixture
def examined(open_store: Opener) -> Iterator[None]:
    """Fail at the end of the test if an examination of its stores finds something wrong; for `pytest.mark.usefixtures`."""
    from undercroft.conformance.examination import problems

    yield
    for store in open_store.opened:
        assert problems(store) == []


@pytest.fixture
def side_by_side(request: pytest.FixtureRequest, tmp_path: pathlib.Path) -> Iterator[list[Opener]]:
    """An opener for every first store of the test's kind that has what the test assumes, to compare them side by side."""
    names = [name for mark in request.node.iter_markers("assumes") for name in mark.args]
    known = targets(request.config).get(kind_of(request.node.path) or "", [])
    chosen = [one for one in known if not one.second and all(getattr(_capabilities(one), name) for name in names)]
    openers = [_opener(target, tmp_path) for target in chosen]
    if not openers:
        pytest.skip(f"gap: no store of this run has {', '.join(names)}")
    yield openers
    for opener in openers:
        opener.clear()


# -- gaps ------------------------------------------------------------------------------------------------------------


def _gaps(item: pytest.Item, mark: str) -> list[list[str]]:
    """The gaps that the test's store declares among the capabilities that its marks name: name, when, reason of each."""
    target = getattr(item, "callspec", None) and item.callspec.params.get("target")  # type: ignore[attr-defined]
    names = [name for found in item.iter_markers(mark) for name in found.args]
    if not target or not names:
        return []
    declared = _capabilities(target)
    return [[name, gap.when, gap.reason] for name in names if not (gap := getattr(declared, name))]


def _pass_over(item: pytest.Item, gaps: list[list[str]]) -> None:
    """Count the test as a gap; the lines at the end say which capabilities the driver lacks, and why."""
    item.user_properties.append((_GAPS, gaps))
    pytest.skip("a gap that the driver declares")


def _capabilities(target: Target) -> Any:
    """What the store itself says it can do: a driver may lack in memory what it has on disk."""
    if target not in _CAPABILITIES:
        import tempfile

        with tempfile.TemporaryDirectory() as folder:
            probe = _opener(target, pathlib.Path(folder))(init=False)
            _CAPABILITIES[target] = probe.capabilities
            probe.close()
    return _CAPABILITIES[target]


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Pass over a test that rests on what the driver declares it lacks; remember which store a test is for."""
    target = getattr(item, "callspec", None) and item.callspec.params.get("target")  # type: ignore[attr-defined]
    if target:
        item.user_properties.append((_PROPERTY, [target.kind, target.driver]))
    if gaps := _gaps(item, "assumes"):
        _pass_over(item, gaps)


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Turn a declared gap into what it must be: a refusal."""
    gaps = _gaps(pyfuncitem, "needs")
    if not gaps:
        return (yield)
    from undercroft.core.errors import Unsupported

    try:
        yield
    except Unsupported:
        _pass_over(pyfuncitem, gaps)
    told = ", ".join(f"{name} ({when}: {reason})" for name, when, reason in gaps)
    pytest.fail(f"declared as a gap, but it works: {told}")


# -- the table at the end --------------------------------------------------------------------------------------------


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print per kind and driver how many tests passed, met gaps or failed; a line for the gaps of each, and what did not run."""
    counts: dict[tuple[str, str], dict[str, int]] = {}
    gaps: dict[tuple[str, str], dict[str, set[str]]] = {}
    for report in (report for reports in terminalreporter.stats.values() for report in reports):
        properties = dict(getattr(report, "user_properties", ()))
        if _PROPERTY not in properties:
            continue
        kind, driver = properties[_PROPERTY]
        row = counts.setdefault((kind, driver), {"passed": 0, "gaps": 0, "failed": 0})
        if report.failed:
            row["failed"] += 1
        elif report.skipped:
            row["gaps"] += 1
            for name, when, reason in properties.get(_GAPS, ()):
                gaps.setdefault((kind, driver), {}).setdefault(f"{when}: {reason}", set()).add(name)
        elif report.when == "call":
            row["passed"] += 1
    if counts:
        _print_table(terminalreporter, counts, gaps)


def _print_table(
    reporter: Any, counts: dict[tuple[str, str], dict[str, int]], gaps: dict[tuple[str, str], dict[str, set[str]]]
) -> None:
    from undercroft.core import registry

    reporter.section("undercroft conformance")
    reporter.line(f"{'kind':<12} {'driver':<16} {'passed':>7} {'gaps':>7} {'failed':>7}")
    for (kind, driver), row in sorted(counts.items()):
        reporter.line(f"{kind:<12} {driver:<16} {' '.join(f'{number:>7}' for number in row.values())}")
    for (kind, driver), reasons in sorted(gaps.items()):
        told = "; ".join(f"{', '.join(sorted(names))} ({reason})" for reason, names in sorted(reasons.items()))
        reporter.line(f"gaps of {kind} {driver}: {told}")
    ran = {(kind, driver.partition("#")[0]) for kind, driver in counts}
    known = [(kind, scheme) for kind in registry.kinds() for scheme in registry.schemes(kind) if scheme not in registry.SYNONYMS]
    if others := [f"{kind} {scheme}" for kind, scheme in known if (kind, scheme) not in ran]:
        reporter.line(f"NOT RUN: {', '.join(others)}")
