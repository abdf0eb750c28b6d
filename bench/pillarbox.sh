#!/bin/sh
# Pillarbox as a peer of a benchmark that compares submission relays.
#
#   bench/pillarbox.sh up PORT_PLAIN PORT_STARTTLS PORT_TLS SINK_PORT [SINK2_PORT]
#   bench/pillarbox.sh down | queue | version
#
# The harness sources BENCH_COMMON into this script: it sets WORK, DIR, AUTH_USER, AUTH_PASSWORD,
# CERT and KEY, and has make_cert, stop_pid, up_args and usage. Durability is as delivered: each
# 250 comes after the commit that was synced. Limits by client are off, and nothing is looked up.
. "$BENCH_COMMON"

ROOT=$(cd "$(dirname "$0")/.." && pwd)
PYTHON=${PILLARBOX_PYTHON:-$ROOT/.venv/bin/python}
# To the service this would be an option that it does not know.
unset PILLARBOX_PYTHON
CONFIG=$DIR/pillarbox.toml
WORKERS=${PILLARBOX_WORKERS:-'"auto"'}
pillarbox() { "$PYTHON" -m pillarbox --config "$CONFIG" "$@"; }

write_config() {
    cat >"$CONFIG" <<CONF
data_directory = "data"
host_name = "pillarbox.example"
workers = $WORKERS
master_key_file = "master.key"

[tls]
certificate = "$CERT"
key = "$KEY"

[limits]
sessions = 10000
sessions_per_address = 10000
handshakes_per_address = 10000
message_octets = 100000000

[metrics]
port = 0

[[listeners]]
name = "plain"
address = "127.0.0.1"
port = $PORT_PLAIN
tls = "none"
network_login = true

[[listeners]]
name = "submission"
address = "127.0.0.1"
port = $PORT_STARTTLS
tls = "starttls"

[[listeners]]
name = "submissions"
address = "127.0.0.1"
port = $PORT_TLS
tls = "tls"
CONF
}

write_directory() {
    pillarbox tenant add bench
    pillarbox domain add example.org --tenant bench
    pillarbox account add "$AUTH_USER" --tenant bench
    pillarbox send-as add "$AUTH_USER" @example.org
    printf '%s' "$AUTH_PASSWORD" >"$DIR/password"
    pillarbox credential add "$AUTH_USER" --label bench --password-file "$DIR/password"
    pillarbox credential add "$AUTH_USER" --label loopback --network 127.0.0.0/8
    pillarbox route add --tenant bench --smarthost "127.0.0.1:$SINK" --tls none
    pillarbox route add --tenant bench --to dead.example --smarthost "127.0.0.1:$SINK2" --tls none
}

serve() {
    "$PYTHON" -m pillarbox --config "$CONFIG" serve >>"$DIR/log" 2>&1 </dev/null &
    echo $! >"$DIR/pid"
}

case ${1:-} in
up)
    shift
    up_args "$@"
    make_cert
    rm -rf "$DIR/data" "$DIR/log"
    mkdir -p "$DIR/data"
    (umask 077 && head -c 32 /dev/urandom | base64 >"$DIR/master.key")
    # The directory first, on ports that nobody knows: the harness begins when ports answer.
    ports="$PORT_PLAIN $PORT_STARTTLS $PORT_TLS"
    PORT_PLAIN=0 PORT_STARTTLS=0 PORT_TLS=0
    write_config
    serve
    while ! pillarbox tenant list >/dev/null 2>&1; do
        kill -0 "$(cat "$DIR/pid")"
        sleep 0.2
    done
    write_directory >"$DIR/setup.log" 2>&1
    stop_pid "$(cat "$DIR/pid")" 20
    read -r PORT_PLAIN PORT_STARTTLS PORT_TLS <<PORTS
$ports
PORTS
    write_config
    serve
    ;;
down)
    [ -f "$DIR/pid" ] || exit 0
    stop_pid "$(cat "$DIR/pid")" 20
    ;;
queue) pillarbox --json queue count | "$PYTHON" -c "import json, sys; print(sum(row[\"recipients\"] for row in json.load(sys.stdin)))" ;;
version) pillarbox version ;;
*) usage ;;
esac
