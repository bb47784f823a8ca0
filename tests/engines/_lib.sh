# Shared by the start-*.sh scripts; sourced, not run.
# Contract of every start script:  start-X.sh DATADIR PORT
#   - installs what it needs if it is missing, again and again without harm, from package registries only
#   - creates DATADIR if needed and starts the engine on 127.0.0.1:PORT in the background
#   - keeps the engine's pid in DATADIR/server.pid and its log in DATADIR/server.log
#   - prints one line on stdout, the URL, once the engine answers; everything else goes to stderr
#   - run again while the engine runs: prints the URL and exits 0; a port that somebody else holds is an error
# stop.sh DATADIR ends it.  Environment read by all:
#   UCTEST_CACHE     where downloads and builds are kept (default ~/.cache/undercroft-engines)
#   UCTEST_WAIT      seconds to wait for readiness (default 300: a busy machine takes minutes to start a JVM)
#   UCTEST_DURABLE   1 = leave fsync on (default 0: off where the engine allows it)
#   UCTEST_PYTHON    the interpreter whose environment may carry engines as wheels (default python3)
set -euo pipefail
CACHE=${UCTEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/undercroft-engines}
WAIT=${UCTEST_WAIT:-300}
DURABLE=${UCTEST_DURABLE:-0}
PYTHON=${UCTEST_PYTHON:-python3}
mkdir -p "$CACHE"

say() { printf '%s\n' "$*" >&2; }
die() { say "error: $*"; exit 1; }

args() { # DATADIR PORT
  [ $# -ge 2 ] || die "usage: $(basename "$0") DATADIR PORT"
  mkdir -p "$1"
  DATADIR=$(cd "$1" && pwd); PORT=$2
  PIDFILE=$DATADIR/server.pid; LOG=$DATADIR/server.log
}

port_open() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

running() { [ -s "$PIDFILE" ] && kill -0 "$(cat "$PIDFILE")" 2>/dev/null; }

already() { # URL: prints it and ends the script when our engine runs; refuses a port that somebody else holds
  if running; then echo "$1"; exit 0; fi
  rm -f "$PIDFILE"
  if port_open "$PORT"; then die "port $PORT is taken by another process"; fi
}

# Only one apt at a time: on images with a docker-clean hook, an "apt-get update" in one process deletes the archives
# that another "apt-get install" is about to unpack. Looking waits, too: a program may be unpacked before its libraries are.
apt_need() { # command-or-path package...
  local probe=$1; shift
  (
    flock -w 600 9
    if command -v "$probe" >/dev/null 2>&1 || [ -e "$probe" ]; then exit 0; fi
    [ "$(id -u)" = 0 ] || die "$probe is missing, and only root can install it: $*"
    command -v apt-get >/dev/null || die "$probe is missing, and there is no apt-get to install it: $*"
    say "installing $*"
    export DEBIAN_FRONTEND=noninteractive
    apt-get -o DPkg::Lock::Timeout=600 update -qq >&2
    apt-get -o DPkg::Lock::Timeout=600 install -y -qq --no-install-recommends "$@" >&2
  ) 9>"$CACHE/apt.lock"
}

pip_need() { # PACKAGE VERSION: prints the interpreter of an environment in the cache that has it
  local environment=$CACHE/$1
  (
    flock -w 600 9
    [ -x "$environment/bin/pip" ] || "$PYTHON" -m venv "$environment"
    "$environment/bin/pip" install -q "$1==$2"
  ) 9>"$CACHE/$1.lock" >&2 && echo "$environment/bin/python"
}

java_home() { # MIN MAX: prints the folder of a Java from MIN to MAX that the machine has; nothing when it has none
  local home version found=
  for home in /usr/lib/jvm/*/ ${JAVA_HOME:-}; do
    [ -x "$home/bin/java" ] || continue
    version=$("$home/bin/java" -version 2>&1 | sed -n '1s/.*version "\([0-9]*\).*/\1/p')
    if [ -n "$version" ] && [ "$version" -ge "$1" ] && [ "$version" -le "$2" ]; then found=${home%/}; fi
  done
  echo "$found"
}

# Engines that refuse uid 0 run in a user namespace where root is seen as nobody: the files stay root's, and a data
# directory below a 0700 folder stays reachable. UNROOT is empty when we are not root.
unroot() {
  UNROOT=()
  if [ "$(id -u)" = 0 ]; then
    if unshare -U --map-user=65534 --map-group=65534 true 2>/dev/null; then
      UNROOT=(unshare -U --map-user=65534 --map-group=65534 --)
    else
      id nobody >/dev/null || die "running as root, no user namespaces and no user 'nobody'"
      chown -R nobody "$DATADIR"
      UNROOT=(setpriv --reuid=nobody --clear-groups --)
    fi
  fi
}

# launch CMD...: in the background, in a session of its own, its pid in PIDFILE
launch() {
  : >>"$LOG"
  setsid bash -c 'echo $$ >"$1"; shift; exec "$@"' _ "$PIDFILE" "$@" >>"$LOG" 2>&1 </dev/null &
  disown
  for _ in 1 2 3 4 5 6 7 8 9 10; do [ -s "$PIDFILE" ] && break; sleep 0.05; done
}

# wait_for CMD...: until CMD succeeds; fails early when the engine has ended
wait_for() {
  local end=$((SECONDS + WAIT))
  until "$@" >/dev/null 2>&1; do
    running || { tail -n 20 "$LOG" >&2; rm -f "$PIDFILE"; die "the engine ended while starting"; }
    [ $SECONDS -lt $end ] || { tail -n 20 "$LOG" >&2; die "not ready after ${WAIT}s"; }
    sleep 0.1
  done
}
