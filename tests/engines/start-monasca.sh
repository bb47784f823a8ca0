#!/usr/bin/env bash
# start-monasca.sh DATADIR PORT   monasca.py: a stand-in for Monasca's API, written from its exchanges.
. "$(dirname "$0")/_lib.sh"
args "$@"
URL="monasca://127.0.0.1:$PORT?token=monasca"
already "$URL"
apt_need curl curl
launch "$PYTHON" "$(dirname "$0")/monasca.py" "$PORT" monasca
wait_for curl -fsS -H "Authorization: Bearer monasca" "http://127.0.0.1:$PORT/v2.0/metrics?limit=1"
echo "$URL"
