"""The version before: a client of it, for as long as tables are brought to this version beneath it.

    python -m tests.chaos.rating.previous URL NAMESPACE SEED FILE

Until there has been a release, the version before is this package without its newest step: one that knows nothing of the tables
which that step makes, and finds a version in the database that it does not know.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

import undercroft
from tests.chaos.processes import Acknowledgements
from tests.chaos.rating.audit import audit
from tests.chaos.rating.operations import Ledger, operation
from undercroft.core.errors import Corrupt, Declined, UndercroftError

TOP = pathlib.Path(__file__).parents[3]


def package(folder: pathlib.Path) -> str:
    """Make the package of the version before in a folder; the name of the step that it lacks."""
    shutil.copytree(TOP / "src/undercroft", folder / "undercroft", ignore=shutil.ignore_patterns("__pycache__"))
    newest = max((folder / "undercroft/migrations/rating").glob("[0-9]*.py"))
    newest.unlink()
    return newest.stem


@contextlib.contextmanager
def client(folder: pathlib.Path, url: str, namespace: str, seed: int, told: Acknowledgements) -> Iterator[subprocess.Popen[str]]:
    """A process of the version in `folder`. It makes its tables, works until its input ends, and then compares all answers."""
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    command = [sys.executable, "-m", "tests.chaos.rating.previous", url, namespace, str(seed), str(told.path)]
    process = subprocess.Popen(
        command, env=environment, cwd=TOP, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def main(url: str, namespace: str, seed: int, told: Acknowledgements) -> None:
    """Do operations, acknowledging each, until the input ends; fail for anything that may not be repeated, and for a wrong sum."""
    assert undercroft.__file__.startswith(os.environ["PYTHONPATH"]), undercroft.__file__
    told_to_stop = threading.Thread(target=sys.stdin.read, daemon=True)
    told_to_stop.start()
    store: Any = undercroft.connect("rating", url, namespace=namespace)
    store.init()
    metadata, there = store._tables.metadata, sa.inspect(store._db.engine).get_table_names()
    for table in metadata.sorted_tables:
        if table.name not in there:
            metadata.remove(table)
    file = told.open()
    number = 0
    ledger = Ledger()
    while told_to_stop.is_alive():
        try:
            operation(seed, number).run(store)
        except UndercroftError as error:
            if not error.retryable or isinstance(error, (Corrupt, Declined)):
                raise
            continue
        ledger.enter(operation(seed, number))
        told.write(file, number)
        number += 1
    faults = audit(store, ledger)
    store.close()
    if faults:
        sys.exit(str(faults))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), Acknowledgements(pathlib.Path(sys.argv[4])))
