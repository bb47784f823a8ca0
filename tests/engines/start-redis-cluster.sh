#!/usr/bin/env bash
# start-redis-cluster.sh DATADIR PORT   a Redis Cluster of three masters without replicas, from Debian's Redis: on PORT and on two
# free ports more; the bus of each is on the port behind its own. Folder and pid of each are in DATADIR/1, /2 and /3.
# REDIS_ARGS, UCTEST_DURABLE: see start-redis.sh
. "$(dirname "$0")/_lib.sh"
args "$@"
HERE=$(cd "$(dirname "$0")" && pwd)
URL=redis://127.0.0.1:$PORT
apt_need redis-cli redis-tools

free_port() { # a port that nobody listens on, nor on the one behind it
  local port
  for _ in $(seq 200); do
    port=$((15000 + (RANDOM % 8500) * 2))
    port_open "$port" || port_open $((port + 1)) || { echo "$port"; return; }
  done
  die "no free port"
}
[ -s "$DATADIR/ports" ] || echo "$PORT $(free_port) $(free_port)" >"$DATADIR/ports"
read -r -a ports <"$DATADIR/ports"
whole() { # every server knows that all slots are served
  local port
  for port in "${ports[@]}"; do redis-cli -h 127.0.0.1 -p "$port" cluster info | grep -q cluster_state:ok || return 1; done
}
running() { whole; }
number=0
for port in "${ports[@]}"; do
  number=$((number + 1))
  REDIS_ARGS="--cluster-enabled yes --cluster-config-file nodes.conf --cluster-port $((port + 1)) --cluster-node-timeout 2000 ${REDIS_ARGS:-}" \
    "$HERE/start-redis.sh" "$DATADIR/$number" "$port" >/dev/null
done
if [ ! -e "$DATADIR/created" ]; then
  redis-cli --cluster create "${ports[@]/#/127.0.0.1:}" --cluster-yes >>"$LOG" 2>&1 || { tail -n 20 "$LOG" >&2; die "no cluster"; }
  : >"$DATADIR/created"
fi
end=$((SECONDS + WAIT))
until whole; do
  [ $SECONDS -lt $end ] || die "the cluster did not form in ${WAIT}s"
  sleep 0.1
done
echo "$URL"
