"""`undercroft queue`: queues and their metadata, messages in and out, claims, whole queues moved and emptied."""

from __future__ import annotations

import concurrent.futures
import contextlib
import json
import os
import pty
import subprocess
import sys
import time

import pytest

import undercroft
from undercroft.conformance.limits import within
from undercroft.messaging import Message

pytestmark = pytest.mark.kind("messaging")


def opened(url):
    return contextlib.closing(undercroft.connect("messaging", url))


def lines(text):
    return [json.loads(line) for line in text.splitlines()]


def bodies(found):
    return [message["body"] for message in found]


def posted(queue, name, *values, more=()):
    return queue("post", name, *map(json.dumps, values), *more).stdout.split()


def stats(queue, name, *more):
    ((found),) = json.loads(queue("stats", name, "--format", "json", *more).stdout)
    return (found["free"], found["claimed"])


# -- queues --------------------------------------------------------------------------------------------------------------


def test_a_queue_and_its_metadata(queue):
    assert queue("create", "jobs", "team=images", "_max_claim_count=3", "tags=[1]", "on=true").stdout == "jobs: created\n"
    assert queue("create", "jobs", "team=other").stdout == "jobs: existed, and is unchanged\n"

    def shown():
        return json.loads(queue("show", "jobs", "--format", "json").stdout)

    assert shown() == {"team": "images", "_max_claim_count": 3, "tags": [1], "on": True}
    changed = queue("set", "jobs", "team=two", "n=1.5", "--remove", "tags", "--format", "json").stdout
    assert json.loads(changed) == shown() == {"team": "two", "_max_claim_count": 3, "on": True, "n": 1.5}
    assert "team" in queue("show", "jobs").stdout
    assert json.loads(queue("set", "jobs", "a=b=c", "--replace", "--format", "json").stdout) == shown() == {"a": "b=c"}
    assert queue("set", "jobs", "--replace").stderr == "note: the queue 'jobs' has no metadata\n"
    assert shown() == {}


def test_a_reserved_attribute_that_is_misspelt_is_noted(queue):
    told = queue("create", "jobs", "_max_claim_counts=3").stderr
    assert told == "note: '_max_claim_counts' is not a reserved attribute, and has no effect; did you mean '_max_claim_count'?\n"
    assert queue("set", "jobs", "_max_claim_count=3").stderr == "note: _max_claim_count has no effect without _dead_letter_queue\n"
    told = queue("set", "jobs", "_dead_letter_queue=dead", "free=1").stderr
    assert told == "note: the queue 'dead' did not exist, and was created\n"
    assert queue("set", "jobs", "free=2").stderr == ""
    assert [row["name"] for row in lines(queue("list", "--format", "jsonl").stdout)] == ["dead", "jobs"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("create", "jobs", "team"), "'team' is not of the form KEY=VALUE"),
        (("create", "jobs", "=x"), "'=x' is not of the form KEY=VALUE"),
        (("create", "jobs", "a=1", "a=2"), "'a' is given twice"),
        (("set", "here"), "nothing to change: give KEY=VALUE, --remove KEY or --replace"),
        (("set", "here", "a=1", "--remove", "a"), "'a' is set and removed"),
        (("set", "here", "--remove", "b"), "the queue has no attribute 'b'"),
        (("create", ""), "QUEUE: '' is not 1 to 64 letters"),
        (("create", "a b"), "QUEUE: 'a b' is not 1 to 64 letters of ASCII, digits, underscores, hyphens and dots"),
        (("post", "topic/x", "1"), "QUEUE: 'topic/x' is not 1 to 64 letters"),
        (("create", "jobs", "_max_claim_count=x"), "_max_claim_count: 'x' is not a whole number of at least 0"),
        (("create", "jobs", "_default_message_ttl=59"), "_default_message_ttl: 59 is not a whole number of at least 60"),
        (("set", "here", "_max_claim_count=true"), "_max_claim_count: True is not a whole number"),
        (("set", "here", "_enable_encrypt_messages=1"), "_enable_encrypt_messages: 1 is neither true nor false"),
        (("set", "here", "_dead_letter_queue=a/b"), "_dead_letter_queue: 'a/b' is not 1 to 64 letters"),
        (("list", "--where", "x"), "KEY=VALUE"),
        (("post", "here"), "nothing to post: give BODY, --file FILE, or - for the lines of stdin"),
        (("post", "here", "hello"), "--text posts it as text"),
        (("post", "here", "{"), "BODY: '{' is not JSON"),
        (("post", "here", "1", "2", "--dedup-id", "x"), "--dedup-id is for one BODY"),
        (("post", "here", "1", "--from", "messages"), "--from messages is for lines"),
        (("post", "here", "-", "--from", "messages", "--text"), "--text and --from messages contradict each other"),
        (("post", "here", "1", "--ttl", "1500ms"), "whole seconds"),
        (("claim", "here", "--renew", "1", "--release", "1"), "--renew and --release contradict each other"),
        (("claim", "here", "--limit", "0"), "--limit"),
        (("claim", "here", "--wait", "21"), "--wait"),
        (("claim", "here", "--wait", "5", "--finish", "1"), "--wait and --finish contradict each other"),
        (("pop", "here", "--limit", "10001"), "--limit"),
        (("tail", "here", "--marker", "1", "--new"), "--marker and --new contradict each other"),
        (("redrive", "here", "--to", "here"), "target: is the queue itself"),
    ],
)
def test_what_cannot_be_meant(queue, arguments, message):
    queue("create", "here")
    assert message in queue(*arguments, code=2).stderr
    assert stats(queue, "here") == (0, 0)


