"""Break the drivers, the export worker and the base of datasources on purpose, one way after another, and see that their tests
notice.

    python tests/mutations.py [--store KIND=URL] [--only WORDS] [--workers N]

Those of the drivers for Redis and MongoDB need a store there: --store messaging=redis://...

Each mutation is made in a temporary copy of the package; the repository is not touched. The exit code is 1 when one survives,
or when the copy fails without any. It takes some minutes.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

PACKAGE = pathlib.Path(__file__).resolve().parent.parent / "src" / "undercroft"
DRIVER = "rating/drivers/sql/"
EVENTS = "events/drivers/sql/"
METERING = "metering/drivers/sql/"
MESSAGING = "messaging/drivers/sql/"
STEPS = MESSAGING + "dialects/steps.py"
ENTRIES = MESSAGING + "dialects/entries.py"
REDIS = "messaging/drivers/redis/"
SCRIPTS = REDIS + "scripts/"
POOLING = "messaging/pooling/"
MONGODB = "messaging/drivers/mongodb/"
# Whose driver of messages is in a folder, by the beginning of its URLs.
OWN_DRIVERS = {REDIS: "redis", MONGODB: "mongodb"}
GRADUAL = "engines/sql/gradual.py"
EXPORT = "export/"
SOURCES = "datasources/"
DELIVERY = "messaging/delivery/"
# Where nothing else is said, by kind.
STORES = {
    kind: f"sqlite:///{{tmp}}/{kind}.db?synchronous=normal" for kind in ("rating", "events", "metering", "messaging", "datasources")
}
# Code that is not a driver has ordinary tests instead of a conformance suite: their folder, and the kind whose stores they run on.
OWN_TESTS = {
    "export": ("tests/export", "metering"),
    "delivery": ("tests/unit/messaging/delivery", "messaging"),
    "pooled": ("tests/unit/messaging/pooling", "messaging"),
    "sources": ("tests/datasources", "datasources"),
}


@dataclasses.dataclass(frozen=True)
class Mutation:
    """One thing broken: in `file`, `old`, which stands there once, becomes `new`; `suite` is the kind whose suite has to notice,
    where the file belongs to none. A file in a folder of `OWN_TESTS` is for the tests named there."""

    name: str
    file: str
    old: str
    new: str
    suite: str = ""

    @property
    def kind(self) -> str:
        """Whose suite has to notice."""
        return self.suite or self.file.partition("/")[0]

    def is_of(self, url: str) -> bool:
        """Whether a store at that URL runs what is broken."""
        own = [scheme for folder, scheme in OWN_DRIVERS.items() if self.file.startswith(folder)]
        return url.startswith(tuple(own)) if own else not url.startswith(tuple(OWN_DRIVERS.values()))

    def applied(self, package: pathlib.Path) -> str:
        """The file's text, broken.

        Raises:
            LookupError: `old` does not stand there exactly once.
        """
        text = (package / self.file).read_text()
        if text.count(self.old) != 1:
            raise LookupError(f"{self.name}: {self.old!r} stands {text.count(self.old)} times in {self.file}")
        return text.replace(self.old, self.new)


MUTATIONS = [
    Mutation("inclusive end", DRIVER + "sources.py", 'slot.begin < value("end")', 'slot.begin <= value("end")'),
    Mutation(
        "dropped group of what lacks the attribute",
        DRIVER + "totals.py",
        "origin.outerjoin(*found.join)",
        "origin.join(*found.join)",
    ),
    Mutation(
        "float sum",
        DRIVER + "exact.py",
        "mains = [first * HALF + second for",
        "mains = [int(float(first * HALF + second)) for",
    ),
    Mutation(
        "delete ignores all filters but the first",
        DRIVER + "deleter.py",
        "        probe = self.reader.probe(connection, selection)",
        "        selection = selection._replace(conditions=selection.conditions[:1])\n"
        "        probe = self.reader.probe(connection, selection)",
    ),
    Mutation(
        "merged equal points",
        DRIVER + "writer.py",
        "        self._dialect.add(connection, rows, ",
        "        rows = list({row[:2]: row for row in rows}.values())\n        self._dialect.add(connection, rows, ",
    ),
    Mutation("lost replacement", DRIVER + "writer.py", 'on_conflict == "replace" else', 'on_conflict == "never" else'),
    Mutation(
        "sums by scope not lessened by deletion",
        DRIVER + "deleter.py",
        "by_scope.add(day, key, -points, qty, price)",
        "by_scope.add(day, key, 0, qty * 0, price * 0)",
    ),
    Mutation(
        "sums by series not lessened by deletion",
        DRIVER + "deleter.py",
        "by_series.add(day, key, -points, qty, price)",
        "by_series.add(day, key, 0, qty * 0, price * 0)",
    ),
    Mutation(
        "sums not lessened by replacement",
        DRIVER + "writer.py",
        "            change.by_slot.add(slot, change.shard, -1, qty, price)\n",
        "",
    ),
    Mutation(
        "sums of a folded slot not lessened by replacement",
        DRIVER + "writer.py",
        "            if slot in folded:\n                change.by_series",
        "            if False:\n                change.by_series",
    ),
    Mutation(
        "late points not added to the sums of a folded slot",
        DRIVER + "writer.py",
        "        if folded:\n            self.by_series.add_each",
        "        if False:\n            self.by_series.add_each",
    ),
    Mutation(
        "points of pending slots left out",
        DRIVER + "sources.py",
        "        if self.shape.level is BY_SERIES:\n",
        "        if False:\n",
    ),
    Mutation("derived day in another zone", DRIVER + "encode.py", "calendar.day_of(begin, zone)", "calendar.day_of(begin, dt.UTC)"),
    Mutation(
        "type of a value lost",
        DRIVER + "encode.py",
        "None if isinstance(value, str) else _json.encode(value)",
        "None",
    ),
    Mutation("offset off by one", DRIVER + "pages.py", '.offset(value("skip"))', '.offset(value("skip") + 1)'),
    Mutation("metadata not looked at by filters", DRIVER + "sources.py", "            if match.details:", "            if False:"),
    Mutation(
        "stored calendar attribute overlooked",
        DRIVER + "predicates.py",
        "        if not group.stored:",
        "        if True:",
    ),
    Mutation(
        "weeks answered by months",
        DRIVER + "reader.py",
        '_WITHIN_MONTH = {"week_of_the_year", "day_of_the_year"}',
        "_WITHIN_MONTH: set[str] = set()",
    ),
    Mutation("edges of a range left out", DRIVER + "sources.py", "        if days.edges:", "        if False:"),
    Mutation(
        "push in two transactions",
        DRIVER + "storage.py",
        "            pushed = self._db.write(self._pushing(batch))\n        self._pushed_to(pushed)\n        self._store.added",
        "            half = batch._replace(columns=batch.columns[: len(batch.columns) // 2])\n"
        "            self._db.write(self._pushing(half))\n"
        "            pushed = self._db.write(self._pushing(batch))\n        self._pushed_to(pushed)\n        self._store.added",
    ),
    Mutation("key taken in spite of on_conflict", DRIVER + "writer.py", 'if numbers and on_conflict == "error":', "if False:"),
    Mutation("rounding half up", "rating/numbers.py", "rounding=decimal.ROUND_HALF_EVEN", "rounding=decimal.ROUND_HALF_UP"),
    Mutation("rounding in silence", DRIVER + "storage.py", 'self.counters["rounded"] += batch.rounded', "pass"),
    Mutation(
        "the last limb lost",
        DRIVER + "exact.py",
        "return sign * high or None, sign * main, sign * low or None, sign * least or None",
        "return sign * high or None, sign * main, sign * low or None, None",
    ),
    Mutation("end excluded", EVENTS + "conditions.py", '"e.generated <= ?"', '"e.generated < ?"'),
    Mutation(
        "equals of the marker passed over",
        EVENTS + "reader.py",
        'f"({_KEYS[first]}, {_KEYS[second]}) {sign} (?, ?)"',
        'f"({_KEYS[first]}, {_KEYS[first]}) {sign} (?, ?)"',
    ),
    Mutation("order of equals left open", "events/query.py", 'for given in [*sort, (MESSAGE_ID, "asc")]', "for given in sort"),
    Mutation("events of no project left out", EVENTS + "conditions.py", 'Sql(f"e.{PROJECT} IS NULL")', 'Sql("1 = 0")'),
    Mutation("types without events", EVENTS + "reader.py", "sa.select(t.name).where(used)", "sa.select(t.name)"),
    Mutation("traits that no event has", EVENTS + "reader.py", "pair.type_id == number, sa.or_(*shown)", "pair.type_id == number"),
    Mutation(
        "not of what is not there",
        EVENTS + "conditions.py",
        'f"CASE WHEN {inner.text} THEN 0 ELSE 1 END = 1"',
        'f"NOT ({inner.text})"',
    ),
    Mutation(
        "negative floats in the order of their bits",
        "events/ordered.py",
        "bits if bits >= 0 else -(bits & 0x7FFF_FFFF_FFFF_FFFF)",
        "bits",
    ),
    Mutation(
        "a filter that takes any type",
        EVENTS + "conditions.py",
        "trait_id((test.name, dtype))",
        "trait_id((test.name, Trait.TEXT_TYPE))",
    ),
    Mutation("a prefix without an end", EVENTS + "conditions.py", "AND {column} < ?", "AND {column} IS NOT ?"),
    Mutation(
        "the newest expire first",
        EVENTS + "dialects/sqlite.py",
        "generated < ? ORDER BY generated, ",
        "generated < ? ORDER BY generated DESC, ",
    ),
    Mutation(
        "pieces of the index left out",
        EVENTS + "dialects/sqlite.py",
        "SELECT n + 1 FROM parts WHERE n <",
        "SELECT n + 1 FROM parts WHERE n + 1 <",
    ),
    Mutation(
        "a part of the tail passed over",
        EVENTS + "reader.py",
        "rows[-1][-1] if len(rows) == limit else max(after, end - 1)",
        "max(after, end - 1)",
    ),
    Mutation("intervals before 1970 one late", EVENTS + "reader.py", "shift = -(time.FIRST // grouping.interval)", "shift = 0"),
    Mutation(
        "a bad event ends the batch",
        "core/intake.py",
        "            outcomes[place] = Outcome(False, error)\n            continue\n",
        "            raise\n",
        "events",
    ),
    Mutation("the error of the first", "events/contract.py", "failure = outcome.error", "failure = failure or outcome.error"),
    Mutation(
        "a repeated trait keeps its first value",
        "events/record.py",
        "traits[name, dtype] = convert(trait.value, name)",
        "traits.setdefault((name, dtype), convert(trait.value, name))",
    ),
    Mutation(
        "the last of one id stays",
        "core/intake.py",
        "if places.setdefault(fresh.message_id, place) == place:",
        "if True:",
        "events",
    ),
    Mutation("long text kept", "events/record.py", "        return value[:LONGEST]\n", "        return value\n"),
    Mutation(
        "microseconds lost",
        EVENTS + "dialects/base.py",
        "record.message_id, record.generated, types",
        "record.message_id, record.generated // 1000 * 1000, types",
    ),
    Mutation(
        "a walk of several parts begins anew",
        EVENTS + "reader.py",
        "page._replace(marker=rows[-1][0]), rows[-1][2]",
        "page._replace(marker=rows[-2][0]), rows[-2][2]",
    ),
    Mutation(
        "details keyed without unit",
        DRIVER + "encode.py",
        "keys = list(zip(labels, map(_raw, metadata), strict=True))",
        'keys = list(zip([""] * len(labels), map(_raw, metadata), strict=True))',
    ),
    Mutation(
        "long numbers folded the short way",
        DRIVER + "dialects/sqlite.py",
        "if raw.rows(connection, self._has_wide, chosen):",
        "if False:",
    ),
    Mutation("sums by month left out", DRIVER + "writer.py", "return months.rows() + self.rows()", "return self.rows()"),
    Mutation(
        "the last batch of expiry goes beyond its limit",
        "rating/contract.py",
        "until = min(last, begin + _DAY)",
        "until = begin + _DAY",
    ),
    Mutation(
        "the newest end among frames of the newest day only",
        DRIVER + "newest.py",
        "slot.c.day <= days.c.day",
        "slot.c.day == days.c.day",
    ),
    Mutation("frames one point too long", "rating/contract.py", "size >= max_points", "size > max_points"),
    Mutation(
        "expiry leaves text rows of traits",
        EVENTS + "dialects/sqlite.py",
        'for table, key in ((self._text, "event_id"), (self._number, "event_id"), (self._event, "id")):\n'
        '                connection.exec_driver_sql(f"DELETE FROM {table} WHERE {key} IN (SELECT',
        'for table, key in ((self._number, "event_id"), (self._event, "id")):\n'
        '                connection.exec_driver_sql(f"DELETE FROM {table} WHERE {key} IN (SELECT',
    ),
    Mutation(
        "clear leaves rows of traits",
        EVENTS + "dialects/sqlite.py",
        "    def clear(self, connection: sa.Connection) -> None:\n        for table in (self._text, self._number, self._event):",
        "    def clear(self, connection: sa.Connection) -> None:\n        for table in (self._event,):",
    ),
    Mutation("expiry of more than was asked for", GRADUAL, "min(size, count - deleted)", "size", "events"),
    Mutation(
        "a trait of any type is one of the first type", EVENTS + "conditions.py", "if len(conditions) == 1:", "if conditions:"
    ),
    Mutation("users compared with projects", EVENTS + "conditions.py", "COLUMNS[COLUMNS.index(test.name)]", "COLUMNS[0]"),
    Mutation("half a key", EVENTS + "connection.py", "for place in range(4))", "for place in range(2))"),
    Mutation(
        "a late sample does not reopen its hour",
        METERING + "writer.py",
        "                dialect.reopen(connection, reopened)",
        "                pass",
    ),
    Mutation("expiry leaves what is kept of its hour", METERING + "expiring.py", "        d.reopen(connection, [slot.id])\n", ""),
    Mutation(
        "first sample of a series not moved by expiry", METERING + "expiring.py", "        if first:\n", "        if False:\n"
    ),
    Mutation("start of a filter excluded", METERING + "samples.py", '"ts >= ?"', '"ts > ?"'),
    Mutation(
        "metadata of whatever was folded last", METERING + "dialects/sqlite.py", 'f"excluded.last >= {state}.last"', '"1 = 1"'
    ),
    Mutation(
        "newest by arrival",
        METERING + "lists.py",
        "latest = (ts, delay, key, meta)",
        "latest = (ts + delay, delay, key, meta)",
    ),
    Mutation(
        "known samples overwritten",
        METERING + "dialects/sqlite.py",
        "raw.insert(connection, self._inserts[self._sample], [row for row in rest if row[2] not in known])",
        'raw.insert(connection, f"DELETE FROM {self._sample} WHERE id = ?", [(key,) for key in known])\n'
        "        raw.insert(connection, self._inserts[self._sample], rest)",
    ),
    Mutation(
        "floats added up one after the other",
        "metering/sums.py",
        "    if len(given) < 2:\n        return given\n",
        "    return [float(sum(given))] if given else []\n",
    ),
    Mutation(
        "the spread within the parts forgotten",
        "metering/sums.py",
        "math.fsum([*inner, *[",
        "math.fsum([*[",
    ),
    Mutation(
        "folding forgets a series",
        METERING + "folding.py",
        "each.pack(slot.start)) for series, each in sorted(kept.items())]",
        "each.pack(slot.start)) for series, each in sorted(kept.items())[: max(1, len(kept) - 1)]]",
    ),
    Mutation(
        "an hour that is new in a folded day left out",
        METERING + "candidates.py",
        "(each.meter_id, each.bundle, each.start) not in changed",
        "each.id",
    ),
    Mutation("an hour reaches beyond the end", METERING + "reader.py", "slot.end > self._end", "slot.start > self._end"),
    Mutation(
        "an hour in one window whatever its end",
        METERING + "reader.py",
        "return self.window(slot.start) == self.window(slot.end - 1)",
        "return True",
    ),
    Mutation("samples expired beyond what was asked for", GRADUAL, "min(size, count - deleted)", "size", "metering"),
    Mutation("metadata compared without their type", "metering/expression.py", "value.__class__ is wanted.__class__ and ", ""),
    Mutation("nobody as a text", "metering/query.py", "if value == _NOBODY", "if False"),
    Mutation("nobody counted", "metering/statistics.py", " - {None}", ""),
    Mutation(
        "half an id",
        METERING + "ids.py",
        "clock + node)\n    return bytes",
        "clock + node[:4] * 3)\n    return bytes",
    ),
    Mutation(
        "complex questions begin behind the point",
        EXPORT + "source.py",
        'conditions.append({">=": {"timestamp": begin',
        'conditions.append({">": {"timestamp": begin',
    ),
    Mutation(
        "simple questions begin behind the point",
        EXPORT + "source.py",
        'Condition("timestamp", "ge", begin',
        'Condition("timestamp", "gt", begin',
    ),
    Mutation(
        "the point with the first of several transactions",
        EXPORT + "target.py",
        "is_last=place == len(parts))",
        "is_last=place == 1)",
    ),
    Mutation("no overlap", EXPORT + "worker.py", "begin = point.position - overlap", "begin = point.position"),
    Mutation(
        "the last sample of a page swallowed",
        EXPORT + "windows.py",
        "yield Batch(fresh, refused, last)",
        "yield Batch(fresh[:-1], refused, last)",
    ),
    Mutation(
        "a full page of one timestamp taken for the last",
        EXPORT + "windows.py",
        "not (is_full or (_may_be_cut(page.of) and last > at))",
        "not ((is_full or _may_be_cut(page.of)) and last > at)",
    ),
    Mutation(
        "the older half passed over",
        EXPORT + "windows.py",
        "                stop = at + (stop - at) // 2\n",
        "                at += (stop - at) // 2\n",
    ),
    Mutation(
        "read ahead of the lag",
        EXPORT + "worker.py",
        "time.now().replace(tzinfo=None) - dt.timedelta(seconds=self._settings.lag)",
        "time.now().replace(tzinfo=None) + dt.timedelta(seconds=self._settings.lag)",
    ),
    Mutation(
        "what came of the last timestamp forgotten",
        EXPORT + "windows.py",
        "seen = {sample.message_id for sample in page.samples if sample.timestamp == last}",
        "seen = set()",
    ),
    Mutation("a token that is refused stays", EXPORT + "client.py", "if answer.status == 401:", "if False:"),
    Mutation(
        "a bad sample blocks its page",
        EXPORT + "wire.py",
        "found.refused.append(Refused(_id_of(item), str(error)))",
        "raise",
    ),
    Mutation("a point moves back", EXPORT + "dialects/base.py", "{position} < {later}", "{position} <> {later}"),
    Mutation(
        "the window begins a second early",
        SOURCES + "arguments.py",
        "Window(max(time.FIRST, until - round(min(seconds, 1e12) * _SECOND)), until)",
        "Window(max(time.FIRST, until - round(min(seconds, 1e12) * _SECOND) - _SECOND), until)",
    ),
    Mutation(
        "the window ends before its end",
        SOURCES + "arguments.py",
        "    until = time.to_micros(time.now())\n",
        "    until = time.to_micros(time.now()) - 1\n",
    ),
    Mutation(
        "min and max not swapped for a complement",
        SOURCES + "values.py",
        "return aggregate if metric.complement is None else _SWAPPED.get(aggregate, aggregate)",
        "return aggregate",
        suite="sources",
    ),
    Mutation("min is max", SOURCES + "values.py", "        return min(kept)", "        return max(kept)"),
    Mutation("scale dropped", SOURCES + "values.py", "return stored * metric.scale /", "return stored /"),
    Mutation(
        "zero taken for nothing",
        SOURCES + "answers.py",
        "        return values.bounded(meter, values.converted(metric, found.value, reference.vcpus))",
        "        return values.bounded(meter, values.converted(metric, found.value, reference.vcpus)) or None",
    ),
    Mutation("a reset counts below zero", SOURCES + "values.py", "max(0.0, high - low) /", "(high - low) /"),
    Mutation(
        "moments of counters not used",
        SOURCES + "values.py",
        "/ (after - before) / 1_000",
        "/ 60_000_000 / 1_000",
    ),
    Mutation("upper bound dropped", SOURCES + "values.py", "number = min(meter.most, number)", "pass"),
    Mutation("vCPUs ignored", SOURCES + "values.py", "* 100 / (vcpus or 1.0)", "* 100"),
    Mutation("digits not cut", SOURCES + "values.py", '    return float(f"{number:.{_DIGITS}g}")', "    return number"),
    Mutation(
        "a full name does not find the short one",
        SOURCES + "hosts.py",
        "return short(name) if short(name) in self._names else None",
        "return None",
    ),
    Mutation("a short name does not find the full one", SOURCES + "hosts.py", "found = self._full.get(name, [])", "found = []"),
    Mutation("one of two domains taken", SOURCES + "hosts.py", "if len(found) > 1:", "if False:"),
    Mutation("the breaker never opens", SOURCES + "retrying.py", "self._open_until = clock.monotonic() + PAUSE", "pass"),
    Mutation(
        "the type outranks the object",
        SOURCES + "resources.py",
        "    if told is not None:\n",
        "    if told is not None and not given:\n",
    ),
    Mutation(
        "the start of a series left out",
        SOURCES + "arguments.py",
        "Window(min(first - 1, until), until)",
        "Window(min(first, until), until)",
    ),
    Mutation("a batch asks one by one", SOURCES + "contract.py", "AT_ONCE = 500\n", "AT_ONCE = 1\n"),
    Mutation("what the service asks to wait is not heard", EXPORT + "schedule.py", "elif at_least is not None:", "elif False:"),
    Mutation(
        "claim of what is under a claim",
        MESSAGING + "dialects/sqlite.py",
        "UNION ALL SELECT * FROM ({shared}again > 0 AND again <= ?{ends})",
        "UNION ALL SELECT * FROM ({shared}again > 0 AND again >= 0 * ?{ends})",
    ),
    Mutation(
        "claim of what has expired",
        MESSAGING + "dialects/sqlite.py",
        'ends = " AND expires > ? ORDER BY place LIMIT ?"',
        'ends = " AND expires > 0 * ? ORDER BY place LIMIT ?"',
    ),
    Mutation(
        "claimed in the order in which they became free",
        MESSAGING + "dialects/sqlite.py",
        '{ends})) ORDER BY place LIMIT ?"',
        '{ends})) ORDER BY again, place LIMIT ?"',
    ),
    Mutation("marker that is included", STEPS, '" AND place > ? AND +expires > ?"', '" AND place >= ? AND +expires > ?"'),
    Mutation("expiry off by one", STEPS, '" AND place > ? AND +expires > ?"', '" AND place > ? AND +expires >= ?"'),
    Mutation(
        "project left out of the key of a queue",
        STEPS,
        "dead_queue, dead_ttl FROM {queue} WHERE project = ? AND name = ?",
        "dead_queue, dead_ttl FROM {queue} WHERE project >= substr(?, 1, 0) AND name = ?",
    ),
    Mutation(
        "an id that is found through another queue",
        STEPS,
        "FROM {{message}} WHERE queue = {_LANE} AND place IN",
        "FROM {{message}} WHERE {_LANE} IS NOT NULL AND place IN",
    ),
    Mutation(
        "grace dropped",
        STEPS,
        "ends + lease.grace * 1000\n        raw.changed",
        "ends\n        raw.changed",
    ),
    Mutation("release forgets the count of claims", STEPS, "SET claim = NULL,", "SET claims = 0, claim = NULL,"),
    Mutation("one claim more before a dead letter", STEPS, "if row.claims >= rule.most])", "if row.claims > rule.most])"),
    Mutation("redrive keeps the count of claims", STEPS, "row._replace(claims=0, born=now", "row._replace(born=now"),
    Mutation(
        "dedup id remembered for ever",
        STEPS,
        "{bytes(row.key): row.message for row in rows if row.expires > now}",
        "{bytes(row.key): row.message for row in rows}",
    ),
    Mutation(
        "several deleted after a look at the claim of the first",
        STEPS,
        "for row in rows if claims is not None else ():",
        "for row in rows[:1] if claims is not None else ():",
    ),
    Mutation(
        "renewal of a claim that is over",
        STEPS,
        'AND claim = ? AND again > ? AND expires > ?"\n        )\n        values',
        'AND claim = ? AND again > 0 * ? AND expires > ?"\n        )\n        values',
    ),
    Mutation("statistics count what has expired", STEPS, "Tally(int(total) - gone,", "Tally(int(total),"),
    Mutation("statistics count claims that are over", STEPS, "int(held) - over - both", "int(held) - both"),
    Mutation(
        "cleaning a second early",
        STEPS,
        '"SELECT place, claim FROM {message} WHERE queue = ? AND expires <= ?"',
        '"SELECT place, claim FROM {message} WHERE queue = ? AND expires <= 1000 + ?"',
    ),
    Mutation("delay ignored", STEPS, "now + m.delay * 1000 if m.delay else FRESH", "FRESH"),
    Mutation(
        "messages of deleted queues stay for ever",
        MESSAGING + "store.py",
        "insert_missing(leftover).values(id=number, since=now)",
        "insert_missing(leftover).values(id=-number, since=now)",
    ),
    Mutation(
        "subscription that has expired keeps its subscriber's place",
        MESSAGING + "subscriptions.py",
        "connection.execute(self._table.delete().where(same, self._table.c.expires <= now))\n            while",
        "while",
    ),
    Mutation(
        "claim without lock",
        STEPS,
        "        def work(connection: sa.Connection) -> Found | None:\n"
        "            front = self._front(connection, lane, lease.limit, now)\n",
        "        front = self._db.read(lambda c: self._front(c, lane, lease.limit, now))\n\n"
        "        def work(connection: sa.Connection) -> Found | None:\n",
    ),
    Mutation(
        "marker by time",
        STEPS,
        '" AND place > ? AND +expires > ?"',
        '" AND born > coalesce((SELECT born FROM {message} WHERE place = ?), -1) AND +expires > ?"',
    ),
    Mutation(
        "grace of a renewal dropped",
        STEPS,
        "life, until = lease.ttl + lease.grace, ends + lease.grace * 1000\n        statement",
        "life, until = lease.ttl, ends\n        statement",
    ),
    Mutation(
        "tally forgotten on delete", STEPS, "            self._add_to(connection, lane, -len(rows), -held)", "            pass"
    ),
    Mutation("dead letter not moved", STEPS, "(over := [row for row in rows if row.claims >= rule.most])", "(over := list[Row]())"),
    Mutation("renewal that does not prolong", STEPS, "ELSE expires END, again = ? ", "ELSE expires END, again = again + 0 * ? "),
    Mutation(
        "release that keeps claim", STEPS, "claim_ttl = NULL, again = ? WHERE", "claim_ttl = NULL, again = again + 0 * ? WHERE"
    ),
    Mutation("release that is counted as claimed", STEPS, "self._add_to(connection, lane, 0, -freed)", "pass"),
    Mutation(
        "outbox: posts with a dedup id left out",
        STEPS,
        "self._announce(connection, lane, now if enters else None)",
        "self._announce(connection, lane, now if enters and not any(m.dedup for m in messages) else None)",
    ),
    Mutation(
        "outbox: entry taken twice", ENTRIES, '"UPDATE {{outbox}} SET again = ? WHERE', '"UPDATE {{outbox}} SET again = 0 * ? WHERE'
    ),
    Mutation("outbox: settled by one that has it no more", ENTRIES, "WHERE id = ? AND lease = ?", "WHERE id = ? AND ? IS NOT NULL"),
    Mutation(
        "outbox: received again when it was there once",
        STEPS,
        "SELECT alias FROM {{moved}} WHERE",
        "SELECT alias FROM {{message}} WHERE",
    ),
    Mutation(
        "outbox: not heard of in a queue that is made after its subscription",
        MESSAGING + "dialects/base.py",
        '{**values, "heard": until}',
        '{**values, "heard": 0}',
    ),
    Mutation("alias not looked up", STEPS, "if left := sorted(", "if False and sorted("),
    Mutation("dedup forgotten", STEPS, "self._remember(connection, queue, marked)", "pass"),
    Mutation("own messages only", STEPS, "AND client <> ?", "AND client = ?"),
    Mutation("claims not counted", STEPS, "SET claims = claims + 1, claim = ?", "SET claim = ?"),
    Mutation("any claim deletes", STEPS, "if holder == claim:", "if claim is not None or holder is None:"),
    Mutation("a claim of others deletes in bulk", STEPS, "for row in rows if claims is not None else ():", "for row in ():"),
    Mutation("first of any order", "messaging/contract/message.py", "if sort not in {1, -1}:", "if False:"),
    Mutation("limit of nothing", "messaging/contract/arguments.py", "if not 1 <= value <= MOST:", "if not 0 <= value <= MOST:"),
    Mutation("a redrive into itself", "messaging/contract/message.py", "if source == goal:", "if False:"),
    Mutation("Redis: claimed messages are under no claim", SCRIPTS + "claim.lua", "spread('ZADD', HELD, scored)", ""),
    Mutation(
        "Redis: a claim that leaves a message free",
        SCRIPTS + "claim.lua",
        "spread('ZREM', ENDS, places)\n",
        "spread('ZREM', ENDS, {unpack(places, 2)})\nif #places > 2 then\n  add_free({places[1]})\nend\n",
    ),
    Mutation(
        "Redis: claims that are not over are freed",
        SCRIPTS + "queue.lua",
        "call('ZRANGEBYSCORE', HELD, '-inf', now * 256 + 255, 'WITHSCORES'",
        "call('ZRANGEBYSCORE', HELD, '-inf', '+inf', 'WITHSCORES'",
    ),
    Mutation(
        "Redis: freed messages are behind all others",
        SCRIPTS + "queue.lua",
        "pairs_of[index * 2] = tonumber(place, 16), place",
        "pairs_of[index * 2] = 9e15, place",
    ),
    Mutation(
        "Redis: a delay that never ends",
        SCRIPTS + "queue.lua",
        "call('ZRANGEBYSCORE', DELAYED, '-inf', now,",
        "call('ZRANGEBYSCORE', DELAYED, '-inf', 0,",
    ),
    Mutation(
        "Redis: what has expired stays",
        SCRIPTS + "queue.lua",
        "call('ZRANGEBYSCORE', ENDS, '-inf', now, 'LIMIT'",
        "call('ZRANGEBYSCORE', ENDS, '-inf', 0, 'LIMIT'",
    ),
    Mutation("Redis: a post wakes no waiting call", SCRIPTS + "post.lua", "tell(count)\n", ""),
    Mutation("Redis: a release wakes no waiting call", SCRIPTS + "release.lua", "tell(#places)\n", ""),
    Mutation("Redis: a shorter claim wakes no waiting call", SCRIPTS + "renew.lua", "  tell(0)\n", ""),
    Mutation("Redis: the end of a claim wakes no waiting call", SCRIPTS + "claim.lua", " and coming(now)", " and false"),
    Mutation(
        "Redis: grace dropped",
        SCRIPTS + "claim.lua",
        "span + grace, ends + grace * 1000)",
        "span + grace, ends)",
    ),
    Mutation(
        "Redis: claims not counted",
        SCRIPTS + "claim.lua",
        "struct.pack(LIFE, claims + 1, ttl, expires)",
        "struct.pack(LIFE, claims, ttl, expires)",
    ),
    Mutation(
        "Redis: one claim more before a dead letter",
        SCRIPTS + "claim.lua",
        "if most and claims >= most then",
        "if most and claims > most then",
    ),
    Mutation(
        "Redis: renewal that does not prolong",
        SCRIPTS + "renew.lua",
        "local ends = now + span * 1000",
        "local ends = math.floor(tonumber(old) / 256)",
    ),
    Mutation("Redis: renewal of a claim that is over", SCRIPTS + "renew.lua", "if not is_live(old, now) then", "if not old then"),
    Mutation("Redis: renewal that does not prolong the messages", SCRIPTS + "renew.lua", "if expires < ends then", "if false then"),
    Mutation(
        "Redis: a claim that is over is found", SCRIPTS + "claim_get.lua", "if not is_live(score, now) then", "if not score then"
    ),
    Mutation(
        "Redis: any claim deletes", SCRIPTS + "delete.lua", "if claim ~= inc .. (claim_of(score) or '') then", "if false then"
    ),
    Mutation(
        "Redis: several deleted before a look at their claims",
        SCRIPTS + "delete_many.lua",
        "local scores = gather('ZMSCORE', HELD, places)\n",
        "local scores = gather('ZMSCORE', HELD, places)\ndrop(places)\n",
    ),
    Mutation("Redis: a claim of others deletes in bulk", SCRIPTS + "delete_many.lua", "if not claims[claim] then", "if false then"),
    Mutation(
        "Redis: an id of another life of the queue deletes",
        SCRIPTS + "delete_many.lua",
        "if string.sub(id, 1, 16) == inc then",
        "if true then",
    ),
    Mutation(
        "Redis: an id of another life of the queue is found",
        SCRIPTS + "get.lua",
        "if string.sub(id, 1, 16) == inc then",
        "if true then",
    ),
    Mutation(
        "Redis: a message is taken again",
        SCRIPTS + "receive.lua",
        "not (known and tonumber(string.sub(known, DIGITS + 1)) >= moves)",
        "true",
    ),
    Mutation(
        "Redis: an id that moved is forgotten",
        SCRIPTS + "receive.lua",
        "call('HSET', MOVED, id, place .. text(moves))",
        "call('HSET', MOVED, id, '0000000000000' .. text(moves))",
    ),
    Mutation("Redis: entries for a subscription that is over", SCRIPTS + "entries.lua", "last and tonumber(last) > now", "last"),
    Mutation(
        "Redis: an entry that was taken is given again",
        SCRIPTS + "outbox_take.lua",
        "  call('ZREMRANGEBYRANK', OUTBOX_FREE, 0, #taken / 2 - 1)\n",
        "",
    ),
    Mutation(
        "Redis: who is woken is put to rest by a former holder",
        SCRIPTS + "wake.lua",
        "  redis.call('HDEL', tickets, ARGV[index])\n",
        "",
    ),
    Mutation("Redis: the last pool of a flavor goes", SCRIPTS + "pool_delete.lua", "#of(NAMED, flavor, 1) == 1", "false"),
    Mutation(
        "Redis: a change of the catalogue on what is no longer there",
        SCRIPTS + "catalogue_put.lua",
        "if (version_of(member) or '') ~= ARGV[5] then",
        "if (version_of(member) or '') ~= ARGV[5] and ARGV[5] == '' then",
    ),
    Mutation(
        "Redis: redrive keeps the count of claims",
        SCRIPTS + "redrive.lua",
        "local _, ttl = life_of(body, call('HGET', STATE, place))\n  send(inc, target, place, body, now, ttl, now + ttl * 1000, 0)",
        "local claims, ttl = life_of(body, call('HGET', STATE, place))\n"
        "  send(inc, target, place, body, now, ttl, now + ttl * 1000, claims)",
    ),
    Mutation(
        "Redis: project left out of the key of a queue",
        REDIS + "store.py",
        'f"{project}\\0{name}".encode()',
        'f"\\0{name}".encode()',
    ),
    Mutation("Redis: marker that is included", SCRIPTS + "page.lua", "'(' .. text(after)", "text(after)"),
    Mutation("Redis: own messages only", SCRIPTS + "page.lua", "not is_from(bodies[index])", "is_from(bodies[index])"),
    Mutation(
        "Redis: statistics count what has expired",
        SCRIPTS + "stats.lua",
        "local refusal = unready(inc, now)",
        "local refusal = open(inc)",
    ),
    Mutation("Redis: delay ignored", SCRIPTS + "post_each.lua", "    if delay ~= '' then", "    if false then"),
    Mutation("Redis: dedup forgotten", SCRIPTS + "post_each.lua", "spread('HSET', DEDUP, deduped)", "spread('HSET', DEDUP, {})"),
    Mutation(
        "Redis: dedup id remembered for ever",
        SCRIPTS + "post_each.lua",
        "tonumber(string.sub(kept, DIGITS + 1)) > now then",
        "tonumber(string.sub(kept, DIGITS + 1)) > 0 then",
    ),
    Mutation(
        "Redis: receipt forgotten",
        SCRIPTS + "post_each.lua",
        "call('SET', receipt, cmsgpack",
        "call('SET', receipt .. now, cmsgpack",
    ),
    Mutation(
        "Redis: a subscription that has expired keeps its subscriber's place",
        SCRIPTS + "subscription_create.lua",
        "  if find(taken) then",
        "  if true then",
    ),
    Mutation("Redis: release that frees nothing", SCRIPTS + "release.lua", "release(places, now)\n", ""),
    Mutation("Redis: a dead letter wakes no waiting call", SCRIPTS + "receive.lua", "tell(#ARGV - 2)\n", ""),
    Mutation(
        "Redis: the end of a claim is not waited for",
        SCRIPTS + "coming.lua",
        "local first = held[2] and",
        "local first = false and",
    ),
    Mutation("Redis: the end of a delay is not waited for", SCRIPTS + "coming.lua", "tonumber(delayed[2])", "nil"),
    Mutation(
        "Redis: a queue that is waited for is not named",
        REDIS + "signals.py",
        '        self._store.redis.commands([(name, ("SET", name, self._name, "PX", _WAITS)) for name in names])\n',
        "        del names\n",
    ),
    Mutation(
        "MongoDB: a post is changed whoever has changed it since",
        MONGODB + "posts.py",
        'same = {"_id": post.id, "v": post.version}',
        'same = {"_id": post.id}',
    ),
    Mutation(
        "MongoDB: a reader passes over posts that are being stored",
        MONGODB + "order.py",
        "                if number != reached + 1:\n                    return reached\n                reached = number",
        "                reached = number",
    ),
    Mutation(
        "MongoDB: a dedup id is forgotten with its message",
        MONGODB + "posting.py",
        'stays=max((each["x"] for each in kept.values()), default=0)',
        "stays=0",
    ),
    Mutation(
        "MongoDB: what was under a claim is counted so when that is over",
        MONGODB + "rows.py",
        "(*(state.expires for state in states.values()), *(state.again for state in held))",
        "(state.expires for state in states.values())",
    ),
    Mutation(
        "MongoDB: entries that others have taken are given again",
        MONGODB + "outbox.py",
        '{"_id": each["_id"], field: each[field]}',
        '{"_id": each["_id"]}',
    ),
    Mutation(
        "webhook: one address of a name is checked",
        "engines/webhooks.py",
        "self._guard.check(addresses)",
        "self._guard.check(addresses[:1])",
        "delivery",
    ),
    Mutation("webhook: 6to4 is public", "engines/addresses.py", '    "2002::/16": "6to4",\n', "", "delivery"),
    Mutation(
        "webhook: odd spellings of addresses are names",
        "engines/addresses.py",
        "return ipaddress.IPv4Address(socket.inet_aton(text))",
        "return ipaddress.IPv4Address(text)",
        "delivery",
    ),
    Mutation(
        "webhook: each read has a time of its own",
        "engines/bounded.py",
        "        if left == 0:\n            raise TimeoutError\n        return left",
        "        return 5.0 if left is not None else left",
        "delivery",
    ),
    Mutation("webhook: all of an answer is read", "engines/webhooks.py", "allow(LARGEST,", "allow(1 << 40,", "delivery"),
    Mutation("webhook: half a head is a head", "engines/webhooks.py", "if self._bounded.has_ended:", "if False:", "delivery"),
    Mutation(
        "webhook: a connection that was closed is a failure",
        "engines/webhooks.py",
        "if self._has_served and",
        "if False and",
        "delivery",
    ),
    Mutation("webhook: what was not asked is an answer", "engines/keeping.py", " and found.is_quiet()", "", "delivery"),
    Mutation(
        "webhook: certificates are of any name",
        DELIVERY + "authorities.py",
        "        return ssl.create_default_context(cafile=cafile)",
        "        found = ssl.create_default_context(cafile=cafile)\n        found.check_hostname = False\n        return found",
        "delivery",
    ),
    Mutation("webhook: 500 is final", DELIVERY + "webhook.py", "status >= 500", "status > 500", "delivery"),
    Mutation("webhook: a subscription sets our headers", DELIVERY + "form.py", " if not is_ours(name)}", "}", "delivery"),
    Mutation("webhook: a value begins a line", DELIVERY + "form.py", r"[\t\x20-\x7e", r"[\t\r\n\x20-\x7e", "delivery"),
    Mutation("webhook: another text is signed", DELIVERY + "form.py", "now, posted.decode()", "now, str(posted)", "delivery"),
    Mutation("mail: what is busy refuses", DELIVERY + "mail.py", "if code >= 500 else", "if code >= 400 else", "delivery"),
    Mutation("mail: it goes in the clear", DELIVERY + "mail.py", 'if own.security == "starttls":', "if False:", "delivery"),
    Mutation(
        "mail: a subject begins a line",
        DELIVERY + "uris.py",
        "not all(character.isprintable()",
        "not all(character",
        "delivery",
    ),
    Mutation(
        "pooled: a mover that deletes nothing where messages were",
        POOLING + "moving.py",
        "source.call(source.messages._bulk_delete, route.queue, [one.id for one in found], route.project, None, route.project)",
        "pass",
        suite="pooled",
    ),
    Mutation(
        "pooled: what comes back to a pool is taken for what was there before",
        POOLING + "tags.py",
        "{moves(inner) + 1}",
        "{1}",
        suite="pooled",
    ),
    Mutation("pooled: old pools are asked for nothing", POOLING + "placement.py", "if name != reads]", "if False]", suite="pooled"),
    Mutation(
        "pooled: a late change is made all the same",
        POOLING + "placement.py",
        "if not placement.sure:",
        "if False:",
        suite="pooled",
    ),
    Mutation(
        "pooled: a claim that took long is believed",
        POOLING + "claims.py",
        "return route is None or self._lookup.view(route).reads == pool.name",
        "return True",
        suite="pooled",
    ),
    Mutation(
        "pooled: what a killed mover has left is counted twice",
        POOLING + "messages.py",
        "self._mover.settle(route, place)",
        "pass",
        suite="pooled",
    ),
    Mutation(
        "pooled: posts follow an empty pool only",
        POOLING + "rebalancing.py",
        "return bool(first) and first[0].created > route.placement.reads",
        "return False",
        suite="pooled",
    ),
    Mutation(
        "entries leave the outbox before subscriptions are due",
        DELIVERY + "handing.py",
        "        if woken := [",
        "        self._driver.outbox.remove([each for group in groups for each in group.posted])\n        if woken := [",
        suite="delivery",
    ),
    Mutation(
        "an entry that is handed out again is in its lane twice",
        DELIVERY + "handing.py",
        ', "dedup_id": each.id}',
        "}",
        suite="delivery",
    ),
    Mutation(
        "what was not sent is deleted",
        DELIVERY + "serving.py",
        "                left.append(Left(each, 0))\n",
        "",
        suite="delivery",
    ),
    Mutation(
        "a message that has expired in its lane is sent",
        DELIVERY + "serving.py",
        "(each.expires is None or each.expires > now) and",
        "",
        suite="delivery",
    ),
    Mutation(
        "subscribers that have not agreed get messages",
        DELIVERY + "serving.py",
        'is_confirmed = subscription["confirmed"] or',
        "is_confirmed = True or",
        suite="delivery",
    ),
    Mutation(
        "the slow lane has all threads",
        DELIVERY + "worker.py",
        "options.parallel // 2",
        "options.parallel",
        suite="delivery",
    ),
    Mutation(
        "a failed wave leaves its messages free",
        DELIVERY + "serving.py",
        "            if rest:\n",
        "            if not rest:\n",
        suite="delivery",
    ),
    Mutation(
        "a policy has one retry less",
        DELIVERY + "policy.py",
        "place - count < policy.maximum_delay_retries",
        "place - count < policy.maximum_delay_retries - 1",
        suite="delivery",
    ),
]


def run(package: pathlib.Path, arguments: list[str]) -> subprocess.CompletedProcess[str]:
    """Run Python on the copy of the package that lies in a folder."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    paths = [str(package.parent), str(PACKAGE.parent.parent)]
    environment |= {"PYTHONPATH": os.pathsep.join(paths), "PYTHONDONTWRITEBYTECODE": "1", "UCTEST_CONFORMANCE": "quick"}
    return subprocess.run(
        [sys.executable, *arguments], cwd=package.parent, env=environment, capture_output=True, text=True, check=False
    )


