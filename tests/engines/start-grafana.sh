#!/usr/bin/env bash
# start-grafana.sh DATADIR PORT   InfluxDB 1.6 from Debian at PORT + 1, and before it a proxy that checks the token as Grafana's does.
. "$(dirname "$0")/_lib.sh"
args "$@"
TOKEN=glsa_undercroft
URL="grafana://127.0.0.1:$PORT/api/datasources/proxy/1?token=$TOKEN&database=watcher"
already "$URL"
INFLUXDB=$("$(dirname "$0")/start-influxdb.sh" "$DATADIR/influxdb" $((PORT + 1)))
curl -fsS -XPOST "$INFLUXDB/query" --data-urlencode 'q=CREATE DATABASE watcher' >&2
launch "$PYTHON" "$(dirname "$0")/grafana_proxy.py" "$PORT" "$INFLUXDB" "$TOKEN"
wait_for curl -fsS -H "Authorization: Bearer $TOKEN" "http://127.0.0.1:$PORT/api/datasources/proxy/1/ping"
echo "$URL"