@pytest.mark.parametrize(
    "arguments",
    [("show",), ("set", "a=1"), ("stats",), ("tail",), ("purge", "--yes"), ("delete", "--yes"), ("redrive", "--to", "here")],
)
def test_a_queue_that_does_not_exist(queue, arguments):
    queue("create", "here")
    command, *rest = arguments
    assert "Queue nowhere does not exist for project p" in queue(command, "nowhere", *rest, "--project", "p", code=1).stderr
    assert "Queue nowhere does not exist" in queue("redrive", "here", "--to", "nowhere", code=1).stderr


def test_lists_of_queues(queue):
    for name in "cab":
        queue("create", name, f"n={ord(name)}", "--project", "p")
    queue("create", "other")

    def names(*more):
        return [row["name"] for row in lines(queue("list", "--project", "p", "--format", "jsonl", *more).stdout)]

    assert names() == ["a", "b", "c"]
    assert names("--after", "a") == ["b", "c"]
    assert names("--where", "n=98") == ["b"]
    assert names("--where", 'n="98"') == []
    cut = queue("list", "--project", "p", "--limit", 2)
    assert cut.stderr == "note: the first 2 queues; there are more: --all gives all of them, --after b goes on\n"
    assert "n=97" in cut.stdout
    assert queue("list", "--project", "p", "--limit", 3).stderr == ""
    assert queue("list", "--project", "p", "--limit", 1, "--all", "--format", "csv").stdout.splitlines()[0] == "name,metadata"
    assert queue("list", "--project", "nobody").stderr == "note: no queues found\n"


def test_a_list_of_more_queues_than_a_page_has(queue, place):
    with opened(place) as store:
        for number in range(1_005):
            store.queue_controller.create(f"q{number:04}", None, "p")
    everything = lines(queue("list", "--project", "p", "--all", "--format", "jsonl").stdout)
    assert [row["name"] for row in everything] == [f"q{number:04}" for number in range(1_005)]
    assert len(lines(queue("list", "--project", "p", "--limit", 1_002, "--format", "jsonl").stdout)) == 1_002


def test_statistics(queue):
    for project in ("p", "q"):
        queue("create", "jobs", "--project", project)
        queue("create", "empty", "--project", project)
    posted(queue, "jobs", 1, 2, 3, more=("--project", "p"))
    posted(queue, "jobs", 1, more=("--project", "q"))
    queue("claim", "jobs", "--limit", 2, "--project", "p")
    (one,) = json.loads(queue("stats", "jobs", "--project", "p", "--format", "json").stdout)
    assert (one["queue"], one["free"], one["claimed"], one["total"]) == ("jobs", 1, 2, 3)
    assert one["newest"]["age"] <= one["oldest"]["age"] < 60
    everything = json.loads(queue("stats", "--format", "json").stdout)
    assert [(row["project"], row["queue"], row["free"], row["claimed"]) for row in everything] == [
        ("p", "jobs", 1, 2), ("q", "jobs", 1, 0), ("p", "empty", 0, 0), ("q", "empty", 0, 0),
    ]  # fmt: skip
    own = json.loads(queue("stats", "--project", "p", "--format", "json").stdout)
    assert [(row["queue"], row["total"]) for row in own] == [("empty", 0), ("jobs", 3)]
    for more in ((), ("--project", "p")):
        assert queue("stats", "--limit", 1, *more).stderr == "note: the first 1 queue; there are more: --limit COUNT\n"
        assert queue("stats", "--limit", 4, *more).stderr == ""
    assert "oldest, seconds" in queue("stats", "jobs", "--project", "p").stdout
    assert queue("stats", "--project", "nobody").stderr == "note: no queues found\n"


