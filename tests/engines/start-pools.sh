#!/usr/bin/env bash
# start-pools.sh DATADIR PORT   pools of unlike engines: a file of SQLite, a PostgreSQL and a Redis; queues are in another file
# The driver under test makes {name} of the URL a name of each test's own.
. "$(dirname "$0")/_lib.sh"
args "$@"
mkdir -p "$DATADIR/files"
FIRST=$("$(dirname "$0")/start-postgres.sh" "$DATADIR/postgresql" "$PORT")
SECOND=$("$(dirname "$0")/start-redis.sh" "$DATADIR/redis" "$((PORT + 1))")
echo "pooled+sqlite:///$DATADIR/files/{name}.db?pools=sqlite:///$DATADIR/files/{name}-pool.db,$FIRST,$SECOND"
