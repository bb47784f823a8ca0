# ruff: noqa: PT027 - pytest is not in the host's environment
"""What our stores are within Zaqar beyond its own tests of them, on a real engine: zaqar_dropin.py URL together|apart."""

from __future__ import annotations

import inspect
import subprocess
import sys
import unittest
import uuid
from typing import Any

import stevedore
from oslo_config import cfg
from oslo_utils import timeutils
from zaqar import storage
from zaqar import tests as testing
from zaqar.common import cache as oslo_cache
from zaqar.common import errors as common
from zaqar.conf import default
from zaqar.storage import errors as theirs
from zaqar.storage import pipeline, pooling, utils

from tests.hosts.inside import outcomes, zaqar_configuration
from undercroft.compat.zaqar import config, drivers, messages, queues, registers
from undercroft.compat.zaqar.errors import as_theirs
from undercroft.core.errors import ConfigInvalid, Unavailable
from undercroft.messaging import errors as ours

# Whether the store is one with pools.
HAS_POOLS = sys.argv[1].startswith("pooled+")


class Stores(testing.TestBase):
    """Every test on empty stores."""

    def setUp(self) -> None:
        self.config_file = zaqar_configuration.made(self)
        super().setUp()
        self.control = utils.load_storage_driver(self.conf, None, control_mode=True)
        self.addCleanup(self.control.close)
        self.driver = utils.load_storage_driver(self.conf, None, control_driver=self.control)
        self.addCleanup(self.driver.close)

    def test_health(self) -> None:
        self.driver.message_controller.post("q", [{"ttl": 60, "body": n} for n in range(3)], uuid.uuid4(), "p")
        self.driver.claim_controller.create("q", {"ttl": 60, "grace": 0}, "p", limit=1)
        health = self.driver.health()
        if HAS_POOLS:
            assert health.pop("catalog_reachable") is True
            assert {each["storage_reachable"] for each in health.values()} == {True}
            return
        assert health["message_volume"] == {"free": 2, "claimed": 1, "total": 3}
        assert health["storage_reachable"] is True
        assert len(health["operation_status"]) == 8
        assert all(found["succeeded"] for found in health["operation_status"].values())
        assert list(next(self.control.queue_controller.list())) == []

    def test_gc_removes_what_has_expired(self) -> None:
        (gone,) = self.driver.message_controller.post("q", [{"ttl": 0, "body": 1}], uuid.uuid4(), "p")
        (kept,) = self.driver.message_controller.post("q", [{"ttl": 60, "body": 2}], uuid.uuid4(), "p")
        self.driver.gc()
        assert [each["id"] for each in self.driver.message_controller.bulk_get("q", [gone, kept], "p")] == [kept]

    def test_a_topic_is_not_a_queue(self) -> None:
        built = pipeline.DataDriver(self.conf, self.driver, self.control)
        topics, kept = built.topic_controller, built.message_controller
        assert topics.create("t", project="p")
        kept.post("t", [{"ttl": 60, "body": 1}], uuid.uuid4(), project="p")
        assert list(next(built.queue_controller.list(project="p"))) == []
        assert topics.stats("t", project="p")["messages"]["total"] == 1
        topics.delete("t", project="p")
        with self.assertRaises(theirs.TopicDoesNotExist):
            topics.stats("t", project="p")
        assert topics.create("t", project="p")
        assert list(next(kept.list("t", project="p", echo=True))) == []

    def test_a_deleted_queue_takes_its_messages_along(self) -> None:
        built = pipeline.DataDriver(self.conf, self.driver, self.control)
        found, kept = built.queue_controller, built.message_controller
        for _ in range(2):
            assert found.create("q", {"a": 1}, "p") is True
            assert found.create("q", {"a": 2}, "p") is False
            assert found.get("q", "p") == {"a": 1}
            assert list(next(kept.list("q", project="p", echo=True))) == []
            kept.post("q", [{"ttl": 60, "body": 1}], uuid.uuid4(), project="p")
            assert found.stats("q", "p")["messages"]["free"] == 1
            found.delete("q", "p")
        with self.assertRaises(theirs.QueueDoesNotExist):
            found.stats("q", "p")

    def test_zaqar_s_clock_is_followed_exactly(self) -> None:
        timeutils.set_time_override()
        self.addCleanup(timeutils.clear_time_override)
        kept = self.driver.message_controller
        for _ in range(100):
            (posted,) = kept.post("q", [{"ttl": 60, "body": 1}], uuid.uuid4(), "p")
            timeutils.advance_time_seconds(1)
            assert kept.get("q", posted, "p")["age"] == 1

    def test_capabilities(self) -> None:
        assert tuple(storage.Capabilities) == drivers.DataDriver.BASE_CAPABILITIES
        # One of our engines says of its server whether what it acknowledges is on a disk.
        lacking = set() if self.driver.ours.capabilities.durability is True else {storage.Capabilities.DURABILITY}
        assert self.driver.capabilities == tuple(each for each in storage.Capabilities if each not in lacking)

    def test_a_store_that_is_away(self) -> None:
        with self.assertRaises(theirs.ConnectionError) as caught, as_theirs():
            raise Unavailable("postgresql://user:secret@host does not answer")
        assert str(caught.exception) == "the store cannot do this now; try again later"

    def test_the_outbox_is_used_where_it_is_asked_for(self) -> None:
        assert self.driver.ours.notifies is False
        self.conf.set_override("notify", True, f"{config.DATA}:{config.OURS}")
        other = utils.load_storage_driver(self.conf, None, control_driver=self.control)
        self.addCleanup(other.close)
        assert other.ours.notifies is True

    def test_a_pool_that_can_be_reached(self) -> None:
        """Zaqar's check of a pool's URI: both drivers are made from one configuration, and asked."""
        # A store with pools cannot be a pool itself.
        assert utils.can_connect(zaqar_configuration.scheme_in_host(sys.argv[1]), self.conf) is not HAS_POOLS
        assert not utils.can_connect("undercroft+postgresql://nobody@127.0.0.1:9/nothing?connect_timeout=1", self.conf)