# -- post, claim, pop ------------------------------------------------------------------------------------------------------


def test_messages_come_out_in_the_order_of_their_posting(queue):
    told = queue("post", "jobs", '{"a": [1, "é", null]}', '"text"', "1.5")
    assert told.stderr == "note: the queue 'jobs' did not exist, and was created\n"
    ids = told.stdout.split()
    report = json.loads(queue("post", "jobs", "hello", "--text", "--ttl", "90s", "--delay", "1h", "--format", "json").stdout)
    assert (report["queue"], report["messages"], len(report["ids"])) == ("jobs", 1, 1)
    found = lines(queue("tail", "jobs").stdout)
    assert [message["id"] for message in found] == [*ids, *report["ids"]]
    assert bodies(found) == [{"a": [1, "é", None]}, "text", 1.5, "hello"]
    assert [message["ttl"] for message in found] == [3600, 3600, 3600, 90]
    assert bodies(lines(queue("pop", "jobs").stdout)) == [{"a": [1, "é", None]}]
    assert bodies(lines(queue("pop", "jobs", "--limit", 10).stdout)) == ["text", 1.5]
    empty = queue("pop", "jobs")
    assert (empty.stdout, empty.stderr) == ("", "note: no message is free\n")
    assert stats(queue, "jobs") == (1, 0)


def test_defaults_are_those_of_the_queue_then_of_the_settings(queue, setting):
    setting(default_message_ttl=120, default_claim_ttl=70, default_claim_grace=80)
    queue("create", "own", "_default_message_ttl=300", "_default_message_delay=600")
    posted(queue, "own", 1)
    posted(queue, "plain", 1)
    assert [message["ttl"] for name in ("own", "plain") for message in lines(queue("tail", name).stdout)] == [300, 120]
    assert json.loads(queue("claim", "own").stdout) == {"id": None, "ttl": 70, "grace": 80, "messages": []}
    assert len(json.loads(queue("claim", "plain").stdout)["messages"]) == 1


def test_a_dedup_id_posts_once(queue):
    (first,) = posted(queue, "jobs", 1, more=("--dedup-id", "x"))
    assert posted(queue, "jobs", 2, more=("--dedup-id", "x")) == [first]
    assert bodies(lines(queue("tail", "jobs").stdout)) == [1]


def test_a_claim_from_its_making_to_its_end(queue):
    ids = posted(queue, "jobs", 1, 2, 3)
    claim = json.loads(queue("claim", "jobs", "--limit", 2, "--ttl", "5m", "--grace", "1m").stdout)
    assert (claim["ttl"], claim["grace"]) == (300, 60)
    assert [message["id"] for message in claim["messages"]] == ids[:2]
    assert {message["claim_id"] for message in claim["messages"]} == {claim["id"]}
    assert stats(queue, "jobs") == (1, 2)
    assert queue("claim", "jobs", "--renew", claim["id"], "--ttl", "9m").stdout == f"{claim['id']}: renewed, for 540 s\n"
    with_others = queue("claim", "jobs", "--limit", 5)
    assert bodies(json.loads(with_others.stdout)["messages"]) == [3]
    none = queue("claim", "jobs")
    assert json.loads(none.stdout)["id"] is None
    assert none.stderr == "note: no message is free\n"
    assert queue("claim", "jobs", "--release", claim["id"]).stdout == f"{claim['id']}: released\n"
    assert stats(queue, "jobs") == (2, 1)
    assert queue("claim", "jobs", "--release", claim["id"]).stdout
    again = json.loads(queue("claim", "jobs").stdout)
    assert [(message["body"], message["claim_count"]) for message in again["messages"]] == [(1, 2), (2, 2)]
    assert queue("claim", "jobs", "--finish", again["id"]).stdout == f"{again['id']}: 2 messages deleted\n"
    assert stats(queue, "jobs") == (0, 1)
    for option in ("--renew", "--finish"):
        assert "does not exist" in queue("claim", "jobs", option, again["id"], code=1).stderr


