"""Expressions that select events: `event_type ^= "compute." and (memory_mb >= 2048 or not host = "web-1")`.

    expression   parts joined by `or`; `and` binds tighter, `not` tightest; parentheses
    test         NAME OPERATOR VALUE, or NAME alone: the event has such a trait, of any type
    NAME         event_type, message_id, generated, or a trait's name; a trait of any name in backticks: `event_type`, `a b`
    OPERATOR     =  !=  <  <=  >  >=  and ^= (begins with)
    VALUE        "text" as in JSON; 12, an integer; 1.5 or 2e3, a float; @2026-01-01T12:00:00, a moment, UTC where it names no zone

A test of a trait holds when the event has a trait of that name and of exactly that type whose value compares so; `not` holds for
every event for which its part does not.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import msgspec

from undercroft.core import words
from undercroft.core.errors import InvalidInput
from undercroft.events import query
from undercroft.events.models import Trait

LONGEST = 8_192
DEEPEST = 32
_TOKEN = re.compile(
    r"""\s*(?:
      (?P<op>\^=|!=|<=|>=|[=<>()])
    | (?P<text>"(?:[^"\\]|\\.)*")
    | (?P<moment>@[0-9A-Za-z:.+\-]+)
    | (?P<number>[+-]?(?:[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?|inf\b))
    | `(?P<trait>[^`]*)`
    | (?P<word>[^\W\d][\w.:\-]*)
    )""",
    re.VERBOSE,
)
_OPERATORS = {
    "=": query.EQ, "!=": query.NE, "<": query.LT, "<=": query.LE, ">": query.GT, ">=": query.GE, "^=": query.PREFIX,
}  # fmt: skip
_FIELDS = {"event_type", "message_id", "generated"}


class _Token(NamedTuple):
    kind: str
    text: str
    place: int


def parse(text: Any, field: str = "where") -> tuple[query.Clause, ...]:
    """The clauses of an expression, all of which must hold.

    Args:
        text: see the module.
        field: for messages.

    Raises:
        InvalidInput: it cannot be read; the message says where.
    """
    if not isinstance(text, str) or len(text) > LONGEST:
        raise InvalidInput(field, f"an expression is text of at most {LONGEST} characters")
    parser = _Parser(words.text(text, field), field)
    found = parser.either(0)
    if parser.token.kind != "end":
        raise parser.error("expected `and`, `or` or the end")
    return found.parts if isinstance(found, query.Every) else (found,)


class _Parser:
    def __init__(self, text: str, field: str) -> None:
        self._text = text
        self._field = field
        self._at = 0
        self.token = self._next()

    def error(self, problem: str) -> InvalidInput:
        return InvalidInput(self._field, f"at character {self.token.place + 1}: {problem}, got {self.token.text[:32]!r}")

    def _next(self) -> _Token:
        match = _TOKEN.match(self._text, self._at)
        if match is None:
            rest = self._text[self._at :].lstrip()
            place = len(self._text) - len(rest)
            self.token = _Token("end" if not rest else "other", rest, place)
            if rest:
                ends = "this text does not end" if rest[0] in '"`' else "expected a name, a value or an operator"
                raise self.error(ends)
            return self.token
        self._at = match.end()
        kind = str(match.lastgroup)
        word, place = match[kind], match.start(kind)
        if kind == "word" and word.lower() in ("and", "or", "not"):
            kind, word = word.lower(), word.lower()
        return _Token(kind, word, place)

    def _take(self) -> _Token:
        taken = self.token
        self.token = self._next()
        return taken

    def either(self, depth: int) -> query.Clause:
        """Parts with `or` between."""
        if depth > DEEPEST:
            raise self.error(f"is nested more than {DEEPEST} levels deep")
        parts = [self._every(depth)]
        while self.token.kind == "or":
            self._take()
            parts.append(self._every(depth))
        return parts[0] if len(parts) == 1 else query.Either(tuple(parts))

    def _every(self, depth: int) -> query.Clause:
        parts = [self._part(depth)]
        while self.token.kind == "and":
            self._take()
            parts.append(self._part(depth))
        return parts[0] if len(parts) == 1 else query.Every(tuple(parts))

    def _part(self, depth: int) -> query.Clause:
        if depth > DEEPEST:
            raise self.error(f"is nested more than {DEEPEST} levels deep")
        if self.token.kind == "not":
            self._take()
            return query.Except(self._part(depth + 1))
        if self.token == ("op", "(", self.token.place):
            self._take()
            found = self.either(depth + 1)
            if self.token[:2] != ("op", ")"):
                raise self.error("expected a closing parenthesis")
            self._take()
            return found
        return self._test()

    def _test(self) -> query.Clause:
        if self.token.kind not in ("word", "trait"):
            raise self.error("expected a name")
        kind, name, _ = self._take()
        field = name if kind == "word" and name in _FIELDS else None
        if self.token.kind != "op" or self.token.text not in _OPERATORS:
            if field:
                raise self.error("expected an operator")
            return query.Test(name, None, query.HAS)
        op = _OPERATORS[self._take().text]
        if self.token.kind not in ("text", "number", "moment"):
            raise self.error('expected a value: "text", 12, 1.5 or @2026-01-01T00:00:00')
        dtype, value = self._value()
        if op == query.PREFIX and dtype != Trait.TEXT_TYPE:
            raise self.error("^= is for text")
        if field is None:
            # What no trait can pass is a choice of nothing.
            return query.trait_test(name, dtype, op, value, self._field) or query.Either(())
        if (dtype == Trait.DATETIME_TYPE) != (field == query.GENERATED) or dtype in (Trait.INT_TYPE, Trait.FLOAT_TYPE):
            raise self.error(f"{field} is compared with a value of another type before here")
        return query.Field(field, op, value)

    def _value(self) -> tuple[int, Any]:
        token = self._take()
        try:
            if token.kind == "text":
                return Trait.TEXT_TYPE, words.text(msgspec.json.decode(token.text.encode(), type=str), self._field)
            if token.kind == "moment":
                return Trait.DATETIME_TYPE, query.micros(token.text[1:], self._field)
            if re.fullmatch(r"[+-]?[0-9]{1,40}", token.text):
                return Trait.INT_TYPE, int(token.text)
            return Trait.FLOAT_TYPE, float(token.text)
        except (ValueError, msgspec.DecodeError):
            raise InvalidInput(self._field, f"at character {token.place + 1}: {token.text[:32]!r} cannot be read") from None
