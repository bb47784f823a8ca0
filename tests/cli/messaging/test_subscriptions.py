"""`undercroft queue subscribe`, `subscriptions`, `unsubscribe` and `notify`."""

from __future__ import annotations

import contextlib
import json

import pytest

import undercroft
from tests.chaos.messaging.receivers import receiving
from undercroft.cli.messaging.subscribing import without_secrets
from undercroft.core import settings
from undercroft.messaging.contract.outbox import lane

pytestmark = pytest.mark.kind("messaging")
URI = "https://user:pass@ops.example.org:8443/hooks/s3cret?token=t0ken"


def made(queue, *arguments):
    return queue("subscribe", *arguments).stdout.split()[-1]


def listed(queue, *arguments):
    return json.loads(queue("subscriptions", *arguments, "--format", "json").stdout)


def test_a_subscription_is_made_listed_and_ended(queue):
    one = made(queue, "jobs", URI, "--ttl", "1h", "--option", 'post_headers={"A": "b"}', "--confirmed")
    two = made(queue, "jobs", "mailto:ops@example.org?subject=jobs")
    other = made(queue, "other", "http://example.org")
    assert [each["id"] for each in listed(queue, "jobs")] == [one, two]
    assert [each["id"] for each in listed(queue, "--all")] == [one, two, other]
    first = listed(queue, "jobs", "--show-secrets")[0]
    assert first.pop("expires_in") in {3_599, 3_600}
    assert first == {
        "id": one, "queue": "jobs", "subscriber": URI, "options": {"post_headers": {"A": "b"}}, "confirmed": True, "waiting": 0,
        "oldest_age": 0,
    }  # fmt: skip
    assert queue("unsubscribe", "jobs", one).stdout == f"jobs: unsubscribed: {one}\n"
    assert [each["id"] for each in listed(queue, "jobs")] == [two]
    assert "does not exist" in queue("unsubscribe", "jobs", one, code=1).stderr


def test_projects_are_apart(queue):
    one = made(queue, "jobs", URI, "--project", "p")
    assert listed(queue, "jobs") == listed(queue, "--all") == []
    assert [each["id"] for each in listed(queue, "--all", "--project", "p")] == [one]
    queue("unsubscribe", "jobs", one, code=1)
    assert "no subscriptions" in queue("subscriptions", "jobs").stderr


def test_a_subscriber_that_is_there_keeps_its_id(queue):
    one = made(queue, "jobs", URI)
    assert queue("subscribe", "jobs", URI, "--ttl", "2h", "--confirmed").stdout == f"jobs: was subscribed already: {one}\n"
    (found,) = listed(queue, "jobs")
    assert found["confirmed"]
    assert found["expires_in"] <= 3_600


def test_the_backlog_of_each_subscription(queue, place):
    one, two = made(queue, "jobs", URI), made(queue, "jobs", "http://example.org")
    with contextlib.closing(undercroft.connect("messaging", place)) as store:
        store.message_controller.post(lane(one), [{"ttl": 60}, {"ttl": 60}], None, None)
    assert {each["id"]: each["waiting"] for each in listed(queue, "jobs")} == {one: 2, two: 0}
    table = queue("subscriptions", "jobs").stdout
    assert "waiting" in table
    assert "ops.example.org:8443" in table


@pytest.mark.parametrize("form", ["table", "json"])
def test_secrets_are_shown_only_when_asked_for(queue, form):
    queue("subscribe", "jobs", URI, "--option", 'post_headers={"Authorization": "Bearer t0ken"}')
    shown = queue("subscriptions", "jobs", "--format", form)
    for secret in ("pass", "s3cret", "t0ken", "user"):
        assert secret not in shown.stdout + shown.stderr
    assert "t0ken" in queue("subscriptions", "jobs", "--format", form, "--show-secrets").stdout


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        (URI, "https://ops.example.org:8443/***"),
        ("http://example.org", "http://example.org"),
        ("http://example.org/", "http://example.org/"),
        ("http://example.org?a=b", "http://example.org/***"),
        ("http://u@v@example.org#x", "http://example.org/***"),
        ("https://[2001:db8::1]:8443/x", "https://[2001:db8::1]:8443/***"),
        ("mailto:ops@example.org", "mailto:ops@example.org"),
        ("MAILTO:ops@example.org?subject=x", "MAILTO:ops@example.org?***"),
    ],
)
def test_what_is_shown_of_a_uri(uri, shown):
    assert without_secrets(uri) == shown


