"""`undercroft` whose lists take any number of names: the twin of N7.

python -m tests.api.unbounded serve ...
"""

from __future__ import annotations

from undercroft.rating import query

# Before the forms of the routes are made of them.
query.MOST_GROUPS = query.MOST_FILTERS = query.MOST_MEASURES = query.MOST_VALUES = 1_000_000

from undercroft.cli.main import main  # noqa: E402

if __name__ == "__main__":
    main()
