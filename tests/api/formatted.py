"""`undercroft` with user text written into its questions instead of bound to them: the twin of S3.

python -m tests.api.formatted serve ...
"""

from __future__ import annotations

import itertools
import re
from typing import Any

import sqlalchemy as sa

from undercroft.cli.main import main
from undercroft.engines.sql import raw

# As it stands in a statement of each engine; bytes keep their type, so that harmless text is found as ever.
BYTES = {"sqlite": "CAST('{}' AS BLOB)", "postgresql": "'{}'", "mysql": "'{}'", "mariadb": "'{}'"}
_NUMBERED, _NAMED = re.compile(r"\?|%s"), re.compile(r"%\((\w+)\)s")


@sa.event.listens_for(sa.Engine, "before_cursor_execute", retval=True)
def write_in(connection: sa.Connection, _cursor: Any, sql: str, parameters: Any, _context: Any, many: bool) -> tuple[str, Any]:
    """Put texts where the engine expects parameters."""
    if many or not parameters or not sql.lstrip().startswith(("SELECT", "WITH")):
        return sql, parameters

    def written(value: Any) -> str | None:
        # As the clients wrap bytes.
        value = getattr(value, "obj", value)
        if isinstance(value, bytes):
            return BYTES[connection.dialect.name].format(value.decode(errors="replace"))
        if isinstance(value, list) and value and all(isinstance(each, str) for each in value):
            return f"ARRAY[{', '.join(map(str, map(written, value)))}]"
        return f"'{value}'" if isinstance(value, str) else None

    if isinstance(parameters, dict):
        return _NAMED.sub(lambda found: written(parameters[found[1]]) or found[0], sql), parameters
    left, places = [], itertools.chain(parameters)

    def numbered(found: re.Match[str]) -> str:
        value = next(places)
        text = written(value)
        if text is None:
            left.append(value)
        return found[0] if text is None else text

    return _NUMBERED.sub(numbered, sql), tuple(left)


_rows = raw.rows


def rows(connection: sa.Connection, statement: str, values: tuple[Any, ...] = ()) -> list[Any]:
    """The same for statements that go to the client library directly; ids of bytes are no texts."""
    if any(isinstance(value, bytes) for value in values):
        return _rows(connection, statement, values)
    return _rows(connection, *write_in(connection, None, statement, values, None, False))


raw.rows = rows

if __name__ == "__main__":
    main()