# -- lines -----------------------------------------------------------------------------------------------------------------


def test_lines_of_stdin(queue):
    told = queue("post", "jobs", "-", stdin='{"a": 1}\n\n"b"\n').stdout
    assert told == "jobs: 2 messages posted\n"
    queue("post", "jobs", "-", "--text", stdin="one\r\n\ntwo")
    assert bodies(lines(queue("tail", "jobs").stdout)) == [{"a": 1}, "b", "one", "two"]


def test_messages_of_one_queue_are_posted_to_another(queue):
    posted(queue, "jobs", 1, {"b": None}, more=("--ttl", "2h"))
    queue("post", "copy", "-", "--from", "messages", stdin=queue("tail", "jobs").stdout)
    one, two = lines(queue("tail", "copy").stdout)
    assert (one["body"], two["body"], one["ttl"]) == (1, {"b": None}, 7200)
    line = '{"body": 5, "delay": 60, "dedup_id": "x"}\n'
    report = json.loads(queue("post", "copy", "-", "--from", "messages", "--format", "json", stdin=line * 2).stdout)
    assert report == {"queue": "copy", "messages": 2, "earlier": 0}
    assert bodies(lines(queue("tail", "copy").stdout)) == [1, {"b": None}, 5]


@pytest.mark.parametrize(
    ("line", "more", "message"),
    [
        ("{", (), "stdin:2: line: is not JSON"),
        ('{"body": 1, "tll": 60}', ("--from", "messages"), "unknown key 'tll'; did you mean 'ttl'?"),
        ("5", ("--from", "messages"), "stdin:2: line: expected an object with body, ttl, delay and dedup_id"),
        (b"\xff", ("--text",), "stdin:2: line: is not UTF-8"),
    ],
)
def test_a_line_that_cannot_be_posted_keeps_those_before_it(queue, line, more, message):
    first = b'{"body": 1}\n'
    told = queue("post", "jobs", "-", *more, stdin=first + (line if isinstance(line, bytes) else line.encode()) + b"\n", code=2)
    assert message in told.stderr
    assert "note: 1 message posted; the lines of stdin that come behind these are not" in told.stderr
    assert stats(queue, "jobs") == (1, 0)


def test_a_file_with_a_bad_line_is_mended_and_goes_on(queue, tmp_path):
    file = tmp_path / "jobs.jsonl"
    good = [f"{number}\n" for number in range(2_500)]
    file.write_text("".join([*good[:1_200], "x\n", *good[1_201:]]))
    told = queue("post", "jobs", "--file", file, code=2).stderr
    assert f"{file}:1201: line: is not JSON" in told
    assert "note: 1,200 messages posted; mend line 1201, and run the same command again: it continues" in told
    file.write_text("".join(good))
    assert queue("post", "jobs", "--file", file).stdout == "jobs: 1,300 messages posted, 1,200 by an earlier run\n"
    assert bodies(lines(queue("tail", "jobs").stdout)) == list(range(2_500))
    assert [path.name for path in tmp_path.iterdir() if "jobs" in path.name] == ["jobs.jsonl"]


def test_the_state_of_a_file(queue, tmp_path):
    file = tmp_path / "jobs.jsonl"
    file.write_text("1\nx\n")
    queue("post", "jobs", "--file", file, code=2)
    assert "the post began to another queue; --restart begins anew" in queue("post", "other", "--file", file, code=2).stderr
    file.write_text("2\n3\n")
    assert "--restart begins anew" in queue("post", "jobs", "--file", file, code=2).stderr
    state = tmp_path / "elsewhere"
    queue("post", "jobs", "--file", file, "--state", state)
    queue("post", "jobs", "--file", file, "--restart")
    assert bodies(lines(queue("tail", "jobs").stdout)) == [1, 2, 3, 2, 3]
    assert not state.exists()


