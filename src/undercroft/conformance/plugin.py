"""The pytest plugin of the conformance suites: which stores, a fresh namespace for each test, gaps, and the table at the end.

It imports only pytest when loaded, because pytest loads it in every environment that Undercroft is installed in.
"""

from __future__ import annotations

import dataclasses
import pathlib
import re
import urllib.parse
import uuid
from collections.abc import Generator, Iterator
from typing import Any

import pytest

HERE = pathlib.Path(__file__).parent
_PROPERTY = "undercroft"
_TARGETS = pytest.StashKey["dict[str, list[Target]]"]()
_CAPABILITIES: dict[Target, Any] = {}


@dataclasses.dataclass(frozen=True, repr=False)
class Target:
    """A store to run against.

    Attributes:
        kind: the kind of data, such as `rating`.
        driver: the scheme of its URL, numbered where one scheme is given twice.
        url: may hold `{tmp}`, a folder of the test's own, and `{name}`, a name of its own.
    """

    kind: str
    driver: str
    url: str

    def __repr__(self) -> str:
        return f"{self.kind}={self.driver}"

    @property
    def host(self) -> str | None:
        """The server's host; None where there is no server."""
        return urllib.parse.urlsplit(self.url).hostname


# -- options and collection ------------------------------------------------------------------------------------------


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--store`."""
    parser.getgroup("undercroft").addoption(
        "--store",
        action="append",
        default=[],
        metavar="KIND=URL",
        help="a store to run the conformance suite against; may be repeated. {tmp} in the URL is a folder of each test's own. "
        "Default: every installed driver that needs no server.",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Announce the suites' marks; refuse a store that cannot be meant."""
    for mark in (
        "clause(id): the clause of the contract that the test shows",
        "promise(id): the reliability promise that the test proves",
        "needs(capability): must pass where the driver has it, must end in Unsupported where it declares a gap",
        "assumes(capability): does not run where the driver declares a gap",
    ):
        config.addinivalue_line("markers", mark)
    if not config.pluginmanager.hasplugin("timeout"):
        config.addinivalue_line("markers", "timeout(seconds): how long a test may take, where pytest-timeout is installed")
    if config.getoption("--store"):
        targets(config)


def kind_of(path: pathlib.Path) -> str:
    """The kind that a test file is about: `test_rating_push.py` and `rating/test_push.py` are about rating."""
    first = path.relative_to(HERE).parts[0]
    return re.sub(r"^test_", "", pathlib.PurePath(first).stem).partition("_")[0]


def targets(config: pytest.Config) -> dict[str, list[Target]]:
    """The stores to run against, by kind."""
    if _TARGETS not in config.stash:
        config.stash[_TARGETS] = _given(config.getoption("--store")) or _ephemeral()
    return config.stash[_TARGETS]


def _given(texts: list[str]) -> dict[str, list[Target]]:
    from undercroft.core import registry, url
    from undercroft.core.errors import ConfigInvalid

    found: dict[str, list[Target]] = {}
    for text in texts:
        kind, equals, where = text.partition("=")
        if not equals:
            raise pytest.UsageError("--store takes KIND=URL, such as rating=SCHEME://HOST/NAME")
        try:
            scheme = url.scheme(where)
            registry.load(kind, scheme)
        except ConfigInvalid as error:
            raise pytest.UsageError(f"--store: {error}") from None
        same = sum(target.driver.partition("#")[0] == scheme for target in found.get(kind, []))
        found.setdefault(kind, []).append(Target(kind, f"{scheme}#{same + 1}" if same else scheme, where))
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
    if collection_path.parent != HERE or not collection_path.match("test_*.py") or kind_of(collection_path) in targets(config):
        return None
    return bool(targets(config)) or None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test of a suite once per store of its kind."""
    path = metafunc.definition.path
    if not path.is_relative_to(HERE):
        return
    stores = targets(metafunc.config).get(kind_of(path), [])
    if not stores:
        pytest.fail(f"no store to test {kind_of(path)} with: give --store {kind_of(path)}=URL", pytrace=False)
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
        """Drop the namespace and close what was opened."""
        if self.used:
            self(init=False).drop()
        for store in self.opened:
            store.close()


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
def side_by_side(request: pytest.FixtureRequest, tmp_path: pathlib.Path) -> Iterator[list[Opener]]:
    """An opener for every target of the test's kind that has what the test assumes, to compare them side by side."""
    names = [name for mark in request.node.iter_markers("assumes") for name in mark.args]
    known = targets(request.config)[kind_of(request.node.path)]
    openers = [_opener(target, tmp_path) for target in known if all(getattr(_capabilities(target), name) for name in names)]
    if not openers:
        pytest.skip(f"gap: no store of this run has {', '.join(names)}")
    yield openers
    for opener in openers:
        opener.clear()


# -- gaps ------------------------------------------------------------------------------------------------------------


def _gaps(item: pytest.Item, mark: str) -> list[str]:
    """The gaps that the test's store declares among the capabilities that its marks name."""
    target = getattr(item, "callspec", None) and item.callspec.params.get("target")  # type: ignore[attr-defined]
    names = [name for found in item.iter_markers(mark) for name in found.args]
    if not target or not names:
        return []
    declared = _capabilities(target)
    return [f"{name} ({gap.when}: {gap.reason})" for name in names if not (gap := getattr(declared, name))]


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
        pytest.skip(f"gap: {', '.join(gaps)}")


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
        pytest.skip(f"gap: {', '.join(gaps)}")
    pytest.fail(f"declared as a gap, but it works: {', '.join(gaps)}")


# -- the table at the end --------------------------------------------------------------------------------------------


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Print driver by kind: passed, gaps, failed, or NOT RUN."""
    counts: dict[tuple[str, str], dict[str, int]] = {}
    reasons: set[str] = set()
    for report in (report for reports in terminalreporter.stats.values() for report in reports):
        for name, value in getattr(report, "user_properties", ()):
            if name != _PROPERTY:
                continue
            row = counts.setdefault((value[0], value[1]), {"passed": 0, "gaps": 0, "failed": 0})
            if report.failed:
                row["failed"] += 1
            elif report.skipped:
                row["gaps"] += 1
                reasons.add(f"{value[0]} {value[1]}: {str(report.longrepr[2]).removeprefix('Skipped: ')}")
            elif report.when == "call":
                row["passed"] += 1
    if not counts:
        return
    from undercroft.core import registry

    terminalreporter.section("undercroft conformance")
    terminalreporter.line(f"{'kind':<12} {'driver':<16} {'passed':>7} {'gaps':>7} {'failed':>7}")
    for kind in registry.kinds():
        ran = {driver for of, driver in counts if of == kind}
        for driver in sorted({*ran, *(scheme for scheme in registry.schemes(kind))}):
            found = counts.get((kind, driver))
            figures = " ".join(f"{number:>7}" for number in found.values()) if found else "NOT RUN".rjust(23)
            terminalreporter.line(f"{kind:<12} {driver:<16} {figures}")
    for reason in sorted(reasons):
        terminalreporter.line(reason)
