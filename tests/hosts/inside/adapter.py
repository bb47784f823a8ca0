"""Our driver inside CloudKitty, where CloudKitty's own tests do not look: adapter.py URL."""

# ruff: noqa: PT009, PT027, RUF032 - pytest is not installed beside CloudKitty, and Decimals of floats are what is tested

from __future__ import annotations

import datetime as dt
import decimal
import os
import sys
import time
import unittest
import uuid
from decimal import Decimal
from typing import Any
from unittest import mock

import cloudkitty.storage
from cloudkitty.dataframe import DataFrame, DataPoint
from cloudkitty.storage.v2 import BaseStorage
from cloudkitty.utils import tz
from oslo_config import cfg
from oslo_config.fixture import Config
from werkzeug import exceptions

import undercroft.compat.cloudkitty as drop_in
from tests.hosts.inside import outcomes
from tests.hosts.inside.urls import with_namespace
from undercroft.core import time as our_time
from undercroft.core.errors import ConfigInvalid

URL = sys.argv[1]
START = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)


def frame(start: dt.datetime = START, qty: Any = 1, price: Any = 1, **attributes: Any) -> DataFrame:
    point = DataPoint("hour", qty, price, {"project_id": "alpha", **attributes}, {"flavor": "small"})
    return DataFrame(start, start + HOUR, {"cpu": [point]})