class Pooled(testing.TestBase):
    """Queues are spread over two more stores, by Zaqar's own driver."""

    def setUp(self) -> None:
        self.config_file = zaqar_configuration.made(self)
        super().setUp()
        timeutils.set_time_override()
        self.addCleanup(timeutils.clear_time_override)
        self.control = utils.load_storage_driver(self.conf, None, control_mode=True)
        self.addCleanup(self.control.close)
        oslo_cache.register_config(self.conf)
        self.conf.register_opts(default.ALL_OPTS)
        self.conf.set_override("pooling", True)
        self.addCleanup(self.conf.clear_override, "pooling")
        for number, name in enumerate("ab", 2):
            uri = zaqar_configuration.scheme_in_host(zaqar_configuration.emptied(sys.argv[1], number))
            self.control.pools_controller.create(name, 100, uri)
        self.pooled = pooling.DataDriver(self.conf, oslo_cache.get_cache(self.conf), self.control)
        self.addCleanup(self.pooled.close)

    def _make(self, queue: str, pool: str, **metadata: Any) -> None:
        self.control.catalogue_controller.insert("p", queue, pool)
        assert self.pooled.queue_controller.create(queue, metadata, "p") is True

    def _claim(self, queue: str) -> list[Any]:
        _, found = self.pooled.claim_controller.create(queue, {"ttl": 60, "grace": 60}, "p")
        timeutils.advance_time_seconds(61)
        return [each["body"] for each in found]

    def _bodies(self, queue: str) -> list[Any]:
        return [each["body"] for each in next(self.pooled.message_controller.list(queue, "p", echo=True))]

    def test_dead_letters_go_to_the_pool_of_their_queue(self) -> None:
        self._make("dead", "b")
        for queue, pool in (("q", "a"), ("r", "b")):
            self._make(queue, pool, _max_claim_count=1, _dead_letter_queue="dead", _dead_letter_queue_messages_ttl=900)
            self.pooled.message_controller.post(queue, [{"ttl": 3600, "body": f"{queue}{n}"} for n in range(3)], uuid.uuid4(), "p")
            assert self._claim(queue) == [f"{queue}{n}" for n in range(3)]
            assert self._claim(queue) == self._claim(queue) == []
        assert self._bodies("q") == self._bodies("r") == []
        assert sorted(self._bodies("dead")) == ["q0", "q1", "q2", "r0", "r1", "r2"]
        assert len(self._claim("dead")) == 6

    def test_dead_letters_wait_for_a_pool_that_is_away(self) -> None:
        self._make("dead", "b")
        self._make("q", "a", _max_claim_count=1, _dead_letter_queue="dead")
        here = self.control.pools_controller.get("b")["uri"]
        self.control.pools_controller.update("b", uri="undercroft+postgresql://nobody@127.0.0.1:9/nothing?connect_timeout=1")
        self.pooled.message_controller.post("q", [{"ttl": 3600, "body": 1}], uuid.uuid4(), "p")
        assert self._claim("q") == [1]
        self.pooled.message_controller.post("q", [{"ttl": 3600, "body": 2}], uuid.uuid4(), "p")
        assert self._claim("q") == [2]
        assert self._claim("q") == []
        self.control.pools_controller.update("b", uri=here)
        assert self._claim("q") == []
        assert self._bodies("dead") == [1, 2]

    def test_health_names_the_pools(self) -> None:
        found = self.pooled.health()
        assert found.keys() == {"catalog_reachable", "a", "b"}
        assert found["catalog_reachable"] is found["a"]["storage_reachable"] is True