@pytest.mark.parametrize(
    "arguments",
    [
        ("ftp://example.org",), ("trust+https://example.org",), ("http://",), ("http://127.0.0.1/x",), ("mailto:nobody",),
        ("http://example.org", "--option", '_retry_policy={"colour": 1}'),
    ],
)  # fmt: skip
def test_what_could_never_be_sent_is_refused(queue, arguments):
    run_code = 1 if "127" in arguments[0] else 2
    queue("subscribe", "jobs", *arguments, code=run_code)
    assert listed(queue, "jobs") == []


def test_an_option_without_a_value_is_a_mistake_of_usage(queue):
    queue("subscribe", "jobs", "http://example.org", "--option", "x", code=2)
    queue("subscriptions", code=2)
    queue("subscriptions", "jobs", "--all", code=2)


def test_a_note_tells_what_is_not_confirmed(queue, setting):
    setting(require_confirmation="true")
    assert "not confirmed" in queue("subscribe", "jobs", "http://example.org").stderr
    assert queue("subscribe", "jobs", "http://example.net", "--confirmed").stderr == ""


def test_notify_once_sends_what_is_due_and_ends(queue, setting):
    setting(notify_allow="127.0.0.0/8")
    with receiving() as receiver:
        made(queue, "jobs", receiver.url("ok"))
        dead = made(queue, "jobs", receiver.url("gone"))
        queue("post", "jobs", "1", "2")
        told = queue("notify", "--once")
        assert told.stdout == "2 delivered, 0 to be sent again, 2 given up, 0 expired\n"
        assert sorted(receiver.taken["/ok/a"]) == [1, 2]
        assert receiver.documents["/ok/a"][0]["queue_name"] == "jobs"
    assert dead in told.stderr
    assert "127.0.0.1" in told.stderr
    for secret in ("secret-of-a", "/gone"):
        assert secret not in told.stderr
    assert queue("notify", "--once").stdout == "0 delivered, 0 to be sent again, 0 given up, 0 expired\n"


def test_notify_opens_what_is_encrypted(queue, setting):
    setting(notify_allow="127.0.0.0/8", encryption_key="MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=")
    with receiving() as receiver:
        queue("create", "letters", "_enable_encrypt_messages=true")
        made(queue, "letters", receiver.url("ok"))
        queue("post", "letters", '{"secret": [1]}', '{"undercroft:sealed": 5}')
        queue("notify", "--once")
        assert sorted(receiver.taken["/ok/a"], key=str) == [{"secret": [1]}, {"undercroft:sealed": 5}]


def test_notify_says_when_the_store_is_not_set_up(run, tmp_path):
    assert "db upgrade" in run("queue", "notify", "--store", f"sqlite:///{tmp_path}/none.db", code=2).stderr


def test_the_worker_sends_too(queue, run, place, setting):
    setting(notify_allow="127.0.0.0/8")
    with receiving() as receiver:
        made(queue, "jobs", receiver.url("ok"))
        queue("post", "jobs", "1", "2")
        told = run("worker", "--store", f"messaging={place}", "--once").stderr
        assert sorted(receiver.taken["/ok/a"]) == [1, 2]
    assert "messaging.notify" in told
    assert "delivered=2" in told


def test_a_setting_of_0_sends_nothing(run, place, monkeypatch):
    monkeypatch.setenv("UNDERCROFT_WORKER__NOTIFY_INTERVAL", "0")
    settings.current.cache_clear()
    assert "messaging.notify" not in run("worker", "--store", f"messaging={place}", "--once").stderr
