"""The plugin finds suites through the kinds' values, in other packages too, and leaves unrelated runs alone."""

from __future__ import annotations

import pathlib
import subprocess
import sys

# A kind whose package and suite are outside of this product; its driver keeps nothing.
FILES = {
    "elsewhere-1.dist-info/METADATA": "Metadata-Version: 2.1\nName: elsewhere\nVersion: 1\n",
    "elsewhere-1.dist-info/entry_points.txt": (
        "[undercroft.kinds]\nnotes = elsewhere.kind:KIND\n[undercroft.notes]\nnowhere = elsewhere.driver:Store\n"
    ),
    "elsewhere/__init__.py": "",
    "elsewhere/kind.py": (
        "from undercroft.core.kinds import Kind\n"
        'KIND = Kind("notes", "notes", settings="elsewhere.kind:OPTIONS", suite="elsewhere.conformance")\nOPTIONS = {}\n'
    ),
    "elsewhere/driver.py": (
        "class Store:\n    ephemeral = 'nowhere://'\n    capabilities = None\n"
        "    @classmethod\n    def open(cls, url, **options): return cls()\n"
        "    def init(self): pass\n    def drop(self): pass\n    def close(self): pass\n"
    ),
    "elsewhere/conformance/__init__.py": "",
    "elsewhere/conformance/test_contract.py": "def test_opens(store):\n    assert type(store).__name__ == 'Store'\n",
    # The same file name as in another suite.
    "elsewhere/conformance/deep/__init__.py": "",
    "elsewhere/conformance/deep/test_contract.py": "def test_opens_twice(open_store):\n    assert open_store() and open_store()\n",
}


# The same with capabilities that are a set, too, two of which are gaps.
GAPS = {
    "elsewhere/driver.py": (
        "from undercroft.core.capabilities import never\n"
        "from undercroft.core.errors import Unsupported\n"
        "from undercroft.messaging import Features\n"
        "class Store:\n    ephemeral = 'nowhere://'\n"
        "    capabilities = Features.without(fifo=never('it has no order'), claims=never('it has no claims'))\n"
        "    @classmethod\n    def open(cls, url, **options): return cls()\n"
        "    def init(self): pass\n    def drop(self): pass\n    def close(self): pass\n"
        "    def claim(self): self.capabilities.require('claims', 'nowhere')\n"
    ),
    "elsewhere/conformance/test_contract.py": (
        "from undercroft.conformance.markers import assumes, needs\n"
        "@needs('claims')\ndef test_refuses(store):\n    store.claim()\n"
        "@assumes('fifo')\ndef test_does_not_run(store):\n    raise AssertionError\n"
        "@needs('durability')\n@assumes('store_once')\ndef test_runs(store):\n    assert len(store.capabilities) == 3\n"
        "@needs('claims')\ndef test_works_all_the_same(store):\n    pass\n"
        "@assumes('durability')\ndef test_beside(side_by_side):\n    assert len(side_by_side) == 1\n"
        "@assumes('fifo')\ndef test_beside_none(side_by_side):\n    raise AssertionError\n"
    ),
    "elsewhere/conformance/deep/test_contract.py": "",
}


def run(folder: pathlib.Path, *arguments: str, more: dict[str, str] | None = None) -> str:
    """Run pytest beside the package; what it prints."""
    for name, text in (FILES | (more or {})).items():
        path = folder / "site" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    environment = {"PYTHONPATH": str(folder / "site"), "PATH": ""}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def test_the_suite_of_another_package_runs(tmp_path: pathlib.Path) -> None:
    told = run(tmp_path, "--pyargs", "elsewhere.conformance")
    assert "2 passed" in told, told
    assert "notes        nowhere                2       0       0" in told


def test_it_is_passed_over_when_only_other_stores_are_given(tmp_path: pathlib.Path) -> None:
    told = run(tmp_path, "--pyargs", "elsewhere.conformance", "--store", "rating=sqlite:///{tmp}/x")
    assert "no tests ran" in told, told


def test_an_unrelated_run_does_not_import_the_kinds(tmp_path: pathlib.Path) -> None:
    (tmp_path / "test_own.py").write_text(
        "import sys\n\ndef test_it(target='x'):\n    assert not {'undercroft.core.kinds', 'elsewhere'} & set(sys.modules)\n"
    )
    told = run(tmp_path, "test_own.py")
    assert "1 passed" in told, told


def test_gaps_of_capabilities_that_are_a_set(tmp_path: pathlib.Path) -> None:
    told = run(tmp_path, "--pyargs", "elsewhere.conformance", more=GAPS)
    assert "1 failed, 2 passed, 3 skipped" in told, told
    assert "test_works_all_the_same" in told
    assert "declared as a gap, but it works: claims (never: it has no claims)" in told
    assert "notes        nowhere                1       2       1" in told
    assert "gaps of notes nowhere: claims (never: it has no claims); fifo (never: it has no order)" in told