class Adapter(unittest.TestCase):
    def setUp(self):
        self.namespace = f"a{uuid.uuid4().hex[:16]}"
        fixture = Config()
        fixture.setUp()
        self.addCleanup(fixture.cleanUp)
        self.conf = fixture.conf
        self.conf([], project="cloudkitty", default_config_files=[])
        self.conf.set_override("backend", "undercroft", "storage")
        self.conf.set_override("connection", with_namespace(URL, self.namespace), drop_in.GROUP)
        self.addCleanup(our_time.bind, None)

    def open(self, **options: Any) -> Any:
        for name, value in options.items():
            self.conf.set_override(name, value, drop_in.GROUP)
        storage = cloudkitty.storage.get_storage(conf="ignored")
        storage.init()
        self.addCleanup(storage.store.close)
        self.addCleanup(storage.store.drop)
        return storage

    def test_is_what_cloudkitty_asks_for(self):
        storage = self.open()
        self.assertIs(type(storage), drop_in.Storage)
        self.assertIsInstance(storage, BaseStorage)
        self.assertEqual(storage.TIME_COMMANDS_MAP, BaseStorage.TIME_COMMANDS_MAP)

    def test_without_a_connection_it_says_which_option_is_missing(self):
        self.conf.clear_override("connection", drop_in.GROUP)
        with self.assertRaisesRegex(ConfigInvalid, "storage_undercroft"):
            cloudkitty.storage.get_storage()

    def test_gives_cloudkitty_s_own_classes(self):
        storage = self.open()
        sent = frame(qty="0.1000000000000000000000000001", price=3)
        storage.push([sent], "alpha")
        (found,) = storage.retrieve(START, START + HOUR)["dataframes"]
        ((kind, point),) = found.iterpoints()
        self.assertIs(type(found), DataFrame)
        self.assertIs(type(point), DataPoint)
        self.assertEqual((kind, point), next(sent.iterpoints()))
        self.assertEqual(found.as_dict(mutable=True), sent.as_dict(mutable=True))
        self.assertEqual(point.desc, {"project_id": "alpha", "flavor": "small"})

    def test_decimals_of_floats_are_rounded_to_38_digits_counted_and_logged(self):
        storage = self.open()
        sent = [frame(qty=Decimal(1.2), price=Decimal("0.5")), frame(START + HOUR, qty=Decimal(-1.2), price=2)]
        with self.assertLogs("undercroft.compat.cloudkitty", "WARNING"):
            storage.push(sent)
        self.assertEqual(storage.store.counters["rounded"], 2)
        self.assertEqual(next(sent[0].iterpoints())[1].qty, Decimal(1.2), "the frame that was given has changed")
        found = storage.retrieve(START, START + 2 * HOUR)["dataframes"]
        expected = decimal.Context(prec=38, rounding=decimal.ROUND_HALF_EVEN).create_decimal(Decimal(1.2))
        self.assertEqual([point.qty for each in found for _, point in each.iterpoints()], [expected, expected.copy_negate()])

    def test_what_does_not_fit_is_a_bad_request_and_leaves_no_trace(self):
        storage = self.open()
        for wrong in (Decimal("NaN"), Decimal("sNaN"), Decimal("Infinity"), Decimal(10) ** 20, Decimal(1e300)):
            with self.assertRaises(exceptions.BadRequest):
                storage.push([frame(), frame(price=wrong)])
        self.assertEqual(storage.total(begin=START, end=START + HOUR), {"total": 0, "results": []})

    def test_errors_have_their_http_status(self):
        storage = self.open(on_conflict="error")
        storage.push([frame()])
        with self.assertRaises(exceptions.Conflict):
            storage.push([frame()])
        for question in ({"groupby": ["time-u"]}, {"custom_fields": "SUM(qty) AS qty; DROP TABLE"}, {"groupby": ["rate"]}):
            with self.assertRaises(exceptions.BadRequest):
                storage.total(begin=START, end=START + HOUR, **question)

    def test_an_end_before_the_begin_finds_nothing(self):
        storage = self.open()
        storage.push([frame()])
        self.assertEqual(storage.retrieve(START + HOUR, START), {"total": 0, "dataframes": []})
        self.assertEqual(storage.total(begin=START + HOUR, end=START), {"total": 0, "results": []})

    def test_a_missing_bound_is_cloudkitty_s_month_in_the_local_zone_by_its_patched_clock(self):
        """Midnight of Auckland's March is eleven hours of UTC's February into the day before."""
        before = os.environ.get("TZ")
        os.environ["TZ"] = "Pacific/Auckland"
        time.tzset()
        try:
            local = tz.tz.tzlocal()
            present = dt.datetime(2026, 3, 15, 12, tzinfo=local)
            with mock.patch.object(tz, "_LOCAL_TZ", local), mock.patch.object(tz, "localized_now", return_value=present):
                storage = self.open(timezone="UTC")
                month = dt.datetime(2026, 3, 1, tzinfo=local).astimezone(dt.UTC)
                self.assertEqual(month, dt.datetime(2026, 2, 28, 11, tzinfo=dt.UTC))
                following = dt.datetime(2026, 4, 1, tzinfo=local).astimezone(dt.UTC)
                moments = [month - HOUR, month, following - HOUR, following]
                storage.push([frame(moment) for moment in moments])
                self.assertEqual([each.start for each in storage.retrieve()["dataframes"]], moments[1:3])
                self.assertEqual([row["qty"] for row in storage.total()["results"]], [2])
                self.assertEqual(our_time.now(), present)
        finally:
            os.environ.pop("TZ")
            if before is not None:
                os.environ["TZ"] = before
            time.tzset()

    def test_retention_is_cloudkitty_s(self):
        self.conf.set_override("retention_period", 48, "storage")
        storage = self.open()
        self.assertEqual(storage.get_retention(), dt.timedelta(hours=48))
        storage.push([frame(START), frame(START + 24 * HOUR)])
        self.assertEqual(storage.store.expire(START + 60 * HOUR), 1)
        self.assertEqual([each.start for each in storage.retrieve(START, START + 99 * HOUR)["dataframes"]], [START + 24 * HOUR])

    def test_scopes_are_those_of_the_scope_key_with_points(self):
        self.conf.set_override("scope_key", "domain_id", "collect")
        storage = self.open()
        storage.push([frame(domain_id="d1"), frame(START + HOUR, domain_id="d2")])
        self.assertEqual(storage.get_tenants(START, START + HOUR), ["d1"])
        self.assertEqual(storage.get_tenants(), ["d1", "d2"])

    def test_days_begin_in_the_zone_that_is_configured(self):
        storage = self.open(timezone="Asia/Tokyo")
        storage.push([frame(START + 14 * HOUR), frame(START + 15 * HOUR)])
        rows = storage.total(groupby=["time-d"], begin=START, end=START + 24 * HOUR)["results"]
        self.assertEqual([row["day_of_the_year"] for row in rows], ["60", "61"])

    def test_naive_times_are_utc_and_deleting_takes_what_the_filter_says(self):
        storage = self.open()
        storage.push([frame(id="1"), frame(project_id="beta"), frame(START + HOUR)])
        naive = START.replace(tzinfo=None)
        storage.delete(begin=naive, end=naive + HOUR, filters={"project_id": "alpha"})
        rows = storage.total(["time", "project_id"], naive, naive + 2 * HOUR)["results"]
        self.assertEqual([(row["begin"], row["project_id"]) for row in rows], [(START, "beta"), (START + HOUR, "alpha")])


if __name__ == "__main__":
    cfg.CONF([], project="cloudkitty", default_config_files=[])
    outcomes.run(unittest.defaultTestLoader.loadTestsFromTestCase(Adapter))