def test_a_part_that_was_posted_and_not_noted_is_posted_once(queue, tmp_path, monkeypatch):
    """The process ends between the post and its checkpoint: the receipt of the post tells the next run."""
    file = tmp_path / "jobs.jsonl"
    file.write_text("".join(f"{number}\n" for number in range(2_100)))
    once = Message.post_once

    def interrupted(self, queue, messages, *more, **named):
        once(self, queue, messages, *more, **named)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Message, "post_once", interrupted)
        assert "run the same command again" in queue("post", "jobs", "--file", file, code=130).stderr
    assert stats(queue, "jobs") == (1_000, 0)
    queue("post", "jobs", "--file", file)
    assert bodies(lines(queue("tail", "jobs").stdout)) == list(range(2_100))


# -- tail ------------------------------------------------------------------------------------------------------------------


def test_a_tail_goes_on_at_its_marker(queue):
    posted(queue, "jobs", 1, 2)
    first = queue("tail", "jobs")
    assert bodies(lines(first.stdout)) == [1, 2]
    marker = first.stderr.removeprefix("marker: ").strip()
    queue("claim", "jobs")
    (third,) = posted(queue, "jobs", 3)
    assert bodies(lines(queue("tail", "jobs", "--marker", marker).stdout)) == [3]
    assert queue("tail", "jobs", "--marker", third).stdout == queue("tail", "jobs", "--new").stdout == ""
    assert bodies(lines(queue("tail", "jobs").stdout)) == [1, 2, 3]
    queue("create", "empty")
    assert queue("tail", "empty", "--new").stderr == "marker: none\n"


def test_a_claim_that_waits(queue, place):
    began = time.monotonic()
    none = queue("claim", "jobs", "--wait", 1)
    assert json.loads(none.stdout)["id"] is None
    assert "no message is free" in none.stderr
    assert time.monotonic() - began >= 1

    def post():
        time.sleep(0.5)
        with opened(place) as store:
            store.message_controller.post("jobs", [{"body": 1}], None)

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        posting = pool.submit(post)
        found = json.loads(queue("claim", "jobs", "--wait", 20).stdout)
        posting.result()
    assert bodies(found["messages"]) == [1]
    within(time.monotonic() - began, 10)


