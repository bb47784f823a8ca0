#!/usr/bin/env bash
# need-porcupine.sh DATADIR PORT   the checker of histories in tests/chaos/messaging/porcupine, compiled on first use by Go, which is
# Debian's unless there is one. Prints its path; starts nothing.
. "$(dirname "$0")/_lib.sh"
args "$@"
apt_need go golang-go
SOURCE=$(cd "$(dirname "$0")/../chaos/messaging/porcupine" && pwd)
BIN=$CACHE/porcupine-$(cat "$SOURCE/main.go" "$SOURCE/go.sum" | sha256sum | cut -c1-16)
(
  flock -w 900 9
  [ -x "$BIN" ] && exit 0
  (cd "$SOURCE" && GOFLAGS=-mod=readonly go build -trimpath -o "$BIN.tmp" . >&2)
  mv "$BIN.tmp" "$BIN"
) 9>"$CACHE/porcupine.lock"
echo "$BIN"
