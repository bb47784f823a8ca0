#!/usr/bin/env bash
# start-gnocchi.sh DATADIR PORT   Gnocchi 4.7 in an environment of its own, with an index in a PostgreSQL of its own at PORT+1 (see
# start-postgres.sh) and files. The URL is that of a datasource.
. "$(dirname "$0")/_lib.sh"
args "$@"
URL="gnocchi://admin@127.0.0.1:$PORT"
already "$URL"
apt_need curl curl
HERE=$(cd "$(dirname "$0")" && pwd)
GNOCCHI=$(cd "$HERE/../.." && PYTHONPATH=. "$PYTHON" -c 'from tests.hosts.conftest import make; print(make("gnocchi").python)')
INDEX=$("$HERE/start-postgres.sh" "$DATADIR/behind" "$((PORT + 1))")
mkdir -p "$DATADIR/measures"
cat >"$DATADIR/gnocchi.conf" <<CONF
[api]
auth_mode = basic
max_limit = 10000
[indexer]
url = $INDEX
[storage]
driver = file
file_basepath = $DATADIR/measures
[metricd]
workers = 1
metric_processing_delay = 1
metric_reporting_delay = -1
CONF
# The usual 128 parts, each locked once a second, cost a quarter of a processor while nothing is measured.
"$(dirname "$GNOCCHI")/gnocchi-upgrade" --sacks-number 2 --config-file "$DATADIR/gnocchi.conf" >&2
launch "$GNOCCHI" "$HERE/gnocchi_server.py" "$DATADIR/gnocchi.conf" "$PORT"
wait_for curl -fsS -u admin: "http://127.0.0.1:$PORT/v1/status?details=False"
echo "$URL"
