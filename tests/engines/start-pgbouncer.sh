#!/usr/bin/env bash
# start-pgbouncer.sh DATADIR PORT   PgBouncer from Debian, in transaction mode, before a PostgreSQL of its own (see start-postgres.sh).
# PGBOUNCER_OF    port of a PostgreSQL that runs already, instead of one of its own at PORT+1
# PGBOUNCER_MODE  pool_mode (transaction)      PGBOUNCER_IGNORES  ignore_startup_parameters (none)
. "$(dirname "$0")/_lib.sh"
args "$@"
MODE=${PGBOUNCER_MODE:-transaction}
URL="postgresql://undercroft@127.0.0.1:$PORT/undercroft?pooler=$MODE"
already "$URL"
apt_need pgbouncer pgbouncer
BEHIND=${PGBOUNCER_OF:-}
if [ -z "$BEHIND" ]; then
  BEHIND=$((PORT + 1))
  "$(dirname "$0")/start-postgres.sh" "$DATADIR/behind" "$BEHIND" >&2
fi
unroot
# Every database name is passed on.
cat >"$DATADIR/pgbouncer.ini" <<I
[databases]
* = host=127.0.0.1 port=$BEHIND user=undercroft
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = $PORT
unix_socket_dir =
auth_type = any
pool_mode = $MODE
max_client_conn = 500
default_pool_size = 40
ignore_startup_parameters = ${PGBOUNCER_IGNORES:-}
I
launch ${UNROOT[@]+"${UNROOT[@]}"} pgbouncer "$DATADIR/pgbouncer.ini"
wait_for port_open "$PORT"
echo "$URL"
