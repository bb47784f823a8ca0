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


def run(folder: pathlib.Path, *arguments: str) -> str:
    """Run pytest beside the package; what it prints."""
    for name, text in FILES.items():
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
