"""A Ceilometer v2 API whose samples are made by a formula, so that millions of them take no memory and no disk.

`python -m bench.metering.formula_api COUNT` serves one meter of COUNT samples. It takes orders, see `bench.harness`.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from bench.harness import obey, own_stdout

METER = "cpu"
# As many as are to be read from one answer of a day: the worker asks for a day at most.
A_DAY = 1_000_000
DAY = 86_400_000_000
# Three samples share a timestamp, so that pages begin and end among equal ones.
EQUAL = 3
STEP = DAY // A_DAY * EQUAL


class Samples:
    """The samples.

    Args:
        count: how many there are.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        days = count // A_DAY + 2
        self.start = dt.datetime.now(dt.UTC).replace(tzinfo=None, hour=0, minute=0, second=0, microsecond=0) - dt.timedelta(
            days=days
        )

    def first_at(self, moment: dt.datetime) -> int:
        """The number of the first sample that is not before a moment."""
        microseconds = (moment - self.start) // dt.timedelta(microseconds=1)
        return min(self.count, max(0, -(-microseconds // STEP) * EQUAL))

    def page(self, begin: dt.datetime, end: dt.datetime, limit: int) -> tuple[int, str]:
        """How many samples there are from `begin` to before `end`, up to a limit, and their JSON."""
        first = self.first_at(begin)
        numbers = range(first, min(self.first_at(end), first + limit))
        return len(numbers), f"[{','.join(map(self.text, numbers))}]"

    def text(self, number: int) -> str:
        """A sample as JSON."""
        moment = (self.start + dt.timedelta(microseconds=number // EQUAL * STEP)).isoformat()
        return (
            f'{{"id":"{number:08x}-0000-11f1-8001-0242ac110002","meter":"{METER}","type":"cumulative","unit":"ns",'
            f'"volume":{number * 1000},"user_id":"u{number % 200}","project_id":"p{number % 50}","resource_id":"v{number % 1000}",'
            f'"source":"openstack","timestamp":"{moment}","recorded_at":"{moment}","metadata":{{"host":"compute-{number % 60}"}}}}'
        )


def bounds(expression: Any) -> Iterator[tuple[str, dt.datetime]]:
    """The comparisons of timestamps in a complex filter."""
    for operator, operand in expression.items():
        if isinstance(operand, list):
            for each in operand:
                yield from bounds(each)
        elif "timestamp" in operand:
            yield operator, dt.datetime.fromisoformat(operand["timestamp"]).replace(tzinfo=None)


class Handler(BaseHTTPRequestHandler):
    """Answers what the worker asks."""

    protocol_version = "HTTP/1.1"
    samples: Samples
    served = 0

    def do_GET(self) -> None:
        if self.path.startswith("/v2/capabilities"):
            self._answer('{"api": {"samples:query:complex": true}, "storage": {}}')
        elif self.path.startswith("/v2/resources"):
            self._answer(json.dumps([{"resource_id": "vm-0", "first_sample_timestamp": self.samples.start.isoformat()}]))
        else:
            self.send_error(404)

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        found = dict(bounds(json.loads(asked["filter"])))
        assert [each.lower() for each in json.loads(asked["orderby"])[0].values()] == ["asc"], asked
        # The first sample of all is asked for without bounds.
        begin, end = found.get(">=", self.samples.start), found.get("<", dt.datetime.now(dt.UTC).replace(tzinfo=None))
        count, text = self.samples.page(begin, end, asked["limit"])
        self._answer(text)
        type(self).served += count

    def _answer(self, text: str) -> None:
        body = text.encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


class Server:
    """Carries out orders.

    Args:
        count: how many samples there are.
    """

    def __init__(self, count: int) -> None:
        Handler.samples = Samples(count)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def address(self) -> dict[str, str]:
        """Where it listens."""
        return {"address": f"http://127.0.0.1:{self._server.server_address[1]}"}

    def served(self) -> dict[str, int]:
        """How many samples it has given."""
        return {"served": Handler.served}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", type=int)
    arguments = parser.parse_args()
    answers = own_stdout()
    obey(Server(arguments.count), answers)


if __name__ == "__main__":
    main()