def test_a_tail_that_follows(queue, place):
    posted(queue, "jobs", 1)
    command = [
        sys.executable,
        "-m",
        "undercroft.cli.main",
        "queue",
        "tail",
        "jobs",
        "--store",
        place,
        "--follow",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["body"] == 1
        time.sleep(0.5)
        (second,) = posted(queue, "jobs", 2)
        began = time.monotonic()
        assert json.loads(process.stdout.readline())["body"] == 2
        within(time.monotonic() - began, 1)
        # A line is out before it counts as read: one that is not sure comes again.
        time.sleep(0.5)
        process.send_signal(2)
        _, told = process.communicate(timeout=30)
    assert (process.returncode, second in told) == (130, True)


# -- whole queues ----------------------------------------------------------------------------------------------------------


def test_dead_letters_and_back(queue):
    queue("create", "jobs", "_max_claim_count=1", "_dead_letter_queue=dead")
    assert stats(queue, "dead") == (0, 0)
    posted(queue, "jobs", *range(3))
    claim = json.loads(queue("claim", "jobs", "--limit", 2).stdout)
    queue("claim", "jobs", "--release", claim["id"])
    assert bodies(json.loads(queue("claim", "jobs").stdout)["messages"]) == [2]
    assert (stats(queue, "dead"), stats(queue, "jobs")) == ((2, 0), (0, 1))
    report = json.loads(queue("redrive", "dead", "--to", "jobs", "--limit", 1, "--format", "json").stdout)
    assert report == {"queue": "dead", "to": "jobs", "messages": 1}
    assert queue("redrive", "dead", "--to", "jobs").stdout == "dead: 1 message moved to jobs\n"
    assert [(message["body"], message["claim_count"]) for message in lines(queue("tail", "jobs").stdout)] == [
        (2, 1),
        (0, 0),
        (1, 0),
    ]


def test_purge(queue, place):
    posted(queue, "jobs", 1, 2, 3)
    posted(queue, "jobs", 4, more=("--delay", "1h"))
    queue("claim", "jobs", "--limit", 1)
    with opened(place) as store:
        store.subscription_controller.create("jobs", "http://127.0.0.1/", 600, {})
    assert queue("purge", "jobs", "--dry-run").stdout == "jobs: would delete 4 messages\n"
    refused = queue("purge", "jobs", code=2).stderr
    assert "this deletes 4 of 4 (100 %) messages of the queue 'jobs': give --yes to delete them, or --dry-run" in refused
    assert stats(queue, "jobs") == (3, 1)
    assert queue("purge", "jobs", "--yes").stdout == "jobs: deleted 4 messages\n"
    assert queue("purge", "jobs").stdout == "jobs: deleted 0 messages\n"
    report = json.loads(queue("purge", "jobs", "--subscriptions", "--format", "json").stdout)
    assert report == {"queue": "jobs", "dry_run": False, "messages": 0, "subscriptions": 1}


def test_a_purge_ends_though_others_post(queue, monkeypatch):
    """What comes in the meantime may stay: a purge that waited for an empty queue would never end."""
    posted(queue, "jobs", *(["old"] * 3))
    real, began = Message.bulk_delete, time.monotonic()

    def deleting(self, queue, ids, project=None):
        assert time.monotonic() < began + 20, "it does not end"
        real(self, queue, ids, project)
        self.post(queue, [{"ttl": 600, "body": "new"}] * 2, None, project)

    monkeypatch.setattr(Message, "bulk_delete", deleting)
    assert "deleted" in queue("purge", "jobs", "--yes").stdout
    assert bodies(lines(queue("tail", "jobs").stdout)) == ["new", "new"]


@pytest.mark.parametrize(("answer", "left"), [("n", 2), ("y", 0)])
def test_the_question_at_a_terminal(queue, place, answer, left):
    posted(queue, "jobs", 1, 2)
    leader, follower = pty.openpty()
    command = [sys.executable, "-m", "undercroft.cli.main", "queue", "purge", "jobs", "--store", place]
    with subprocess.Popen(command, stdin=follower, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        os.close(follower)
        os.write(leader, f"{answer}\n".encode())
        _, err = process.communicate(timeout=30)
    os.close(leader)
    assert "Delete them? [y/N]" in err
    assert (process.returncode, stats(queue, "jobs")) == (1 if left else 0, (left, 0))


def test_delete(queue):
    posted(queue, "jobs", 1)
    assert queue("delete", "jobs", "--dry-run").stdout == "jobs: would be deleted, with 1 message\n"
    assert "give --yes" in queue("delete", "jobs", code=2).stderr
    assert queue("delete", "jobs", "--yes").stdout == "jobs: deleted, with 1 message\n"
    queue("create", "jobs")
    assert stats(queue, "jobs") == (0, 0)
    assert queue("delete", "jobs").stdout == "jobs: deleted, with 0 messages\n"


@pytest.mark.parametrize(
    ("command", "method"), [(("redrive", "jobs", "--to", "other"), "redrive"), (("purge", "jobs", "--yes"), "bulk_delete")]
)
def test_an_interrupt_is_told_and_the_same_command_continues(queue, tmp_path, monkeypatch, command, method):
    file = tmp_path / "jobs.jsonl"
    file.write_text("".join(f"{number}\n" for number in range(2_500)))
    queue("post", "jobs", "--file", file)
    queue("create", "other")
    real, calls = getattr(Message, method), []

    def interrupted(self, *arguments, **named):
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(self, *arguments, **named)

    with monkeypatch.context() as patch:
        patch.setattr(Message, method, interrupted)
        told = queue(*command, code=130).stderr
    assert told.splitlines()[0] == "interrupted"
    assert "1,000 messages" in told
    assert "the same command continues" in told
    assert stats(queue, "jobs") == (1_500, 0)
    assert "1,500 messages" in queue(*command).stdout
    assert stats(queue, "jobs") == (0, 0)
    if method == "redrive":
        assert bodies(lines(queue("tail", "other").stdout)) == list(range(2_500))


def test_queues_that_are_not_encrypted_need_no_library_for_that(place):
    code = "import sys; sys.modules['cryptography'] = None; from undercroft.cli.main import main; main()"

    def run(*arguments):
        command = [sys.executable, "-c", code, "queue", *arguments, "--store", place]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    assert run("post", "jobs", '{"n": 1}').returncode == 0
    claimed = run("claim", "jobs")
    assert claimed.returncode == 0, claimed.stderr
    assert [each["body"] for each in json.loads(claimed.stdout)["messages"]] == [{"n": 1}]
