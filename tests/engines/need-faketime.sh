#!/usr/bin/env bash
# need-faketime.sh DATADIR PORT   the library of the wheel libfaketime, from PyPI, which gives a process a clock of its own. Prints its
# path; starts nothing. (With Debian's, a sleep of Python fails while the clock is set.)
. "$(dirname "$0")/_lib.sh"
args "$@"
library() { find "$CACHE/libfaketime" -name libfaketime.so.1 2>/dev/null | head -n 1; }
[ -n "$(library)" ] || pip_need libfaketime 3.0.1 >/dev/null
library
