"""The base install beside the real CloudKitty, with the versions that it brings."""

from __future__ import annotations

import textwrap

import pytest

STORE = """
import datetime, decimal, sys
import undercroft
assert not {"sqlalchemy", "psycopg", "alembic", "cloudkitty"} & set(sys.modules), "importing undercroft loads an engine's library"

import cloudkitty.dataframe
start = datetime.datetime(2026, 1, 31, 23, tzinfo=datetime.timezone.utc)
hour = datetime.timedelta(hours=1)

def frame(of, moment, price):
    attributes = {"project_id": "alpha", "id": "vm-1"}
    return of.DataFrame(moment, moment + hour, {"cpu": [of.DataPoint("hour", "1.5", price, attributes, {"flavor": "small"})]})

store = undercroft.connect("rating", "sqlite:///rating.db")
store.init()
store.push([frame(cloudkitty.dataframe, start, "0.1"), frame(undercroft.rating, start + hour, "0.2")])
store.push([frame(cloudkitty.dataframe, start, "0.10000000000000000000000000000000000001")], "alpha")
answer = store.total(groupby=["type", "project_id"], begin=start, end=start + 2 * hour)
assert answer["total"] == 1, answer
row = answer["results"][0]
assert list(row) == ["begin", "end", "qty", "rate", "type", "project_id"], row
assert (row["type"], row["project_id"], row["qty"]) == ("cpu", "alpha", decimal.Decimal(3)), row
assert row["rate"] == decimal.Decimal("0.30000000000000000000000000000000000001"), row
assert store.get_tenants() == ["alpha"]
found = store.retrieve(begin=start, end=start + 2 * hour)
assert found["total"] == 2 and [each.start for each in found["dataframes"]] == [start, start + hour], found
store.close()

import sqlalchemy
print("store works with SQLAlchemy", sqlalchemy.__version__)
"""


def test_base_install_and_cloudkitty_fit_each_other(cloudkitty, check_requirements):
    check_requirements(cloudkitty)


def test_rating_store_works_there(cloudkitty, tmp_path):
    done = cloudkitty.run("-W", "error::DeprecationWarning:undercroft", "-c", textwrap.dedent(STORE), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "store works with SQLAlchemy" in done.stdout


@pytest.mark.parametrize("arguments", [["--version"], ["db", "upgrade", "--store", "sqlite:///cli.db"]])
def test_command_line_works_there(cloudkitty, tmp_path, arguments):
    done = cloudkitty.run("-m", "undercroft.cli.main", *arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
