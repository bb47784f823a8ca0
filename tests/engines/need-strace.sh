#!/usr/bin/env bash
# need-strace.sh DATADIR PORT   strace, from Debian: shows what a process has written and synced. Starts nothing.
. "$(dirname "$0")/_lib.sh"
args "$@"
apt_need strace strace
command -v strace
