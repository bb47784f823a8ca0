#!/usr/bin/env bash
# need-pgbouncer.sh DATADIR PORT   PgBouncer, from Debian: tests start it before the run's PostgreSQL. Starts nothing.
. "$(dirname "$0")/_lib.sh"
args "$@"
apt_need pgbouncer pgbouncer
command -v pgbouncer