# What `suite` leaves out.
OTHERS = ("processes", "random_walk", "side_by_side")


def suite(package: pathlib.Path, store: str, workers: str) -> tuple[bool, list[str], str]:
    """Run the suite: whether it passed, what failed, what it printed.

    Its random walks are left out, because what only a walk finds deserves an example; so are races between processes, which take
    longest.
    """
    kind, _, url = store.partition("=")
    what = ["--pyargs", "undercroft.conformance"]
    if kind in OWN_TESTS:
        folder, kind = OWN_TESTS[kind]
        top = PACKAGE.parent.parent
        what = [str(top / folder), "--rootdir", str(top), "-c", str(top / "pyproject.toml")]
    pytest = ["-m", "pytest", *what, "--store", f"{kind}={url}", "-q", "--tb=no", "-rfE", "--maxfail=4"]
    done = run(package, [*pytest, "-n", workers, "-p", "no:cacheprovider", "-k", " and ".join(f"not {name}" for name in OTHERS)])
    failed = re.findall(r"^(?:FAILED|ERROR) \S*?(test_\w+\.py::\w+)", done.stdout, re.MULTILINE)
    return done.returncode == 0, sorted(set(failed)), done.stdout


def main() -> int:
    """Run all mutations, or those chosen; print which tests caught each."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--store", default="", help="KIND=URL: only mutations of that kind, on this store. Default: SQLite")
    parser.add_argument("--only", default="", help="only mutations whose name holds these words")
    parser.add_argument("--workers", default="2", help="parallel test processes")
    given = parser.parse_args()
    known = STORES | {name: STORES[kind] for name, (_, kind) in OWN_TESTS.items()}
    stores = dict([given.store.split("=", 1)]) if given.store else known
    chosen = [
        mutation
        for mutation in MUTATIONS
        if given.only in mutation.name and mutation.kind in stores and mutation.is_of(stores[mutation.kind])
    ]
    survivors = []
    with tempfile.TemporaryDirectory() as folder:
        package = pathlib.Path(folder) / "undercroft"
        shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
        found = run(package, ["-c", "import undercroft; print(undercroft.__file__)"]).stdout.strip()
        if pathlib.Path(found).parent != package:
            print(f"the copy is not the package that is tested, but {found}")
            return 1
        for kind in sorted({mutation.kind for mutation in chosen}):
            passed, failed, output = suite(package, f"{kind}={stores[kind]}", given.workers)
            if not passed:
                print(f"{kind} fails without a mutation: {', '.join(failed)}\n{output[-3000:]}")
                return 1
            print(f"{kind} without a mutation: passes", flush=True)
        for number, mutation in enumerate(chosen, 1):
            broken = mutation.applied(package)
            original = (package / mutation.file).read_text()
            (package / mutation.file).write_text(broken)
            passed, failed, output = suite(package, f"{mutation.kind}={stores[mutation.kind]}", given.workers)
            (package / mutation.file).write_text(original)
            if passed or not failed:
                survivors.append(mutation.name)
                print(f"{number:>2} {mutation.name}: SURVIVED\n{output[-1000:] if not passed else ''}", flush=True)
            else:
                print(f"{number:>2} {mutation.name}: caught by {', '.join(failed)}", flush=True)
    print(f"{len(chosen) - len(survivors)} of {len(chosen)} caught" + (f"; survived: {', '.join(survivors)}" if survivors else ""))
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
