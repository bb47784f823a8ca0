#!/usr/bin/env bash
# start-ceilometer-api.sh DATADIR PORT   Our own service with samples in a SQLite file: a Ceilometer API. The URL is that of a
# datasource. UCTEST_PYTHON is of the environment that has this checkout.
. "$(dirname "$0")/_lib.sh"
args "$@"
URL="ceilometer://127.0.0.1:$PORT/metering"
already "$URL"
apt_need curl curl
STORE="metering=sqlite:///$DATADIR/metering.db"
"$PYTHON" -m undercroft.cli.main db upgrade --store "$STORE" >&2
UNDERCROFT_API__MAX_BODY=16777216 launch "$PYTHON" -m undercroft.cli.main serve --store "$STORE" --port "$PORT"
wait_for curl -fsS "http://127.0.0.1:$PORT/healthz"
echo "$URL"