class Names(unittest.TestCase):
    """Without a store."""

    def test_every_name_is_loaded_with_options_of_its_own(self) -> None:
        for plane, group, kind in (("data", config.DATA, drivers.DataDriver), ("control", config.CONTROL, drivers.ControlDriver)):
            for name in config.NAMES:
                found: Any = stevedore.DriverManager(f"zaqar.{plane}.storage", name).driver
                assert issubclass(found, kind)
                assert (found.NAME, found.__module__) == (name, drivers.__name__)
                conf = cfg.ConfigOpts()
                conf([], project="zaqar", default_config_files=[])
                with self.assertRaisesRegex(ConfigInvalid, f"set the option uri in .{group}:{name.replace('+', '[+]')}."):
                    found(conf, None, *([None] if plane == "data" else []))
                assert conf[f"{group}:{name}"].uri is None

    def test_a_store_without_its_option_is_an_invalid_driver(self) -> None:
        conf = cfg.ConfigOpts()
        conf([], project="zaqar", default_config_files=[])
        with self.assertRaises(common.InvalidDriver):
            utils.load_storage_driver(conf, None, storage_type="undercroft", control_mode=True)

    def test_each_of_our_exceptions_is_theirs(self) -> None:
        given = {"project": "p", "name": "n", "queue": "q", "cid": "c", "mid": "m", "pid": "i", "fid": "f", "pool": "o"}
        given |= {"pool_group": "g", "flavor": "f", "subscription_id": "s"}
        known = [each for each in vars(ours).values() if isinstance(each, type) and issubclass(each, ours.ExceptionBase)]
        assert len(known) == 27
        for each in known:
            wanted = inspect.signature(each.__init__).parameters.keys() & given.keys()
            if wanted or not each.__subclasses__():
                with self.assertRaises(getattr(theirs, each.__name__)) as caught, as_theirs():
                    raise each(**{name: given[name] for name in wanted})
                assert str(caught.exception), each

    def test_signatures_are_theirs(self) -> None:
        for own in (queues.Queue, queues.Topic, messages.Message, messages.Claim, messages.Subscription, registers.Pools):
            base: Any = getattr(storage, own.__name__, storage.PoolsBase)
            for name, method in inspect.getmembers(base, inspect.isfunction):
                if not name.startswith("_"):
                    wanted = [(each.name, each.default) for each in inspect.signature(method).parameters.values()]
                    found = [(each.name, each.default) for each in inspect.signature(getattr(own, name)).parameters.values()]
                    assert found == wanted, (own, name)
            assert not inspect.isabstract(own)
        # Of these two, Zaqar's base classes have less than Zaqar asks for.
        for own in (registers.Flavors, registers.Catalogue):
            assert not inspect.isabstract(own)

    def test_the_sample_configuration(self) -> None:
        command = [sys.executable, "-m", "oslo_config.generator", "--namespace", "undercroft.zaqar"]
        text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        for plane in (config.DATA, config.CONTROL):
            for name in config.NAMES:
                assert f"[{plane}:{name}]" in text
        assert text.count("#uri = <None>") == 2 * len(config.NAMES)


if __name__ == "__main__":
    load = unittest.defaultTestLoader.loadTestsFromTestCase
    # A store with pools cannot be a pool of Zaqar's own pooling driver.
    outcomes.run(unittest.TestSuite(map(load, (Stores, Names) if HAS_POOLS else (Stores, Pooled, Names))))
