#!/usr/bin/env bash
# The servers that some tests need, as throw-away ones of our own: a PostgreSQL on 127.0.0.1 that trusts whoever asks.
#   tools/services.sh start   installs it where it is missing, starts it, prints the variable that leads tests to it
#   tools/services.sh stop    stops it and removes its data
set -euo pipefail
cd "$(dirname "$0")/.."

tell() { printf 'services: %s\n' "$*" >&2; }
give_up() { tell "$*"; exit 1; }

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"
    elif command -v sudo >/dev/null; then sudo "$@"
    else give_up "PostgreSQL is missing and only root can install it: apt-get install postgresql, then try again"
    fi
}

as_postgres() {  # the server refuses to be run by root
    if [ "$(id -u)" != 0 ]; then (cd / && "$@")
    elif command -v runuser >/dev/null; then (cd / && runuser -u postgres -- "$@")
    else (cd / && su postgres -s /bin/sh -c "$(printf '%q ' "$@")")
    fi
}

find_programs() {
    local initdb
    initdb=$(printf '%s\n' /usr/lib/postgresql/*/bin/initdb "$(command -v initdb || true)" | sort -V | tail -n 1)
    [ -x "$initdb" ] && dirname "$(readlink -f "$initdb")"
}

install() {
    tell "installing PostgreSQL from the system's packages"
    command -v apt-get >/dev/null || give_up "there is no apt-get here: install PostgreSQL, then try again"
    as_root apt-get update -qq >&2
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq postgresql >&2
}

find_place() {  # the checkout, or where it is closed to the user postgres, a folder that is not
    place=$PWD/.services
    mkdir -p "$place"
    if ! as_postgres test -x "$place"; then
        place=/var/tmp/tunewheel-services-$(printf %s "$PWD" | cksum | cut -d' ' -f1)
        mkdir -p "$place"
    fi
    if [ "$(id -u)" = 0 ]; then chown postgres "$place"; fi
    data=$place/postgres
}

running() { [ -d "$data" ] && as_postgres "$programs/pg_ctl" -D "$data" status >/dev/null; }

start() {
    programs=$(find_programs) || { install; programs=$(find_programs); }
    find_place
    if ! running; then
        [ -d "$data" ] || as_postgres "$programs/initdb" -D "$data" -U postgres --auth=trust -E UTF8 --no-sync >/dev/null
        port=55432
        while (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do port=$((port + 1)); done
        # Nothing here is to outlive a power cut, so nothing waits for the disk.
        as_postgres "$programs/pg_ctl" -D "$data" -l "$data/log" -w -o "-p $port -c listen_addresses=127.0.0.1 \
            -c unix_socket_directories= -c fsync=off -c full_page_writes=off" start >/dev/null ||
            give_up "PostgreSQL does not start: see $data/log"
    fi
    port=$(as_postgres sed -n 4p "$data/postmaster.pid")
    tell "PostgreSQL runs on port $port, its data in $data"
    echo "export TUNEWHEEL_TEST_POSTGRES=postgresql+psycopg://postgres@127.0.0.1:$port/postgres"
}

stop() {
    programs=$(find_programs) || return 0
    find_place
    if running; then as_postgres "$programs/pg_ctl" -D "$data" -m fast -w stop >/dev/null; fi
    rm -rf "$place" .services
}

case ${1:-} in
    start | stop) "$1" ;;
    *) give_up "say start or stop" ;;
esac
