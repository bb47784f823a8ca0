#!/usr/bin/env bash
# start-influxdb.sh DATADIR PORT   InfluxDB 1.6 from Debian, database "cloudkitty"; a peer of the benches, not an engine of ours.
. "$(dirname "$0")/_lib.sh"
args "$@"
URL=http://127.0.0.1:$PORT
already "$URL"
apt_need curl curl
apt_need influxd influxdb
# Every write is flushed to its log before it is answered: wal-fsync-delay is 0 unless told otherwise.
cat >"$DATADIR/influxdb.conf" <<CONF
reporting-disabled = true
bind-address = "127.0.0.1:0"
[meta]
  dir = "$DATADIR/influx/meta"
[data]
  dir = "$DATADIR/influx/data"
  wal-dir = "$DATADIR/influx/wal"
  query-log-enabled = false
[http]
  bind-address = "127.0.0.1:$PORT"
  log-enabled = false
[monitor]
  store-enabled = false
CONF
launch influxd run -config "$DATADIR/influxdb.conf"
wait_for curl -fsS "$URL/ping"
curl -fsS -XPOST "$URL/query" --data-urlencode 'q=CREATE DATABASE cloudkitty' >&2
echo "$URL"
