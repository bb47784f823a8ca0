#!/usr/bin/env bash
# start-redis-cluster.sh DATADIR PORT   a Redis Cluster of three masters without replicas, from Debian's Redis: on PORT and on two
# free ports more; the bus of each is on the port behind its own. Each has a folder, DATADIR/1 to 3, with its pid; DATADIR/server.pid
# is that of their parent. Run again while some are missing: it starts those.
# REDIS_ARGS, UCTEST_DURABLE: see start-redis.sh
. "$(dirname "$0")/_lib.sh"
args "$@"
URL=redis://127.0.0.1:$PORT
running || already "$URL"
apt_need redis-server redis-server

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
if [ "$DURABLE" = 1 ]; then append="appendonly yes"; else append="appendonly no"; fi
for number in 1 2 3; do
  mkdir -p "$DATADIR/$number"
  cat >"$DATADIR/$number/redis.conf" <<C
bind 127.0.0.1
port ${ports[number - 1]}
dir $DATADIR/$number
protected-mode no
save ""
$append
appendfsync always
cluster-enabled yes
cluster-config-file nodes.conf
cluster-port $((ports[number - 1] + 1))
cluster-node-timeout 2000
C
done
alive() { [ -s "$1" ] && kill -0 "$(cat "$1")" 2>/dev/null; }
if running; then
  for number in 1 2 3; do
    alive "$DATADIR/$number/server.pid" ||
      # shellcheck disable=SC2086
      PIDFILE=$DATADIR/$number/server.pid LOG=$DATADIR/$number/server.log launch redis-server "$DATADIR/$number/redis.conf" ${REDIS_ARGS:-}
  done
else
  # shellcheck disable=SC2016,SC2086
  launch bash -c 'cd "$1"; shift
    for number in 1 2 3; do redis-server "$PWD/$number/redis.conf" "$@" >>"$number/server.log" 2>&1 & echo $! >"$number/server.pid"; done
    wait' _ "$DATADIR" ${REDIS_ARGS:-}
fi
answer() { redis-cli -h 127.0.0.1 -p "$1" ping | grep -q PONG; }
for port in "${ports[@]}"; do wait_for answer "$port"; done
if [ ! -e "$DATADIR/created" ]; then
  redis-cli --cluster create "${ports[@]/#/127.0.0.1:}" --cluster-yes >>"$LOG" 2>&1 || { tail -n 20 "$LOG" >&2; die "no cluster"; }
  : >"$DATADIR/created"
fi
whole() { # every server knows that all slots are served
  local port
  for port in "${ports[@]}"; do redis-cli -h 127.0.0.1 -p "$port" cluster info | grep -q cluster_state:ok || return 1; done
}
wait_for whole
echo "$URL"
